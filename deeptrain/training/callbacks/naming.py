"""How callbacks get their names, from an experiment's file or from a script."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deeptrain import user_code
from deeptrain.errors import UserCodeError
from deeptrain.training.callbacks import callback as protocol
from deeptrain.training.callbacks import keras_callback
from deeptrain.training.callbacks.autoencoder_pictures import AutoencoderPictures
from deeptrain.training.callbacks.best_subset import BestSubset
from deeptrain.training.callbacks.callback import On
from deeptrain.training.callbacks.data_logger import DataLogger
from deeptrain.training.callbacks.dynamic_threshold import DynamicThreshold
from deeptrain.training.callbacks.early_stopping import EarlyStopping
from deeptrain.training.callbacks.event_files import EventFiles
from deeptrain.training.callbacks.keras_callback import KerasCallback
from deeptrain.training.callbacks.layer_histograms import LayerHistograms
from deeptrain.training.callbacks.prediction_pictures import PredictionPictures
from deeptrain.training.callbacks.seed_setter import SeedSetter
from deeptrain.training.callbacks.watch import Watch
from deeptrain.training.settings import CallbackUse

READY: dict[str, Any] = {
    "autoencoder_pictures": AutoencoderPictures,
    "best_subset": BestSubset,
    "data_logger": DataLogger,
    "dynamic_threshold": DynamicThreshold,
    "early_stopping": EarlyStopping,
    "event_files": EventFiles,
    "layer_histograms": LayerHistograms,
    "prediction_pictures": PredictionPictures,
    "seed_setter": SeedSetter,
    "watch": Watch,
}


def callbacks(names: Sequence[str | CallbackUse], beside: Path | None) -> dict[str, Any]:
    """The callbacks an experiment names, made as `factory(**arguments)`, in its order, by name.

    Raises:
        UserCodeError: when one is not found, raises, or is none.
    """
    made = []
    for named in names:
        use = CallbackUse.of(named)
        if ":" in use.use:
            factory = user_code.find(use.use, beside)
        elif use.use in READY:
            factory = READY[use.use]
        elif (factory := keras_callback.find(use.use)) is None:
            raise UserCodeError(
                f"callback {use.use}: neither ready-made ({', '.join(sorted(READY))}) nor a class of keras.callbacks; "
                "your own is named module:name"
            )
        callback = _adapted(use.use, factory if isinstance(factory, On) else user_code.call(use, factory))
        protocol.check(use.use, callback)
        if use.every is not None:
            if not callable(getattr(callback, "act", None)):
                raise UserCodeError(f"{use.use}: every says how often act(trainer) is called, which it does not have")
            callback.every = use.every.every()
        made.append((use.use, callback))
    return _apart(made)


def named(given: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Callbacks by name: the names of a mapping, otherwise those of their classes or functions. Keras' are adapted.

    Raises:
        UserCodeError: when one is no callback, or they are no list.
    """
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise UserCodeError(f"callbacks: expected a list of them, or a mapping of names to them, got {given!r:.80}")
    if isinstance(given, Mapping):
        found = {name: _adapted(name, one) for name, one in given.items()}
    else:
        named = [(getattr(one, "__name__", type(one).__name__), one) for one in given]
        found = _apart([(name, _adapted(name, one)) for name, one in named])
    for name, callback in found.items():
        protocol.check(name, callback)
    return found


def _adapted(name: str, callback: Any) -> Any:
    return KerasCallback(name, callback) if keras_callback.is_keras(callback) else callback


def _apart(found: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """By name, those that share one numbered from 2."""
    made: dict[str, Any] = {}
    for name, callback in found:
        number, apart = 2, name
        while apart in made:
            apart, number = f"{name} {number}", number + 1
        made[apart] = callback
    return made
