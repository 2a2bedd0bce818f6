"""Our callbacks inside anybody's `model.fit`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deeptrain.loading.position import Position
from deeptrain.metrics import names
from deeptrain.metrics.metric import Kind
from deeptrain.training.callbacks.naming import named
from deeptrain.training.callbacks.stages import Stages
from deeptrain.training.frequency import Counts
from deeptrain.training.outputs import OutputKind, as_labels, interpret
from deeptrain.training.results import Results
from deeptrain.training.validation import Validated


def as_keras(
    callback: Any,
    *,
    validation: tuple[Any, ...] | None = None,
    key_metric: str = "loss",
    maximize: bool | None = None,
    kind: Kind = "binary",
    outputs: OutputKind = "probabilities",
    directory: str | Path | None = None,
) -> Any:
    """A `keras.callbacks.Callback` that tells one of our callbacks of its stages.

    Told are `init`, `epoch_begin`, `batch_begin` and `iteration_begin`, `iteration_end` and `batch_end`, `act` as often
    as it says, `validation_end` (at an epoch's end, where Keras has validated), `epoch_end`, `end`. A batch is an
    iteration. For the trainer it gets a `Fit`; what a `Fit` does not have, a callback cannot use here.

    Args:
        callback: one of ours, or an object with some of its stages.
        validation: (x, y) or (x, y, sets), predicted after each validation for `trainer.validated`.
        key_metric: "loss" or a metric that the model was compiled with.
        maximize: whether more of it is better; by default as our metric of that name says, and less of the loss.
        kind: of the labels in `validation`.
        outputs: what the model's outputs are.
        directory: for what the callback writes; nothing is written without it.

    Raises:
        UserCodeError: when it is no callback.
    """
    import keras

    fit = Fit(
        validation=validation,
        key_metric=key_metric,
        maximize=getattr(names.find(key_metric), "maximize", False) if maximize is None else maximize,
        kind=kind,
        outputs=outputs,
        live=None if directory is None else Path(directory),
    )
    stages = Stages(named([callback]))

    class Told(keras.callbacks.Callback):  # type: ignore[misc]
        """Tells the callback."""

        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
            """The model is known now."""
            fit.begin(self.model, int(self.params.get("epochs") or 1))
            stages.tell("init", fit)  # type: ignore[arg-type]

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            """An epoch, from 1 here."""
            fit.position = Position(epoch + 1, 0, fit.position.iteration)
            stages.tell("epoch_begin", fit)  # type: ignore[arg-type]

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            """A batch is an iteration."""
            stages.tell("batch_begin", fit)  # type: ignore[arg-type]
            stages.tell("iteration_begin", fit)  # type: ignore[arg-type]

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            """A batch is an iteration."""
            fit.position = fit.position.after(1)
            stages.tell("iteration_end", fit)  # type: ignore[arg-type]
            stages.tell("batch_end", fit)  # type: ignore[arg-type]
            at = fit.position.iteration
            stages.act("iteration", Counts(at, at, ends_batch=True), fit)  # type: ignore[arg-type]

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """A validation, if there was one, and the epoch."""
            results = fit.ended(epoch + 1, logs or {})
            if results.validation:
                stages.tell("validation_end", fit, results.validation)  # type: ignore[arg-type]
                stages.act("validation", Counts(validations=fit.validations), fit)  # type: ignore[arg-type]
            stages.tell("epoch_end", fit, results)  # type: ignore[arg-type]
            stages.act("epoch", Counts(epochs=epoch + 1), fit)  # type: ignore[arg-type]

        def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
            """All epochs."""
            stages.tell("end", fit)  # type: ignore[arg-type]

    return Told()


@dataclass(frozen=True)
class FitState:
    """What `trainer.state` has of a `Fit`."""

    epoch: int
    epochs: int
    iteration: int
    learning_rate: float
    threshold: float
    validation: Mapping[str, float]


class Fit:
    """What our callbacks know of a `model.fit`, under the names that a trainer has.

    Attributes:
        learner: with `model`, `learning_rate` (to get and set), `variables()` and `predict(x)`.
        position: `epoch` from 1, `iteration` and `batch` from 0.
        epochs: how many were asked for.
        key_metric: as given.
        maximize: as given.
        kind: as given.
        metrics: none: Keras computes them.
        threshold: 0.5 until a callback sets it; Keras' metrics do not know it.
        val_data: None, or where `validation` was given, its `label_sets` and `labels`.
        validated: for `validation`, what was predicted and Keras' metrics; None before the first.
        results: of the epochs so far; `train` and `validation` hold what Keras logged.
        newest: None: Keras does not tell what it fit.
        live: the directory given.
    """

    def __init__(
        self,
        *,
        validation: tuple[Any, ...] | None,
        key_metric: str,
        maximize: bool,
        kind: Kind,
        outputs: OutputKind,
        live: Path | None,
    ) -> None:
        """Before the model is known."""
        self.key_metric, self.maximize, self.kind, self.outputs, self.live = key_metric, maximize, kind, outputs, live
        self.metrics: tuple[Any, ...] = ()
        self.threshold = 0.5
        self.position = Position()
        self.epochs = 1
        self.validations = 0
        self.results: list[Results] = []
        self.validated: Validated | None = None
        self.newest = None
        self.val_data = None if validation is None else _Validation(*validation)
        self.learner: Any = None

    @property
    def state(self) -> FitState:
        """What is known now."""
        validation = self.results[-1].validation if self.results else {}
        at, rate = self.position, self.learner.learning_rate
        return FitState(at.epoch, self.epochs, at.iteration, rate, self.threshold, validation)

    def begin(self, model: Any, epochs: int) -> None:
        """Take the model that is fit."""
        self.learner, self.epochs = _Model(model), epochs

    def stop(self, reason: str) -> None:  # noqa: ARG002 - the trainer's signature
        """End with this epoch."""
        self.learner.model.stop_training = True

    def ended(self, epoch: int, logs: Mapping[str, float]) -> Results:
        """Note the end of an epoch, with what Keras logged."""
        validation = {name.removeprefix("val_"): float(one) for name, one in logs.items() if name.startswith("val_")}
        train = {name: float(one) for name, one in logs.items() if not name.startswith("val_")}
        judged = validation or train
        value = judged.get(self.key_metric, float("nan"))
        before = [one.key_value if self.maximize else -one.key_value for one in self.results]
        results = Results(
            epoch=epoch,
            iterations=self.position.iteration,
            train=train,
            validation=validation,
            learning_rate=self.learner.learning_rate,
            key_value=value,
            is_best=(value if self.maximize else -value) > max(before, default=-np.inf),
        )
        self.results.append(results)
        self.validations += bool(validation)
        if validation and self.val_data is not None:
            found = interpret(self.learner.predict(self.val_data.x), self.kind, self.outputs)
            labels = self.val_data.labels
            said = as_labels(found, labels, self.kind)
            self.validated = Validated(validation, labels, said, self.val_data.label_sets)
        return results


class _Validation:
    """What is predicted after each validation."""

    def __init__(self, x: Any, y: Any, sets: Any = None) -> None:
        self.x = x
        labels = np.asarray(y)
        self.labels = labels[..., 0] if labels.ndim > 1 and labels.shape[-1] == 1 else labels
        self.label_sets = np.zeros(len(labels), np.int64) if sets is None else np.asarray(sets, np.int64)


class _Model:
    """A compiled Keras model under the names of a learner."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def learning_rate(self) -> float:
        return float(np.asarray(self.model.optimizer.learning_rate.numpy()))

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.model.optimizer.learning_rate = value

    def variables(self) -> dict[str, np.ndarray]:
        return {f"model/{number:04d}/{one.path}": one.numpy() for number, one in enumerate(self.model.weights)}

    def predict(self, x: Any) -> np.ndarray:
        return np.asarray(self.model.predict_on_batch(x))
