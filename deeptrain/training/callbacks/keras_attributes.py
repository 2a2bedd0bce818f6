"""What a Keras callback remembers: its attributes, in forms that JSON keeps and that come back with their types."""

import functools
import io
import logging
import types
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from deeptrain.errors import UserCodeError

log = logging.getLogger("deeptrain")

KERAS_OWN = frozenset({"params", "_model"})
"""Attributes that Keras sets itself on every callback."""

MADE_ANEW = {
    "CSVLogger": frozenset({"filename", "append", "append_header", "csv_file", "writer", "keys"}),
    "TensorBoard": frozenset(
        {"log_dir", "_log_write_dir", "_train_dir", "_val_dir", "_writers", "_prev_summary_state", "_summary_module"}
        | {"_batch_start_time", "_epoch_start_time", "_previous_epoch_iterations", "_train_accumulated_time"}
        | {"_profiler_started", "_is_tracing", "_batch_trace_context", "_should_write_train_graph"}
        | {"_global_train_batch", "_global_test_batch"}
    ),
    "MonitorCallback": frozenset({"monitor_op"}),
}
"""Attributes of Keras' classes that are made anew where training goes on: what a log that fails may not touch."""

HARMLESS = (
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, type, functools.partial),
    *(PurePath, logging.Logger, io.IOBase),
)
"""What a callback may hold without remembering anything in it."""


class Attributes:
    """The attributes of a callback, looked at since training began."""

    def __init__(self, name: str, callback: Any) -> None:
        """Look at what it is given for training; what no checkpoint holds is told.

        Args:
            name: of the callback, for messages.
            callback: just before its training begins or goes on.
        """
        self._name = name
        self._callback = callback
        self._anew = KERAS_OWN.union(*(MADE_ANEW.get(kind.__name__, ()) for kind in type(callback).__mro__))
        self._names = set(vars(callback))
        self._held = {key: (value, _digest(value)) for key, value in self._looked_at() if not _can_keep(value)}
        unsure = [key for key, (value, digest) in self._held.items() if digest is None and not _is_harmless(value)]
        if unsure:
            log.warning(
                "%s: no checkpoint holds its %s: if training depends on what changes in there, give the class state() "
                "and restore(state)",
                name,
                ", ".join(f"{key} (a {type(self._held[key][0]).__name__})" for key in unsure),
            )

    def state(self) -> dict[str, Any]:
        """All that JSON can keep, by name.

        Raises:
            UserCodeError: when what it cannot keep has changed since training began.
        """
        kept = {}
        for key, value in self._looked_at():
            if _can_keep(value):
                kept[key] = _plain(value)
            elif not self._unchanged(key, value):
                raise UserCodeError(
                    f"{self._name}: no checkpoint can hold its {key}, a {type(value).__name__}, which changed while "
                    "training: give the class state() and restore(state), or keep numbers, text, lists and mappings"
                )
        return kept

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set what `state` gave, and take away what came to it since then."""
        for key, value in self._looked_at():
            if key not in state and key not in self._names and _can_keep(value):
                delattr(self._callback, key)
        for key, value in state.items():
            setattr(self._callback, key, _again(value))

    def _looked_at(self) -> list[tuple[str, Any]]:
        return [(key, value) for key, value in vars(self._callback).items() if key not in self._anew]

    def _unchanged(self, key: str, value: Any) -> bool:
        if _is_harmless(value):
            return True
        before, digest = self._held.get(key, (None, None))
        return before is value and digest == _digest(value)


class _CannotKeepError(Exception):
    """A value that JSON does not keep."""


def _can_keep(value: Any) -> bool:
    try:
        _plain(value)
    except _CannotKeepError:
        return False
    return True


def _plain(value: Any) -> Any:
    """A value as JSON has it; what JSON would change is a mapping that says in `is` what it was."""
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return {"is": value.dtype.name, "of": value.item()}
    if type(value) is list:
        return [_plain(item) for item in value]
    if type(value) is tuple:
        return {"is": "tuple", "of": [_plain(item) for item in value]}
    if type(value) is set:
        return {"is": "set", "of": sorted((_plain(item) for item in value), key=repr)}
    if type(value) is dict:
        if all(type(key) is str for key in value) and "is" not in value:
            return {key: _plain(item) for key, item in value.items()}
        return {"is": "dict", "of": [[_plain(key), _plain(item)] for key, item in value.items()]}
    raise _CannotKeepError


def _again(value: Any) -> Any:
    if isinstance(value, list):
        return [_again(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "is" not in value:
        return {key: _again(item) for key, item in value.items()}
    if value["is"] == "dict":
        return {_again(key): _again(item) for key, item in value["of"]}
    if value["is"] in {"tuple", "set"}:
        return {"tuple": tuple, "set": set}[value["is"]](map(_again, value["of"]))
    return np.dtype(value["is"]).type(value["of"])


def _digest(value: Any) -> str | None:
    """Of an array, which a callback may be given and may not change; None for anything else."""
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        return None
    import xxhash

    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(value).data)


def _is_harmless(value: Any) -> bool:
    import keras

    return isinstance(value, (*HARMLESS, keras.Model, keras.layers.Layer, keras.optimizers.Optimizer))
