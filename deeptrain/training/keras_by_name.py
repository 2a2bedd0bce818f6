"""A loss, an optimizer or frozen layers as JSON says them, and made again from that.

{"use": "SGD", "arguments": {"learning_rate": 0.01, ...}}, as in an experiment's file. Only what Keras itself has in
`keras.losses`, `keras.optimizers` and `keras.optimizers.schedules` has a name here, so reading one runs no one's code.
"""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from deeptrain import files
from deeptrain.errors import ArtifactError
from deeptrain.training.keras_globals import fresh_names_and_seeds

_DOORS = {"get", "serialize", "deserialize"}
"""Functions of these modules that make something of a description: what they read could name any code."""


def said(key: str, value: Any) -> Any:
    """What says a value, made again from which it would be the same; None where nothing does.

    Args:
        key: "loss", "optimizer" or "frozen".
        value: a loss or losses by output, what makes an optimizer, or patterns of names of layers.
    """
    import keras

    if key == "frozen":
        return [str(pattern) for pattern in value]
    if key == "optimizer":
        with fresh_names_and_seeds(0):  # or its name would tell how many were made before
            made = value()
        return _said(made, keras.optimizers)
    if isinstance(value, Mapping):
        by_output = {name: _said(loss, keras.losses) for name, loss in value.items()}
        return None if None in by_output.values() else {"by_output": by_output}
    return _said(value, keras.losses)


def meant(key: str, found: Any) -> Any:
    """What was said.

    Raises:
        ArtifactError: when it is nothing of Keras, or Keras does not take the arguments.
    """
    import keras

    if key == "frozen":
        return found
    if key == "optimizer":
        return _meant(found, keras.optimizers)
    if "by_output" in found:
        return {name: _meant(loss, keras.losses) for name, loss in found["by_output"].items()}
    return _meant(found, keras.losses)


def _said(made: Any, room: Any) -> dict[str, Any] | None:
    function = getattr(made, "__name__", "")
    if inspect.isfunction(made) and function not in _DOORS and getattr(room, function, None) is made:
        return {"use": function}
    name = type(made).__name__
    if getattr(room, name, None) is not type(made):
        return None
    try:
        arguments = _arguments(made)
        found: dict[str, Any] = json.loads(files.canonical_json({"use": name, "arguments": arguments}))
        again = _meant(found, room)
    except (ArtifactError, TypeError, ValueError):
        return None
    return found if _plain(again) == _plain(made) else None


def _arguments(made: Any) -> dict[str, Any]:
    import keras

    schedule = getattr(made, "_learning_rate", None)
    arguments = dict(made.get_config())
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        arguments["learning_rate"] = _said(schedule, keras.optimizers.schedules)
        if arguments["learning_rate"] is None:
            raise TypeError("a schedule of one's own")
    return arguments


def _meant(found: Any, room: Any) -> Any:
    import keras

    schedules = keras.optimizers.schedules
    kind = {
        keras.losses: keras.losses.Loss,
        keras.optimizers: keras.optimizers.Optimizer,
        schedules: schedules.LearningRateSchedule,
    }[room]
    name = found.get("use") if isinstance(found, Mapping) else None
    known = getattr(room, name, None) if isinstance(name, str) and name not in _DOORS else None
    made = isinstance(found, Mapping) and "arguments" in found
    if not (isinstance(known, type) and issubclass(known, kind) if made else inspect.isfunction(known)):
        raise ArtifactError(f"{room.__name__} has nothing that is called {found!r:.80}")
    if not made:
        return known
    arguments = dict(found["arguments"])
    if room is keras.optimizers and isinstance(arguments.get("learning_rate"), Mapping):
        arguments["learning_rate"] = _meant(arguments["learning_rate"], schedules)
    if any(isinstance(value, Mapping) for value in arguments.values()):
        raise ArtifactError(f"{name} is described by numbers and names alone, got {arguments!r:.200}")
    try:
        return known(**arguments)  # type: ignore[misc]
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{name} does not take {arguments!r:.200}: {error}") from error


def _plain(made: Any) -> dict[str, Any]:
    """What can be compared of an object: settings that its configuration leaves out would be another optimizer."""
    kinds = (int, float, str, bool, type(None))
    return {
        name: value
        for name, value in vars(made).items()
        if isinstance(value, kinds)
        or (isinstance(value, Sequence | set | frozenset) and all(isinstance(one, kinds) for one in value))
    }
