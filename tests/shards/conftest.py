import types
from pathlib import Path
from typing import Any

import pytest

from deeptrain.settings import Mistakes, typed
from deeptrain.shards import conversion, plan, reading
from deeptrain.shards.plan import Conversion
from deeptrain.shards.settings import DataSettings
from deeptrain.store.completeness import Checker


def settings(**changes: Any) -> DataSettings:
    """`[data]` as an experiment reads it, `raw` with labels in `label`, some keys changed."""
    return from_table({"path": "raw", "labels": {"column": "label"}, "splits": {"train": 0.5, "val": 0.5}, **changes})


def from_table(table: dict[str, Any]) -> DataSettings:
    """`[data]` as an experiment reads it."""
    mistakes = Mistakes("my.toml")
    result = typed(DataSettings, table, "data", mistakes)
    mistakes.raise_if_any()
    assert result is not None
    return result


def planned(base: Path, root: str | None = None, **changes: Any) -> Conversion:
    """The conversion of `base/raw` into a new directory beside it, or into the one that is named."""
    place = base / (root or f"converted{len(list(base.glob('converted*')))}")
    return plan.of(settings(**changes), base, place, place / "live" / "fingerprints.json")


def convert(base: Path, **changes: Any) -> reading.Shards:
    """The shards of `base/raw`, opened."""
    made = planned(base, **changes)
    conversion.make(made, Checker())
    return reading.open(made.directory)


def tree(directory: Path) -> dict[str, bytes]:
    """Every file of a conversion but those in `live/`."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "live" not in path.relative_to(directory).parts
    }


def write_csv(path: Path, rows: list[list[Any]], header: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header] * bool(header) + [",".join(map(str, row)) for row in rows]
    path.write_bytes("".join(line + "\n" for line in lines).encode())


@pytest.fixture(scope="session")
def tools() -> Any:
    """The functions above, which a test cannot import from a directory that is no package."""
    return types.SimpleNamespace(
        settings=settings, typed=from_table, planned=planned, convert=convert, tree=tree, write_csv=write_csv
    )
