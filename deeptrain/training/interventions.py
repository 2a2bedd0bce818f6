"""What a person changed by hand in a run or a session, written before it acts: `interventions.json` beside the epochs.

A list of objects with epoch, iteration, key and value, in the order in which they acted. Each is in the identity of the
epoch it acted in; whoever trains that epoch again acts alike at the same iterations.
"""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from deeptrain import files
from deeptrain.errors import ArtifactError, SettingsError

NAME = "interventions.json"

Key = Literal["learning_rate", "threshold", "skip", "repeat", "loss", "optimizer", "frozen"]
NAMED = {"loss": dict, "optimizer": dict, "frozen": list}
"""What is changed in a session only, and said by name: see `keras_by_name`."""


@dataclass(frozen=True)
class Intervention:
    """A change by hand, between two iterations.

    Attributes:
        epoch: in which it acts, from 1.
        iteration: before which it acts, counted from 0 since the training began.
        key: "learning_rate"; "threshold"; "skip": so many batches are left out; "repeat": the batch before comes again;
            "loss", "optimizer", "frozen".
        value: the new value, or how many batches; of the last three as JSON says it by name.
    """

    epoch: int
    iteration: int
    key: Key
    value: Any

    def __post_init__(self) -> None:
        """Check the value.

        Raises:
            SettingsError: when it is out of range.
        """
        if self.key in NAMED:
            fits, rule = isinstance(self.value, NAMED[self.key]), "a name"
        elif self.key in {"skip", "repeat"}:
            fits, rule = self.value >= 1 and self.value == int(self.value), "a whole number of at least 1"
        elif self.key == "threshold":
            fits, rule = 0 <= self.value <= 1, "a number from 0 to 1"
        else:
            fits, rule = 0 < self.value < math.inf, "a finite number above 0"
        if not fits:
            raise SettingsError(f"{self.key}: expected {rule}, got {self.value}")

    def __str__(self) -> str:
        """The change in words: "learning_rate 0.05 before iteration 7 in epoch 2"."""
        value = json.dumps(self.value)[:80] if self.key in NAMED else f"{self.value:g}"
        return f"{self.key} {value} before iteration {self.iteration} in epoch {self.epoch}"

    def plain(self) -> dict[str, Any]:
        """The intervention as JSON holds it."""
        return asdict(self)


def read(directory: Path) -> tuple[Intervention, ...]:
    """The interventions of a training, none if nothing was written.

    Raises:
        ArtifactError: when the file is no list of interventions in the order of their iterations.
    """
    path = directory / NAME
    if not path.exists():
        return ()
    rows = files.read_json(path)
    if not isinstance(rows, list):
        raise ArtifactError(f"{path}: expected a list of interventions, got {type(rows).__name__}")
    found = tuple(_checked(path, row) for row in rows)
    for before, after in itertools.pairwise(found):
        if (before.epoch, before.iteration) > (after.epoch, after.iteration):
            raise ArtifactError(f"{path}: expected interventions in the order of their iterations, got {after} last")
    return found


def written(directory: Path) -> tuple[int, ...] | None:
    """What tells whether the file is the same as at another time; None where there is none."""
    try:
        status = (directory / NAME).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def write(directory: Path, interventions: Sequence[Intervention]) -> None:
    """Put all interventions of a training in place of those that were there, durably."""
    files.write_file(directory / NAME, files.readable_json([one.plain() for one in interventions]))


def _checked(path: Path, row: Any) -> Intervention:
    if not isinstance(row, dict) or set(row) != {"epoch", "iteration", "key", "value"}:
        raise ArtifactError(f"{path}: expected epoch, iteration, key and value, got {row!r:.120}")
    whole = all(type(row[name]) is int and row[name] >= least for name, least in (("epoch", 1), ("iteration", 0)))
    number = type(row["value"]) in {int, float}
    if not whole or row["key"] not in get_args(Key) or number == (row["key"] in NAMED):
        raise ArtifactError(f"{path}: not an intervention: {row!r:.120}")
    try:
        value = float(row["value"]) if number else row["value"]
        return Intervention(row["epoch"], row["iteration"], row["key"], value)
    except (SettingsError, OverflowError) as error:
        raise ArtifactError(f"{path}: {error}") from error
