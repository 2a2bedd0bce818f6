"""A Keras model on TensorFlow as a learner: fused iterations, and every variable there is by name."""

import contextlib
import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deeptrain.errors import DeeptrainError, TrainingError, did_you_mean, in_one_line
from deeptrain.loading.arrays import Arrays, mapped
from deeptrain.metrics.metric import Kind
from deeptrain.training import (
    keras_by_name,
    keras_checks,
    keras_forward,
    keras_names,
    keras_parts,
    keras_step,
    model_metrics,
)
from deeptrain.training.keras_globals import as_when_built, global_seed_generator
from deeptrain.training.keras_graph import check_resumable, writes_variables
from deeptrain.training.keras_rate import OVERRIDE, LearningRate
from deeptrain.training.keras_step import Given
from deeptrain.training.keras_tensors import tensor_of
from deeptrain.training.keras_variables import (
    averages_of,
    check_fit,
    check_names,
    named_variables,
    predicting,
    snapshot,
)
from deeptrain.training.learner import Fitted
from deeptrain.training.model_metrics import ModelMetrics


class KerasLearner:
    """A model, its optimizer and its loss, driven in groups of iterations.

    Fitting k batches runs one compiled loop over them. The loop's body is the same operations in the same order for
    any k, so the grouping changes no bit, and one trace serves every k. With XLA it is the body that is compiled, not
    the loop: compiled as a whole, a convolution's bits would depend on k.

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
            loss: a `keras.losses.Loss`; of several outputs one for all, or one for each by its name.
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
            TrainingError: when the model is not built, or there is no optimizer.
        """
        import tensorflow as tf

        keras_checks.check_model(model, optimizer)
        self._tf = tf
        self.model = model
        # Created before any trace: a layer that draws from it would otherwise keep its seed inside the graph.
        self._global_seeds = global_seed_generator()
        self._kind = kind
        self._loss_weights = dict(loss_weights or {})
        self._jit = jit
        self._precision = precision
        self._own_fit, self._own_evaluate = fit, evaluate
        self._flags = [(layer, layer.trainable) for layer in model._flatten_layers()]
        self._learnable = list(model.trainable_variables)
        self._following = False
        self._compiled = model_metrics.compiled_of(model)
        self._model_metrics: ModelMetrics | None = None
        self._kept_metrics: dict[str, np.ndarray] | None = None  # those of training, while others are measured
        self._shapes: Any = None
        self._seen = False
        self._take(optimizer, loss)

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
        return cls(model, model.optimizer, _meant(model, model.loss), kind, **options)

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
        begins = begins if self._recurrent else None
        parts = keras_parts.present(x=x, y=self._targets(x, y, 1), weights=weights, mask=mask, begins=begins)
        key = keras_parts.signature(parts, 1)
        compiled = self._fits.get(key)
        if compiled is None:
            compiled = self._fits[key] = self._compile_fit(parts)
        keras_parts.check_labels(self._loss_given, self._shapes, parts)
        if not self._seen:
            keras_checks.check_finite(parts)
            self._seen = True
        told, outputs = self._called(compiled, keras_parts.changed(tensor_of, parts))
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
        told, outputs = self._run(keras_parts.present(x=x, y=self._targets(x, y, 0), weights=weights, mask=mask))
        losses = {name: float(loss.numpy()) for name, loss in told.items()}
        return losses if len(losses) > 1 else losses["loss"], mapped(np.asarray, outputs)

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """Raw outputs of a batch: see `Learner.predict`."""
        return mapped(np.asarray, self._run(keras_parts.present(x=x, mask=mask)))

    def loss_of(self, x: Any, y: Any, outputs: Any, weights: Any = None, *, training: bool) -> Any:
        """The loss that is trained on, of what the model gave for a batch; all are tensors, several by name.

        Args:
            x: the batch.
            y: labels, with the outputs' last axis.
            outputs: what the model gave.
            weights: what the loss of each is multiplied with before the mean over the batch.
            training: whether it is trained on.
        """
        return self._losses(Given(x, y, weights), outputs, training=training)["loss"]

    @contextlib.contextmanager
    def sequence(self) -> Iterator[None]:
        """Follow a series through its windows: see `Learner.sequence`."""
        kept = [np.array(snapshot(variable)) for variable in self._recurrent]
        self._following = True
        try:
            for variable, value in zip(self._recurrent, kept, strict=True):
                variable.assign(np.zeros_like(value))
            yield
        finally:
            self._following = False
            for variable, value in zip(self._recurrent, kept, strict=True):
                variable.assign(value)

    @property
    def metric_names(self) -> Sequence[str]:
        """What the metrics are called that the model computes itself: those it was compiled with, or tells."""
        return () if self._model_metrics is None else self._model_metrics.names

    def metrics(self) -> Mapping[str, float]:
        """What these metrics tell of the epoch; nothing where a step of the user's own takes their place."""
        return {} if self._model_metrics is None or self._own_step() is not None else self._model_metrics.results()

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

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable: see `Learner.restore`. A learning rate that was set where there is a schedule is one."""
        overridden = variables.get(OVERRIDE)
        if overridden is None or overridden.shape == ():
            check_names(self._named, variables, {OVERRIDE})
            self.set_learning_rate(None if overridden is None else float(overridden))
        check_names(self._named, variables)
        check_fit(self._named, variables)
        for name, variable in self._named.items():
            variable.assign(variables[name])

    def restore_weights(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set the model's variables only: see `keras_variables.predicting`.

        Raises:
            TrainingError: when the model's variables are not all there in the same shapes.
        """
        for name, value in predicting(self._named, self._learnable, variables).items():
            self._named[name].assign(value)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration, from a schedule if there is one."""
        return self._rate.value

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.set_learning_rate(value)

    @property
    def schedule_overridden(self) -> bool:
        """Whether a rate that was set holds in place of the schedule."""
        return self._rate.override is not None

    def set_learning_rate(self, value: float | None) -> None:
        """Set the learning rate; where there is a schedule it holds instead, until None goes back to it."""
        if self._rate.set(value):
            self._renew()

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
            TrainingError: when a pattern fits no layer, nothing is left to train, or no loss has the name.
        """
        loss = _meant(self.model, loss)
        if frozen is not None:
            self._freeze(frozen)
        if loss is not None or optimizer is not None or frozen is not None:
            self._take(optimizer or self.optimizer, self._loss_given if loss is None else loss)
        if learning_rate is not None:
            self.set_learning_rate(learning_rate)

    def said(self, key: str, value: Any) -> Any:
        """What is changed as JSON says it: see `Naming`."""
        return keras_by_name.said(key, value)

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
        self._loss_given = loss
        self._renew()

    def _renew(self) -> None:
        """Forget all traces, and name the variables again."""
        self._fits: dict[tuple[Any, ...], Any] = {}
        self._runs: dict[tuple[Any, ...], Any] = {}
        measured = [] if self._model_metrics is None else self._model_metrics.variables
        self._named = named_variables(self.model, self.optimizer, self._global_seeds, measured)
        if self._rate.override is not None:
            self._named[OVERRIDE] = self._rate.override
        self._recurrent = [variable for name, variable in self._named.items() if name.startswith("recurrent/")]
        trained = {id(variable) for variable in [*self._learnable, *self.optimizer.variables, *measured]}
        self._moving = [variable for variable in self._named.values() if id(variable) not in trained]

    def _freeze(self, patterns: Sequence[str]) -> None:
        names = {name for layer, _ in self._flags for name in _names(layer)}
        for pattern in patterns:
            if not fnmatch.filter(names, pattern):
                told = did_you_mean(pattern, sorted(names))
                raise TrainingError(f"no layer of {self.model.name} is called {pattern}; {told}")
        for layer, trainable in self._flags:  # setting one sets those within it, which come later
            layer.trainable = trainable
        for layer, _ in self._flags:
            if any(fnmatch.fnmatch(name, pattern) for name in _names(layer) for pattern in patterns):
                layer.trainable = False
        if not self.model.trainable_variables:
            raise TrainingError(f"nothing of {self.model.name} is left to train when {', '.join(patterns)} are frozen")

    def _called(self, compiled: Any, tensors: Mapping[str, Any]) -> Any:
        try:
            return compiled(tensors)
        except self._tf.errors.OpError as error:
            raise TrainingError(f"{self.model.name}: TensorFlow refused a step: {in_one_line(error)}") from error

    def _compile_fit(self, parts: Mapping[str, Any]) -> Any:
        keras_checks.check_inputs(self.model, parts["x"], 1)
        keras_checks.check_rows(parts)
        try:
            with as_when_built(self._global_seeds, self._precision):
                compiled = self._traced_fit(parts)
        except DeeptrainError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{name} {list(part.shape[1:])}" for name, part in keras_checks.arrays(parts))
            raise TrainingError(
                f"{self.model.name}: a step cannot be traced for a batch of {shapes}: {in_one_line(error)}"
            ) from error
        check_resumable(compiled, self._named, self.model.metrics_variables)
        return compiled

    def _traced_fit(self, parts: Mapping[str, Any]) -> Any:
        tf = self._tf
        iteration = self._iteration()
        if self._jit:
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
        own = self._own_step()
        step = self._keras_step if own is None else own

        def iteration(one: Mapping[str, Any]) -> tuple[Any, Any]:
            if "begins" in one:
                for state in self._recurrent:
                    state.assign(self._tf.where(one["begins"], self._tf.zeros_like(state.value), state.value))
            if own is not None:
                keras_step.reset_metrics(self.model)
            told, outputs = step(keras_parts.given(one))
            return told, () if outputs is None else outputs  # a structure of TensorFlow holds no None

        return iteration

    def _own_step(self) -> keras_step.Step | None:
        """The user's function or the model's `train_step`; None where an iteration is Keras' own."""
        if self._own_fit is not None:
            return keras_step.own_step(self._own_fit, self.model, self.optimizer, self._loss_given)
        return keras_step.step_of_model(self.model)

    def _keras_step(self, batch: Given) -> tuple[dict[str, Any], Any]:
        trained = self.model.trainable_variables
        with self._tf.GradientTape() as tape:
            outputs = self._outputs(batch, training=True)
            losses = self._losses(batch, outputs, training=True)
            scaled = self.optimizer.scale_loss(losses["loss"])
        self.optimizer.apply(tape.gradient(scaled, trained), trained)
        told = {name: self._tf.cast(loss, self._tf.float32) for name, loss in losses.items()}
        if self._model_metrics is not None:
            told |= self._model_metrics.of_iteration(batch, outputs)
            self._model_metrics.add(batch, outputs)
        return told, outputs

    def _structure(self, iteration: Callable[..., Any], one: Any) -> Any:
        """Names, shapes and dtypes of what an iteration tells; of Keras' way the forward pass is enough to know."""
        tf = self._tf
        if self._own_step() is None:
            iteration = self._names_and_outputs
        found = tf.function(iteration, autograph=False).get_concrete_function(one)
        return tf.nest.map_structure(lambda part: tf.TensorSpec(part.shape, part.dtype), found.structured_outputs)

    def _names_and_outputs(self, one: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """What `_keras_step` tells, with zeros for losses."""
        outputs = self._outputs(keras_parts.given(one), training=True)
        names = [f"{name}.loss" for name in outputs] if isinstance(outputs, Mapping) else []
        return {name: self._tf.constant(0.0) for name in ["loss", *names, *self.metric_names]}, outputs

    def _run(self, parts: Mapping[str, Any]) -> Any:
        """A forward pass, with the loss where there are labels, that changes nothing but states being followed."""
        key = (self._kept_metrics is not None, *keras_parts.signature(parts, 0))
        if key not in self._runs:
            self._runs[key] = self._compile_run(parts)
        with self._moving_kept(self._runs[key]):
            # Copies: what comes out may be what went in, and is kept longer than the call.
            return self._called(self._runs[key], keras_parts.changed(self._tf.constant, parts))

    def _compile_run(self, parts: Mapping[str, Any]) -> Any:
        tf = self._tf
        own_loss = keras_step.loss_of_model(self.model)
        metrics = self._model_metrics if self._kept_metrics is not None else None

        def run(given: Any) -> Any:
            batch = keras_parts.given(given)
            if "y" not in given:
                return self._outputs(batch, training=False)
            if self._own_evaluate is not None:
                loss, outputs = self._own_evaluate(self.model, self._loss_given, batch)
                losses = {"loss": loss}
            else:
                outputs = self._outputs(batch, training=False)
                if own_loss is not None:
                    keras_step.reset_metrics(self.model)
                    return {"loss": own_loss(batch)}, outputs
                losses = self._losses(batch, outputs, training=False)
            if metrics is not None:
                metrics.add(batch, outputs)
            return losses, outputs

        specification = keras_parts.changed(lambda part: tf.TensorSpec(part.shape, part.dtype), parts)
        with as_when_built(self._global_seeds, self._precision):
            averaged = self._averaged(run)
            return tf.function(averaged, autograph=False, input_signature=[specification]).get_concrete_function()

    def _averaged(self, run: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A forward pass with the optimizer's moving averages in place of the weights, if it keeps some."""
        import keras

        averages = averages_of(self.optimizer)
        if not averages:
            return run

        def averaged(given: Any) -> Any:
            begun = keras.ops.not_equal(self.optimizer.iterations, 0)  # before, they are zeros
            mapping = [
                (variable, self._tf.where(begun, average.value, variable.value))
                for variable, average in zip(self._learnable, averages, strict=True)
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                result = run(given)
            for variable in [*self._moving, *([] if self._model_metrics is None else self._model_metrics.variables)]:
                value = scope.get_current_value(variable)
                if value is not None:
                    variable.assign(value)
            return result

        return averaged

    def _outputs(self, batch: Given, *, training: bool) -> Any:
        return keras_forward.outputs(self.model, batch, self._tf.identity, training=training)

    def _losses(self, batch: Given, outputs: Any, *, training: bool) -> dict[str, Any]:
        return keras_forward.losses(self.model, self._loss_given, self._loss_weights, batch, outputs, training=training)

    def _targets(self, x: Arrays, y: Arrays, leading: int) -> Arrays:
        """Labels as the loss takes them; the first batch tells the shapes of the outputs."""
        if self._shapes is None:
            self._shapes = keras_parts.output_shapes(self.model, x, leading)
        return keras_parts.targets(y, self._shapes, self._kind, leading)

    @contextlib.contextmanager
    def _moving_kept(self, run: Any) -> Iterator[None]:
        """Put back what a forward pass changed: a recurrent layer with dropout draws even when it is not training."""
        if not writes_variables(run):
            yield
            return
        following = {id(variable) for variable in self._recurrent} if self._following else set()
        moving = [variable for variable in self._moving if id(variable) not in following]
        kept = [np.array(snapshot(variable)) for variable in moving]
        try:
            yield
        finally:
            for variable, value in zip(moving, kept, strict=True):
                if not np.array_equal(snapshot(variable), value):
                    variable.assign(value)


def _meant(model: Any, loss: Any) -> Any:
    """A loss as it was given; a name becomes the loss it means."""
    import keras

    if not isinstance(loss, str):
        return loss
    known = keras_names.loss(loss)
    if known is None:
        raise TrainingError(f"{model.name}: its loss {loss}: {keras_names.unknown_loss(loss)}")
    return getattr(keras.losses, known)()


def _names(layer: Any) -> list[str]:
    """What a layer is called, and its path where it has one."""
    return [name for name in (layer.name, layer.path) if name]
