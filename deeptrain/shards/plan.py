"""What a conversion makes, before any of it exists: three stages of artifacts, told by settings and raw files alone.

1. `samples-IDENTITY/`: what is known of each sample of the raw files, and the values of what cannot be read at random.
2. `shards-IDENTITY/parts/0001/` and so on: shards; each part is made by itself, in any order, by any process.
3. `shards-IDENTITY/whole/`: what joins the parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deeptrain import files
from deeptrain.formats import registry
from deeptrain.settings import Use
from deeptrain.shards import sources
from deeptrain.shards.settings import SAMPLES_PER_SET, DataSettings
from deeptrain.store import code, fingerprints
from deeptrain.store.specification import SHORT, Input, Source, Specification

RECIPES = {"samples": 1, "part": 1, "shards": 2}
"""The integer of each stage, raised when our own code changes its bytes."""

PART_BYTES = 256 << 20  # of raw files
MOST_PARTS = 64
HEADED = frozenset({"npy", "npz", "hdf5"})  # formats whose headers tell everything: no user's code runs in a plan


@dataclass(frozen=True)
class Conversion:
    """One conversion: what is asked, and the artifacts it leads to. Made by `of`; can be sent to another process.

    Attributes:
        settings: `[data]`.
        base: the directory that the settings' paths are relative to.
        root: the directory that holds the artifacts and their locks.
        memory: the file that remembers fingerprints of raw files.
        raw: content of the raw files by name: "raw" or a split, and "... labels" where they are apart.
        samples: stage 1.
        parts: stage 2.
        whole: stage 3.
    """

    settings: DataSettings
    base: Path
    root: Path
    memory: Path
    raw: Mapping[str, Source]
    samples: Specification
    parts: tuple[Specification, ...]
    whole: Specification

    @property
    def directory(self) -> Path:
        """`shards-IDENTITY/`, which holds the parts and the whole."""
        return self.whole.directory.parent

    @property
    def specifications(self) -> tuple[Specification, ...]:
        """All artifacts, inputs first."""
        return (self.samples, *self.parts, self.whole)


def of(
    settings: DataSettings,
    base: Path,
    root: Path,
    memory: Path,
    aliases: Mapping[str, str] | None = None,
    *,
    keep: bool = True,
) -> Conversion:
    """The conversion that `[data]` asks for; reads raw files only to fingerprint those that changed.

    Args:
        settings: `[data]`.
        base: the directory of the TOML file.
        root: where artifacts go, `runs/EXPERIMENT`.
        memory: the file that remembers fingerprints.
        aliases: digests of a loader's code for which others stand; see `store.code_aliases`.
        keep: whether it may be written: see `fingerprints.fingerprint`.

    Raises:
        DataError: when raw files are missing.
        UserCodeError: when the loader is not found.
    """
    found = sources.find(settings, base)
    raw = fingerprinted(found, memory, keep=keep)
    loader = _code(settings, base, found)
    loader = (aliases or {}).get(loader or "", loader)
    seeds = {"data": settings.seed}
    asked = _meant(settings, base, found)
    inputs: dict[str, Input] = dict(raw)
    samples = Specification("samples", RECIPES["samples"], root, _of_samples(asked), inputs, loader)
    count = _parts(sum(file.stat().st_size for source in found.values() for file in source.data))
    parts = [
        Specification(
            "part",
            RECIPES["part"],
            root,
            {**asked, "part": number, "parts": count},
            {"samples": samples},
            loader,
            seeds,
        )
        for number in range(1, count + 1)
    ]
    made: dict[str, Input] = {"samples": samples, **{part_name(number): part for number, part in enumerate(parts, 1)}}
    whole = Specification("shards", RECIPES["shards"], root, asked, made, loader, seeds)
    # Where an artifact stands is in no identity, so the directory of all can be named by what they are.
    directory = root / f"shards-{whole.identity[:SHORT]}"
    placed = tuple(
        replace(part, root=directory / "parts", name=f"{number:04d}") for number, part in enumerate(parts, 1)
    )
    made |= {part_name(number): part for number, part in enumerate(placed, 1)}
    whole = replace(whole, root=directory, inputs=made, name="whole")
    return Conversion(settings, base, root, memory, raw, samples, placed, whole)


def fingerprinted(found: Mapping[str, sources.Source], memory: Path, *, keep: bool = True) -> dict[str, Source]:
    """The content of raw files, by the names an artifact's manifest gives them; `keep`: see `fingerprint`."""
    result = {}
    for name, source in found.items():
        result[name] = fingerprints.fingerprint(source.data, source.anchor, memory, keep=keep)
        if source.labels:
            key = "labels" if name == "raw" else f"{name} labels"
            result[key] = fingerprints.fingerprint(source.labels, source.labels[0].parent, memory, keep=keep)
    return result


def part_name(number: int) -> str:
    """What a whole's manifest calls a part, from 1."""
    return f"part {number:04d}"


def _code(settings: DataSettings, base: Path, found: Mapping[str, sources.Source]) -> str | None:
    """The digest of the loader functions that read the raw files, None where none does or they are installed."""
    named = None if settings.loader is None else code.digest([Use.of(settings.loader).use], base)
    registered = {code.digest_of(function) for source in found.values() for function in source.loaders} - {None}
    return files.digest_of(sorted({*registered, named} - {None}, key=str)) if registered else named


def _meant(settings: DataSettings, base: Path, found: Mapping[str, sources.Source]) -> dict[str, Any]:
    """The settings that decide over the shards; what says only what is so anyway is left out, as if it were not said.

    So a format that all extensions tell, and the samples of a set that are the default for this data.
    """
    asked = settings.relevant()
    if all(registry.is_told(file, source.format) for source in found.values() for file in source.data):
        asked["format"] = None
    if settings.samples_per_set is not None and settings.samples_per_set == _per_set(settings, base, found):
        asked["samples_per_set"] = None
    return asked


def _per_set(settings: DataSettings, base: Path, found: Mapping[str, sources.Source]) -> int | str | None:
    """What `samples_per_set` is if nothing is said; None where only reading the raw files would tell."""
    formats = [source.format for source in found.values()]
    if settings.shuffle or any(one.tabular or one.single for one in formats):
        return SAMPLES_PER_SET
    if not all(one.name in HEADED for one in formats):
        return None
    return "file" if sources.numbered(sources.open(settings, base)) else SAMPLES_PER_SET


def _of_samples(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide over what is known of samples, not over their order."""
    keys = ("format", "loader", "reading", "labels", "weights", "shape", "dtype", "allow_missing")
    paths = [name for name, size in asked["splits"].items() if size == "path"]
    return {**{key: asked[key] for key in keys if key in asked}, "splits": paths, "group": asked["splits"]["group"]}


def _parts(size: int) -> int:
    """How many parts raw files of so many bytes are converted in."""
    return min(max(-(-size // PART_BYTES), 1), MOST_PARTS)
