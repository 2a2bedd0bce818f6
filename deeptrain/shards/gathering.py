"""Samples of raw data in any order, in bounded memory: from the values that were parsed, or from the raw files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeptrain.errors import AlteredError
from deeptrain.formats.data import RawData
from deeptrain.formats.region import LINE, empty
from deeptrain.shards import memory
from deeptrain.shards.blocks import offsets
from deeptrain.shards.samples import Samples, StoredInput, row_checks
from deeptrain.shards.splits import Indices

SCRATCH_BYTES = 1 << 20  # stays in the processor's cache between reading and putting in place


class Gatherer:
    """Gives samples by their numbers, in any order; within each call files are read from beginning to end.

    Memory of raw files' samples is used again once nobody holds them: fresh memory costs more than the read into it.
    """

    def __init__(self, samples: Samples, raw: Callable[[], Mapping[str, RawData]]) -> None:
        """Prepare to read.

        Args:
            samples: what is known of them.
            raw: opens the raw files; called only where their values are read from them.
        """
        self._samples = samples
        self._inputs = samples.described.inputs
        self._staged = samples.described.staged
        self._raw: Sequence[RawData] = () if self._staged else tuple(raw().values())
        self._ends = np.cumsum([source.samples for source in samples.described.sources])
        self._offsets = {name: offsets(lengths) for name, lengths in samples.lengths.items()}
        self._size = 0
        self._pool = memory.Pool(0)

    def pieces(self, indices: Indices, size: int) -> Iterator[slice]:
        """The indices cut into runs of about `size` bytes of values, at least one sample each."""
        if size != self._size:
            # one is being filled while another one is being written
            self._size, self._pool = size, memory.Pool(2 * (size + memory.HUGE))
        fixed = sum(one.row_bytes for one in self._inputs if not one.sequence)
        if not self._offsets:
            step = max(1, size // fixed)
            for start in range(0, len(indices), step):
                yield slice(start, min(start + step, len(indices)))
            return
        bytes_of = np.full(len(indices), fixed, np.int64)
        for one in self._inputs:
            if one.sequence:
                bytes_of += self._samples.lengths[one.name][indices] * one.row_bytes
        ends = offsets(bytes_of)
        start = 0
        while start < len(indices):
            stop = max(start + 1, int(np.searchsorted(ends, ends[start] + size, side="right")) - 1)
            yield slice(start, stop)
            start = stop

    def take(self, indices: Indices) -> dict[str, NDArray[Any]]:
        """The samples of these numbers in their order: by input (samples, *shape), of sequences the flat steps.

        Raises:
            AlteredError: when values are not those that were parsed.
            DataError: when raw files cannot be read any more.
        """
        order = np.argsort(indices, kind="stable")
        ascending = indices[order]
        in_order = bool((order[:-1] < order[1:]).all())
        found = {}
        if not self._staged:
            return self._from_raw(ascending, None if in_order else order)
        for one in self._inputs:
            if one.sequence:
                found[one.name] = self._sequences(one, indices)
            else:
                found[one.name] = self._staged_rows(one, ascending, None if in_order else order)
        return found

    def _from_raw(self, ascending: Indices, order: Indices | None) -> dict[str, NDArray[Any]]:
        out = self._room(len(ascending))
        if order is None:
            self._read(ascending, out)
            return out
        rows = max(1, SCRATCH_BYTES // sum(one.row_bytes for one in self._inputs))
        scratch = {one.name: empty((min(rows, len(ascending)), *one.row), np.dtype(one.dtype)) for one in self._inputs}
        for start in range(0, len(ascending), rows):
            chosen = ascending[start : start + rows]
            part = {name: array[: len(chosen)] for name, array in scratch.items()}
            self._read(chosen, part)
            for name, array in part.items():
                out[name][order[start : start + rows]] = array
        return out

    def _room(self, samples: int) -> dict[str, NDArray[Any]]:
        """Memory for so many samples, of any content: by input (samples, *shape), all in one piece."""
        starts = offsets(np.array([-(-samples * one.row_bytes // LINE) * LINE for one in self._inputs]))
        # of one size, so that the last and smaller piece of a shard leaves the memory for the next shard's first
        room = self._pool.take(max(int(starts[-1]), self._size))
        return {
            one.name: room[start : start + samples * one.row_bytes].view(one.dtype).reshape(samples, *one.row)
            for one, start in zip(self._inputs, starts.tolist(), strict=False)
        }

    def _read(self, ascending: Indices, out: Mapping[str, NDArray[Any]]) -> None:
        """Samples in ascending order, from the raw data set of each."""
        cuts = np.searchsorted(ascending, self._ends).tolist()
        start = 0
        for raw, end, stop in zip(self._raw, self._ends.tolist(), cuts, strict=True):
            if start < stop:
                into = {one.name: out[one.name][start:stop].reshape(stop - start, *one.raw) for one in self._inputs}
                raw.take(ascending[start:stop] - (end - (raw.samples or 0)), into)
            start = stop

    def _staged_rows(self, one: StoredInput, ascending: Indices, order: Indices | None) -> NDArray[Any]:
        # mapped anew for each call, so that pages that were read do not pile up in this process
        values = _mapped(self._samples, one)
        if order is None and ascending[-1] - ascending[0] + 1 == len(ascending):
            out = np.array(values[ascending[0] : ascending[-1] + 1])
            self._compare(one, out, ascending, np.arange(len(out) + 1) * one.row_bytes)
            return out
        out = np.empty((len(ascending), *one.row), one.dtype)
        rows = max(1, SCRATCH_BYTES // one.row_bytes)
        for start in range(0, len(ascending), rows):
            chosen = ascending[start : start + rows]
            part = values[chosen]
            self._compare(one, part, chosen, np.arange(len(part) + 1) * one.row_bytes)
            out[slice(start, start + rows) if order is None else order[start : start + rows]] = part
        return out

    def _sequences(self, one: StoredInput, indices: Indices) -> NDArray[Any]:
        values = _mapped(self._samples, one)
        edges = self._offsets[one.name]
        lengths = self._samples.lengths[one.name][indices]
        ends = offsets(lengths)
        out = np.empty((int(ends[-1]), *one.row), one.dtype)
        first = edges[indices]
        if int(ends[-1]) == int(edges[indices[-1] + 1] - first[0]) and bool((np.diff(indices) == 1).all()):
            out[:] = values[first[0] : first[0] + len(out)]
        else:
            for start, at, length in zip(ends.tolist(), first.tolist(), lengths.tolist(), strict=False):
                out[start : start + length] = values[at : at + length]
        self._compare(one, out, indices, ends * one.row_bytes)
        return out

    def _compare(self, one: StoredInput, rows: NDArray[Any], indices: Indices, edges: Indices) -> None:
        """Every value that was kept since it was parsed must be what it was."""
        data = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
        wrong = np.flatnonzero(row_checks(data, edges) != self._samples.checks[one.name][indices])
        if wrong.size:
            path = self._samples.values(one)
            raise AlteredError(f"{path}: altered: sample {indices[wrong[0]]} is not as it was parsed", path.parent)


def _mapped(samples: Samples, one: StoredInput) -> NDArray[Any]:
    dtype = np.dtype(one.dtype).newbyteorder("<")
    return np.memmap(samples.values(one), dtype, mode="r", shape=(one.rows, *one.row))
