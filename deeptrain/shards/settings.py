"""`[data]` of an experiment: where samples and labels are and how they are split."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Any, Literal

import msgspec

from deeptrain.settings import Section

Positive = Annotated[int, msgspec.Meta(ge=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Size = Positive | Annotated[float, msgspec.Meta(gt=0, lt=1)]
SizeOrNone = Annotated[int, msgspec.Meta(ge=0)] | Annotated[float, msgspec.Meta(gt=0, lt=1)]
Label = str | int | float
Dtype = Literal["float32", "float64", "float16", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64"]

SPLITS = ("train", "val", "calibration", "test")


class LabelSettings(Section, frozen=True):
    """`[data.labels]`: where the labels are and what they mean.

    Attributes:
        column: the column that holds them, of the raw files or, with `path`, of the files there.
        path: a file (or directory) of labels apart from the raw files, one a sample in the same order, relative to
            the TOML file; without `column` it must have one column.
        positive: the label or labels that count as 1, all others as 0; makes the labels binary.
        kind: "binary", "classes" or "values" (numbers to be predicted as such); inferred if absent.
    """

    column: Text | None = None
    path: Text | None = None
    positive: Label | tuple[Label, ...] | None = None
    kind: Literal["binary", "classes", "values"] | None = None

    @property
    def positives(self) -> tuple[Label, ...]:
        """The labels that count as 1; empty if none were named."""
        if self.positive is None:
            return ()
        return self.positive if isinstance(self.positive, tuple) else (self.positive,)

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """Labels need a source, and positives only make sense for binary ones."""
        if self.column is None and self.path is None:
            yield "column", "name the column of the labels here, or their file as path", None
        if self.positive == ():
            yield "positive", "must name at least one label", []
        if self.positive is not None and self.kind in {"classes", "values"}:
            yield "positive", f'makes the labels binary; leave it out, or kind = "{self.kind}"', self.positive

    def relevant(self) -> dict[str, Any]:
        """Without the place of the file: its content is an input, told by its fingerprint."""
        return {**self.plain(), "path": self.path is not None}


class SplitSettings(Section, frozen=True):
    """`[data.splits]`: how many samples each split has; a whole number of samples or a fraction of all.

    Attributes:
        train: fits the model.
        val: selects epoch, stopping and schedules.
        calibration: tunes threshold, subset and probabilities; 0 for none.
        test: is scored once; 0 for none.
        stratify: give each split each class in proportion; no effect on labels that are values.
        group: column whose equal values (a person, a device) never come to lie in two splits; sizes are then as near
            as whole groups allow, and the column is no feature.
    """

    train: Size
    val: Size
    calibration: SizeOrNone = 0
    test: SizeOrNone = 0
    stratify: bool = True
    group: Text | None = None

    def asked(self) -> dict[str, int | float]:
        """The four sizes as they were set."""
        return {"train": self.train, "val": self.val, "calibration": self.calibration, "test": self.test}

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """The fractions, as they are written in decimals, add up to 1 at most."""
        fractions = {name: size for name, size in self.asked().items() if isinstance(size, float)}
        if sum(Fraction(repr(size)) for size in fractions.values()) > 1:
            yield "train", "the fractions of all splits must add up to 1 at most", fractions


class DataSettings(Section, frozen=True):
    """`[data]`: raw files and what becomes of them.

    Attributes:
        path: raw file or directory of raw files, relative to the TOML file.
        format: "csv" or "tsv"; told by the extensions if absent.
        labels: see `LabelSettings`.
        splits: see `SplitSettings`.
        shape: of one sample, its product the number of feature columns; if absent, one axis of all columns.
        dtype: of the samples on disk and in batches. Whole-number types accept only what they hold exactly.
        seed: of the splits and of the order of samples in them.
        samples_per_set: a set is the unit with a number, that batches and calibration name.
        samples_per_shard: samples in one file; larger reads faster, smaller is repaired sooner.
    """

    path: Text
    labels: LabelSettings
    splits: SplitSettings
    format: Text | None = None
    shape: tuple[Positive, ...] | None = None
    dtype: Dtype = "float32"
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    samples_per_set: Positive = 32
    samples_per_shard: Positive = 65536

    outside_identity = frozenset({"path"})  # the content of the raw files is an input, told by its fingerprint

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """A column is either the label or the group."""
        if self.splits.group is not None and self.splits.group == self.labels.column and self.labels.path is None:
            yield "splits.group", "must be another column than labels.column", self.splits.group

    def relevant(self) -> dict[str, Any]:
        """What decides over the bytes of the shards, besides the content of the raw files."""
        return {**Section.relevant(self), "labels": self.labels.relevant()}
