"""The samples that a model finds hardest: what each loses, which lose most, and each of them with where it is from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deeptrain import brief
from deeptrain.drawing import wording
from deeptrain.errors import SettingsError
from deeptrain.metrics import losses as formulas
from deeptrain.metrics.metric import Kind

LOSSES: Mapping[Kind, formulas.Loss] = {
    "binary": formulas.binary_crossentropy,
    "classes": formulas.categorical_crossentropy,
    "values": formulas.squared_error,
}
"""What a sample loses, by the kind of its label: whatever a model was trained with, these can be compared."""


@dataclass(frozen=True, eq=False, repr=False)
class HardSample:
    """A sample of a split, what the model said of it and what that cost.

    Attributes:
        split: its name.
        index: of the sample in it, from 0.
        loss: cross-entropy in nats of binary labels and classes, squared error of values; of a label at every step, or
            of a label of several values, their mean. NaN where an output is no number.
        label: (), of a class its number; (steps,) where every step has one.
        output: what the model said: () probability of a positive or value, (classes,) probabilities; each with the axis
            of the steps before it where every step has a label.
        kind: of the label.
        classes: the names of the classes; empty for values.
        set_number: of the set that it is in.
        file: the raw file that it is from, relative to the raw data.
        row: its row in it, from 0.
        x: as the shards hold it, before preprocessors: (*shape), of a sequence (steps, *shape); by input where there
            are several.
        columns: by name the least and the greatest value in the training split, of what the numbers of a row of a
            table are; empty of other data.
    """

    split: str
    index: int
    loss: float
    label: NDArray[Any]
    output: NDArray[Any]
    kind: Kind
    classes: tuple[str, ...]
    set_number: int
    file: str
    row: int
    x: Any
    columns: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    __repr__ = brief.of_fields

    @property
    def place(self) -> str:
        """Where it is from: "set 12, digits-3.csv row 4"."""
        return f"set {self.set_number}, {self.file} row {self.row}"

    @property
    def judgement(self) -> str:
        """What it is and what the model said: "8, said other (0.93)"; of labels with axes nothing."""
        if self.label.ndim:
            return ""
        if self.kind == "values":
            return f"{wording.score(self.label)}, said {wording.score(self.output)}"
        truth = int(self.label)
        shares = np.array([1 - self.output, self.output]) if self.kind == "binary" else self.output
        said = int(np.argmax(shares))
        return f"{self.classes[truth]}, said {self.classes[said]} ({shares[said]:.2f})"


def losses(labels: ArrayLike, outputs: ArrayLike, kind: Kind) -> NDArray[np.float64]:
    """(n,) what each label loses, as `LOSSES` has it; NaN where an output is no finite number.

    Args:
        labels: (n,) 0 or 1, class numbers (n,), or values (n, ...).
        outputs: (n,) probabilities of a positive, (n, classes) probabilities, or values like the labels.
        kind: of the labels.
    """
    truth, said = np.asarray(labels), np.asarray(outputs)
    finite = np.isfinite(said.reshape(len(said), -1)).all(axis=1)
    found = np.full(len(truth), np.nan)
    if finite.any():
        lost = np.asarray(LOSSES[kind](truth[finite], said[finite]), np.float64)
        found[finite] = lost.reshape(len(lost), -1).mean(axis=1)
    return found


def hardest(lost: ArrayLike, count: int) -> NDArray[np.int64]:
    """The places of the greatest losses, those that are no number first, then the greatest; of equal ones the earlier.

    Args:
        lost: (n,).
        count: how many; all where there are fewer.

    Raises:
        SettingsError: when `count` is no integer of at least 1.
    """
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise SettingsError(f"hardest: expected an integer of at least 1 of samples or iterations, got {count!r}")
    values = np.asarray(lost, np.float64)
    order = np.lexsort((-np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf), ~np.isnan(values)))
    return np.asarray(order[:count], np.int64)
