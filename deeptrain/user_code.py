"""The callables an experiment names: found beside its file or installed, and called with its arguments."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deeptrain.errors import DeeptrainError, UserCodeError
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
        raise UserCodeError(f"{name}: importing {module_name} failed: {type(error).__name__}: {error}") from error
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
        raise UserCodeError(f"{use.use}: raised {type(error).__name__}: {error}") from error


def _import(name: str, path: Path | None, beside: Path | None) -> Any:
    # Two experiments may each have a model.py beside them: what is loaded must be the file that was digested.
    loaded = sys.modules.get(name)
    if loaded is not None and path is not None:
        origin = getattr(loaded, "__file__", None)
        if origin is None or Path(origin).resolve() != path.resolve():
            for module in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
                del sys.modules[module]
    if beside is None or path is None or not path.resolve().is_relative_to(beside.resolve()):
        return importlib.import_module(name)
    sys.path.insert(0, str(beside))
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(beside))
