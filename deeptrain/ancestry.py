"""What a run's artifacts were made from, read from their manifests alone, without its experiment."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from deeptrain.errors import ArtifactError
from deeptrain.report.run import Lineage
from deeptrain.store import manifest as manifests
from deeptrain.store import run_names
from deeptrain.store.manifest import NAME, Manifest

FIRST = ("samples", "shards", "training")
"""Stages in the order they are made; the others follow what they are made from."""


def of(run: Path) -> tuple[Lineage, ...]:
    """The artifacts of a run's newest finished job, or of one training, inputs before what was made from them.

    The last epoch stands for its training, and what joins the shards for their parts.

    Args:
        run: `runs/digits`, or one training in it.

    Raises:
        ArtifactError: when it is no run, or nothing of it is done.
    """
    root, names = run_names.of(run)
    training = root / names["training"]
    last = training / "epochs" / f"{run_names.last(training, names.get('epochs')):04d}"
    there = dict(_manifests(root))
    chosen = {last: manifests.read(last)}
    epochs = {made.identity: last for place, made in there.items() if place.parent == last.parent}
    others = {place: made for place, made in there.items() if made.stage != "epoch"}
    made_of, asked = set(epochs), _inputs(chosen[last])
    while fitting := [
        place for place, made in others.items() if _belongs(place, made, names) and _inputs(made) & made_of
    ]:
        for place in fitting:
            chosen[place] = others.pop(place)
            made_of.add(chosen[place].identity)
            asked |= _inputs(chosen[place])
    while fitting := [place for place, made in others.items() if made.identity in asked]:
        for place in fitting:
            chosen[place] = others.pop(place)
            asked |= _inputs(chosen[place])
    by_identity = epochs | {made.identity: place for place, made in chosen.items()}
    return tuple(_ordered({place: _line(root, place, made, by_identity) for place, made in chosen.items()}))


def _manifests(root: Path) -> Iterator[tuple[Path, Manifest]]:
    """Artifacts of a run but parts of shards and states; what cannot be read is another command's matter."""
    for pattern in ("*-*", "shards-*/whole", "training-*/epochs/*"):
        for directory in sorted(root.glob(pattern)):
            if (directory / NAME).is_file():
                try:
                    yield directory, manifests.read(directory)
                except ArtifactError:
                    continue


def _belongs(place: Path, made: Manifest, names: Mapping[str, object]) -> bool:
    """Whether an artifact is of the job that is meant: of several reports of one training, the newest."""
    return made.stage not in names or names[made.stage] == place.name


def _inputs(made: Manifest) -> set[str]:
    return {link.identity for link in made.inputs.values()}


def _line(root: Path, place: Path, made: Manifest, by_identity: dict[str, Path]) -> Lineage:
    below = [by_identity.get(link.identity) for link in made.inputs.values()]
    return Lineage(
        stage="training" if made.stage == "epoch" else made.stage,
        artifact=place.relative_to(root).as_posix(),
        identity=made.identity,
        content=made.content,
        inputs=tuple(
            found.relative_to(root).as_posix() for found in dict.fromkeys(below) if found is not None and found != place
        ),
        seeds=made.seeds,
    )


def _ordered(lines: dict[Path, Lineage]) -> Iterator[Lineage]:
    waiting = sorted(
        lines.values(), key=lambda line: (FIRST.index(line.stage) if line.stage in FIRST else len(FIRST), line.stage)
    )
    told: set[str] = set()
    while waiting:
        ready = next((line for line in waiting if told.issuperset(line.inputs)), waiting[0])
        waiting.remove(ready)
        told.add(ready.artifact)
        yield ready
