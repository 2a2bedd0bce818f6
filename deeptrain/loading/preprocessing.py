"""What is done to a batch before it is fed: the protocol of preprocessors, and how an experiment names them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from deeptrain import user_code
from deeptrain.errors import UserCodeError
from deeptrain.loading.batch import Batch
from deeptrain.loading.normalise import Normalise
from deeptrain.settings import Use
from deeptrain.shards.info import DataInfo

READY = {"normalise": Normalise}


class Preprocessor(Protocol):
    """Changes a batch; keeps nothing between calls."""

    def process(self, batch: Batch, rng: np.random.Generator | None) -> Batch:
        """The batch as it is fed, with as many samples.

        Args:
            batch: its arrays must not be changed in place: `dataclasses.replace` makes another batch.
            rng: a generator of its own for each (seed, epoch, batch) while training; None when validating or
                predicting, where nothing may be random.
        """
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
        made.append(preprocessor)
    return tuple(made)
