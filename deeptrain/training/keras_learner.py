"""A Keras model on TensorFlow as a learner: fused iterations, and every variable there is by name."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.loading.arrays import Arrays, mapped
from deeptrain.metrics.metric import Kind
from deeptrain.training import (
    keras_by_name,
    keras_checks,
    keras_losses,
    keras_parts,
    keras_step,
    model_metrics,
)
from deeptrain.training.keras_freezing import Freezing
from deeptrain.training.keras_globals import as_when_built, global_seed_generator
from deeptrain.training.keras_rate import OVERRIDE, LearningRate
from deeptrain.training.keras_state import KerasState
from deeptrain.training.keras_step import Given
from deeptrain.training.keras_tensors import tensor_of
from deeptrain.training.keras_traces import Traces
from deeptrain.training.keras_variables import named_variables, snapshot
from deeptrain.training.learner import Fitted
from deeptrain.training.model_metrics import ModelMetrics


class KerasLearner(KerasState):
    """A model, its optimizer and its loss, driven in groups of iterations.

    An iteration is a function of the user's if one is given, else the model's own `train_step`, else Keras' way: loss,
    gradients, `optimizer.apply`. Where the optimizer keeps moving averages (`use_ema`), the model is judged and
    predicts with them, as Keras leaves them in a model at the end of its `fit`; training goes on from the weights.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[..., Any] | Mapping[str, Any],
        kind: Kind | Mapping[str, Kind],
        *,
        loss_weights: Mapping[str, float] | None = None,
        jit: bool = False,
        precision: str = "float32",
        fit: Callable[..., Any] | None = None,
        evaluate: Callable[..., Any] | None = None,
    ) -> None:
        """Take a model that was built within `fresh_names_and_seeds`, and is taken within it too.

        Args:
            model: a built `keras.Model`; several inputs or outputs go by name.
            optimizer: a `keras.optimizers.Optimizer`, not yet built.
            loss: a `keras.losses.Loss`, its name, or a function of (y_true, y_pred); of several outputs one for all, or
                one for each by its name.
            kind: of the task; labels that are no class numbers are fed as floats of the output's shape.
            loss_weights: what the loss of each of several outputs is multiplied with in their sum; 1 for others.
            jit: whether XLA compiles each iteration; changes bits.
            precision: Keras' dtype policy, the one the model was built with; "mixed_float16" scales the loss, and
                halves the scale when a gradient is not finite, which skips the update.
            fit: one iteration, `fit(model, optimizer, loss, batch)`, as TensorFlow traces it: updates the variables and
                returns the loss, or a mapping of names to numbers with "loss" and maybe "outputs". `batch` is a
                `keras_step.Given`.
            evaluate: `evaluate(model, loss, batch)` returns the loss and the outputs, and changes nothing.

        Raises:
            TrainingError: when Keras runs on another backend, the model is not built, or there is no optimizer, or no
                such loss.
        """
        import keras

        if keras.config.backend() != "tensorflow":
            raise TrainingError(
                f"KerasLearner needs Keras on tensorflow, this process uses {keras.config.backend()}: take "
                "BackendLearner, or set KERAS_BACKEND before Keras is imported"
            )
        keras_checks.check_model(model, optimizer)
        self.model = model
        # Created before any trace: a layer that draws from it would otherwise keep its seed inside the graph.
        self._global_seeds = global_seed_generator()
        self._kind = kind
        self._loss_weights = dict(loss_weights or {})
        self._jit = jit
        self._precision = precision
        self._own_fit, self._own_evaluate = fit, evaluate
        self._freezing = Freezing(model)
        self._learnable = list(model.trainable_variables)
        self._following = False
        self._compiled = model_metrics.compiled_of(model)
        self._model_metrics: ModelMetrics | None = None
        self._kept_metrics: dict[str, np.ndarray] | None = None  # those of training, while others are measured
        self._shapes: Any = None
        self._seen = False
        self._take(optimizer, keras_losses.made(model, loss))

    @classmethod
    def of(cls, model: Any, kind: Kind, **options: Any) -> "KerasLearner":
        """A learner of a model that was compiled by its owner: its optimizer and its loss are taken.

        Args:
            model: a `keras.Model` after `compile(optimizer, loss)`.
            kind: of the task.
            options: `jit`, `precision`, `fit`, `evaluate`, as for the class.

        Raises:
            TrainingError: when it is not built or not compiled, or has a loss that does not exist.
        """
        keras_checks.check_model(model, model.optimizer if getattr(model, "compiled", False) else None)
        return cls(model, model.optimizer, model.loss, kind, **options)

    def fit(
        self,
        x: Arrays,
        y: Arrays,
        *,
        weights: np.ndarray | None = None,
        mask: Arrays | None = None,
        begins: np.ndarray | None = None,
    ) -> Fitted:
        """Fit batches in one call: see `Learner.fit`.

        Raises:
            BatchError: for a batch of another shape than the model takes, labels out of the loss' range, and NaN: in
                the first group before anything is fit, later when it has spoiled a loss.
            TrainingError: when the step cannot be traced, or a checkpoint could not hold what it depends on.
        """
        if self._model_metrics is not None:
            self._model_metrics.check_weights(weights)
        begins = begins if self._traces.recurrent else None
        parts = keras_parts.present(x=x, y=self._targets(x, y, 1), weights=weights, mask=mask, begins=begins)
        fitting = self._traces.fitting(parts)
        keras_parts.check_labels(self._loss, self._shapes, parts)
        if not self._seen:
            keras_checks.check_finite(parts)
            self._seen = True
        told, outputs = fitting(keras_parts.changed(tensor_of, parts))
        metrics = {name: values.numpy() for name, values in told.items()}
        losses = metrics.pop("loss")
        if not np.isfinite(losses).all():
            keras_checks.check_finite(parts)
        return Fitted(losses, None if isinstance(outputs, tuple) else mapped(np.asarray, outputs), metrics)

    def evaluate(
        self, x: Arrays, y: Arrays, *, weights: np.ndarray | None = None, mask: Arrays | None = None
    ) -> tuple[float | Mapping[str, float], Arrays]:
        """Loss and outputs of a batch: see `Learner.evaluate`."""
        if self._model_metrics is not None and self._kept_metrics is not None:
            self._model_metrics.check_weights(weights)
        told, outputs = self._judged(keras_parts.present(x=x, y=self._targets(x, y, 0), weights=weights, mask=mask))
        losses = {name: float(loss.numpy()) for name, loss in told.items()}
        return losses if len(losses) > 1 else losses["loss"], mapped(np.asarray, outputs)

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """Raw outputs of a batch: see `Learner.predict`."""
        return mapped(np.asarray, self._judged(keras_parts.present(x=x, mask=mask)))

    def loss_of(self, x: Any, y: Any, outputs: Any, weights: Any = None, *, training: bool) -> Any:
        """The loss that is trained on, of what the model gave for a batch; all are tensors, several by name.

        Args:
            x: the batch.
            y: labels, with the outputs' last axis.
            outputs: what the model gave.
            weights: what the loss of each is multiplied with before the mean over the batch.
            training: whether it is trained on.
        """
        found: Any = self._traces.losses(Given(x, y, weights), outputs, training=training)["loss"]
        return found

    @contextlib.contextmanager
    def sequence(self) -> Iterator[None]:
        """Follow a series through its windows: see `Learner.sequence`."""
        recurrent = self._traces.recurrent
        kept = [np.array(snapshot(variable)) for variable in recurrent]
        self._following = True
        try:
            for variable, value in zip(recurrent, kept, strict=True):
                variable.assign(np.zeros_like(value))
            yield
        finally:
            self._following = False
            for variable, value in zip(recurrent, kept, strict=True):
                variable.assign(value)

    @property
    def metric_names(self) -> Sequence[str]:
        """What the metrics are called that the model computes itself: those it was compiled with, or tells."""
        return () if self._model_metrics is None else self._model_metrics.names

    def metrics(self) -> Mapping[str, float]:
        """What these metrics tell of the epoch; nothing where a step of the user's own takes their place."""
        return {} if self._model_metrics is None or self._traces.own_step is not None else self._model_metrics.results()

    def reset_metrics(self) -> None:
        """Let these metrics begin anew."""
        if self._model_metrics is not None:
            self._model_metrics.reset()

    @contextlib.contextmanager
    def measuring(self) -> Iterator[Callable[[], Mapping[str, float]]]:
        """Add up what is evaluated in the model's own metrics: see `Measuring`."""
        metrics = self._model_metrics
        if metrics is None or keras_step.loss_of_model(self.model) is not None:
            yield dict
            return
        states = {name: variable for name, variable in self._named.items() if name.startswith("metrics/")}
        self._kept_metrics = {name: np.array(snapshot(variable)) for name, variable in states.items()}
        try:
            metrics.reset()
            yield metrics.results
        finally:
            kept, self._kept_metrics = self._kept_metrics, None
            for name, variable in states.items():
                variable.assign(kept[name])

    def variables(self) -> dict[str, np.ndarray]:
        """Every variable by name: see `Learner.variables`.

        On the CPU each is a view of memory that TensorFlow copies before it writes to it again.
        """
        found = {name: snapshot(variable) for name, variable in self._named.items()}
        return found if self._kept_metrics is None else found | self._kept_metrics

    def change(
        self,
        *,
        loss: Callable[..., Any] | Mapping[str, Any] | None = None,
        optimizer: Any = None,
        learning_rate: float | None = None,
        frozen: Sequence[str] | None = None,
    ) -> None:
        """Change what is trained and how, between two iterations; weights, seeds and states stay as they are.

        A learner that was changed in the same way takes a checkpoint of this one exactly.

        Args:
            loss: instead of the one before; also by its name.
            optimizer: instead of the one before, not yet built; it begins anew.
            learning_rate: of the optimizer.
            frozen: patterns ("conv*") of names or paths of layers whose weights stay; all others are trained as the
                model's builder left them, so `()` sets all free again. A frozen BatchNormalization normalises by its
                statistics, as Keras does. The optimizer keeps what it knows of frozen weights.

        Raises:
            TrainingError: when a pattern fits no layer, nothing is left to train, no loss has the name, or what is no
                optimizer is given as one; nothing is changed then.
        """
        keras_checks.check_optimizer(optimizer)
        loss = None if loss is None else keras_losses.made(self.model, loss)
        if frozen is not None:
            self._freezing.freeze(frozen)
        if loss is not None or optimizer is not None or frozen is not None:
            self._take(optimizer or self.optimizer, self._loss if loss is None else loss)
        if learning_rate is not None:
            self.set_learning_rate(learning_rate)

    def said(self, key: str, value: Any) -> Any:
        """What is changed as JSON says it: see `Naming`.

        Raises:
            TrainingError: for what `change` would refuse; so nothing is written that could not act.
        """
        if key == "frozen":
            self._freezing.check(value)
        return keras_by_name.said(key, keras_losses.made(self.model, value) if key == "loss" else value)

    def meant(self, key: str, found: Any) -> Any:
        """What was said: see `Naming`."""
        return keras_by_name.meant(key, found)

    def _take(self, optimizer: Any, loss: Any) -> None:
        """Make optimizer and loss the ones to train with."""
        new = optimizer is not getattr(self, "optimizer", None)
        with as_when_built(self._global_seeds, self._precision):
            metrics, weighted = self._compiled
            self.model.compile(
                optimizer=optimizer,
                loss=None if isinstance(loss, Mapping) else loss,
                metrics=metrics,
                weighted_metrics=weighted,
                jit_compile=False,
            )
            before = self._model_metrics
            self._model_metrics = ModelMetrics.of(self.model, self._kind)
            if before is not None and self._model_metrics is not None:  # they go on, though Keras made them again
                for old, made in zip(before.variables, self._model_metrics.variables, strict=True):
                    made.assign(old)
            # For loss scaling Keras puts an optimizer of its own around it.
            self.optimizer = self.model.optimizer
            if new:
                # For all that the builder left to train, so that freezing changes no name in a checkpoint.
                self.optimizer.build(self._learnable)
                self._rate = LearningRate(self.optimizer)
        self._loss = loss
        self._renew()

    def _renew(self) -> None:
        """Forget all traces, and name the variables again."""
        measured = [] if self._model_metrics is None else self._model_metrics.variables
        self._named = named_variables(self.model, self.optimizer, self._global_seeds, measured)
        if self._rate.override is not None:
            self._named[OVERRIDE] = self._rate.override
        self._traces = Traces(
            self.model,
            self.optimizer,
            self._loss,
            self._loss_weights,
            self._named,
            self._learnable,
            self._model_metrics,
            self._global_seeds,
            self._precision,
            self._jit,
            self._own_fit,
            self._own_evaluate,
        )

    def _set(self, values: Mapping[str, np.ndarray]) -> None:
        for name, value in values.items():
            self._named[name].assign(value)

    def _judged(self, parts: Mapping[str, Any]) -> Any:
        return self._traces.judged(parts, measuring=self._kept_metrics is not None, following=self._following)

    def _targets(self, x: Arrays, y: Arrays, leading: int) -> Arrays:
        """Labels as the loss takes them; the first batch tells the shapes of the outputs."""
        if self._shapes is None:
            self._shapes = keras_parts.output_shapes(self.model, x, leading)
        return keras_parts.targets(y, self._shapes, self._kind, leading)
