"""Iterations of a Keras model on JAX: a group of them is one compiled loop."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deeptrain.loading.arrays import Arrays, mapped
from deeptrain.training import keras_checks, keras_parts, keras_rate
from deeptrain.training.keras_pure import Pure, State


class JaxSteps:
    """Runs iterations: see `keras_steps.Steps`.

    An iteration is a pure function of the state and a batch. Fitting k batches is one compiled loop over it that is
    told k only when it runs, so that nothing the compiler does to a loop of known length can make bits depend on k.
    Arrays have room for a power of two of iterations, so that few loops are compiled.
    """

    def __init__(self, pure: Pure) -> None:
        """Compile nothing yet."""
        import jax

        self._pure = pure
        # Compiled within another, an iteration is traced once for all lengths.
        self._fit = jax.jit(functools.partial(self._iterations, jax.jit(self._iteration)))
        self._judge = jax.jit(pure.judged)

    def fit(self, parts: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], Arrays]:
        """Fit batches: see `Steps.fit`."""
        count = next(len(part) for _, part in keras_checks.arrays(parts))
        room = 1 << (count - 1).bit_length()
        given = keras_parts.changed(lambda part: _with_room(part, room), parts)
        state, (told, outputs) = self._fit(self._pure.state(), given, count)
        self.set(state)
        found = {name: np.asarray(values)[:count] for name, values in told.items()}
        return found, mapped(lambda part: np.asarray(part)[:count], outputs)

    def judge(self, parts: Mapping[str, Any]) -> tuple[State, dict[str, float], Arrays]:
        """Judge a batch: see `Steps.judge`."""
        states, (losses, outputs) = self._judge(self._pure.state(), parts)
        # Copies: what comes out may be what went in.
        return states, {name: float(loss) for name, loss in losses.items()}, mapped(np.array, outputs)

    def set(self, state: Mapping[str, Any]) -> None:
        """Set variables: see `Steps.set`."""
        for name, value in state.items():
            self._pure.named[name].assign(value)

    def snapshot(self, name: str) -> np.ndarray:
        """The value of a variable; on the CPU a view of memory that nothing writes to."""
        return np.asarray(self._pure.named[name].value)

    def _iterations(self, iteration: Callable[..., Any], state: State, given: Any, count: Any) -> tuple[State, Any]:
        """Fit the first `count` batches one after the other; beside the state what each told, and its outputs."""
        import jax

        def one(number: Any) -> Any:
            return jax.tree.map(lambda part: jax.lax.dynamic_index_in_dim(part, number, keepdims=False), given)

        def step(number: Any, carry: Any) -> Any:
            state, kept = carry
            state, came = iteration(state, one(number))
            put = jax.lax.dynamic_update_index_in_dim
            return state, jax.tree.map(lambda array, part: put(array, part, number, 0), kept, came)

        room = len(jax.tree.leaves(given)[0])
        _, came = jax.eval_shape(lambda: iteration(state, one(0)))
        kept = jax.tree.map(lambda part: jax.numpy.zeros((room, *part.shape), part.dtype), came)
        state, kept = jax.lax.fori_loop(0, count, step, (state, kept))
        return state, kept

    def _iteration(self, state: State, one: Mapping[str, Any]) -> tuple[State, tuple[dict[str, Any], Any]]:
        import jax

        pure = self._pure

        def scaled_loss(weights: list[Any]) -> Any:
            losses, outputs, changed = pure.fitted(state | dict(zip(pure.trained, weights, strict=True)), one)
            return pure.scaled(state, losses["loss"]), (losses, outputs, state | changed)

        weights = [state[name] for name in pure.trained]
        (_, (losses, outputs, after)), gradients = jax.value_and_grad(scaled_loss, has_aux=True)(weights)
        with keras_rate.overridden(pure.optimizer, state.get(keras_rate.OVERRIDE)):
            made = pure.optimizer.stateless_apply([after[name] for name in pure.of_optimizer], gradients, weights)
        for names, values in zip((pure.trained, pure.of_optimizer), made, strict=True):
            after |= zip(names, values, strict=True)
        after = {name: jax.numpy.asarray(value, state[name].dtype) for name, value in after.items()}
        return after, ({name: loss.astype("float32") for name, loss in losses.items()}, outputs)


def _with_room(part: np.ndarray, room: int) -> np.ndarray:
    """The same iterations at the beginning of an array for `room` of them; the rest is zeros."""
    if len(part) == room:
        return part
    made = np.zeros((room, *part.shape[1:]), part.dtype)
    made[: len(part)] = part
    return made
