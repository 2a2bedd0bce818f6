"""Samples of new raw files, as a model that was trained on other ones takes them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import DataError
from deeptrain.formats import raw
from deeptrain.formats.cells import listed
from deeptrain.formats.raw import Raw
from deeptrain.shards.info import DataInfo


def read(info: DataInfo, path: Path, format: str | None = None) -> tuple[NDArray[Any], Raw]:
    """The samples in raw files, labelled or not, with the features, shape and dtype of the data described by `info`.

    Features are found by the names of their columns, in any order; other columns, such as labels, may hold anything.

    Args:
        info: of the data that the model was trained on.
        path: a raw file or a directory of them.
        format: "csv" or "tsv"; None tells it by the extensions.

    Returns:
        (samples, *shape) in the order of files and rows, and the opened raw files.

    Raises:
        DataError: when a feature is missing, or for whatever else is wrong with the files.
    """
    data = raw.open(path, format)
    missing = [name for name in info.columns if name not in data.columns]
    if missing:
        raise DataError(
            f"{path}: the columns {listed(missing, 4)} are missing, which the model was trained on; "
            f"there are: {listed(data.columns, 4)}"
        )
    wanted = set(info.columns)
    ignored = [name for name in data.columns if name not in wanted]
    there = {name: index for index, name in enumerate(name for name in data.columns if name in wanted)}
    order = [there[name] for name in info.columns]
    tables = data.tables(np.dtype(info.dtype), ignored=ignored)
    return np.concatenate([table.values[:, order] for table in tables]).reshape(-1, *info.shape), data
