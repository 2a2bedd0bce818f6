import contextlib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from deeptrain.settings import Mistakes, typed
from deeptrain.shards import conversion, reading
from deeptrain.shards.settings import DataSettings


class DirectoryWriter:
    """The store's artifact without its guarantees: these tests are about bytes, the store's are about kills."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
        with (self.directory / name).open("xb") as file:
            yield file

    def write(self, name: str, data: bytes) -> None:
        with self.open(name) as file:
            file.write(data)


def settings(**changes: Any) -> DataSettings:
    """`[data]` as an experiment reads it, `raw` with labels in `label`, some keys changed."""
    table = {"path": "raw", "labels": {"column": "label"}, "splits": {"train": 0.5, "val": 0.5}, **changes}
    mistakes = Mistakes("my.toml")
    result = typed(DataSettings, table, "data", mistakes)
    mistakes.raise_if_any()
    assert result is not None
    return result


def convert(base: Path, **changes: Any) -> reading.Shards:
    """The shards of `base/raw`, opened."""
    number = len(list(base.glob("shards*")))
    directory = base / f"shards{number}"
    info = conversion.convert(settings(**changes), base, DirectoryWriter(directory))
    shards = reading.open(directory)
    assert shards.info == info
    return shards


def write_csv(path: Path, rows: list[list[Any]], header: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header] * bool(header) + [",".join(map(str, row)) for row in rows]
    path.write_bytes("".join(line + "\n" for line in lines).encode())


@pytest.fixture(scope="session")
def tools() -> Any:
    """The functions above, which a test cannot import from a directory that is no package."""
    return types.SimpleNamespace(settings=settings, convert=convert, write_csv=write_csv, Writer=DirectoryWriter)
