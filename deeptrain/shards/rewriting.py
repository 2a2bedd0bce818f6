"""Files of any format written anew as files of any other: what `formats` reads, in what `formats.writers` writes.

`rewrite` writes a directory. `planned` and `make` write the artifact `raw-IDENTITY/`, whose directory `samples/` that
is, so that what is there is checked and not made again.
"""

import contextlib
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np

from deeptrain import files
from deeptrain.errors import DataError, SettingsError
from deeptrain.formats import discovery, places, wav, writers
from deeptrain.formats.data import RawChunk, RawData
from deeptrain.formats.discovery import Reading
from deeptrain.formats.labelling import Steps
from deeptrain.formats.writers import Contents
from deeptrain.shards import raw_sets
from deeptrain.shards.progress import Progress, Watch, nobody
from deeptrain.store import artifact, code, fingerprints
from deeptrain.store.artifact import Artifact
from deeptrain.store.completeness import Checker
from deeptrain.store.locks import lock_of
from deeptrain.store.specification import Input, Specification

MEMORY = 256 << 20
"""Bytes of samples held at once, by default."""
RECIPE = 1
"""Raised when our own code changes the bytes of the artifact."""
SAMPLES = "samples"
"""The directory of the artifact that holds the files."""
SEQUENCES = 16  # held at once: their size is known when they are read

OPTIONS = frozenset({"dtype", "samples_per_set", "one_file", "rate", *Reading.__annotations__})


def rewrite(
    path: str | Path,
    directory: str | Path,
    to: str = "npy",
    *,
    dtype: str | None = None,
    samples_per_set: int | None = None,
    one_file: bool = False,
    rate: int | None = None,
    memory: int = MEMORY,
    watch: Watch = nobody,
    **reading: Unpack[Reading],
) -> tuple[Path, ...]:
    """Write raw data of any format as files of any other, in bounded memory: samples, labels and their order stay.

    Numbered sets are files of their own and keep their numbers (`set-7.npy`); other data is one file (`samples.npy`),
    pictures and recordings a file a sample. Labels are beside them, in svmlight inside. The directory is whole or
    absent. Afterwards it was opened: what would be read as something else is an error.

    Args:
        path: file or directory, as for `deeptrain.loading.open`.
        directory: where to; it must be new or empty.
        to: "npy", "npz", "hdf5", "csv", "tsv", "arrow", "parquet", "svmlight" (read with as many `features`), "image"
            (PNG) or "wav".
        dtype: of the samples; by default each input as it is stored.
        samples_per_set: write numbered sets of so many samples instead of the raw ones.
        one_file: put all sets into one file, without their numbers.
        rate: steps a second of recordings; by default as in the raw files.
        memory: bytes of samples held at once; labels come on top.
        watch: is told how many samples were written, and of how many if that is known.
        reading: what is said instead of inferred, as for `deeptrain.formats.discovery.open`.

    Returns:
        The files of samples, in the order of the samples.

    Raises:
        ArtifactError: when the disk is full.
        DataError: for whatever is wrong with the raw data, or cannot be said in the format, with the rule.
    """
    raw = discovery.open(Path(path), **reading)
    target = raw_sets.new(Path(directory))
    contents = _contents(raw, dtype, rate)
    kind = writers.kind(to, contents, str(path))
    if samples_per_set is not None and (samples_per_set < 1 or one_file):
        told = "one file has no sets; give one of the two" if one_file else "must be at least 1"
        raise DataError(f"{path}: samples_per_set = {samples_per_set}: {told}")
    numbers = [] if one_file or samples_per_set is not None else [found.number for found in raw.sets]
    if None in numbers or len(numbers) == 1:
        numbers = []
    cells: list[Any] = []
    hidden = files.unique_sibling(target)
    with files.explained(hidden):
        hidden.mkdir()
    try:
        with files.explain_full_disk(hidden / "samples"), contextlib.ExitStack() as stack:
            done, stands, add = 0, None, None
            for chunk in _cut(raw.chunks(_rows(contents, memory), dtype), samples_per_set):
                place: int | None = None
                if samples_per_set is not None:
                    place = done // samples_per_set + 1
                elif numbers:
                    place = numbers[int(chunk.origin[0, 0])]
                if add is None or place != stands:
                    stack.close()
                    name = f"samples{kind.extension}" if place is None else f"set-{place}{kind.extension}"
                    add = stack.enter_context(kind.write(hidden / name, contents))
                add(chunk)
                stands = place
                done += chunk.samples
                if isinstance(chunk.labels, Steps):
                    raise DataError(f"{path}: its labels are sequences; only one label a sample can be written beside")
                if chunk.labels is not None and not kind.labels_inside:
                    cells.append(np.asarray(chunk.labels))
                watch(Progress("raw", 0, 0, done, raw.samples))
        if not done:
            raise DataError(f"{path}: no samples: the raw files are empty")
        if cells:
            labels = np.concatenate(cells)
            raw_sets.check_words(target, labels)
            raw_sets.write_labels(hidden, labels)
        keys: Literal["inputs"] | None = "inputs" if reading.get("keys") == "inputs" else None
        found = _read_back(hidden, to, contents, done, target, keys)
        for file in sorted(hidden.iterdir()):
            files.sync_file(file)
        files.sync_tree(hidden)
        files.rename(hidden, target)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return tuple(target / file.relative_to(hidden) for file in found.files)


@dataclass(frozen=True)
class Rewriting:
    """Files that are to be written anew; made by `planned`.

    Attributes:
        path: of the raw data.
        to: the format.
        options: of `rewrite`, besides.
        specification: the artifact.
    """

    path: Path
    to: str
    options: Mapping[str, Any]
    specification: Specification

    @property
    def directory(self) -> Path:
        """Of the files, once they are there."""
        return self.specification.directory / SAMPLES


def planned(path: str | Path, root: str | Path, to: str = "npy", **options: Any) -> Rewriting:
    """The artifact that raw data in another format will be; reads raw files only to fingerprint those that changed.

    Args:
        path: file or directory.
        root: where artifacts go.
        to: as of `rewrite`.
        options: all others of `rewrite`, but `memory` and `watch`.

    Raises:
        DataError: when raw files are missing.
        SettingsError: for an option that is none.
        UserCodeError: when the loader is not found.
    """
    unknown = sorted(options.keys() - OPTIONS)
    if unknown:
        raise SettingsError(f"{unknown[0]}: is no option; there are {', '.join(sorted(OPTIONS))}")
    place, beside = Path(path), options.get("beside")
    where = {
        key: options[key] for key in ("format", "loader", "beside", "labels", "label_column", "group") if key in options
    }
    found = discovery.find(place, **where)
    memory = Path(root) / "live" / "fingerprints.json"
    inputs: dict[str, Input] = {
        "raw": fingerprints.fingerprint(found.files, place if place.is_dir() else place.parent, memory)
    }
    if found.labels:
        inputs["labels"] = fingerprints.fingerprint(found.labels, found.labels[0].parent, memory)
    settings = {"to": to, **{key: value for key, value in options.items() if key != "beside"}}
    if "labels" in options and str(options["labels"]) not in places.NO_PLACES:
        settings["labels"] = True  # where they lie is in no identity
    loader = options.get("loader")
    digest = None if loader is None else code.digest([loader], Path.cwd() if beside is None else Path(beside))
    return Rewriting(place, to, options, Specification("raw", RECIPE, Path(root), settings, inputs, digest))


def make(rewriting: Rewriting, checker: Checker, watch: Watch = nobody) -> Artifact:
    """The artifact, made unless it is complete.

    Raises:
        ArtifactError: when the disk is full, or what stands there is damaged.
        DataError: as of `rewrite`.
        LockedError: when another process is making it.
    """
    specification = rewriting.specification
    with lock_of(specification.root, specification.directory):
        if not checker.complete(specification):
            with artifact.writing(specification, checker.links(specification)) as writer:
                inside = writer.directory / SAMPLES
                rewrite(rewriting.path, inside, rewriting.to, watch=watch, **rewriting.options)
                for file in sorted(inside.iterdir()):
                    writer.take(f"{SAMPLES}/{file.name}")
    return checker.artifact(specification)


def _contents(raw: RawData, dtype: str | None, rate: int | None) -> Contents:
    inputs = tuple(replace(field, dtype=dtype or field.dtype) for field in raw.inputs)
    if rate is None and raw.format.name == "wav":
        rate = wav.rate(raw.files[0])
    return Contents(inputs, raw.columns, raw.group, raw.labels.kind not in {"none", "input"}, rate)


def _rows(contents: Contents, memory: int) -> int:
    """Samples that are held at once: some times as much is needed on their way."""
    if any(field.is_sequence for field in contents.inputs):
        return SEQUENCES
    return max(1, memory // 16 // sum(math.prod(one.step) * np.dtype(one.dtype).itemsize for one in contents.inputs))


def _cut(chunks: Iterable[RawChunk], size: int | None) -> Iterator[RawChunk]:
    """The chunks, cut wherever `size` samples are full, counted over all."""
    left = size or 0
    for chunk in chunks:
        if size is None:
            yield chunk
            continue
        start = 0
        while start < chunk.samples:
            stop = min(chunk.samples, start + left)
            yield _part(chunk, start, stop)
            left = left - (stop - start) or size
            start = stop


def _part(chunk: RawChunk, start: int, stop: int) -> RawChunk:
    def rows(name: str) -> slice:
        if name not in chunk.lengths:
            return slice(start, stop)
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(chunk.lengths[name])])
        return slice(int(ends[start]), int(ends[stop]))

    return RawChunk(
        {name: values[rows(name)] for name, values in chunk.inputs.items()},
        {name: lengths[start:stop] for name, lengths in chunk.lengths.items()},
        None if chunk.labels is None else chunk.labels[start:stop],
        None if chunk.groups is None else chunk.groups[start:stop],
        chunk.origin[start:stop],
    )


def _read_back(
    hidden: Path, to: str, contents: Contents, samples: int, target: Path, keys: Literal["inputs"] | None
) -> RawData:
    """What was written, opened: it must be what was to be written."""
    features = math.prod(contents.inputs[0].step) if to == "svmlight" else None
    try:
        found = discovery.open(hidden, group=contents.group, features=features, keys=keys)
    except DataError as error:
        told = str(error).removeprefix(str(hidden)).removeprefix("/")
        raise DataError(f"{target}: {to} cannot say this: {told}") from error
    shapes, expected = ([(one.name, one.shape or (1,)) for one in inputs] for inputs in (found.inputs, contents.inputs))
    there = found.counted().samples
    if shapes != expected or there != samples or (found.labels.kind == "none") == contents.labelled:
        raise DataError(
            f"{target}: {to} cannot say this: {samples:,} samples of {expected} would be read as {there:,} of {shapes}"
        )
    return found
