"""What is done to a batch before it is fed: the protocol of preprocessors, how they are chained, and how named."""

import copy
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from deeptrain import user_code
from deeptrain.errors import DataError, UserCodeError
from deeptrain.loading.arrays import samples
from deeptrain.loading.batch import Batch
from deeptrain.loading.ready import READY
from deeptrain.settings import Use
from deeptrain.shards.info import DataInfo


class Preprocessor(Protocol):
    """Changes a batch, or a window of one. It may be `Piecewise` and `Remembering` too."""

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        """The batch as it is fed, with as many samples.

        Args:
            batch: its arrays must not be changed in place: `dataclasses.replace` makes another batch.
            rng: a generator of its own for each (seed, epoch, batch, window) while training; None when validating or
                predicting, where nothing may be random.
        """
        ...


@runtime_checkable
class Piecewise(Protocol):
    """A preprocessor that also decides, in training, how many iterations a batch becomes.

    Where nothing may be random, its `process` is asked instead: every sample is judged once.
    """

    def pieces(self, batch: Batch, rng: np.random.Generator) -> Iterable[Batch]:
        """What a batch is fed as, piece by piece, each an iteration: none, one or many.

        A law that resuming rests on: the pieces follow from the batch, from `rng` and from what `state` gives, and from
        nothing else.

        Args:
            batch: or a window of one; not to be changed in place. `Batch.rows` gives some of its samples; of a window
                each piece must have all of them.
            rng: a generator of its own for each (seed, epoch, batch, window).
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """A preprocessor that keeps something from batch to batch, which is then saved with every checkpoint."""

    def state(self) -> Mapping[str, Any]:
        """What it keeps, as JSON can hold it: text, numbers, lists and mappings."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Stand where `state` was told."""
        ...


def preprocessors(names: Sequence[str | Use], data: DataInfo, beside: Path | None) -> tuple[Preprocessor, ...]:
    """The preprocessors an experiment names, made as `factory(data, **arguments)`.

    Raises:
        UserCodeError: when one is not found, raises, or has no `process`.
    """
    made = []
    for named in names:
        use = Use.of(named)
        if ":" in use.use:
            factory = user_code.find(use.use, beside)
        elif use.use in READY:
            factory = READY[use.use]
        else:
            raise UserCodeError(
                f"preprocessor {use.use}: not ready-made ({', '.join(sorted(READY))}); your own is named module:name"
            )
        preprocessor = user_code.call(use, factory, data)
        if not callable(getattr(preprocessor, "process", None)):
            raise UserCodeError(f"{use.use}: must return an object with process(batch, rng), got {preprocessor!r:.80}")
        if hasattr(preprocessor, "state") != hasattr(preprocessor, "restore"):
            raise UserCodeError(f"{use.use}: a preprocessor that keeps a state has both state() and restore(state)")
        made.append(preprocessor)
    return tuple(made)


def processed(
    batch: Batch, chain: Sequence[Preprocessor], generator: Callable[[int], np.random.Generator | None]
) -> Batch:
    """A batch after all preprocessors, one after the other.

    Args:
        batch: as it was read.
        chain: the preprocessors.
        generator: gives the generator of a preprocessor by its place in the chain, or None.

    Raises:
        DataError: when one does not return as many samples as it got.
    """
    for place, preprocessor in enumerate(chain):
        batch = _processed(batch, preprocessor, generator(place))
    return batch


def pieces(
    batch: Batch, chain: Sequence[Preprocessor], generator: Callable[[int, int], np.random.Generator]
) -> Iterator[Batch]:
    """What preprocessors make of a batch, one after the other, each piece when it is asked for.

    Args:
        batch: as it was read.
        chain: the preprocessors.
        generator: gives the generator of a preprocessor by its place in the chain and by how many pieces of the batch
            it was given before.

    Raises:
        DataError: when a piece is no batch, or its inputs, labels and samples are not equally many.
    """
    made: Iterator[Batch] = iter([batch])
    for place, preprocessor in enumerate(chain):
        made = _through(made, preprocessor, functools.partial(generator, place))
    return made


def piecewise(chain: Sequence[Preprocessor]) -> list[str]:
    """The kinds of preprocessors of a chain that decide how many iterations a batch becomes."""
    return [type(one).__name__ for one in chain if isinstance(one, Piecewise)]


def remembering(chain: Sequence[Preprocessor]) -> dict[str, Remembering]:
    """The preprocessors of a chain that keep a state, by a name that says place and kind: "0:RunningMean"."""
    return {f"{place}:{type(one).__name__}": one for place, one in enumerate(chain) if isinstance(one, Remembering)}


def memories(keeping: Mapping[str, Remembering]) -> dict[str, dict[str, Any]]:
    """What each of these preprocessors keeps now, by its name: nothing changes it."""
    return {name: copy.deepcopy(dict(one.state())) for name, one in keeping.items()}


def remember(keeping: Mapping[str, Remembering], kept: Mapping[str, Mapping[str, Any]]) -> None:
    """Let preprocessors stand where they stood when they kept this; one that is not in it stays as it is."""
    for name, one in keeping.items():
        if name in kept:
            one.restore(copy.deepcopy(dict(kept[name])))


@contextmanager
def unmoved(keeping: Mapping[str, Remembering]) -> Iterator[None]:
    """Let preprocessors stand behind it where they stand now, whatever they are shown."""
    kept = memories(keeping)
    try:
        yield
    finally:
        for name, one in keeping.items():
            one.restore(kept[name])


def _processed(batch: Batch, preprocessor: Preprocessor, rng: np.random.Generator | None) -> Batch:
    count = len(batch.indices)
    found = preprocessor.process(batch, rng)
    if samples(found.x) != count or samples(found.y) != count:
        raise DataError(
            f"{type(preprocessor).__name__}.process must return as many samples as it got: "
            f"expected {count}, got {samples(found.x)} inputs and {samples(found.y)} labels"
        )
    return found


def _through(
    given: Iterable[Batch], preprocessor: Preprocessor, generator: Callable[[int], np.random.Generator]
) -> Iterator[Batch]:
    for number, batch in enumerate(given):
        if not isinstance(preprocessor, Piecewise):
            yield _processed(batch, preprocessor, generator(number))
            continue
        for piece in preprocessor.pieces(batch, generator(number)):
            _refuse_unequal(piece, type(preprocessor).__name__)
            yield piece


def _refuse_unequal(piece: Batch, name: str) -> None:
    if not isinstance(piece, Batch):
        raise DataError(f"{name}.pieces must give batches, got {type(piece).__name__}; make them by batch.rows")
    count = len(piece.indices)
    found = {samples(piece.x), samples(piece.y), len(piece.sets)}
    if piece.weights is not None:
        found.add(len(piece.weights))
    if count == 0 or found != {count}:
        raise DataError(
            f"{name}.pieces: a piece must have at least one sample, and as many inputs and labels as indices: "
            f"got {samples(piece.x)} inputs and {samples(piece.y)} labels for {count} indices and {len(piece.sets)} "
            "sets; take some of the samples of a batch by batch.rows"
        )
