"""A Keras model on TensorFlow as a learner: fused iterations, and every variable there is by name."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.metrics.metric import Kind
from deeptrain.training.keras_globals import as_when_built, global_seed_generator
from deeptrain.training.keras_graph import check_resumable, writes_variables
from deeptrain.training.keras_variables import check_fit, named_variables, snapshot


class KerasLearner:
    """A model, its optimizer and its loss, driven in groups of iterations.

    Fitting k batches runs one compiled loop over them. The loop's body is the same operations in the same order for
    any k, so the grouping changes no bit (without XLA), and one trace serves every k.
    """

    def __init__(self, model: Any, optimizer: Any, loss: Callable[..., Any], kind: Kind) -> None:
        """Take a model that was built within `fresh_names_and_seeds`, and is taken within it too.

        Args:
            model: a built `keras.Model` with one input and one output.
            optimizer: a `keras.optimizers.Optimizer`, not yet built.
            loss: a `keras.losses.Loss`.
            kind: of the task; labels that are no class numbers are fed as floats of the output's shape.
        """
        import tensorflow as tf

        self._tf = tf
        self.model = model
        self.optimizer = optimizer
        # Created before any trace: a layer that draws from it would otherwise keep its seed inside the graph.
        self._global_seeds = global_seed_generator()
        self.model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        self.optimizer.build(model.trainable_variables)
        self._kind = kind
        self._output_rank = len(model.output_shape)
        self._fits: dict[tuple[Any, ...], Any] = {}
        self._runs: dict[tuple[Any, ...], Any] = {}
        self._named = named_variables(model, optimizer, self._global_seeds)
        trained = {id(variable) for variable in [*model.trainable_variables, *optimizer.variables]}
        self._moving = [variable for variable in self._named.values() if id(variable) not in trained]

    def fit(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit `len(x)` batches in one call: see `Learner.fit`."""
        y = self._targets(y)
        key = (x.shape[1:], x.dtype, y.shape[1:], y.dtype)
        if key not in self._fits:
            self._fits[key] = self._compile_fit(x, y)
        losses, outputs = self._fits[key](self._tf.constant(x), self._tf.constant(y))
        return losses.numpy(), outputs.numpy()

    def evaluate(self, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and outputs of a batch: see `Learner.evaluate`."""
        y = self._targets(y)
        key = ("evaluate", x.shape, x.dtype, y.shape, y.dtype)
        if key not in self._runs:
            self._runs[key] = self._compile_run(x, y)
        with self._moving_kept(self._runs[key]):
            loss, outputs = self._runs[key](self._tf.constant(x), self._tf.constant(y))
        return float(loss.numpy()), outputs.numpy()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Raw outputs of a batch: see `Learner.predict`."""
        key = ("predict", x.shape, x.dtype)
        if key not in self._runs:
            self._runs[key] = self._compile_run(x, None)
        with self._moving_kept(self._runs[key]):
            return np.asarray(self._runs[key](self._tf.constant(x)).numpy())

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

    def _compile_fit(self, x: np.ndarray, y: np.ndarray) -> Any:
        tf, model, optimizer = self._tf, self.model, self.optimizer

        def iteration(x_one: Any, y_one: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                outputs = model(x_one, training=True)
                loss = model.compute_loss(x=x_one, y=y_one, y_pred=outputs, training=True)
                scaled = optimizer.scale_loss(loss)
            optimizer.apply(tape.gradient(scaled, model.trainable_variables), model.trainable_variables)
            return tf.cast(loss, tf.float32), outputs

        @tf.function(
            autograph=False,
            jit_compile=False,
            input_signature=[
                tf.TensorSpec((None, *x.shape[1:]), x.dtype),
                tf.TensorSpec((None, *y.shape[1:]), y.dtype),
            ],
        )
        def fit(xs: Any, ys: Any) -> tuple[Any, Any]:
            count = tf.shape(xs)[0]
            shape = model.compute_output_shape(x.shape[1:])
            losses = tf.TensorArray(tf.float32, size=count)
            outputs = tf.TensorArray(model.compute_dtype, size=count, element_shape=shape)

            def body(index: Any, losses: Any, outputs: Any) -> tuple[Any, Any, Any]:
                loss, output = iteration(xs[index], ys[index])
                output = tf.cast(output, model.compute_dtype)
                return index + 1, losses.write(index, loss), outputs.write(index, output)

            _, losses, outputs = tf.while_loop(
                lambda index, *_: index < count, body, [0, losses, outputs], parallel_iterations=1
            )
            return losses.stack(), outputs.stack()

        with as_when_built(self._global_seeds):
            compiled = fit.get_concrete_function()
        check_resumable(compiled, self._named)
        return compiled

    def _compile_run(self, x: np.ndarray, y: np.ndarray | None) -> Any:
        tf, model = self._tf, self.model

        def predict(xs: Any) -> Any:
            return model(xs, training=False)

        def evaluate(xs: Any, ys: Any) -> tuple[Any, Any]:
            outputs = model(xs, training=False)
            return model.compute_loss(x=xs, y=ys, y_pred=outputs, training=False), outputs

        signature = [tf.TensorSpec(part.shape, part.dtype) for part in (x, y) if part is not None]
        run = tf.function(predict if y is None else evaluate, autograph=False, input_signature=signature)
        with as_when_built(self._global_seeds):
            return run.get_concrete_function()

    def _targets(self, y: np.ndarray) -> np.ndarray:
        if self._kind == "classes":
            return y
        return y.astype(np.float32)[..., None] if self._output_rank == 2 else y.astype(np.float32)

    @contextlib.contextmanager
    def _moving_kept(self, run: Any) -> Iterator[None]:
        """Put back what a forward pass changed: a recurrent layer with dropout draws even when it is not training."""
        if not writes_variables(run):
            yield
            return
        kept = [np.array(snapshot(variable)) for variable in self._moving]
        try:
            yield
        finally:
            for variable, value in zip(self._moving, kept, strict=True):
                if not np.array_equal(snapshot(variable), value):
                    variable.assign(value)
