"""What training asks of data: groups of iterations from a position on, and batches to be judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deeptrain import brief
from deeptrain.loading.arrays import Arrays, mapped
from deeptrain.loading.batches import Batches
from deeptrain.loading.position import Position
from deeptrain.loading.preprocessing import Preprocessor
from deeptrain.shards.reading import Split


@dataclass(frozen=True, repr=False)
class Group:
    """Iterations that may be fit in one call: of equal shapes, and of one batch of sequences where they are windows.

    Attributes:
        x: (iterations, batch, *shape), by input where there are several.
        y: (iterations, batch, ...), by output where there are several.
        weights: (iterations, batch) or (iterations, batch, steps) float32, or None where all are 1. Padding weighs 0,
            and what is real is weighed up by as much as padding takes of the batch, so that a mean over the batch is
            the mean over what is real.
        real: likewise bool, False for padding; None where there is none.
        mask: (iterations, batch, steps) bool, or None: steps the model may see.
        begins: (iterations,) bool: whether states of recurrent layers are reset before each.
        counts_as: (iterations, batch) float32: what a sample counts for in metrics, by its own weight in the data; None
            where all count alike.
    """

    x: Arrays
    y: Arrays
    weights: NDArray[np.float32] | None
    real: NDArray[np.bool_] | None
    mask: Arrays | None
    begins: NDArray[np.bool_]
    counts_as: NDArray[np.float32] | None = None

    __repr__ = brief.of_fields

    def __len__(self) -> int:
        """How many iterations."""
        return len(self.begins)

    @property
    def counted(self) -> NDArray[np.int64]:
        """(iterations,): how many labels each mean loss is over; padding is none."""
        if self.real is not None:
            return np.asarray(self.real.reshape(len(self), -1).sum(axis=1), np.int64)
        batch = (next(iter(self.x.values())) if isinstance(self.x, dict) else self.x).shape[1]  # type: ignore[union-attr]
        return np.full(len(self), batch, np.int64)

    @property
    def last(self) -> "Group":
        """The last of the iterations, as a group of one."""
        parts = ((one.name, getattr(self, one.name)) for one in fields(self))
        last: dict[str, Any] = {name: None if part is None else mapped(_last, part) for name, part in parts}
        return Group(**last)


class Feed(Protocol):
    """The data of a split as iterations.

    Law: what it gives is a pure function of the position, and of what preprocessors kept when its batch began.

    Attributes:
        split: the samples.
        batches: which samples each batch holds.
        preprocessors: what is done to a batch or window before it is fed.
        iteration_bytes: memory of an iteration's inputs.
        in_parts: whether a batch may be several iterations, which `Position.window` counts.
        estimates: whether `left` is an estimate: preprocessors decide how many iterations a batch becomes.
    """

    split: Split
    batches: Batches
    preprocessors: tuple[Preprocessor, ...]
    iteration_bytes: int
    in_parts: bool
    estimates: bool

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def left(self, at: Position, done: int) -> int:
        """Iterations of the epoch from a position on; see `estimates`.

        Args:
            at: from where on.
            done: iterations of the epoch before it, which whoever trains has counted.
        """
        ...

    def group(self, at: Position, most: int) -> Group | None:
        """The iterations from a position on, at least one and at most `most`; None where the batch has none."""
        ...

    def after(self, at: Position, iterations: int) -> Position:
        """The position behind as many iterations of one group; with 0, behind a batch that has none."""
        ...

    def name(self, at: Position) -> str:
        """What the batch at a position is called."""
        ...

    def sets(self, at: Position) -> list[int]:
        """The set numbers that the batch at a position holds, ascending."""
        ...

    def judged(self, number: int) -> Iterator[Group]:
        """The windows of a batch, or the batch itself, one iteration a group, to be evaluated or predicted.

        Each as preprocessors make it by what they keep now; they keep nothing of it.
        """
        ...

    def combined(self, number: int, outputs: Sequence[Arrays]) -> Arrays:
        """The predictions for the samples of a batch, or all their steps, from what came out for `judged`."""
        ...

    def close(self) -> None:
        """End reading ahead; what is asked for later begins it again.

        Preprocessors that keep something then stand where they stood when the batch that is being fed began.
        """
        ...

    @property
    def began_with(self) -> Mapping[str, Mapping[str, Any]]:
        """What preprocessors that keep something kept when the batch of the newest iteration of `group` began."""
        ...

    @property
    def labels(self) -> Arrays:
        """Labels as `combined` orders them: (samples, ...), or (steps, ...) of all samples one after the other.

        A mapping of these by output where there are several.
        """
        ...

    @property
    def label_sets(self) -> NDArray[np.int64]:
        """The set number of each of the labels."""
        ...

    @property
    def label_weights(self) -> NDArray[np.float32] | None:
        """What each of the labels counts for in metrics: the weight of its sample in the data; None without."""
        ...


def labels_of(feed: Feed) -> Arrays:
    """The labels of a split whose batches are judged whole; where they are the inputs, as preprocessors make these."""
    if not feed.split.info.labels_are_input:
        labels: Arrays = feed.split.labels
        return labels
    return np.concatenate([next(feed.judged(number)).y[0] for number in range(len(feed))])  # type: ignore[index]


def _last(part: np.ndarray) -> np.ndarray:
    return np.asarray(part[-1:])


def estimated(at: Position, done: int, batches: int) -> int:
    """Iterations from a position to the end of its epoch, if the batches to come are like those before.

    Args:
        at: the position.
        done: iterations of the epoch before it.
        batches: of the epoch.
    """
    begun = at.batch + (at.window > 0)
    each = done / begun if begun else 1.0
    return max(round(each * (batches - begun)), int(at.batch < batches))
