"""The second stage of a conversion: a part gathers its samples and writes whole shards of them.

The artifact `shards-IDENTITY/parts/NNNN/` holds its shards' files (see `writing`), and

    part.json              see `Part`: the shards and the sums of their values
    SHARD.checks.npy       (blocks, 1 + 2 * inputs) uint64: number of each block's samples, then for each input its xxh3
                           and its bytes as stored

Which shards a part has, and every byte of them, is a function of the settings and the raw files: parts can be made in
any order, by any number of processes, with any memory.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import ArtifactError, DataError, said
from deeptrain.files import parse_json, readable_json
from deeptrain.shards import npy
from deeptrain.shards.arrangement import Arrangement, PlannedShard
from deeptrain.shards.gathering import Gatherer
from deeptrain.shards.layout import InputLayout
from deeptrain.shards.moments import Moments, Sums
from deeptrain.shards.samples import Samples, StoredInput
from deeptrain.shards.settings import DataSettings
from deeptrain.shards.writing import ShardChecks, ShardWriter, Writer
from deeptrain.store.artifact import Artifact

NAME = "part.json"
VERSION = 1
MOST_FEATURES = 1024  # columns whose statistics are told apart
PIECE_BYTES = 32 << 20
"""The most values gathered at once: more would only be more fresh memory, and the disk would begin later."""
LEAST_SET = 256 << 10  # bytes of a set whose first sample begins a block


class ShardSums(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shard: its name, how many samples it holds, and by input the sums of all values or of each column."""

    name: str
    samples: int
    sums: dict[str, tuple[Sums, ...]]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of `part.json`."""

    version: int = VERSION
    shards: tuple[ShardSums, ...]


def layout_of(inputs: Sequence[StoredInput]) -> tuple[InputLayout, ...]:
    """How inputs are stored in shards."""
    return tuple(InputLayout(name=one.name, dtype=one.dtype, shape=one.row, sequence=one.sequence) for one in inputs)


def write(
    writer: Writer,
    number: int,
    samples: Samples,
    arranged: Arrangement,
    gatherer: Gatherer,
    settings: DataSettings,
    memory: int,
    watch: Callable[[int, int], None],
) -> None:
    """Write the shards of a part.

    Args:
        writer: of the part.
        number: of the part, from 1.
        samples: what is known of all samples.
        arranged: where they go.
        gatherer: gives their values.
        settings: `[data]`.
        memory: bytes of values that may be held at once.
        watch: is told how many samples were written, of how many.

    Raises:
        AlteredError: when values are not those that were parsed.
        DataError: when raw files cannot be read any more.
    """
    shards = [shard for shard in arranged.shards if shard.part == number]
    total = sum(shard.stop - shard.start for shard in shards)
    done = 0
    told = []
    with ThreadPoolExecutor(1, "write shards") as thread, ThreadPoolExecutor(1, "sum values") as other:
        for shard in shards:
            chosen = arranged.splits[shard.split][shard.start : shard.stop]
            moments = _moments(samples)
            with ShardWriter(
                writer,
                shard.name,
                layout_of(samples.described.inputs),
                len(chosen),
                lengths={name: lengths[chosen] for name, lengths in samples.lengths.items()},
                block_bytes=settings.block_bytes,
                compression=settings.compression,
                cuts=_cuts(samples, arranged, shard),
            ) as file:
                at_work: tuple[Future[None], ...] = ()
                # a third is being filled, a third is being written and summed, a third is what NumPy needs meanwhile
                for piece in gatherer.pieces(chosen, min(memory // 3, PIECE_BYTES)):
                    arrays = gatherer.take(chosen[piece])
                    _wait(at_work)
                    at_work = thread.submit(file.append, arrays), other.submit(_add, moments, arrays)
                    del arrays
                    done += piece.stop - piece.start
                    watch(done, total)
                _wait(at_work)
                _write_checks(writer, shard.name, file.close(), tuple(moments))
            sums = {name: of.sums() for name, of in moments.items()}
            _check_finite(samples, sums, shard, settings.allow_missing)
            told.append(ShardSums(name=shard.name, samples=len(chosen), sums=sums))
    writer.write(NAME, readable_json(msgspec.to_builtins(Part(shards=tuple(told)))))


def open(artifact: Artifact) -> Part:
    """What `part.json` of a part says.

    Raises:
        AlteredError: when it is not the recorded one.
        ArtifactError: when it is no such description.
    """
    path = artifact.path(NAME)
    try:
        return msgspec.convert(parse_json(artifact.verified(NAME), path), Part, strict=True)
    except msgspec.ValidationError as error:
        raise ArtifactError(f"{path}: {said(error)}; delete {artifact.directory}, it is made again") from error


def checks(artifact: Artifact, shard: str, inputs: Sequence[str]) -> ShardChecks:
    """What is known of the blocks of a shard.

    Raises:
        AlteredError: when the file is not the recorded one.
        DataError: when it holds something else.
    """
    name = f"{shard}.checks.npy"
    data = artifact.verified(name)
    columns = 1 + 2 * len(inputs)
    rows = (len(data) - npy.OFFSET) // (8 * columns)
    table = npy.decoded(data, np.dtype(np.uint64), (rows, columns), artifact.directory / name)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(table[:, 0].astype(np.int64))])
    return ShardChecks(
        starts,
        {name: table[:, 1 + 2 * i] for i, name in enumerate(inputs)},
        {name: table[:, 2 + 2 * i].astype(np.int64) for i, name in enumerate(inputs)},
    )


def _wait(at_work: Iterable[Future[None]]) -> None:
    for one in at_work:
        one.result()


def _add(moments: Mapping[str, Moments], arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, rows in arrays.items():
        moments[name].add(rows)


def _moments(samples: Samples) -> dict[str, Moments]:
    columns = len(samples.described.columns)
    told_apart = 1 < columns <= MOST_FEATURES
    return {one.name: Moments(columns if told_apart else None) for one in samples.described.inputs}


def _cuts(samples: Samples, arranged: Arrangement, shard: PlannedShard) -> NDArray[np.int64] | None:
    """Where blocks begin because a set does: where sets are read as a whole and large enough to be worth it."""
    if not arranged.numbered:
        return None
    cuts = arranged.cuts(shard)
    size = sum(one.rows * one.row_bytes for one in samples.described.inputs) // len(samples)
    return cuts if size * (shard.stop - shard.start) >= LEAST_SET * (len(cuts) + 1) else None


def _write_checks(writer: Writer, shard: str, found: ShardChecks, inputs: Sequence[str]) -> None:
    columns = [np.diff(found.blocks).astype(np.uint64)]
    for name in inputs:
        columns += [found.xxh3[name], found.sizes[name].astype(np.uint64)]
    with writer.open(f"{shard}.checks.npy") as file:
        npy.write(file, np.stack(columns, axis=1))


def _check_finite(
    samples: Samples, sums: Mapping[str, Sequence[Sums]], shard: PlannedShard, allow_missing: bool
) -> None:
    """Raw files are checked when they are read; this finds what slipped through."""
    for name, of in sums.items():
        finite = all(np.isfinite([one.total, one.min, one.max]).all() for one in of)
        if not finite or (not allow_missing and any(one.nan for one in of)):
            files = ", ".join(source.name for source in samples.described.sources)
            raise DataError(f"{shard.name}: {name} of {files} holds values that are not finite; repair or drop them")
