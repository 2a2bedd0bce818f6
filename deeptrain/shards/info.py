"""What is known of data without opening it: what a model's builder receives."""

from typing import Any, Literal, Self

import msgspec

from deeptrain.errors import DataError
from deeptrain.shards.settings import SPLITS, Dtype


class Statistics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over all values (every feature of every sample) of the train split, computed in float64.

    Attributes:
        count: how many values, NaN not included.
        min: the least.
        max: the largest.
        mean: their mean.
        std: their standard deviation, divided by `count`.
        nan: how many are not a number.
    """

    count: int
    min: float
    max: float
    mean: float
    std: float
    nan: int = 0


class DataInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user's `builder(data, **arguments)` receives: everything of the data but the data.

    For digits, "is it an eight?": `shape` (8, 8, 1), `kind` "binary", `classes` ("other", "8"), `outputs` 1.

    Attributes:
        shape: of one sample, without the batch axis: `keras.Input(data.shape)`.
        dtype: of the samples in a batch, such as "float32".
        kind: of the labels: "binary" (0 or 1), "classes" (0 to len(classes) - 1) or "values" (any number).
        classes: what each label stands for, by its number; empty for values.
        samples: number of samples of "train", "val", "calibration" and "test"; 0 where there is no such split.
        label_counts: for each split the number of samples of each class, in the order of `classes`; empty for values.
        columns: names of the features in the raw files, in the order of a sample's values (C order of `shape`).
        statistics: of the values of the train split, for normalisation.
    """

    shape: tuple[int, ...]
    dtype: Dtype
    kind: Literal["binary", "classes", "values"]
    classes: tuple[str, ...]
    samples: dict[str, int]
    label_counts: dict[str, tuple[int, ...]]
    columns: tuple[str, ...]
    statistics: Statistics

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ValueError: naming what does not.
        """
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"shape must have axes of at least 1, got {list(self.shape)}")
        if set(self.samples) != set(SPLITS) or set(self.label_counts) != set(SPLITS):
            raise ValueError(f"samples and label_counts must be given for {', '.join(SPLITS)}")
        # JSON with sorted keys forgets the order of the splits
        msgspec.structs.force_setattr(self, "samples", {name: self.samples[name] for name in SPLITS})
        msgspec.structs.force_setattr(self, "label_counts", {name: self.label_counts[name] for name in SPLITS})
        if (self.kind == "values") != (not self.classes) or (self.kind == "binary" and len(self.classes) != 2):
            raise ValueError(f"{len(self.classes)} classes do not fit labels of kind {self.kind}")
        for split, counts in self.label_counts.items():
            wanted = self.samples[split] if self.classes else 0
            if len(counts) != len(self.classes) or sum(counts) != wanted or min(counts, default=0) < 0:
                raise ValueError(f"label_counts of {split} do not add up to its {self.samples[split]} samples")

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for a sample: one for each of several classes, otherwise one."""
        return len(self.classes) if self.kind == "classes" else 1

    @property
    def label_dtype(self) -> str:
        """Of labels in a batch: "uint8" for binary, "int64" for classes, "float32" for values."""
        return {"binary": "uint8", "classes": "int64", "values": "float32"}[self.kind]

    def plain(self) -> dict[str, Any]:
        """As dicts, lists, text and numbers, for JSON."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result

    @classmethod
    def from_plain(cls, value: object, source: str = "data info") -> Self:
        """The same again, checked.

        Raises:
            DataError: naming `source`, the field and the rule.
        """
        try:
            return msgspec.convert(value, cls, strict=True)
        except msgspec.ValidationError as error:
            raise DataError(f"{source}: {error}; the file is damaged or from another version") from error
