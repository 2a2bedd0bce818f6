"""A Keras model on TensorFlow as a learner: fused iterations, and every variable there is by name."""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from deeptrain.errors import TrainingError
from deeptrain.metrics.metric import Kind


class KerasLearner:
    """A model, its optimizer and its loss, driven in groups of iterations.

    Fitting k batches runs one compiled loop over them. The loop's body is the same operations in the same order for
    any k, so the grouping changes no bit (without XLA), and one trace serves every k.
    """

    def __init__(self, model: Any, optimizer: Any, loss: Callable[..., Any], kind: Kind) -> None:  # noqa: ANN401
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
        self._global_seeds = _global_seed_generator()
        self.model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
        self.optimizer.build(model.trainable_variables)
        self._kind = kind
        self._output_rank = len(model.output_shape)
        self._fits: dict[tuple[Any, ...], Any] = {}
        self._runs: dict[tuple[Any, ...], Any] = {}
        self._named = _name_variables(self._all_variables())
        self._recurrent = [variable for name, variable in self._named.items() if name.startswith("recurrent/")]

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
        with self._recurrent_states_kept():
            loss, outputs = self._runs[key](self._tf.constant(x), self._tf.constant(y))
        return float(loss.numpy()), outputs.numpy()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Raw outputs of a batch: see `Learner.predict`."""
        key = ("predict", x.shape, x.dtype)
        if key not in self._runs:
            self._runs[key] = self._compile_run(x, None)
        with self._recurrent_states_kept():
            return np.asarray(self._runs[key](self._tf.constant(x)).numpy())

    def variables(self) -> dict[str, np.ndarray]:
        """Every variable by name: see `Learner.variables`.

        On the CPU each is a view of memory that TensorFlow copies before it writes to it again.
        """
        return {name: _snapshot(variable) for name, variable in self._named.items()}

    def restore(self, variables: Mapping[str, np.ndarray]) -> None:
        """Set every variable: see `Learner.restore`."""
        missing = sorted(self._named.keys() - variables.keys())
        extra = sorted(variables.keys() - self._named.keys())
        if missing or extra:
            raise TrainingError(
                f"the state is of another model: it lacks {', '.join(missing[:3]) or 'nothing'} "
                f"and has {', '.join(extra[:3]) or 'nothing'} too many"
            )
        _check_fit(self._named, variables)
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
        _check_fit(weights, variables)
        for name, variable in weights.items():
            variable.assign(variables[name])

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next iteration, from a schedule if there is one."""
        return float(np.asarray(self.optimizer.learning_rate))

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.optimizer.learning_rate = value

    def _compile_fit(self, x: np.ndarray, y: np.ndarray) -> Any:  # noqa: ANN401 - a tf.function
        tf, model, optimizer = self._tf, self.model, self.optimizer

        def iteration(x_one: Any, y_one: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
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
        def fit(xs: Any, ys: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            count = tf.shape(xs)[0]
            shape = model.compute_output_shape(x.shape[1:])
            losses = tf.TensorArray(tf.float32, size=count)
            outputs = tf.TensorArray(model.compute_dtype, size=count, element_shape=shape)

            def body(index: Any, losses: Any, outputs: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - tensors
                loss, output = iteration(xs[index], ys[index])
                output = tf.cast(output, model.compute_dtype)
                return index + 1, losses.write(index, loss), outputs.write(index, output)

            _, losses, outputs = tf.while_loop(
                lambda index, *_: index < count, body, [0, losses, outputs], parallel_iterations=1
            )
            return losses.stack(), outputs.stack()

        with _global_seeds_are(self._global_seeds):
            compiled = fit.get_concrete_function()
        _refuse_hidden_randomness(compiled.graph)
        return compiled

    def _compile_run(self, x: np.ndarray, y: np.ndarray | None) -> Any:  # noqa: ANN401 - a tf.function
        tf, model = self._tf, self.model

        def predict(xs: Any) -> Any:  # noqa: ANN401 - tensors
            return model(xs, training=False)

        def evaluate(xs: Any, ys: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            outputs = model(xs, training=False)
            return model.compute_loss(x=xs, y=ys, y_pred=outputs, training=False), outputs

        signature = [tf.TensorSpec(part.shape, part.dtype) for part in (x, y) if part is not None]
        run = tf.function(predict if y is None else evaluate, autograph=False, input_signature=signature)
        with _global_seeds_are(self._global_seeds):
            return run.get_concrete_function()

    def _targets(self, y: np.ndarray) -> np.ndarray:
        if self._kind == "classes":
            return y
        return y.astype(np.float32)[..., None] if self._output_rank == 2 else y.astype(np.float32)

    def _all_variables(self) -> Iterator[tuple[str, Any]]:
        weights = {id(variable) for variable in self.model.weights}
        for variable in self.model.variables:
            yield ("model" if id(variable) in weights else "seeds"), variable
        for variable in self.optimizer.variables:
            yield "optimizer", variable
        yield "seeds", self._global_seeds.state
        known = {id(variable) for variable in [*self.model.variables, *self.optimizer.variables]}
        for variable in _recurrent_states(self.model):
            if id(variable) not in known:
                known.add(id(variable))
                yield "recurrent", variable

    @contextlib.contextmanager
    def _recurrent_states_kept(self) -> Iterator[None]:
        kept = [np.array(_snapshot(variable)) for variable in self._recurrent]
        yield
        for variable, value in zip(self._recurrent, kept, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def fresh_names_and_seeds(seed: int) -> Iterator[None]:
    """Build a model as the first of a process: names counted from one, unseeded layers seeded from `seed`.

    The generators of `random` and NumPy and Keras' counters are the user's: they are put back afterwards.
    """
    import keras
    from keras.src.backend.common import global_state  # Keras has no public door to its name counters

    kept = {name: global_state.get_global_attribute(name) for name in (_NAME_COUNTERS, _SEED_GENERATOR)}
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - kept for the user, not drawn from
    for name in kept:
        global_state.set_global_attribute(name, None)
    try:
        keras.utils.set_random_seed(seed % 2**32)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


_NAME_COUNTERS = "object_name_uids"
_SEED_GENERATOR = "global_seed_generator"


def _global_seed_generator() -> Any:  # noqa: ANN401 - a keras object
    from keras.src.random.seed_generator import global_seed_generator  # not exported, and part of the state

    return global_seed_generator()


@contextlib.contextmanager
def _global_seeds_are(generator: Any) -> Iterator[None]:  # noqa: ANN401 - a keras object
    """Trace with a learner's own generator: another model may have been built meanwhile."""
    from keras.src.backend.common import global_state

    kept = global_state.get_global_attribute(_SEED_GENERATOR)
    global_state.set_global_attribute(_SEED_GENERATOR, generator)
    try:
        yield
    finally:
        global_state.set_global_attribute(_SEED_GENERATOR, kept)


def _snapshot(variable: Any) -> np.ndarray:  # noqa: ANN401 - a keras variable
    tensor = variable.value.read_value()
    on_host = "CPU" in (tensor.device or "CPU").upper()
    return np.asarray(memoryview(tensor)) if on_host else np.asarray(tensor.numpy())


def _name_variables(grouped: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    """Names of group, order and path: order alone would not say which, paths alone are not unique."""
    named: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for group, variable in grouped:
        number = counts[group] = counts.get(group, -1) + 1
        named[f"{group}/{number:04d}/{variable.path}"] = variable
    return named


def _check_fit(named: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> None:
    for name, variable in named.items():
        expected = (tuple(variable.shape), np.dtype(variable.dtype))
        got = (values[name].shape, values[name].dtype)
        if expected != got:
            raise TrainingError(
                f"the state is of another model: {name} is {expected[1]}{list(expected[0])}, "
                f"the state has {got[1]}{list(got[0])}"
            )


def _layers(model: Any) -> list[Any]:  # noqa: ANN401 - keras objects
    return list(model._flatten_layers())  # noqa: SLF001 - walks nested layers; Keras has no public walk


def _seed_states(model: Any) -> Iterator[Any]:  # noqa: ANN401 - keras objects
    import keras

    for layer in _layers(model):
        for value in vars(layer).values():
            for leaf in keras.tree.flatten(value) if isinstance(value, list | tuple | dict) else [value]:
                if isinstance(leaf, keras.random.SeedGenerator):
                    yield leaf.state


def _recurrent_states(model: Any) -> Iterator[Any]:  # noqa: ANN401 - keras objects
    """States of stateful recurrent layers: they are in no collection of Keras."""
    import keras

    for layer in _layers(model):
        if getattr(layer, "stateful", False) and getattr(layer, "states", None) is not None:
            yield from (leaf for leaf in keras.tree.flatten(layer.states) if isinstance(leaf, keras.Variable))


_HIDDEN_RANDOMNESS = frozenset(
    {"RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt", "RandomShuffle", "Multinomial",
     "RandomGamma", "ParameterizedTruncatedNormal", "RandomPoissonV2"}
)  # fmt: skip


def _refuse_hidden_randomness(graph: Any) -> None:  # noqa: ANN401 - a tf graph
    """Operations that keep their generator inside the kernel cannot be checkpointed, so no resume could be exact."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    hidden = sorted({node.op for node in nodes if node.op in _HIDDEN_RANDOMNESS})
    if hidden:
        raise TrainingError(
            f"the model draws random numbers that no checkpoint can hold ({', '.join(hidden)}): "
            "use keras.random with a keras.random.SeedGenerator instead of tf.random"
        )
