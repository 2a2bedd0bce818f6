"""The user's code as a digest: read with `ast`, never imported.

The digest covers the named function or class and what it statically reaches in files beside the experiment: other
definitions, constants, imports of neighbouring modules. Comments, layout and docstrings do not count. Statements that
run at import count always, also those of neighbours that are only imported. A module that looks names up dynamically
counts whole, and one that imports dynamically counts with everything beside it. Installed packages are versions:
recorded elsewhere, and never in a digest.
"""

import ast
import importlib.machinery
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.errors import UserCodeError

_DYNAMIC = frozenset({"getattr", "setattr", "globals", "locals", "vars", "eval", "exec"})
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def locate(module: str, beside: Path) -> Path | None:
    """The file of a module, beside the experiment or installed, without importing anything.

    Args:
        module: dotted name.
        beside: the directory of the experiment's TOML file.

    Returns:
        The `.py` file, or None when the module is found nowhere or has no source.
    """
    search: list[str] | None = [str(beside)]
    for places in (search, None):
        if (found := _find(module, places)) is not None:
            return found
    return None


def digest(names: Iterable[str], beside: Path) -> str | None:
    """Hex sha256 of the code behind "module:name" callables, or None when none of it is the user's; see `parts`."""
    found = parts(names, beside)
    return digest_of_parts(found) if found else None


def digest_of_parts(found: Mapping[tuple[str, str], str]) -> str:
    """Hex sha256 of `parts`."""
    return files.digest_of(sorted([*key, text] for key, text in found.items()))


def parts(names: Iterable[str], beside: Path) -> dict[tuple[str, str], str]:
    """The texts of all definitions that the code behind "module:name" callables reaches, by their file and name.

    Bare names (ready-made) and modules outside `beside` are left out.

    Raises:
        UserCodeError: when a module or a name in it is not found, or its source is no Python.
    """
    waiting: list[tuple[Path, str]] = []
    for name in names:
        module, separator, attribute = name.partition(":")
        if not separator:
            continue
        path = locate(module, beside)
        if path is None:
            raise UserCodeError(f"{name}: no module {module} beside the experiment ({beside}) or installed")
        if is_beside(path, beside):
            waiting.append((path, attribute.partition(".")[0]))
            waiting.extend((package, "*") for package in _packages_of(path, beside))
    return _reached(waiting, beside)


def digest_of(function: Callable[..., Any]) -> str | None:
    """Hex sha256 of the code of a function that is there already, told like that of one that is named.

    None when it is installed. What is beside it is what lies where its top-level package or its script lies.

    Raises:
        UserCodeError: when it has no source file, and so nothing tells whether it changed.
    """
    module = sys.modules.get(function.__module__)
    source = getattr(module, "__file__", None)
    if source is None or not Path(source).is_file():
        raise UserCodeError(
            f"{function.__module__}:{function.__qualname__}: has no source file, so a change of it could not be seen; "
            f"define it in a file"
        )
    path = Path(source)
    if "site-packages" in path.resolve().parts:
        return None
    depth = 0 if function.__module__ == "__main__" else function.__module__.count(".") + (path.name == "__init__.py")
    beside = path.parents[depth]
    found = [(path, function.__qualname__.partition(".")[0])]
    return digest_of_parts(_reached([*found, *((package, "*") for package in _packages_of(path, beside))], beside))


def _reached(waiting: list[tuple[Path, str]], beside: Path) -> dict[tuple[str, str], str]:
    reached: dict[tuple[str, str], str] = {}
    modules: dict[Path, _Module] = {}
    for path, attribute in _drain(waiting):
        key = (path.resolve().relative_to(beside.resolve()).as_posix(), attribute)
        if key in reached:
            continue
        module_source = modules.setdefault(path, _Module(path))
        reached[key] = module_source.text_of(attribute)
        waiting.extend(module_source.reached_from(attribute, beside))
        waiting.append((path, "import"))
    return reached


def _drain(waiting: list[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    while waiting:
        yield waiting.pop()


class _Module:
    """The top-level definitions of one source file."""

    def __init__(self, path: Path) -> None:
        try:
            tree = ast.parse(path.read_bytes(), filename=str(path))
        except (OSError, SyntaxError, ValueError) as error:
            raise UserCodeError(f"{path}: cannot be read as Python: {error}") from error
        self.path = path
        self.tree = _without_docstrings(tree)
        self.bindings: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.at_import: list[ast.stmt] = []
        for statement in self.tree.body:
            self._sort(statement)
        used = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        imported = set(_imports_within(self.tree).values())
        modules = {module.partition(".")[0] for module, _ in imported} | (used & {"__import__"})
        self.dynamic_imports = bool(modules & {"importlib", "runpy", "__import__"})
        self.whole = bool(used & _DYNAMIC) or self.dynamic_imports or "*" in {name for _, name in imported}

    def _sort(self, statement: ast.stmt) -> None:
        if isinstance(statement, _Definition):
            self.bindings.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                self.imports[alias.asname or alias.name.partition(".")[0]] = (alias.name, None)
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            for alias in statement.names:
                self.imports[alias.asname or alias.name] = (module, alias.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and all(
            isinstance(target, ast.Name) for target in _targets(statement)
        ):
            for target in _targets(statement):
                self.bindings.setdefault(target.id, []).append(statement)  # type: ignore[attr-defined]
        else:
            self.at_import.append(statement)

    def text_of(self, name: str) -> str:
        """The code bound to a name in one layout; "*" is the whole file, "import" what runs at its import."""
        return "\n".join(ast.unparse(statement) for statement in self._statements(name))

    def _statements(self, name: str) -> list[ast.stmt]:
        if name == "*" or self.whole:
            return self.tree.body
        if name == "import":
            return self.at_import
        if name in self.bindings:
            return self.bindings[name]
        if name in self.imports:
            return []
        bound = sorted([*self.bindings, *self.imports])
        if any(name in {node.id for node in ast.walk(part) if isinstance(node, ast.Name)} for part in self.at_import):
            return self.tree.body
        raise UserCodeError(f"{self.path}: defines no {name}; it defines {', '.join(bound) or 'nothing'}")

    def reached_from(self, name: str, beside: Path) -> list[tuple[Path, str]]:
        """Names that the code bound to `name` uses: in this file, and in modules beside the experiment."""
        statements = self._statements(name)
        found: list[tuple[Path, str]] = []
        names = {node.id for part in statements for node in ast.walk(part) if isinstance(node, ast.Name)}
        if name in self.imports:
            names.add(name)
        found += [(self.path, used) for used in sorted(names) if used in self.bindings and used != name]
        imports = {used: self.imports[used] for used in names if used in self.imports}
        for part in statements:
            imports.update(_imports_within(part))
        if name == "*" or self.whole:
            imports.update(self.imports)
        for used, (module, attribute) in sorted(imports.items()):
            found += self._imported(used, module, attribute, statements, beside)
        if name == "import":
            # A neighbour that is imported runs, also when no name of it is used.
            found += [(path, "import") for path in self._imported_files(beside)]
        if self.dynamic_imports:
            found += [(path, "*") for path in sorted(beside.rglob("*.py")) if is_beside(path, beside)]
        return found

    def _imported_files(self, beside: Path) -> list[Path]:
        files = []
        for module, attribute in self.imports.values():
            names = [module, f"{module}{'' if module.endswith('.') else '.'}{attribute}"] if attribute else [module]
            files += [path for name in names if (path := self._neighbour(name, beside)) is not None]
        return files

    def _imported(
        self, used: str, module: str, attribute: str | None, statements: list[ast.stmt], beside: Path
    ) -> list[tuple[Path, str]]:
        path = self._neighbour(module, beside)
        if attribute is not None and attribute != "*":
            submodule = self._neighbour(f"{module}{'' if module.endswith('.') else '.'}{attribute}", beside)
            if submodule is not None:
                return [(submodule, "*"), *((package, "*") for package in _packages_of(submodule, beside))]
        if path is None:
            return []
        packages = [(package, "*") for package in _packages_of(path, beside)]
        if attribute is not None:
            return [(path, attribute), *packages]
        attributes = _attributes_of(used, statements) if "." not in module else None
        return [*((path, name) for name in sorted(attributes or {"*"})), *packages]

    def _neighbour(self, module: str, beside: Path) -> Path | None:
        level = len(module) - len(module.lstrip("."))
        place = self.path.parents[level - 1] if level else beside
        name = module.lstrip(".")
        if not name:
            found: Path | None = place / "__init__.py"
            found = found if found is not None and found.is_file() else None
        else:
            found = _find(name, [str(place)]) if level else locate(name, beside)
        return found if found is not None and is_beside(found, beside) else None


def _find(module: str, places: list[str] | None) -> Path | None:
    """The source of a module by the interpreter's own finders; a package's `__init__` is looked at, not run."""
    search = places
    spec: importlib.machinery.ModuleSpec | None = None
    for depth, _ in enumerate(parts := module.split(".")):
        name = ".".join(parts[: depth + 1])
        if not name.replace(".", "").isidentifier():
            return None
        finders = [importlib.machinery.PathFinder] if places is not None else sys.meta_path
        found = (_spec(finder, name, search) for finder in finders)
        spec = next((made for made in found if made is not None), None)
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or [])
    origin = None if spec is None or spec.origin is None else Path(spec.origin)
    return origin if origin is not None and origin.suffix == ".py" else None


def _spec(finder: Any, name: str, search: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    if not hasattr(finder, "find_spec"):
        return None
    # By its last part: a folder without `__init__.py` would look for its package among the imported modules.
    asked = name.rpartition(".")[2] if finder is importlib.machinery.PathFinder else name
    found: importlib.machinery.ModuleSpec | None = finder.find_spec(asked, search, None)
    return found


def is_beside(path: Path, beside: Path) -> bool:
    """Whether a file is the user's own: below the experiment's directory, and not in an environment that lies there."""
    inside, root, environment = path.resolve(), beside.resolve(), Path(sys.prefix).resolve()
    if not inside.is_relative_to(root) or "site-packages" in inside.relative_to(root).parts:
        return False
    return not (environment != root and environment.is_relative_to(root) and inside.is_relative_to(environment))


def _packages_of(path: Path, beside: Path) -> list[Path]:
    """The `__init__` files between the experiment's directory and a module: they run when it is imported."""
    directory = path.parent if path.name != "__init__.py" else path.parent.parent
    packages = []
    while directory.resolve() != beside.resolve() and directory.resolve().is_relative_to(beside.resolve()):
        if (directory / "__init__.py").is_file():
            packages.append(directory / "__init__.py")
        directory = directory.parent
    return packages


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _imports_within(part: ast.AST) -> dict[str, tuple[str, str | None]]:
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(part):
        if isinstance(node, ast.Import):
            found.update({alias.asname or alias.name.partition(".")[0]: (alias.name, None) for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found.update({alias.asname or alias.name: (module, alias.name) for alias in node.names})
    return found


def _attributes_of(name: str, statements: list[ast.stmt]) -> set[str] | None:
    """Which attributes of a module are used; None when it is used in any other way than `module.attribute`."""
    nodes = [node for part in statements for node in ast.walk(part)]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    direct = [node for node in attributes if isinstance(node.value, ast.Name) and node.value.id == name]
    uses = [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
    return {node.attr for node in direct} if uses and len(direct) == len(uses) else None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | _Definition) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body[:1] = [] if len(node.body) > 1 or isinstance(node, ast.Module) else [ast.Pass()]
    return tree
