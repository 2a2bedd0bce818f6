"""The callables an experiment names: found beside its file or installed, and called with its arguments."""

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.errors import DeeptrainError, UserCodeError, in_one_line
from deeptrain.settings import Use
from deeptrain.store import code


def find(name: str, beside: Path | None) -> Any:
    """The object that "module:name" stands for.

    Args:
        name: "module:name"; dots may lead to attributes of it.
        beside: the experiment's directory, searched first; None to take installed modules only.

    Raises:
        UserCodeError: when the module or the name is not there, or the module's import fails.
    """
    module_name, _, attribute = name.partition(":")
    path = code.locate(module_name, beside) if beside is not None else None
    if beside is not None and path is None:
        raise UserCodeError(f"{name}: no module {module_name} beside the experiment ({beside}) or installed")
    try:
        module = _import(module_name, path, beside)
    except DeeptrainError:
        raise
    except Exception as error:
        raise UserCodeError(f"{name}: importing {module_name} failed: {in_one_line(error)}") from error
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = sorted(key for key in vars(module) if not key.startswith("_"))
            raise UserCodeError(f"{name}: {module_name} defines no {attribute}; it defines {', '.join(names)}")
        found = getattr(found, part)
    return found


def call(use: Use, found: Callable[..., Any], *positional: Any) -> Any:
    """What a named callable returns for the experiment's arguments.

    Raises:
        UserCodeError: when it raises, naming it and what it raised.
    """
    try:
        return found(*positional, **use.arguments)
    except DeeptrainError:
        raise
    except Exception as error:
        raise UserCodeError(f"{use.use}: raised {in_one_line(error)}") from error


def _import(name: str, path: Path | None, beside: Path | None) -> Any:
    if beside is None or path is None or not code.is_beside(path, beside):
        return importlib.import_module(name)
    _forget_what_differs(beside)
    with _importing_from(beside.resolve()):
        module = importlib.import_module(name)
    _remember(beside.resolve())
    return module


_loaded: dict[str, tuple[Path, str]] = {}
"""Modules beside experiments that this process imported: their file and the sha256 of its source then."""

_places: list[Path] = []
"""Directories of experiments; the last is on `sys.path`: functions may import neighbours when they are called."""


def _forget_what_differs(beside: Path) -> None:
    """Drop all modules of experiments if one of them is not what was digested.

    Two experiments may each have a `model.py`, and a file may be edited in a session; whatever imported it holds it.
    """
    names = _modules_of_experiments()
    if all(_is_as_digested(name, beside) for name in names):
        return
    # A folder without `__init__.py` is a module without a file, which looks for its package.
    inside = tuple(f"{name}." for name in names)
    for name in [*names, *(name for name in sys.modules.copy() if name.startswith(inside) and name not in names)]:
        _loaded.pop(name, None)
        sys.modules.pop(name, None)


def _modules_of_experiments() -> list[str]:
    # Texts are compared, not resolved paths: a process with TensorFlow has thousands of modules.
    below = tuple(f"{place}{os.sep}" for place in _places)
    files_of = ((name, getattr(module, "__file__", None)) for name, module in sys.modules.copy().items())
    found = [(name, origin) for name, origin in files_of if isinstance(origin, str) and origin.startswith(below)]
    # An environment may lie beside an experiment; what is installed in it is nobody's experiment.
    own = [(name, Path(origin)) for name, origin in found if f"{os.sep}site-packages{os.sep}" not in origin]
    return [name for name, origin in own if any(code.is_beside(origin, place) for place in _places)]


def _is_as_digested(name: str, beside: Path) -> bool:
    path, digest = _loaded.get(name, (None, ""))
    found = code.locate(name, beside)
    return path is not None and found is not None and found.resolve() == path and files.sha256_of(path) == digest


@contextlib.contextmanager
def _importing_from(beside: Path) -> Iterator[None]:
    """Import from source only.

    Python takes byte code for current when a file changed within a second and kept its size.
    """
    if _places and str(_places[-1]) in sys.path:
        sys.path.remove(str(_places[-1]))
    _places[:] = [*(place for place in _places if place != beside), beside]
    sys.path.insert(0, str(beside))
    kept = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode, sys.pycache_prefix = True, str(beside / ".no-byte-code")
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = kept


def _remember(beside: Path) -> None:
    for name in _modules_of_experiments():
        path = Path(str(sys.modules[name].__file__)).resolve()
        if name not in _loaded and code.is_beside(path, beside) and path.is_file():
            _loaded[name] = (path, files.sha256_of(path))
