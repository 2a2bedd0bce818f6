"""What TensorFlow compiles of a Keras model: groups of iterations that fit it, and passes that judge it."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deeptrain.errors import DeeptrainError, TrainingError, in_one_line
from deeptrain.training import keras_checks, keras_forward, keras_parts, keras_step
from deeptrain.training.keras_globals import as_when_built
from deeptrain.training.keras_graph import check_resumable, writes_variables
from deeptrain.training.keras_step import Given
from deeptrain.training.keras_variables import averages_of, snapshot
from deeptrain.training.model_metrics import ModelMetrics


@dataclass(frozen=True, eq=False)
class Traces:
    """A model with its optimizer and its loss, compiled for each shape of batches when one first comes.

    Fitting k batches runs one compiled loop over them. The loop's body is the same operations in the same order for
    any k, so the grouping changes no bit, and one trace serves every k. With XLA it is the body that is compiled, not
    the loop: compiled as a whole, a convolution's bits would depend on k.

    Attributes:
        model: compiled with optimizer and loss.
        optimizer: built.
        loss: see `keras_forward.losses`.
        loss_weights: likewise.
        named: every variable by name.
        learnable: those that the optimizer was built for.
        metrics: that the model computes itself; None where it has none.
        seeds: the generator of layers that have none of their own.
        precision: Keras' dtype policy, the one the model was built with.
        jit: whether XLA compiles each iteration.
        own_fit: an iteration that is a function of the user's, if there is one.
        own_evaluate: likewise of what judges.
    """

    model: Any
    optimizer: Any
    loss: Any
    loss_weights: Mapping[str, float]
    named: Mapping[str, Any]
    learnable: Sequence[Any]
    metrics: ModelMetrics | None
    seeds: Any
    precision: str
    jit: bool
    own_fit: Callable[..., Any] | None
    own_evaluate: Callable[..., Any] | None
    _fits: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    _runs: dict[tuple[Any, ...], tuple[Any, bool]] = field(default_factory=dict)

    @functools.cached_property
    def recurrent(self) -> list[Any]:
        """The states of recurrent layers."""
        return [variable for name, variable in self.named.items() if name.startswith("recurrent/")]

    @property
    def own_step(self) -> keras_step.Step | None:
        """The user's function or the model's `train_step`; None where an iteration is Keras' own."""
        if self.own_fit is not None:
            return keras_step.own_step(self.own_fit, self.model, self.optimizer, self.loss)
        return keras_step.step_of_model(self.model)

    def fitting(self, parts: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], tuple[Any, Any]]:
        """What fits batches of the shapes that these have: takes their tensors, gives what it tells, and outputs.

        Args:
            parts: of the batches, each (iterations, batch, ...); see `keras_parts`.

        Raises:
            BatchError: for a batch of another shape than the model takes.
            TrainingError: when the step cannot be traced, or a checkpoint could not hold what it depends on.
        """
        key = keras_parts.signature(parts, 1)
        compiled = self._fits.get(key)
        if compiled is None:
            compiled = self._fits[key] = self._compile_fit(parts)
        return functools.partial(self._called, compiled)

    def judged(self, parts: Mapping[str, Any], *, measuring: bool, following: bool) -> Any:
        """Outputs of a batch, and with labels its losses before them.

        Args:
            parts: of the batch.
            measuring: whether the metrics that the model computes itself add it up.
            following: whether the states of recurrent layers go on; nothing else changes in any case.
        """
        import tensorflow as tf

        key = (measuring, *keras_parts.signature(parts, 0))
        if key not in self._runs:
            compiled = self._traced(functools.partial(self._traced_run, measuring=measuring), parts, 0)
            self._runs[key] = compiled, writes_variables(compiled)
        compiled, writes = self._runs[key]
        with self._moving_kept(following=following) if writes else contextlib.nullcontext():
            # Copies: what comes out may be what went in, and is kept longer than the call.
            return self._called(compiled, keras_parts.changed(tf.constant, parts))

    def losses(self, batch: Given, outputs: Any, *, training: bool) -> dict[str, Any]:
        """The loss that is trained on, and those of several outputs: see `keras_forward.losses`."""
        return keras_forward.losses(self.model, self.loss, self.loss_weights, batch, outputs, training=training)

    def _called(self, compiled: Any, tensors: Mapping[str, Any]) -> Any:
        import tensorflow as tf

        try:
            return compiled(tensors)
        except tf.errors.OpError as error:
            raise TrainingError(f"{self.model.name}: TensorFlow refused a step: {in_one_line(error)}") from error

    def _compile_fit(self, parts: Mapping[str, Any]) -> Any:
        keras_checks.check_inputs(self.model, parts["x"], 1)
        keras_checks.check_rows(parts)
        compiled = self._traced(self._traced_fit, parts, 1)
        check_resumable(compiled, self.named, self.model.metrics_variables)
        return compiled

    def _traced(self, trace: Callable[[Mapping[str, Any]], Any], parts: Mapping[str, Any], leading: int) -> Any:
        """What a function traces, with the model's own generator and configuration; its failure is told with shapes."""
        try:
            with as_when_built(self.seeds, self.precision):
                return trace(parts)
        except DeeptrainError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{name} {list(part.shape[leading:])}" for name, part in keras_checks.arrays(parts))
            raise TrainingError(
                f"{self.model.name}: a step cannot be traced for a batch of {shapes}: {in_one_line(error)}"
            ) from error

    def _traced_fit(self, parts: Mapping[str, Any]) -> Any:
        import tensorflow as tf

        iteration = self._iteration()
        if self.jit:
            iteration = tf.function(iteration, autograph=False, jit_compile=True)
        specification = keras_parts.changed(lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), parts)
        one = keras_parts.changed(lambda part: tf.TensorSpec(part.shape[1:], part.dtype), parts)
        told, outputs = self._structure(iteration, one)

        @tf.function(autograph=False, jit_compile=False, input_signature=[specification])
        def fit(given: Any) -> Any:
            count = tf.shape(tf.nest.flatten(given)[0])[0]
            kept = tf.nest.map_structure(
                lambda part: tf.TensorArray(part.dtype, size=count, element_shape=part.shape), (told, outputs)
            )

            def body(index: Any, kept: Any) -> tuple[Any, Any]:
                came = iteration(keras_parts.changed(lambda part: part[index], given))
                return index + 1, tf.nest.map_structure(lambda array, part: array.write(index, part), kept, came)

            _, kept = tf.while_loop(lambda index, _: index < count, body, [0, kept], parallel_iterations=1)
            return tf.nest.map_structure(lambda array: array.stack(), kept)

        return fit.get_concrete_function()

    def _iteration(self) -> Callable[[Mapping[str, Any]], tuple[Any, Any]]:
        """One iteration as it is traced: what it tells by name, and its outputs."""
        import tensorflow as tf

        own = self.own_step
        step = self._keras_step if own is None else own

        def iteration(one: Mapping[str, Any]) -> tuple[Any, Any]:
            if "begins" in one:
                for state in self.recurrent:
                    state.assign(tf.where(one["begins"], tf.zeros_like(state.value), state.value))
            if own is not None:
                keras_step.reset_metrics(self.model)
            told, outputs = step(keras_parts.given(one))
            return told, () if outputs is None else outputs  # a structure of TensorFlow holds no None

        return iteration

    def _keras_step(self, batch: Given) -> tuple[dict[str, Any], Any]:
        import tensorflow as tf

        trained = self.model.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._outputs(batch, training=True)
            losses = self.losses(batch, outputs, training=True)
            scaled = self.optimizer.scale_loss(losses["loss"])
        self.optimizer.apply(tape.gradient(scaled, trained), trained)
        told = {name: tf.cast(loss, tf.float32) for name, loss in losses.items()}
        if self.metrics is not None:
            told |= self.metrics.of_iteration(batch, outputs)
            self.metrics.add(batch, outputs)
        return told, outputs

    def _structure(self, iteration: Callable[..., Any], one: Any) -> Any:
        """Names, shapes and dtypes of what an iteration tells; of Keras' way the forward pass is enough to know."""
        import tensorflow as tf

        if self.own_step is None:
            iteration = self._names_and_outputs
        found = tf.function(iteration, autograph=False).get_concrete_function(one)
        return tf.nest.map_structure(lambda part: tf.TensorSpec(part.shape, part.dtype), found.structured_outputs)

    def _names_and_outputs(self, one: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """What `_keras_step` tells, with zeros for losses."""
        import tensorflow as tf

        outputs = self._outputs(keras_parts.given(one), training=True)
        names = [f"{name}.loss" for name in outputs] if isinstance(outputs, Mapping) else []
        measured = () if self.metrics is None else self.metrics.names
        return {name: tf.constant(0.0) for name in ["loss", *names, *measured]}, outputs

    def _traced_run(self, parts: Mapping[str, Any], *, measuring: bool) -> Any:
        import tensorflow as tf

        own_loss = keras_step.loss_of_model(self.model)

        def run(given: Any) -> Any:
            batch = keras_parts.given(given)
            if "y" not in given:
                return self._outputs(batch, training=False)
            if self.own_evaluate is not None:
                loss, outputs = self.own_evaluate(self.model, self.loss, batch)
                losses = {"loss": loss}
            else:
                outputs = self._outputs(batch, training=False)
                if own_loss is not None:
                    keras_step.reset_metrics(self.model)
                    return {"loss": own_loss(batch)}, outputs
                losses = self.losses(batch, outputs, training=False)
            if measuring and self.metrics is not None:
                self.metrics.add(batch, outputs)
            return losses, outputs

        specification = keras_parts.changed(lambda part: tf.TensorSpec(part.shape, part.dtype), parts)
        averaged = self._averaged(run)
        return tf.function(averaged, autograph=False, input_signature=[specification]).get_concrete_function()

    def _averaged(self, run: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A forward pass with the optimizer's moving averages in place of the weights, if it keeps some."""
        import keras
        import tensorflow as tf

        averages = averages_of(self.optimizer)
        if not averages:
            return run

        def averaged(given: Any) -> Any:
            begun = keras.ops.not_equal(self.optimizer.iterations, 0)  # before, they are zeros
            mapping = [
                (variable, tf.where(begun, average.value, variable.value))
                for variable, average in zip(self.learnable, averages, strict=True)
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                result = run(given)
            for variable in [*self._moving, *self._measured]:
                value = scope.get_current_value(variable)
                if value is not None:
                    variable.assign(value)
            return result

        return averaged

    @property
    def _measured(self) -> list[Any]:
        return [] if self.metrics is None else self.metrics.variables

    @functools.cached_property
    def _moving(self) -> list[Any]:
        """What a forward pass may change."""
        trained = {id(variable) for variable in [*self.learnable, *self.optimizer.variables, *self._measured]}
        return [variable for variable in self.named.values() if id(variable) not in trained]

    def _outputs(self, batch: Given, *, training: bool) -> Any:
        import tensorflow as tf

        return keras_forward.outputs(self.model, batch, tf.identity, training=training)

    @contextlib.contextmanager
    def _moving_kept(self, *, following: bool) -> Iterator[None]:
        """Put back what a forward pass changed: a recurrent layer with dropout draws even when it is not training."""
        followed = {id(variable) for variable in self.recurrent} if following else set()
        moving = [variable for variable in self._moving if id(variable) not in followed]
        kept = [np.array(snapshot(variable)) for variable in moving]
        try:
            yield
        finally:
            for variable, value in zip(moving, kept, strict=True):
                if not np.array_equal(snapshot(variable), value):
                    variable.assign(value)
