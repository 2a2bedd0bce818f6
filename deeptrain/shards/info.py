"""What is known of data without opening it: what a model's builder receives."""

from typing import Any, TypeVar

import msgspec

from deeptrain.shards.outputs import each
from deeptrain.shards.settings import ONLY, OUTPUT, SPLITS, Dtype, Kind

Shape = tuple[int | None, ...]
ValueT = TypeVar("ValueT")


class Statistics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over values of the train split, computed in float64.

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


class Lengths(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Over the sequences of the train split, in steps.

    Attributes:
        min: of the shortest.
        max: of the longest.
        mean: of all.
    """

    min: int
    max: int
    mean: float


class InputInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the arrays a sample is made of.

    Attributes:
        name: "x" where there is one only.
        shape: of one sample, without the batch axis; a sequence has None as its first axis, the steps.
        dtype: in a batch, such as "float32".
        statistics: of all its values in the train split.
        features: the same of each column, where the raw data is a table; else empty.
        lengths: of its sequences; None where every sample has the same shape.
    """

    name: str
    shape: Shape
    dtype: Dtype
    statistics: Statistics
    features: tuple[Statistics, ...] = ()
    lengths: Lengths | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ValueError: naming what does not.
        """
        if not self.name.isidentifier():
            raise ValueError(f"an input's name must be letters, digits and _, got {self.name!r}")
        sequence = self.shape[:1] == (None,)
        if not self.shape or any(axis is None or axis < 1 for axis in self.shape[sequence:]):
            raise ValueError(f"shape must have axes of at least 1, got {list(self.shape)}")
        if sequence != (self.lengths is not None):
            raise ValueError(f"{self.name}: lengths are told of sequences, whose first axis is None, and only of them")

    @property
    def sequence(self) -> bool:
        """Whether the number of steps differs from sample to sample."""
        return self.shape[0] is None


class DataInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user's `builder(data, **arguments)` receives: everything of the data but the data.

    For digits, "is it an eight?": `shape` (8, 8, 1), `kind` "binary", `classes` ("other", "8"), `outputs` 1.

    Attributes:
        inputs: the arrays a sample is made of, in their order; most data has one.
        kind: of the labels: "binary" (0 or 1), "classes" (0 to len(classes) - 1) or "values" (any number); a mapping by
            output, in the order of their names, where labels are of several, as are `classes`, each of `label_counts`,
            `outputs` and `label_dtype`.
        classes: what each label stands for, by its number; empty for values.
        samples: number of samples of "train", "val", "calibration" and "test"; 0 where there is no such split.
        label_counts: for each split the number of labels of each class, in the order of `classes`; empty for values.
        columns: names of the features in the raw files, in the order of a sample's values (C order of `shape`).
        labels_are_input: whether y is x itself, as an autoencoder wants it; `kind` is "values" then.
        weighted: whether each sample has a weight of its own.
        numbered: whether the raw files are numbered sets and keep their numbers, samples in their own order.
        per_step: whether there is a label for every step of a sequence, and not one for a sample.
    """

    inputs: tuple[InputInfo, ...]
    kind: Kind | dict[str, Kind]
    classes: tuple[str, ...] | dict[str, tuple[str, ...]]
    samples: dict[str, int]
    label_counts: dict[str, tuple[int, ...] | dict[str, tuple[int, ...]]]
    columns: tuple[str, ...] = ()
    labels_are_input: bool = False
    weighted: bool = False
    numbered: bool = False
    per_step: bool = False

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ValueError: naming what does not.
        """
        names = [one.name for one in self.inputs]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"inputs must have different names, at least one, got {names}")
        if set(self.samples) != set(SPLITS) or set(self.label_counts) != set(SPLITS):
            raise ValueError(f"samples and label_counts must be given for {', '.join(SPLITS)}")
        # JSON with sorted keys forgets the order of the splits
        msgspec.structs.force_setattr(self, "samples", {name: self.samples[name] for name in SPLITS})
        msgspec.structs.force_setattr(self, "label_counts", {name: self.label_counts[name] for name in SPLITS})
        if isinstance(self.kind, dict):  # JSON with sorted keys forgets an order, so theirs is that of their names
            for field in ("kind", "classes"):
                msgspec.structs.force_setattr(self, field, dict(sorted(getattr(self, field).items())))
        if self.labels_are_input and self.kind != "values":
            raise ValueError(f"labels that are the input have the kind values, got {self.kind}")
        for output in self.named or (ONLY,):
            self._check_classes(output)

    def _check_classes(self, output: str) -> None:
        if output and not OUTPUT.fullmatch(output):
            raise ValueError(f"an output's name must be letters, digits and _, and not loss, got {output!r}")

        def of(found: Any) -> Any:
            if isinstance(found, dict) != bool(output) or (output and output not in found):
                raise ValueError(f"kind, classes and label_counts must be given for {output or 'one output'}")
            return found[output] if output else found

        kind, classes = of(self.kind), of(self.classes)
        told = f" of {output}" if output else ""
        if (kind == "values") != (not classes) or (kind == "binary" and len(classes) != 2):
            raise ValueError(f"{len(classes)} classes do not fit labels{told} of kind {kind}")
        for split, found in self.label_counts.items():
            counts = of(found)
            wanted = self.samples[split] if classes else 0
            enough = sum(counts) >= wanted if self.per_step else sum(counts) == wanted
            if len(counts) != len(classes) or not enough or min(counts, default=0) < 0:
                raise ValueError(f"label_counts of {split}{told} do not add up to its {self.samples[split]} samples")

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the outputs that labels are of, in their order; empty where there is one, without a name."""
        return tuple(self.kind) if isinstance(self.kind, dict) else ()

    @property
    def shape(self) -> Any:
        """Of one sample: a tuple, `keras.Input(data.shape)`; a mapping by input where there are several."""
        return self._by_input({one.name: one.shape for one in self.inputs})

    @property
    def dtype(self) -> Any:
        """Of samples in a batch, such as "float32"; a mapping by input where there are several."""
        return self._by_input({one.name: one.dtype for one in self.inputs})

    @property
    def statistics(self) -> Any:
        """`Statistics` of the train split's values, for normalisation; a mapping by input where there are several."""
        return self._by_input({one.name: one.statistics for one in self.inputs})

    @property
    def lengths(self) -> Any:
        """`Lengths` of the train split's sequences, None if they are none; a mapping where there are several inputs."""
        return self._by_input({one.name: one.lengths for one in self.inputs})

    @property
    def sequences(self) -> bool:
        """Whether an input's number of steps differs from sample to sample."""
        return any(one.sequence for one in self.inputs)

    @property
    def outputs(self) -> Any:
        """How many numbers a model gives for a sample: one for each of several classes, otherwise one."""
        return each(lambda kind, classes: len(classes) if kind == "classes" else 1, self.kind, self.classes)

    @property
    def label_dtype(self) -> Any:
        """Of labels in a batch: "uint8" for binary, "int64" for classes, "float32" for values."""
        return each({"binary": "uint8", "classes": "int64", "values": "float32"}.__getitem__, self.kind)

    def plain(self) -> dict[str, Any]:
        """As dicts, lists, text and numbers, for JSON."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        if not self.per_step:
            del result["per_step"]
        return result

    def _by_input(self, values: dict[str, ValueT]) -> ValueT | dict[str, ValueT]:
        return values if len(values) > 1 else next(iter(values.values()))
