"""A Keras callback among ours: told what `model.fit` would tell it, and resumed with what it remembered."""

import csv
import importlib
import io
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeptrain import files
from deeptrain.errors import UserCodeError, in_one_line
from deeptrain.metrics import names
from deeptrain.training.callbacks.keras_attributes import Attributes

if TYPE_CHECKING:
    from deeptrain.training.results import Results
    from deeptrain.training.trainer import Trainer

log = logging.getLogger("deeptrain")

REFUSED = {
    "ModelCheckpoint": "checkpoints are written anyway; training.keep_every says which states stay",
    "BackupAndRestore": "checkpoints are written anyway, every training.autosave_seconds",
    "OrbaxCheckpoint": "checkpoints are written anyway; training.keep_every says which states stay",
    "SwapEMAWeights": "it exchanges the weights while validating, when a checkpoint may be written",
    "History": "trainer.results holds it",
    "ProgbarLogger": "progress is shown anyway",
}
"""Callbacks of Keras that make no sense here, by name, and why."""


def is_keras(callback: Any) -> bool:
    """Whether an object is a Keras callback; Keras is not imported for it."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(callback, keras.callbacks.Callback)


def find(name: str) -> Any:
    """The class of `keras.callbacks` of a name, or None."""
    import keras

    found = getattr(keras.callbacks, name, None)
    return found if isinstance(found, type) and issubclass(found, keras.callbacks.Callback) else None


class KerasCallback:
    """Tells a Keras callback of our stages.

    `on_train_begin` comes where training begins, and in a new process where it goes on; what the callback remembered
    is given back after it. `on_epoch_begin` and `on_epoch_end` get the epoch from 0; logs hold the epoch's `loss` and
    metrics, `val_` before those of the validation at its end, and `learning_rate`. An iteration is Keras' batch: its
    hooks are only called if the class has them, for then iterations are not fused; the logs of its end are means of the
    epoch so far. `on_test_...` comes with each validation. After each of them `model.stop_training` ends the training
    with the epoch.

    What it remembers are its attributes: see `Attributes`. A callback that has `state()` and `restore(state)` is asked
    instead.

    Attributes:
        callback: the Keras callback.
    """

    def __init__(self, name: str, callback: Any) -> None:
        """Take a callback; nothing is told to it yet.

        Raises:
            UserCodeError: for one that cannot do here what it is for.
        """
        import keras

        self.callback = callback
        self.__name__ = name
        for kind, reason in REFUSED.items():
            if isinstance(callback, getattr(keras.callbacks, kind)):
                raise UserCodeError(f"{name}: keras.callbacks.{kind} has no place here: {reason}")
        if isinstance(callback, keras.callbacks.EarlyStopping) and callback.restore_best_weights:
            raise UserCodeError(
                f"{name}: restore_best_weights keeps weights where no checkpoint holds them; leave it out: the best "
                'epoch stays on disk, and predictions.epoch = "best" takes it'
            )
        if isinstance(callback, keras.callbacks.TensorBoard) and not _is_installed("tensorboard"):
            raise UserCodeError(f"{name}: keras.callbacks.TensorBoard needs the package tensorboard; install it")
        self._remembers_itself = hasattr(callback, "state") and hasattr(callback, "restore")
        self._attributes: Attributes | None = None
        self._waiting: Mapping[str, Any] | None = None
        self._disk_failed = False
        if self._has("on_train_batch_begin", "on_batch_begin"):
            self.iteration_begin = self._iteration_begin
        if self._has("on_train_batch_end", "on_batch_end"):
            self.iteration_end = self._iteration_end
        if self._has("on_test_batch_begin"):
            self.validation_iteration_begin = self._validation_iteration_begin
        if self._has("on_test_batch_end"):
            self.validation_iteration_end = self._validation_iteration_end
        self._judged = 0

    def epoch_begin(self, trainer: "Trainer") -> None:
        """Begin if it has not, then `on_epoch_begin`."""
        self._tell(trainer, "on_epoch_begin", trainer.position.epoch - 1)

    def epoch_end(self, trainer: "Trainer", results: "Results") -> None:
        """`on_epoch_end`."""
        validation = {f"val_{name}": value for name, value in results.validation.items()}
        logs = {**results.train, **validation, "learning_rate": results.learning_rate}
        self._tell(trainer, "on_epoch_end", results.epoch - 1, logs=logs)

    def validation_begin(self, trainer: "Trainer") -> None:
        """`on_test_begin`."""
        self._judged = 0
        self._tell(trainer, "on_test_begin")

    def validation_end(self, trainer: "Trainer", metrics: Mapping[str, float]) -> None:
        """`on_test_end`."""
        self._tell(trainer, "on_test_end", logs=dict(metrics))

    def resume(self, trainer: "Trainer") -> None:
        """Go on with what was remembered, if this is another process."""
        if self._waiting is not None:
            self._begin(trainer)

    def pause(self, trainer: "Trainer") -> None:
        """Close the file of a callback that writes one: training may go on in another process."""
        if self._writes():
            self.end(trainer)

    def exception(self, trainer: "Trainer", _: Exception) -> None:
        """As `pause`."""
        self.pause(trainer)

    def end(self, _: "Trainer") -> None:
        """`on_train_end`. Training may still go on, for more epochs: with what is remembered now."""
        if self._attributes is None:
            return
        self._waiting = self.state()
        self._call("on_train_end", {})
        self._attributes = None

    def state(self) -> Mapping[str, Any]:
        """What it remembers."""
        if self._attributes is None:
            return {} if self._waiting is None else self._waiting
        found: Mapping[str, Any] = self.callback.state() if self._remembers_itself else self._attributes.state()
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember again, once its training has begun in this process."""
        if self._attributes is None:
            self._waiting = state or None
        elif self._remembers_itself:
            self.callback.restore(state)
        else:
            self._attributes.restore(state)

    def _iteration_begin(self, trainer: "Trainer") -> None:
        self._tell(trainer, "on_train_batch_begin", trainer.state.iterations_done)

    def _iteration_end(self, trainer: "Trainer") -> None:
        if trainer.newest is not None:
            state = trainer.state
            logs = state.kept.tally.results(trainer.metrics)
            self._tell(trainer, "on_train_batch_end", state.iterations_done - 1, logs=logs)

    def _validation_iteration_begin(self, trainer: "Trainer") -> None:
        self._tell(trainer, "on_test_batch_begin", self._judged)

    def _validation_iteration_end(self, trainer: "Trainer") -> None:
        loss = {} if trainer.judged is None else {"loss": trainer.judged.loss}
        self._tell(trainer, "on_test_batch_end", self._judged, logs=loss)
        self._judged += 1

    def _has(self, *hooks: str) -> bool:
        import keras

        if isinstance(self.callback, keras.callbacks.TensorBoard) and type(self.callback).__module__.startswith(
            "keras"
        ):
            one = self.callback
            if one.update_freq == "epoch" and not one.write_steps_per_second and not one._should_trace:
                return False  # what it does at every batch then is count
        plain = keras.callbacks.Callback
        return any(
            hook in vars(self.callback) or getattr(type(self.callback), hook) is not getattr(plain, hook)
            for hook in hooks
        )

    def _tell(self, trainer: "Trainer", hook: str, *number: int, logs: dict[str, float] | None = None) -> None:
        if self._attributes is None:
            self._begin(trainer)
        self._call(hook, *number, {} if logs is None else logs)
        model = trainer.learner.model  # type: ignore[attr-defined]
        if model.stop_training:
            model.stop_training = False
            trainer.stop(f"{self.__name__} asked for it")

    def _begin(self, trainer: "Trainer") -> None:
        import keras

        callback, model = self.callback, getattr(trainer.learner, "model", None)
        if not isinstance(model, keras.Model):
            raise UserCodeError(
                f"{self.__name__}: a Keras callback needs a learner whose model is a keras.Model, "
                f"got {type(trainer.learner).__name__}"
            )
        self._place(trainer)
        steps = trainer.state.iterations_in_epoch
        callback.set_params({"verbose": 0, "epochs": trainer.epochs, "steps": steps})
        if not hasattr(model, "stop_training"):
            model.stop_training = False
        self._call("set_model", model)
        self._call("on_train_begin", {})
        if isinstance(callback, keras.callbacks.TensorBoard):
            callback._global_train_batch = trainer.position.iteration
        self._direct(callback)
        self._attributes = Attributes(self.__name__, callback)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.restore(waiting)

    def _direct(self, callback: Any) -> None:
        """Let what watches a metric know now whether more is better, as Keras knows of metrics in the model only."""
        if not hasattr(callback, "_set_monitor_op") or callback.monitor_op is not None:
            return
        metric = names.find(callback.monitor.removeprefix("val_"))
        if callback.mode == "auto" and metric is not None:
            callback.mode = "max" if metric.maximize else "min"
        callback._set_monitor_op()

    def _place(self, trainer: "Trainer") -> None:
        """What it writes goes beside the run's artifacts, and goes on where training does."""
        import keras

        callback = self.callback
        if isinstance(callback, keras.callbacks.TensorBoard):
            callback.log_dir = str(_within(trainer.live, callback.log_dir))
        if isinstance(callback, keras.callbacks.CSVLogger):
            path = _within(trainer.live, callback.filename)
            callback.filename = str(path)
            if self._waiting is not None:
                callback.append = True
                self._guarded(lambda: _shorten(path, callback.sep, trainer.position.epoch - 1))
            if trainer.live is not None and path.is_relative_to(trainer.live):
                self._guarded(lambda: files.make_directories(path.parent))

    def _writes(self) -> bool:
        import keras

        return isinstance(self.callback, keras.callbacks.CSVLogger | keras.callbacks.TensorBoard)

    def _call(self, hook: str, *arguments: Any) -> None:
        self._guarded(lambda: getattr(self.callback, hook)(*arguments))

    def _guarded(self, action: Callable[[], Any]) -> None:
        """Do it; what only writes a log does not disturb training when the disk fails."""
        if self._disk_failed:
            return
        try:
            action()
        except OSError as error:
            if not self._writes():
                raise
            self._disk_failed = True
            log.warning("%s: its log is not written any more: %s", self.__name__, in_one_line(error))


def _is_installed(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def _within(live: Path | None, path: str) -> Path:
    return Path(path) if live is None else live / path


def _shorten(path: Path, separator: str, epoch: int) -> None:
    """Take the rows of epochs from `epoch` on off a CSV file: they are written again."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter=separator))
    while len(rows) > 1 and not (rows[-1] and rows[-1][0].isdecimal() and int(rows[-1][0]) < epoch):
        rows.pop()
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    files.write_loose(path, text.getvalue().encode())
