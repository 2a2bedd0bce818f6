"""What a model is fed, as its builder is told: samples as windows and preprocessors make them."""

from typing import Any

import msgspec
import numpy as np

from deeptrain.loading.feed import Feed
from deeptrain.loading.window_feed import WindowFeed
from deeptrain.shards.info import DataInfo


class FedInfo(DataInfo, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user's `builder(data, **arguments)` receives: `DataInfo` with shapes and dtypes as a batch has them.

    Attributes:
        batch_size: rows of every batch where sequences are cut into windows, so that a model with states may have them:
            `keras.Input(batch_shape=(data.batch_size, *data.shape))`; None where batches differ in size.
        per_step: whether there is a label for every step of a window, and not one for a series.
    """

    batch_size: int | None = None


def fed(info: DataInfo, feed: Feed) -> FedInfo:
    """What comes out when the first batch is made as for validation.

    Args:
        info: of the data as it is stored.
        feed: of any split, without chance.
    """
    x: Any = next(feed.judged(0)).x
    feed.close()
    given = x if isinstance(x, dict) else {info.inputs[0].name: x}
    inputs = tuple(
        msgspec.structs.replace(
            one, shape=tuple(given[one.name].shape[2:]), dtype=np.dtype(given[one.name].dtype).name, lengths=None
        )
        for one in info.inputs
    )
    rows = next(iter(given.values())).shape[1]
    told = {**msgspec.structs.asdict(info), "inputs": inputs}
    if isinstance(feed, WindowFeed):
        return FedInfo(**{**told, "per_step": feed.per_step}, batch_size=int(rows))
    return FedInfo(**told)
