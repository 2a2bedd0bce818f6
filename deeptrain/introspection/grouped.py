"""Several batches in one compiled call, which sums on the way: what a call costs beside its batches is paid once."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deeptrain.errors import DeeptrainError
from deeptrain.introspection.arrays import view
from deeptrain.introspection.distribution import squarable
from deeptrain.introspection.still import begin

Batch = tuple[Any, Any, Any]
"""x, y and weights as tensors, None for what there is not."""

Pass = Callable[[Any, Any, Any], tuple[Any, Mapping[str, Any]]]
"""The loss of a batch, () where there is none, and tensors by name."""

MOST = 16
"""Batches in a call."""

MOST_BYTES = 64 << 20
"""Of what goes into a call: it lies in memory twice."""


class Summed(NamedTuple):
    """What some batches come to.

    Attributes:
        losses: (batches,) float64, of no meaning where there is none.
        squares: by name (batches,) float64, the sum of the squares of what there is in each.
        totals: by name the sum over batches, or over their samples.
        right: whether float32 could hold what was summed in it, and all of it was finite.
    """

    losses: np.ndarray
    squares: Mapping[str, np.ndarray]
    totals: Mapping[str, np.ndarray]
    right: bool


class Form(NamedTuple):
    """What batches must have in common to go into one call.

    Attributes:
        parts: shape and dtype of each tensor, in their order; None where there is none.
        bytes: of all of them.
    """

    parts: tuple[tuple[tuple[int, ...], str] | None, ...]
    bytes: int

    @classmethod
    def of(cls, batch: Batch) -> "Form":
        """That of a batch of TensorFlow's tensors."""
        import tensorflow as tf

        parts = tf.nest.flatten(batch)
        return cls(
            tuple(None if part is None else (tuple(part.shape), part.dtype.name) for part in parts),
            sum(0 if part is None else math.prod(part.shape) * part.dtype.size for part in parts),
        )

    @property
    def together(self) -> int:
        """How many batches go into a call."""
        return max(1, min(MOST, MOST_BYTES // max(self.bytes, 1)))


def summing(one: Pass, like: Mapping[str, Any], states: Sequence[Any], by_samples: bool) -> Callable[..., Any]:
    """A pass over several batches of one form as one function of tensors, for `tried`.

    Args:
        one: the pass over one of them.
        like: of what it gives for one of them, shape and dtype by name.
        states: of recurrent layers, which begin at zero in each.
        by_samples: whether samples are summed, or what the batches gave.
    """

    def several(batches: Sequence[Batch]) -> Any:
        import tensorflow as tf

        count = len(batches)
        stacked = tf.nest.map_structure(lambda *parts: None if parts[0] is None else tf.stack(parts), *batches)
        zeros = {
            name: tf.zeros(shape[1:] if by_samples else shape, _summed_as(dtype))
            for name, (shape, dtype) in like.items()
        }
        widest = tf.float64 if any(one.dtype == tf.float64 for one in zeros.values()) else tf.float32

        def body(at: Any, losses: Any, halves: Any, totals: Mapping[str, Any]) -> Any:
            begin(states)
            loss, found = one(*tf.nest.map_structure(lambda part: None if part is None else part[at], stacked))
            # Each operation costs some microseconds, many times over: none is here that has nothing to do.
            values = {
                name: tf.cast(_of_shape(found[name], like[name][0]), total.dtype) for name, total in totals.items()
            }
            norms = tf.stack([tf.cast(tf.nn.l2_loss(value), widest) for value in values.values()])
            return (
                at + 1,
                losses if isinstance(loss, tuple) else losses.write(at, tf.cast(loss, tf.float64)),
                halves.write(at, norms),
                {
                    name: total + (tf.reduce_sum(values[name], 0) if by_samples else values[name])
                    for name, total in totals.items()
                },
            )

        losses = tf.TensorArray(tf.float64, count, element_shape=())
        halves = tf.TensorArray(widest, count, element_shape=(len(like),))
        given = tf.while_loop(lambda at, *_: at < count, body, (0, losses, halves, zeros), parallel_iterations=1)
        return given[1].stack(), given[2].stack(), given[3]

    return several


def _of_shape(value: Any, shape: Any) -> Any:
    """A tensor whose shape is known."""
    import tensorflow as tf

    return value if value.shape.is_fully_defined() and value.shape == shape else tf.ensure_shape(value, shape)


def tried(several: Callable[..., Any], batches: Sequence[Batch], like: Mapping[str, Any]) -> Summed | None:
    """What batches come to; None where no loop can do what a layer does."""
    import tensorflow as tf

    try:
        losses, halves, totals = several(batches)
    except (TypeError, ValueError, tf.errors.OpError, DeeptrainError):
        return None
    squares = 2 * view(halves).astype(np.float64)
    told = {name: squares[:, at] for at, name in enumerate(totals)}
    right = all(_are_right(squares, math.prod(like[name][0])) for name, squares in told.items())
    return Summed(view(losses), told, {name: view(total) for name, total in totals.items()}, right)


def _are_right(squares: np.ndarray, size: int) -> bool:
    """Whether sums of squares are right: in float32 they may have overflowed, or counted what is not finite."""
    low, high = squarable(size)
    return bool(np.all((squares == 0) | (low < squares) & (squares < high)))


def _summed_as(dtype: Any) -> Any:
    """In what numbers are summed: halves in float32, integers in float64."""
    import tensorflow as tf

    if not dtype.is_floating:
        return tf.float64
    return dtype if dtype.size >= tf.float32.size else tf.float32
