"""What is done to a batch before it is fed: the protocol of preprocessors, how they are chained, and how named."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from deeptrain import user_code
from deeptrain.errors import DataError, UserCodeError
from deeptrain.loading.arrays import samples
from deeptrain.loading.batch import Batch
from deeptrain.settings import Use
from deeptrain.shards.info import DataInfo


class Preprocessor(Protocol):
    """Changes a batch, or a window of one."""

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        """The batch as it is fed, with as many samples.

        Args:
            batch: its arrays must not be changed in place: `dataclasses.replace` makes another batch.
            rng: a generator of its own for each (seed, epoch, batch, window) while training; None when validating or
                predicting, where nothing may be random.
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
    from deeptrain.loading.ready import READY

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
    count = len(batch.indices)
    for place, preprocessor in enumerate(chain):
        batch = preprocessor.process(batch, generator(place))
        if samples(batch.x) != count or samples(batch.y) != count:
            raise DataError(
                f"{type(preprocessor).__name__}.process must return as many samples as it got: "
                f"expected {count}, got {samples(batch.x)} inputs and {samples(batch.y)} labels"
            )
    return batch


def remembering(chain: Sequence[Preprocessor]) -> dict[str, Remembering]:
    """The preprocessors of a chain that keep a state, by a name that says place and kind: "0:RunningMean"."""
    return {f"{place}:{type(one).__name__}": one for place, one in enumerate(chain) if isinstance(one, Remembering)}


def changed(batch: Batch, change: Callable[[NDArray[Any]], NDArray[Any]], only: str | None = None) -> Batch:
    """The batch with changed inputs; where labels are the inputs themselves, they are changed with them.

    Args:
        batch: a batch.
        change: takes and gives (samples, ...); called once for each input.
        only: the input to change, of several; by default all.

    Raises:
        DataError: when there is no such input.
    """
    if not isinstance(batch.x, Mapping):
        if only is not None:
            raise DataError(f"preprocessor: there is one input, which has no name, got input = {only!r}")
        x: Any = change(batch.x)
    elif only is not None and only not in batch.x:
        raise DataError(f"preprocessor: there is no input {only!r}; there are {', '.join(batch.x)}")
    else:
        x = {name: change(part) if only in (None, name) else part for name, part in batch.x.items()}
    return dataclasses.replace(batch, x=x, y=x if batch.y is batch.x else batch.y)
