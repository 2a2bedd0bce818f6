"""A Keras model on TensorFlow as a learner: fused iterations, and every variable there is by name."""

import contextlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.loading.arrays import Arrays, mapped
from deeptrain.metrics.metric import Kind
from deeptrain.training.keras_globals import as_when_built, global_seed_generator
from deeptrain.training.keras_graph import check_resumable, writes_variables
from deeptrain.training.keras_variables import check_fit, named_variables, snapshot


class KerasLearner:
    """A model, its optimizer and its loss, driven in groups of iterations.

    Fitting k batches runs one compiled loop over them. The loop's body is the same operations in the same order for
    any k, so the grouping changes no bit (without XLA), and one trace serves every k.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[..., Any] | Mapping[str, Any],
        kind: Kind | Mapping[str, Kind],
        *,
        loss_weights: Mapping[str, float] | None = None,
    ) -> None:
        """Take a model that was built within `fresh_names_and_seeds`, and is taken within it too.

        Args:
            model: a built `keras.Model`; several inputs or outputs go by name.
            optimizer: a `keras.optimizers.Optimizer`, not yet built.
            loss: a `keras.losses.Loss`; of several outputs one for all, or one for each by its name.
            kind: of the task; labels that are no class numbers are fed as floats of the output's shape.
            loss_weights: what the loss of each of several outputs is multiplied with in their sum; 1 for others.
        """
        import tensorflow as tf

        self._tf = tf
        self.model = model
        self.optimizer = optimizer
        # Created before any trace: a layer that draws from it would otherwise keep its seed inside the graph.
        self._global_seeds = global_seed_generator()
        single = None if isinstance(loss, Mapping) else loss
        self.model.compile(optimizer=optimizer, loss=single, jit_compile=False)
        self.optimizer.build(model.trainable_variables)
        self._kind = kind
        self._given_loss = loss
        self._loss_weights = dict(loss_weights or {})
        self._fits: dict[tuple[Any, ...], Any] = {}
        self._runs: dict[tuple[Any, ...], Any] = {}
        self._named = named_variables(model, optimizer, self._global_seeds)
        self._recurrent = [variable for name, variable in self._named.items() if name.startswith("recurrent/")]
        self._following = False
        self._shapes: Any = None
        trained = {id(variable) for variable in [*model.trainable_variables, *optimizer.variables]}
        self._moving = [variable for variable in self._named.values() if id(variable) not in trained]

    def fit(
        self,
        x: Arrays,
        y: Arrays,
        *,
        weights: np.ndarray | None = None,
        mask: Arrays | None = None,
        begins: np.ndarray | None = None,
    ) -> tuple[Arrays, Arrays]:
        """Fit batches in one call: see `Learner.fit`."""
        begins = begins if self._recurrent else None
        parts = _present(x=x, y=self._targets(x, y, 1), weights=weights, mask=mask, begins=begins)
        key = _signature(parts, 1)
        if key not in self._fits:
            self._fits[key] = self._compile_fit(parts)
        losses, outputs = self._fits[key](self._tensors(parts))
        outputs = mapped(np.asarray, outputs)
        return self._told(losses.numpy(), outputs), outputs

    def evaluate(
        self, x: Arrays, y: Arrays, *, weights: np.ndarray | None = None, mask: Arrays | None = None
    ) -> tuple[float | Mapping[str, float], Arrays]:
        """Loss and outputs of a batch: see `Learner.evaluate`."""
        loss, outputs = self._run(_present(x=x, y=self._targets(x, y, 0), weights=weights, mask=mask))
        outputs = mapped(np.asarray, outputs)
        told = self._told(loss.numpy(), outputs)
        return {name: float(part) for name, part in told.items()} if isinstance(told, Mapping) else float(told), outputs

    def predict(self, x: Arrays, *, mask: Arrays | None = None) -> Arrays:
        """Raw outputs of a batch: see `Learner.predict`."""
        return mapped(np.asarray, self._run(_present(x=x, mask=mask)))

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

    def variables(self) -> dict[str, np.ndarray]:
        """Every variable by name: see `Learner.variables`.

        On the CPU each is a view of memory that TensorFlow copies before it writes to it again.
        """
        return {name: snapshot(variable) for name, variable in self._named.items()}

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable: see `Learner.restore`."""
        missing = sorted(self._named.keys() - variables.keys())
        extra = sorted(variables.keys() - self._named.keys())
        if missing or extra:
            raise TrainingError(
                f"the state is of another model: it lacks {', '.join(missing[:3]) or 'nothing'} "
                f"and has {', '.join(extra[:3]) or 'nothing'} too many"
            )
        check_fit(self._named, variables)
        for name, variable in self._named.items():
            variable.assign(variables[name])

    def restore_weights(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set the model's variables only, leaving seeds and optimizer as they are made.

        Raises:
            TrainingError: when the model's variables are not all there in the same shapes.
        """
        weights = {name: variable for name, variable in self._named.items() if name.startswith("model/")}
        missing = sorted(weights.keys() - variables.keys())
        if missing:
            raise TrainingError(f"the initial weights are of another model: they lack {', '.join(missing[:3])}")
        check_fit(weights, variables)
        for name, variable in weights.items():
            variable.assign(variables[name])

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration, from a schedule if there is one."""
        return float(np.asarray(self.optimizer.learning_rate))

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.optimizer.learning_rate = value

    def _compile_fit(self, parts: Mapping[str, Any]) -> Any:
        tf, model, optimizer = self._tf, self.model, self.optimizer
        import keras

        def iteration(one: Mapping[str, Any]) -> tuple[Any, Any]:
            if "begins" in one:
                for state in self._recurrent:
                    state.assign(tf.where(one["begins"], tf.zeros_like(state.value), state.value))
            with tf.GradientTape() as tape:
                outputs = self._outputs(one, training=True)
                loss, told = self._loss(one, outputs, training=True)
                scaled = optimizer.scale_loss(loss)
            optimizer.apply(tape.gradient(scaled, model.trainable_variables), model.trainable_variables)
            return tf.cast(told, tf.float32), outputs

        specification = _map(lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), parts)
        shapes = model.compute_output_shape(_map(lambda part: part.shape[1:], parts["x"]))

        @tf.function(autograph=False, jit_compile=False, input_signature=[specification])
        def fit(given: Any) -> tuple[Any, Any]:
            count = tf.shape(tf.nest.flatten(given)[0])[0]
            losses = tf.TensorArray(tf.float32, size=count)
            outputs = keras.tree.map_shape_structure(
                lambda shape: tf.TensorArray(model.compute_dtype, size=count, element_shape=shape), shapes
            )

            def body(index: Any, losses: Any, outputs: Any) -> tuple[Any, Any, Any]:
                loss, output = iteration(_map(lambda part: part[index], given))
                written = tf.nest.map_structure(
                    lambda array, part: array.write(index, tf.cast(part, model.compute_dtype)), outputs, output
                )
                return index + 1, losses.write(index, loss), written

            _, losses, outputs = tf.while_loop(
                lambda index, *_: index < count, body, [0, losses, outputs], parallel_iterations=1
            )
            return losses.stack(), tf.nest.map_structure(lambda array: array.stack(), outputs)

        with as_when_built(self._global_seeds):
            compiled = fit.get_concrete_function()
        check_resumable(compiled, self._named)
        return compiled

    def _run(self, parts: Mapping[str, Any]) -> Any:
        """A forward pass, with the loss where there are labels, that changes nothing but states being followed."""
        key = _signature(parts, 0)
        if key not in self._runs:
            self._runs[key] = self._compile_run(parts)
        with self._moving_kept(self._runs[key]):
            return self._runs[key](self._tensors(parts))

    def _compile_run(self, parts: Mapping[str, Any]) -> Any:
        tf = self._tf

        def run(given: Any) -> Any:
            outputs = self._outputs(given, training=False)
            return (self._loss(given, outputs, training=False)[1], outputs) if "y" in given else outputs

        specification = _map(lambda part: tf.TensorSpec(part.shape, part.dtype), parts)
        with as_when_built(self._global_seeds):
            return tf.function(run, autograph=False, input_signature=[specification]).get_concrete_function()

    def _outputs(self, given: Mapping[str, Any], *, training: bool) -> Any:
        if "mask" not in given:
            return self.model(given["x"], training=training)
        if "mask" not in inspect.signature(self.model.call).parameters:
            raise TrainingError(
                f"{self.model.name}: its call takes no mask, so it would see the steps that are padding; functional "
                'and Sequential models take one, or set training.windows.remainder = "drop"'
            )
        mask = given["mask"]
        if isinstance(given["x"], Mapping):
            mask = {name: mask.get(name) for name in given["x"]}
        with warnings.catch_warnings():
            # The model as a whole hands the mask to its layers; only a layer that cannot take one deserves the warning.
            whole = rf"Layer '{re.escape(self.model.name)}' .* was passed an input with a mask"
            warnings.filterwarnings("ignore", whole, UserWarning)
            outputs = self.model(given["x"], training=training, mask=mask)
        # Without the mask that Keras hangs on them: padding is in the weights already, and would count twice.
        return self._tf.nest.map_structure(self._tf.identity, outputs)

    def _loss(self, given: Mapping[str, Any], outputs: Any, *, training: bool) -> tuple[Any, Any]:
        """The loss that is trained on, and what is told of it: itself, or with it the loss of each output."""
        tf = self._tf
        if isinstance(outputs, Mapping):
            # Not by Keras: it keeps means of several losses in variables that no checkpoint holds.
            parts = {
                name: self._loss_of(name)(given["y"][name], outputs[name], sample_weight=given.get("weights"))
                for name in sorted(outputs)
            }
            weighted = [
                part * self._loss_weights[name] if name in self._loss_weights else part for name, part in parts.items()
            ]
            loss = tf.add_n([*weighted, *map(tf.reduce_sum, self.model.losses)])
            return loss, tf.stack([loss, *parts.values()])
        loss = self.model.compute_loss(
            x=given["x"], y=given["y"], y_pred=outputs, sample_weight=given.get("weights"), training=training
        )
        return loss, loss

    @staticmethod
    def _told(losses: np.ndarray, outputs: Arrays) -> Arrays:
        """Losses (...), or of several outputs (..., 1 + outputs) as `_loss` stacks them, by their names."""
        if not isinstance(outputs, Mapping):
            return losses
        names = ["loss", *(f"{name}.loss" for name in sorted(outputs))]
        return {name: losses[..., index] for index, name in enumerate(names)}

    def _loss_of(self, output: str) -> Any:
        import keras

        loss = self._given_loss.get(output) if isinstance(self._given_loss, Mapping) else self._given_loss
        if not isinstance(loss, keras.losses.Loss):
            raise TrainingError(
                f"output {output} of several needs a loss that is a keras.losses.Loss, got {loss!r:.80}"
            )
        return loss

    def _tensors(self, parts: Mapping[str, Any]) -> Any:
        return _map(self._tf.constant, parts)

    def _targets(self, x: Arrays, y: Arrays, leading: int) -> Arrays:
        """Labels as the loss takes them: floats unless they are class numbers, with the output's last axis of one.

        Args:
            x: inputs.
            y: labels.
            leading: axes before the batch's.
        """
        if self._shapes is None:
            self._shapes = self.model.compute_output_shape(_map(lambda part: part.shape[leading:], x))
        if isinstance(y, Mapping):
            return {name: _with_last_axis(part, leading + len(self._shapes[name])) for name, part in y.items()}
        if self._kind == "classes":
            return y
        return _with_last_axis(y.astype(np.float32), leading + len(self._shapes))

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


def _present(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}


def _map(change: Callable[[Any], Any], parts: Any) -> Any:
    """A structure of mappings with each array changed."""
    if isinstance(parts, Mapping):
        return {name: _map(change, part) for name, part in parts.items()}
    return change(parts)


def _signature(parts: Mapping[str, Any], leading: int) -> tuple[Any, ...]:
    """What a compiled function depends on: names, shapes without the `leading` axes, dtypes."""
    return tuple(
        (name, _signature(part, leading)) if isinstance(part, Mapping) else (name, part.shape[leading:], part.dtype)
        for name, part in sorted(parts.items())
    )


def _with_last_axis(y: np.ndarray, rank: int) -> np.ndarray:
    return y[..., None] if y.ndim == rank - 1 else y
