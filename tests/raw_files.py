"""Raw files made of a few numbers, for tests of how directories are read."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

Make = Callable[[Path], None]


def npy(path: Path, samples: int = 4, shape: tuple[int, ...] = (2,), first: float = 0, dtype: str = "float32") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, (first + np.arange(samples * int(np.prod(shape)))).reshape(samples, *shape).astype(dtype))


def h5(path: Path, **arrays: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array


def png(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 2), value).save(path)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def everything(data) -> np.ndarray:
    return np.concatenate([chunk.inputs["x"] for chunk in data.chunks(3)])


def two(path: Path) -> None:
    npy(path / "1.npy")
    npy(path / "2.npy")
