"""The first stage of a conversion: everything known of each sample of the raw files, in their order.

The artifact `samples-IDENTITY/` holds, for n samples of all raw data sets one after the other,

    samples.json           see `Described`
    origin.npy             (n, 3): set number (0 where sets have none), raw file number, row in it (both from 0)
    labels.npy             (n,) in the dtype of their kind, or one for each step of all sequences; labels-OUTPUT.npy for
                           each of several outputs; absent where labels are the input
    groups.npy             (n,) int32 numbers of the groups in the order of their names, if a group was named
    weights.npy            (n,) float32, if a column of weights was named
    INPUT.lengths.npy      (n,) int64 steps of each sample, of an input that is a sequence
    INPUT.values           of raw files that cannot be read at random: all values in C order, little endian, as they go
                           into shards; parsed here once, so that every part can take its samples
    INPUT.checks.npy       (n,) uint64: xxh3 of each sample's bytes in it, compared whenever a sample is taken

`.npy` files are as `npy` describes. Every byte is a function of the settings and the raw files.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from deeptrain.errors import ArtifactError, DataError, said
from deeptrain.files import parse_json
from deeptrain.formats.labelling import Steps
from deeptrain.shards import npy
from deeptrain.shards.info import Shape
from deeptrain.shards.outputs import array_name, parts
from deeptrain.shards.settings import ArrayDtype, Dtype, Kind
from deeptrain.store.artifact import Artifact

NAME = "samples.json"
VERSION = 1


class StoredInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input of every sample.

    Attributes:
        name: "x" where there is one only.
        dtype: in shards.
        shape: in shards; a sequence has None as its first axis.
        raw: in the raw files, which differs where the settings give another one.
        rows: of the flat array: samples, or steps of all sequences.
    """

    name: str
    dtype: Dtype
    shape: Shape
    raw: Shape
    rows: int

    def __post_init__(self) -> None:
        """Refuse what no array has."""
        axes = self.shape[1:] if self.shape[:1] == (None,) else self.shape
        if not self.shape or self.rows < 0 or any(axis is None or axis < 1 for axis in axes):
            raise ValueError(f"no input has {self.rows} rows of the shape {list(self.shape)}")

    @property
    def sequence(self) -> bool:
        """Whether each sample has a number of steps of its own."""
        return self.shape[0] is None

    @property
    def row(self) -> tuple[int, ...]:
        """Shape of a sample, or of a sequence's step."""
        return tuple(size for size in self.shape if size is not None)

    @property
    def row_bytes(self) -> int:
        """Bytes of it."""
        return math.prod(self.row) * np.dtype(self.dtype).itemsize


class StoredSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One raw data set: "raw", or the split whose path it is; its files in order, and how many samples they hold."""

    name: str
    files: tuple[str, ...]
    samples: Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Described(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `samples.json`.

    Attributes:
        version: of the format.
        inputs: what a sample is made of.
        sources: the raw data sets, one after the other.
        columns: names of a table's features.
        kind: of the labels; by output where they are of several.
        classes: what each label stands for, likewise.
        labels_are_input: whether there are no labels but the samples.
        numbered: whether the raw files are arrays that are numbered sets.
        staged: whether the values are here, or read from the raw files.
        arrays: dtype and shape of each `.npy` file, by its name without the ending.
        per_step: whether labels are one for each step of a sequence.
    """

    version: int = VERSION
    inputs: tuple[StoredInput, ...]
    sources: tuple[StoredSource, ...]
    columns: tuple[str, ...]
    kind: Kind | dict[str, Kind]
    classes: tuple[str, ...] | dict[str, tuple[str, ...]]
    labels_are_input: bool
    numbered: bool
    staged: bool
    arrays: dict[str, tuple[ArrayDtype, tuple[int, ...]]]
    per_step: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        if not self.per_step:
            del told["per_step"]
        return told


@dataclass(frozen=True)
class Samples:
    """The artifact, opened; arrays are read when they are asked for, and compared with their sha256."""

    artifact: Artifact
    described: Described

    def __len__(self) -> int:
        """How many samples there are."""
        return sum(source.samples for source in self.described.sources)

    @cached_property
    def origin(self) -> NDArray[np.unsignedinteger[Any]]:
        """(samples, 3) set number, raw file number, row in it."""
        return self._array("origin")

    @cached_property
    def labels(self) -> dict[str, NDArray[Any]]:
        """By output (samples,) in the dtype of their kind, or (steps,) of all; none where they are the input."""
        if self.described.labels_are_input:
            return {}
        return {name: self._array(array_name(name)) for name in parts(self.described.kind)}

    @cached_property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """What each label stands for, by output."""
        return parts(self.described.classes)

    def label_places(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where in `labels` those of some samples are: one each, or all their steps' one after the other."""
        if not self.described.per_step:
            return indices
        lengths = next(iter(self.lengths.values()))
        return Steps(np.arange(int(lengths.sum())), lengths)[indices].values

    @cached_property
    def groups(self) -> NDArray[np.int32] | None:
        """(samples,) group numbers from 0, or None."""
        return self._array("groups") if "groups" in self.described.arrays else None

    @cached_property
    def weights(self) -> NDArray[np.float32] | None:
        """(samples,), or None."""
        return self._array("weights") if "weights" in self.described.arrays else None

    @cached_property
    def lengths(self) -> dict[str, NDArray[np.int64]]:
        """(samples,) steps of each sample, by input that is a sequence."""
        return {one.name: self._array(f"{one.name}.lengths") for one in self.described.inputs if one.sequence}

    @cached_property
    def checks(self) -> dict[str, NDArray[np.uint64]]:
        """(samples,) xxh3 of each sample, by input, where the values are here."""
        return {one.name: self._array(f"{one.name}.checks") for one in self.described.inputs}

    def values(self, one: StoredInput) -> Path:
        """The file with all values of an input."""
        return self.artifact.path(f"{one.name}.values")

    def _array(self, name: str) -> NDArray[Any]:
        file = f"{name}.npy"
        data = self.artifact.verified(file)
        if name not in self.described.arrays:
            raise DataError(f"{self.artifact.directory / NAME}: tells of no array {name}")
        told, shape = self.described.arrays[name]
        return npy.decoded(data, np.dtype(told), shape, self.artifact.directory / file)


def open(artifact: Artifact) -> Samples:
    """The samples that `intake.write` wrote.

    Raises:
        AlteredError: when the description is not the recorded one.
        ArtifactError: when it is no such description.
    """
    path = artifact.path(NAME)
    try:
        described = msgspec.convert(parse_json(artifact.verified(NAME), path), Described, strict=True)
    except msgspec.ValidationError as error:
        raise ArtifactError(f"{path}: {said(error)}; delete {artifact.directory}, it is made again") from error
    return Samples(artifact, described)


def row_checks(data: memoryview, edges: NDArray[np.int64]) -> NDArray[np.uint64]:
    """xxh3 of the bytes of each sample, which lie between one edge and the next."""
    at = edges.tolist()
    digest = xxhash.xxh3_64_intdigest
    return np.array([digest(data[start:stop]) for start, stop in pairwise(at)], np.uint64)
