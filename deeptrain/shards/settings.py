"""`[data]` of an experiment: where samples and labels are and how they are split."""

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Annotated, Any, Literal

import msgspec

from deeptrain.settings import Section, Use

Positive = Annotated[int, msgspec.Meta(ge=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Size = Positive | Annotated[float, msgspec.Meta(gt=0, lt=1)] | Text
SizeOrNone = Annotated[int, msgspec.Meta(ge=0)] | Annotated[float, msgspec.Meta(gt=0, lt=1)] | Text
Label = str | int | float
Dtype = Literal["float32", "float64", "float16", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64"]
ArrayDtype = Literal[Dtype, "uint64"]
"""Of the arrays that tell of samples, such as checksums."""
Kind = Literal["binary", "classes", "values"]

SPLITS = ("train", "val", "calibration", "test")
SAMPLES_PER_SET = 32  # where raw files have no numbers
ONLY = ""
"""Stands for an only output, which needs no name."""
OUTPUT = re.compile(r"(?!loss$)[A-Za-z_][A-Za-z0-9_]{0,63}")


class LabelSettings(Section, frozen=True):
    """`[data.labels]`, or `[data.labels.NAME]` of one of several outputs: where the labels are and what they mean.

    Without `column` and `path` they are where the raw data shows them: a file `labels.*` beside, a column of that name,
    the folder of each class.

    Attributes:
        column: the column that holds them, of the raw files or, with `path`, of the files there.
        path: a file (or directory) of labels apart from the raw files, one a sample in the same order or by set number,
            relative to the TOML file.
        positive: the label or labels that count as 1, all others as 0; makes the labels binary.
        kind: "binary", "classes" or "values" (numbers to be predicted as such); inferred if absent.
    """

    column: Text | None = None
    path: Text | None = None
    positive: Label | tuple[Label, ...] | None = None
    kind: Kind | None = None

    @property
    def positives(self) -> tuple[Label, ...]:
        """The labels that count as 1; empty if none were named."""
        if self.positive is None:
            return ()
        return self.positive if isinstance(self.positive, tuple) else (self.positive,)

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """Positives only make sense for binary labels."""
        if self.positive == ():
            yield "positive", "must name at least one label", []
        if self.positive is not None and self.kind in {"classes", "values"}:
            yield "positive", f'makes the labels binary; leave it out, or kind = "{self.kind}"', self.positive

    def relevant(self) -> dict[str, Any]:
        """Without the place of the file: its content is an input, told by its fingerprint."""
        return {**self.plain(), "path": self.path is not None}


class SplitSettings(Section, frozen=True):
    """`[data.splits]`: how many samples each split has, or where each split's raw data lies.

    A whole number of samples, a fraction of all, or the path of raw data of its own, relative to the TOML file; paths
    or sizes for all of them.

    Attributes:
        train: fits the model.
        val: selects epoch, stopping and schedules.
        calibration: tunes threshold, subset and probabilities; 0 for none.
        test: is scored once; 0 for none.
        stratify: give each split each class in proportion; no effect on labels that are values.
        group: column whose equal values (a person, a device) never come to lie in two splits; sizes are then as near
            as whole groups allow, and the column is no feature. Of pictures, recordings and arrays it is one of the
            table of labels. Or "folder": the folder that a file lies in; see `deeptrain.formats.discovery`.
    """

    train: Size
    val: Size
    calibration: SizeOrNone = 0
    test: SizeOrNone = 0
    stratify: bool = True
    group: Text | None = None

    def asked(self) -> dict[str, int | float]:
        """The four sizes as they were set; empty where paths were."""
        return {name: size for name, size in self._all().items() if not isinstance(size, str)} if not self.paths else {}

    @property
    def paths(self) -> dict[str, str]:
        """Where the raw data of each split lies; empty where sizes were set."""
        return {name: size for name, size in self._all().items() if isinstance(size, str)}

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """The fractions, as they are written in decimals, add up to 1 at most; paths stand alone."""
        fractions = {name: size for name, size in self._all().items() if isinstance(size, float)}
        if sum(Fraction(repr(size)) for size in fractions.values()) > 1:
            yield "train", "the fractions of all splits must add up to 1 at most", fractions
        sizes = {name: size for name, size in self._all().items() if size and not isinstance(size, str)}
        if self.paths and sizes:
            yield next(iter(sizes)), "expected a path, as the other splits have", next(iter(sizes.values()))
        if self.paths and self.group is not None:
            yield (
                "group",
                "keeps people apart when sizes are given; splits from paths are taken as they are",
                self.group,
            )

    def relevant(self) -> dict[str, Any]:
        """Without the places of raw data: its content is an input, told by its fingerprint."""
        return {**self.plain(), **dict.fromkeys(self.paths, "path")}

    def _all(self) -> dict[str, int | float | str]:
        return {"train": self.train, "val": self.val, "calibration": self.calibration, "test": self.test}


class ReadingSettings(Section, frozen=True):
    """`[data.reading]`: what is said of the raw files instead of being inferred; see `deeptrain.formats.discovery`.

    Attributes:
        inputs: names of the arrays, keys or columns that are inputs; by default all that are nothing else.
        ignored: columns or keys that are left out.
        rows: whether the first axis of an array in one file counts "samples" or "sets" of samples.
        keys: whether the arrays of one file are the "inputs" of a sample, or "sets".
        set_number: which run of digits in a name is the set number, 1 the first; "none": names have none.
        label_names: in a table of labels, the column that names the file of a sample.
        features: number of columns of svmlight files.
        first: number of their first column, 0 or 1 (so if nothing is said).
        mode: of images, into which all are converted ("RGB", "L").
        header: whether the first line of a text table holds the names of the columns.
    """

    inputs: tuple[Text, ...] | None = None
    ignored: tuple[Text, ...] = ()
    rows: Literal["samples", "sets"] | None = None
    keys: Literal["inputs", "sets"] | None = None
    set_number: Positive | Literal["none"] | None = None
    label_names: Text | None = None
    features: Positive | None = None
    first: Literal[0, 1] | None = None
    mode: Text | None = None
    header: bool | None = None

    def relevant(self) -> dict[str, Any]:
        """Without what is said of some formats only, where nothing is said."""
        value = Section.relevant(self)
        return {key: one for key, one in value.items() if one is not None or key not in {"first", "header"}}


class DataSettings(Section, frozen=True):
    """`[data]`: raw files and what becomes of them.

    Attributes:
        splits: see `SplitSettings`.
        path: raw file or directory of raw files, relative to the TOML file; absent where splits have paths.
        format: such as "csv" or "npy"; told by the extensions if absent.
        loader: "module:function" that reads files of a kind of one's own, or a table of `use` and `arguments`; see
            `deeptrain.formats`.
        reading: see `ReadingSettings`.
        labels: see `LabelSettings`; tables of these by the names of the model's outputs, where it has several; or
            "input": y is x itself, as an autoencoder wants it.
        weights: column with the weight of each sample, at least 0; it is no feature.
        shape: of one sample, its product the number of its values; if absent, as the files have it, or one axis of all
            columns.
        dtype: of the samples on disk and in batches, or a table of those of inputs by name, others being "float32".
            Whole-number types accept only what they hold exactly.
        allow_missing: whether NaN in inputs of a float dtype (in text an empty cell, too) is kept instead of refused.
        seed: of the splits and of the order of samples in them.
        shuffle: whether the samples of a split are put into the random order of the seed; by default those that have no
            order of their own: numbered sets and sequences stay as they are.
        samples_per_set: a set is the unit with a number, that batches and calibration name: so many samples, or "file":
            a raw file (or key) with a number. By default numbered arrays are sets, otherwise 32 samples are.
        remainder: what becomes of the last set of a split when its samples do not fill it: "keep" it shorter, "drop"
            it, or "oversample": fill it with samples of the split, drawn by the seed.
        samples_per_shard: samples in one file, by default as many as 256 MiB hold.
        compression: of the blocks of shards: none reads fastest; "lz4" or "zstd" where the disk is small or slow.
        block_bytes: of one block, the unit of checksum, compression and shuffling.
    """

    splits: SplitSettings
    path: Text | None = None
    format: Text | None = None
    loader: Text | Use | None = None
    reading: ReadingSettings = ReadingSettings()
    labels: LabelSettings | dict[str, LabelSettings] | Literal["input"] = LabelSettings()
    weights: Text | None = None
    shape: tuple[Positive, ...] | None = None
    dtype: Dtype | dict[str, Dtype] = "float32"
    allow_missing: bool = False
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    shuffle: bool | None = None
    samples_per_set: Positive | Literal["file"] | None = None
    remainder: Literal["keep", "drop", "oversample"] = "keep"
    samples_per_shard: Positive | None = None
    compression: Literal["lz4", "zstd"] | None = None
    block_bytes: Annotated[int, msgspec.Meta(ge=4096, le=1 << 28)] = 1 << 20

    outside_identity = frozenset({"path"})  # the content of the raw files is an input, told by its fingerprint

    @property
    def kinds(self) -> dict[str, Kind | None]:
        """Of the labels by output, as far as the settings say; see `told`."""
        if isinstance(self.labels, str):
            return {ONLY: "values"}
        return {name: "binary" if told.positives else told.kind for name, told in self.told.items()}

    @property
    def told(self) -> dict[str, LabelSettings]:
        """What is said of the labels of each output, in the order of their names; of an only one under `ONLY`."""
        if isinstance(self.labels, dict):
            return dict(sorted(self.labels.items()))
        return {ONLY: LabelSettings() if isinstance(self.labels, str) else self.labels}

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that have labels each; empty where labels are one, or the input."""
        return tuple(self.told) if isinstance(self.labels, dict) else ()

    @property
    def raw(self) -> dict[str, str]:
        """The raw data sets by name: "raw", or one a split that has a path."""
        return self.splits.paths or {"raw": self.path or ""}

    def dtype_of(self, name: str) -> Dtype:
        """The dtype of the input of this name."""
        return self.dtype if isinstance(self.dtype, str) else self.dtype.get(name, "float32")

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """Raw data is somewhere, once; a column has one use; only floats, and no labels, are missing."""
        if self.path is None and not self.splits.paths:
            yield "path", "name the raw file or directory here, or a path for each split", None
        if self.path is not None and self.splits.paths:
            yield "path", "leave it out where the splits have paths of their own", self.path
        used: dict[str, str] = {}
        for name, told in self.told.items():
            key = f"labels.{name}" if name else "labels"
            if name and not OUTPUT.fullmatch(name):
                yield key, "an output's name must be letters, digits and _, at most 64, and not loss", name
            if self.splits.paths and told.path is not None:
                yield f"{key}.path", "with splits from paths the labels lie beside each split's data", told.path
            if name and told.column is None and told.path is None:
                yield key, "one of several labels must say its column, or the path of its file", told.plain()
            if told.column is not None and told.path is None:
                used.setdefault(told.column, f"{key}.column")  # two outputs may be two views of one column
        for key, column in (("splits.group", self.splits.group), ("weights", self.weights)):
            if column is not None and column in used:
                yield key, f"must be another column than {used[column]}", column
            elif column is not None:
                used[column] = key
        if self.loader is not None and ":" not in Use.of(self.loader).use:
            yield "loader", "expected module:function", Use.of(self.loader).use
        if self.allow_missing and isinstance(self.dtype, str) and not self.dtype.startswith("float"):
            yield "allow_missing", f"expected a float dtype with it, {self.dtype} does not hold NaN", True
        if self.allow_missing and self.labels == "input":
            yield "allow_missing", "labels are never missing, and here they are the input; leave it out", True
        if self.samples_per_set == "file" and self.shuffle:
            yield "shuffle", "samples that are shuffled across a split leave their files; drop one of the two", True

    def relevant(self) -> dict[str, Any]:
        """What decides over the bytes of the shards, besides the content of the raw files; in one spelling."""
        labels: Any = self.labels
        if isinstance(labels, dict):
            labels = {name: told.relevant() for name, told in labels.items()}
        elif not isinstance(labels, str):
            labels = labels.relevant()
        value = {**Section.relevant(self), "labels": labels, "splits": self.splits.relevant()}
        value["reading"] = self.reading.relevant()
        if isinstance(self.loader, Use) and not self.loader.arguments:
            value["loader"] = self.loader.use
        if not self.allow_missing:
            del value["allow_missing"]
        return value
