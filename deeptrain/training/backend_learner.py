"""A Keras model on JAX or PyTorch as a learner: groups of iterations, and every variable there is by name."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import DeeptrainError, TrainingError, in_one_line
from deeptrain.loading.arrays import Arrays
from deeptrain.metrics.metric import Kind
from deeptrain.training import keras_checks, keras_losses, keras_parts, keras_step, keras_steps, model_metrics
from deeptrain.training.keras_globals import as_when_built, global_seed_generator
from deeptrain.training.keras_pure import Pure
from deeptrain.training.keras_rate import OVERRIDE, LearningRate
from deeptrain.training.keras_state import KerasState
from deeptrain.training.keras_variables import named_variables
from deeptrain.training.learner import Fitted

BACKENDS = ("jax", "torch")
"""Of Keras, those whose models it fits."""


class BackendLearner(KerasState):
    """A model, its optimizer and its loss, driven in groups of iterations, where Keras runs on JAX or PyTorch.

    An iteration is Keras' way: loss, gradients, the optimizer's update. Where the optimizer keeps moving averages
    (`use_ema`), the model is judged and predicts with them. Not here: functions and a `train_step` of the user's,
    metrics that the model computes itself, phases that change more than data and learning rate.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[..., Any] | Mapping[str, Any],
        kind: Kind | Mapping[str, Kind],
        *,
        loss_weights: Mapping[str, float] | None = None,
        precision: str = "float32",
    ) -> None:
        """Take a model that was built under KERAS_BACKEND=jax or torch.

        Args:
            model: a built `keras.Model`; several inputs or outputs go by name.
            optimizer: a `keras.optimizers.Optimizer`, not yet built.
            loss: a `keras.losses.Loss`, its name, or a function of (y_true, y_pred); of several outputs one for all, or
                one for each by its name.
            kind: of the task; labels that are no class numbers are fed as floats of the output's shape.
            loss_weights: what the loss of each of several outputs is multiplied with in their sum; 1 for others.
            precision: Keras' dtype policy, the one the model was built with.

        Raises:
            TrainingError: when Keras runs on another backend, the model is not built, there is no optimizer, or the
                model has a `train_step` or metrics of its own.
        """
        import keras

        self._backend = str(keras.config.backend())
        if self._backend not in BACKENDS:
            raise TrainingError(
                f"BackendLearner needs Keras on {' or '.join(BACKENDS)}, this process uses {self._backend}: set "
                "KERAS_BACKEND before Keras is imported, or take KerasLearner"
            )
        keras_checks.check_model(model, optimizer)
        if keras_step.step_of_model(model) is not None or keras_step.loss_of_model(model) is not None:
            raise TrainingError(
                f"{model.name}: a train_step or test_step of its own is run on TensorFlow only; "
                f"on {self._backend} it is fit Keras' way"
            )
        if model_metrics.has_any(model):
            raise TrainingError(
                f"{model.name}: metrics of its own (compile(metrics=...), compute_metrics) are computed on TensorFlow "
                "only; name them in training.metrics"
            )
        self.model = model
        self._global_seeds = global_seed_generator()
        self._kind = kind
        self._loss, self._loss_weights = keras_losses.made(model, loss), dict(loss_weights or {})
        self._precision = precision
        self._learnable = list(model.trainable_variables)
        self._following = False
        self._shapes: Any = None
        self._seen = False
        with as_when_built(self._global_seeds, precision):
            model.compile(
                optimizer=optimizer, loss=None if isinstance(self._loss, Mapping) else self._loss, jit_compile=False
            )
            self.optimizer = model.optimizer  # for loss scaling Keras puts an optimizer of its own around it
            self.optimizer.build(self._learnable)
        self._rate = LearningRate(self.optimizer)
        self._renew()

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
            TrainingError: when the backend refuses the step, or a checkpoint could not hold what it depends on.
        """
        begins = begins if self._pure.recurrent else None
        parts = keras_parts.present(x=x, y=self._targets(x, y, 1), weights=weights, mask=mask, begins=begins)
        keras_parts.check_labels(self._loss, self._shapes, parts)
        if not self._seen:
            keras_checks.check_rows(parts)
            keras_checks.check_finite(parts)
            self._seen = True
        metrics, outputs = self._called(self._steps.fit, parts)
        losses = metrics.pop("loss")
        if not np.isfinite(losses).all():
            keras_checks.check_finite(parts)
        return Fitted(losses, outputs, metrics)

    def evaluate(
        self, x: Arrays, y: Arrays, *, weights: np.ndarray | None = None, mask: Arrays | None = None
    ) -> tuple[float | Mapping[str, float], Arrays]:
        """Loss and outputs of a batch: see `Learner.evaluate`."""
        losses, outputs = self._judged(keras_parts.present(x=x, y=self._targets(x, y, 0), weights=weights, mask=mask))
        return losses if len(losses) > 1 else losses["loss"], outputs

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """Raw outputs of a batch: see `Learner.predict`."""
        _, outputs = self._judged(keras_parts.present(x=x, mask=mask))
        return outputs

    @contextlib.contextmanager
    def sequence(self) -> Iterator[None]:
        """Follow a series through its windows: see `Learner.sequence`."""
        kept = {name: self._steps.snapshot(name) for name in self._pure.recurrent}
        self._following = True
        try:
            self._steps.set({name: np.zeros_like(value) for name, value in kept.items()})
            yield
        finally:
            self._following = False
            self._steps.set(kept)

    def variables(self) -> dict[str, np.ndarray]:
        """Every variable by name: see `Learner.variables`."""
        return {name: self._steps.snapshot(name) for name in self._named}

    def _renew(self) -> None:
        """Forget what was compiled, and name the variables again."""
        self._named = named_variables(self.model, self.optimizer, self._global_seeds)
        if self._rate.override is not None:
            self._named[OVERRIDE] = self._rate.override
        self._pure = Pure(
            self.model,
            self.optimizer,
            self._loss,
            self._loss_weights,
            self._learnable,
            self._global_seeds.state,
            self._named,
        )
        self._steps = keras_steps.of(self._backend, self._pure)

    def _set(self, values: Mapping[str, np.ndarray]) -> None:
        self._steps.set({name: np.array(value) for name, value in values.items()})

    def _targets(self, x: Arrays, y: Arrays, leading: int) -> Arrays:
        """Labels as the loss takes them; the first batch tells the shapes of the outputs."""
        keras_checks.check_inputs(self.model, x, leading)
        if self._shapes is None:
            self._shapes = keras_parts.output_shapes(self.model, x, leading)
        return keras_parts.targets(y, self._shapes, self._kind, leading)

    def _judged(self, parts: Mapping[str, Any]) -> tuple[dict[str, float], Arrays]:
        """Losses and outputs; changes nothing but states being followed."""
        states, losses, outputs = self._called(self._steps.judge, parts)
        if self._following:
            self._steps.set(states)
        return losses, outputs

    def _called(self, run: Callable[[Mapping[str, Any]], Any], parts: Mapping[str, Any]) -> Any:
        try:
            with as_when_built(self._global_seeds, self._precision):
                return run(parts)
        except DeeptrainError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{name} {list(part.shape)}" for name, part in keras_checks.arrays(parts))
            raise TrainingError(
                f"{self.model.name}: Keras on {self._backend} refused a step for a batch of {shapes}: "
                f"{in_one_line(error)}"
            ) from error
