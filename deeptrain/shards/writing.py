"""Writing shards; the format on disk is described in docs/formats.md and here.

A directory of shards, `shards-IDENTITY/`, holds artifacts:

    parts/0001/                      at most 64 of them; each holds whole shards
        train-00001.INPUT.npy        a shard's samples of one input: (samples, *shape), or (steps, *shape) where they
                                     are sequences, the steps of all one after the other
        train-00001.INPUT.blocks     the same when compressed: the compressed blocks back to back
    whole/
        data.json                    see `layout.Layout`
        SPLIT.labels.npy             (samples,), or of every step of sequences (steps,) of all one after the other
        SPLIT.labels-OUTPUT.npy      the same for each of several outputs
        SPLIT.origin.npy             (samples, 3) set number, raw file number and row in it (both from 0), unsigned
        SPLIT.weights.npy            (samples,) float32, if samples have weights
        SPLIT.blocks.npy             (blocks + 1,) the first sample of each block, and at the end the number of samples
        SPLIT.INPUT.xxh3.npy         (blocks,) uint64 checksum of each block's bytes as they are stored
        SPLIT.INPUT.lengths.npy      (samples,) steps of each sample, of an input that is a sequence
        SPLIT.INPUT.sizes.npy        (blocks,) bytes of each block as it is stored, when compressed

All `.npy` files are in C order and little endian, their data begins at byte 4096 (`npy`); where no dtype is told, it is
the smallest unsigned one that holds the numbers. Every byte is a function of the samples and the arguments.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from deeptrain.files import readable_json
from deeptrain.shards import blocks, layout, npy, outputs
from deeptrain.shards.layout import Compression, InputLayout, Layout, SmallArray


class Writer(Protocol):
    """Where files are written: the store's artifact, or a directory in tests."""

    def open(self, name: str) -> AbstractContextManager[npy.Sink]:
        """A new file of this name ("train-00001.x.npy"), whole and durable when its block ends."""
        ...

    def write(self, name: str, data: bytes) -> object:
        """A new file with these bytes."""
        ...


@dataclass(frozen=True, eq=False)
class ShardChecks:
    """What is known of a shard's blocks once it is written.

    Attributes:
        blocks: (blocks + 1,) int64: first sample of each block in the shard, and at the end the number of samples.
        xxh3: by input (blocks,) uint64 checksums of the blocks as they are stored.
        sizes: by input (blocks,) int64 bytes of the blocks as they are stored.
    """

    blocks: NDArray[np.int64]
    xxh3: Mapping[str, NDArray[np.uint64]]
    sizes: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class SplitArrays:
    """The small arrays of a split, in the order of its samples.

    Attributes:
        labels: (samples,), or (steps,) where each step has one; a mapping by output where they are of several; None
            where the input is the label.
        origin: (samples, 3) set number, raw file number and row in it.
        checks: of its shards, in their order.
        lengths: by input that is a sequence: (samples,) steps of each sample.
        weights: (samples,) float32, or None.
    """

    labels: NDArray[Any] | Mapping[str, NDArray[Any]] | None
    origin: NDArray[np.integer[Any]]
    checks: Sequence[ShardChecks]
    lengths: Mapping[str, NDArray[np.integer[Any]]] = field(default_factory=dict)
    weights: NDArray[np.float32] | None = None


class ShardWriter:
    """Writes one shard as its samples come; blocks are hashed (and compressed) on the way.

    Holds no more than one block of each input, and that only when compressing. Used as a context manager it closes its
    files when an error ends the block; they are then not whole.
    """

    def __init__(
        self,
        writer: Writer,
        name: str,
        inputs: Sequence[InputLayout],
        samples: int,
        *,
        lengths: Mapping[str, NDArray[np.integer[Any]]] | None = None,
        block_bytes: int = layout.BLOCK_BYTES,
        compression: Compression | None = None,
        cuts: NDArray[np.int64] | None = None,
    ) -> None:
        """Create the shard's files.

        Args:
            writer: of the part.
            name: "train-00001".
            inputs: of each sample.
            samples: how many will come.
            lengths: (samples,) steps of each sample, at least 1, by input that is a sequence.
            block_bytes: the most bytes of a block of more than one sample, all inputs together.
            compression: of the blocks.
            cuts: samples of the shard at which a block must begin too, ascending: sets that are read as a whole. Worth
                it for sets of at least a few hundred KiB; small ones would make small blocks.

        Raises:
            ValueError: when samples or lengths are not what the inputs ask for.
        """
        steps = {one: np.asarray(of, np.int64) for one, of in (lengths or {}).items()}
        if samples < 1:
            raise ValueError(f"{name}: a shard has at least 1 sample, got {samples}")
        if set(steps) != {stored.name for stored in inputs if stored.sequence}:
            raise ValueError(f"{name}: lengths must be given of each input that is a sequence, got {sorted(steps)}")
        for one, of in steps.items():
            if of.shape != (samples,) or of.min() < 1:
                raise ValueError(
                    f"{name}.{one}: needs {samples} lengths of at least 1, got {of.shape}, least {of.min()}"
                )
        self.name = name
        self._blocks = blocks.firsts(inputs, samples, steps, block_bytes, cuts)
        self._open = contextlib.ExitStack()
        self._columns: dict[str, _Column] = {}
        try:
            for stored in inputs:
                starts = blocks.offsets(steps[stored.name]) if stored.sequence else np.arange(samples + 1)
                file = self._open.enter_context(writer.open(stored.file(name, compression)))
                self._columns[stored.name] = _Column(file, stored, starts[self._blocks], compression)
        except BaseException:
            self._open.close()
            raise

    def append(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the next samples of some or all inputs.

        Args:
            arrays: by input any number of rows, (samples, *shape), or of a sequence (steps, *shape): rows need not end
                with a sample. Of another dtype they are converted.

        Raises:
            ValueError: for an input, a shape or a row that the shard does not have.
        """
        for name, rows in arrays.items():
            if name not in self._columns:
                raise ValueError(f"{self.name}: has no input {name!r} (there: {', '.join(self._columns)})")
            self._columns[name].append(rows, f"{self.name}.{name}")

    def close(self) -> ShardChecks:
        """Bring the files to the disk and return what is known of the blocks.

        Raises:
            ValueError: when fewer samples came than were announced; the files are not whole then.
        """
        for name, column in self._columns.items():
            if column.missing:
                error = ValueError(f"{self.name}.{name}: ends {column.missing} rows before what was announced")
                self._open.__exit__(type(error), error, None)
                raise error
        self._open.close()
        return ShardChecks(
            self._blocks,
            {name: np.array(column.checks, np.uint64) for name, column in self._columns.items()},
            {name: np.array(column.sizes, np.int64) for name, column in self._columns.items()},
        )

    def __enter__(self) -> Self:
        """Write within a block that closes the files if it fails."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the files after an error; after a block that went well it is `close` that does."""
        if kind is not None:
            self._open.__exit__(kind, error, at)


class _Column:
    """One file of a shard: rows in, blocks hashed and maybe compressed."""

    def __init__(
        self, file: npy.Sink, stored: InputLayout, edges: NDArray[np.int64], compression: Compression | None
    ) -> None:
        self._file = file
        self._shape = stored.shape
        self._dtype = np.dtype(stored.dtype).newbyteorder("<")
        self._row = blocks.row_bytes(stored)
        self._ends = (edges[1:] * self._row).tolist()
        self._written = 0
        self._hash = xxhash.xxh3_64()
        self._codec = None if compression is None else _codec(compression)
        self._pending = bytearray()
        self.checks: list[int] = []
        self.sizes: list[int] = []
        if self._codec is None:
            file.write(npy.header(self._dtype, (int(edges[-1]), *stored.shape)))

    @property
    def missing(self) -> int:
        """Rows that have not come yet."""
        return int(self._ends[-1] - self._written) // self._row

    def append(self, rows: NDArray[Any], place: str) -> None:
        if rows.shape[1:] != self._shape or rows.ndim != len(self._shape) + 1:
            raise ValueError(f"{place}: takes rows of shape {self._shape}, got an array of {rows.shape}")
        if len(rows) > self.missing:
            raise ValueError(f"{place}: {len(rows)} rows come where {self.missing} are missing")
        data = np.ascontiguousarray(rows, self._dtype).reshape(-1).view(np.uint8).data
        if self._codec is None and len(data):
            self._file.write(data)
        done = 0
        while done < len(data):
            end = self._ends[len(self.checks)]
            piece = data[done : done + end - self._written]
            done += len(piece)
            self._written += len(piece)
            if self._codec is None:
                self._hash.update(piece)
            else:
                self._pending += piece
            if self._written == end:
                self._finish_block()

    def _finish_block(self) -> None:
        number = len(self.checks)
        if self._codec is None:
            self.checks.append(self._hash.intdigest())
            self._hash.reset()
            self.sizes.append(self._ends[number] - (self._ends[number - 1] if number else 0))
            return
        packed = self._codec.compress(bytes(self._pending), asbytes=True)
        self._pending.clear()
        self._file.write(packed)
        self.checks.append(blocks.checksum(packed))
        self.sizes.append(len(packed))


def _codec(compression: Compression) -> Any:
    import pyarrow as pa

    return pa.Codec(compression)


def write_whole(writer: Writer, described: Layout, splits: Mapping[str, SplitArrays]) -> Layout:
    """Write `whole/`: the small arrays of all splits and `data.json`.

    Args:
        writer: of the artifact.
        described: the layout; its `arrays` are filled in here.
        splits: by name, those of the layout.

    Returns:
        The layout as it was written.

    Raises:
        ValueError: when arrays and layout do not belong together.
    """
    if set(splits) != set(described.splits):
        raise ValueError(f"arrays of {sorted(splits)} were given for the splits {sorted(described.splits)}")
    arrays = {}
    for split in described.splits:
        for name, array in _small_arrays(split, described, splits[split]):
            data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            with writer.open(f"{name}.npy") as file:
                npy.write(file, data)
            check = f"{blocks.checksum(data.reshape(-1).view(np.uint8).data):016x}"
            arrays[name] = SmallArray(dtype=data.dtype.name, shape=data.shape, xxh3=check)  # type: ignore[arg-type]
    whole = msgspec.structs.replace(described, arrays=arrays)
    writer.write(layout.NAME, readable_json(whole.plain()))
    return whole


def _small_arrays(split: str, described: Layout, given: SplitArrays) -> Iterator[tuple[str, NDArray[Any]]]:
    told = described.splits[split]
    samples = told.samples
    sizes = [int(checks.blocks[-1]) for checks in given.checks]
    if sizes != [shard.samples for shard in told.shards]:
        raise ValueError(f"{split}: checks are of shards with {sizes} samples, the layout has others")
    if (given.labels is None) != described.info.labels_are_input:
        raise ValueError(f"{split}: labels must be given unless the input is the label")
    if given.origin.shape != (samples, 3) or given.origin.min(initial=0) < 0:
        raise ValueError(f"{split}: origin must be {(samples, 3)} numbers of at least 0, got {given.origin.shape}")
    for name, array in (("weights", given.weights), *given.lengths.items()):
        if array is not None and len(array) != samples:
            raise ValueError(f"{split}.{name}: must have {samples} rows, got {len(array)}")
    wanted = int(next(iter(given.lengths.values())).sum()) if described.info.per_step else samples
    dtypes = outputs.parts(described.info.label_dtype)
    for output, labels in outputs.parts(given.labels).items():
        name = f"{split}.{outputs.array_name(output)}"
        if output not in dtypes or len(labels) != wanted:
            raise ValueError(f"{name}: must have {wanted} rows, one of {sorted(dtypes)}, got {len(labels)}")
        yield name, labels.astype(dtypes[output], copy=False)
    yield f"{split}.origin", smallest(given.origin)
    if given.weights is not None:
        yield f"{split}.weights", given.weights.astype(np.float32, copy=False)
    starts = np.cumsum([0, *sizes])
    first = [checks.blocks[:-1] + start for checks, start in zip(given.checks, starts[:-1], strict=True)]
    yield f"{split}.blocks", smallest(np.concatenate([*first, starts[-1:]]))
    for stored in described.inputs:
        yield f"{split}.{stored.name}.xxh3", np.concatenate([checks.xxh3[stored.name] for checks in given.checks])
        if stored.sequence:
            yield f"{split}.{stored.name}.lengths", smallest(given.lengths[stored.name])
        if described.compression is not None:
            sizes_of = np.concatenate([checks.sizes[stored.name] for checks in given.checks])
            yield f"{split}.{stored.name}.sizes", smallest(sizes_of)


def smallest(numbers: NDArray[np.integer[Any]]) -> NDArray[np.unsignedinteger[Any]]:
    """The same whole numbers, none negative, in the smallest unsigned dtype that holds them."""
    most = int(numbers.max(initial=0))
    kinds = (np.uint8, np.uint16, np.uint32, np.uint64)
    return numbers.astype(next(kind for kind in kinds if most <= np.iinfo(kind).max))
