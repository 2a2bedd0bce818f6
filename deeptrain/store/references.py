"""Which artifacts of a store were made from which, by their manifests alone: no experiment's file is needed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deeptrain.errors import ArtifactError
from deeptrain.store import manifest as manifests
from deeptrain.store.manifest import Manifest

_UNIT = re.compile(r"(?P<stage>[a-z_]+)-[0-9a-f]{16}")
PARTS = ("whole", "parts/*", "epochs/*")
"""Where the artifacts stand that others are made from, in a unit that is none itself."""


@dataclass(frozen=True, eq=False)
class Unit:
    """What stays or goes as a whole: `STAGE-IDENTITY/`, or `sessions/NAME/`.

    Attributes:
        run: `STORE/EXPERIMENT`.
        directory: of the unit.
        stage: "training", "report", ...; "session" for one.
        artifacts: the manifests of those in it, by their directories, sorted.
    """

    run: Path
    directory: Path
    stage: str
    artifacts: Mapping[Path, Manifest]

    @cached_property
    def inputs(self) -> frozenset[str]:
        """The identities of what its artifacts were made from."""
        return frozenset(link.identity for made in self.artifacts.values() for link in made.inputs.values())


@dataclass(frozen=True)
class References:
    """What is in a store.

    Attributes:
        runs: directories of experiments, sorted.
        units: what is in them.
        damaged: runs with a manifest that cannot be read, with the reason: what it refers to is not known.
    """

    runs: tuple[Path, ...]
    units: tuple[Unit, ...]
    damaged: Mapping[Path, str]

    def reached(self, roots: Iterable[Unit]) -> set[Unit]:
        """The units that some were made from, directly or not, and these themselves."""
        holders = self._holders()
        found: set[Unit] = set()
        waiting = list(roots)
        while waiting:
            unit = waiting.pop()
            if unit in found:
                continue
            found.add(unit)
            for identity in unit.inputs:
                everywhere = holders.get(identity, [])
                # Experiments may have artifacts of one identity each; the own one is meant where there is one.
                waiting += [one for one in everywhere if one.run == unit.run] or everywhere
        return found

    def users(self, identities: Iterable[str]) -> set[Unit]:
        """The units that were made from some artifacts, directly or not."""
        made = set(identities)
        found: set[Unit] = set()
        while new := {unit for unit in self.units if unit not in found and unit.inputs & made}:
            found |= new
            made |= {one.identity for unit in new for one in unit.artifacts.values()}
        return found

    def _holders(self) -> dict[str, list[Unit]]:
        holders: dict[str, list[Unit]] = {}
        for unit in self.units:
            for made in unit.artifacts.values():
                holders.setdefault(made.identity, []).append(unit)
        return holders


def read(store: Path) -> References:
    """What is in a store; nothing of one that is not there. Links are not followed."""
    runs, units, damaged = [], [], {}
    for run in _directories(store, "*"):
        found = []
        for directory, stage in _units(run):
            try:
                found.append(Unit(run, directory, stage, _artifacts(directory)))
            except ArtifactError as error:
                damaged[run] = str(error)
        if found or run in damaged or (run / "live").is_dir():
            runs.append(run)
        units += found
    return References(tuple(runs), tuple(units), damaged)


def _units(run: Path) -> Iterator[tuple[Path, str]]:
    for directory in _directories(run, "*"):
        match = _UNIT.fullmatch(directory.name)
        if match is not None:
            yield directory, match["stage"]
    for directory in _directories(run, "sessions/*"):
        if directory.name != "live":
            yield directory, "session"


def _artifacts(directory: Path) -> dict[Path, Manifest]:
    places = [directory, *(place for part in PARTS for place in _directories(directory, part))]
    return {place: manifests.read(place) for place in places if (place / manifests.NAME).is_file()}


def _directories(place: Path, pattern: str) -> list[Path]:
    found = (path for path in place.glob(pattern) if not path.name.startswith(".") and path.name != "quarantine")
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())
