"""A past epoch trained again beside its run, from the end of the one before it, and compared with what was recorded."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deeptrain import lineage, session
from deeptrain.errors import ArtifactError, TrainingError
from deeptrain.files import make_directories
from deeptrain.lineage import Lineage
from deeptrain.store.completeness import Checker
from deeptrain.store.manifest import Manifest
from deeptrain.training import adoption, interventions
from deeptrain.training.interventions import Intervention
from deeptrain.training.run import STATE, TrainingRun


@dataclass(frozen=True)
class Reproduced:
    """An epoch that was trained again and came out as recorded, byte for byte.

    Attributes:
        epoch: its number.
        behind: the epoch from whose end it was trained; 0 for the beginning.
        digests: hex sha256 of each of its files, and of its weights and all else that the learner goes on from.
        changed: what was changed by hand until its end, in order; it acted again, or is in the state it began from.
    """

    epoch: int
    behind: int
    digests: Mapping[str, str]
    changed: tuple[Intervention, ...] = ()

    def __str__(self) -> str:
        """What was compared, a line each."""
        begun = f"the end of epoch {self.behind}" if self.behind else "the beginning"
        rows = [f"{name:<18} {digest}" for name, digest in self.digests.items()]
        changed = [f"changed by hand: {one}" for one in self.changed]
        return "\n".join([f"epoch {self.epoch}, trained again from {begun}, is the one recorded", *changed, *rows])


def reproduce(of: Lineage | str | Path, epoch: int, *, store: str | Path | None = None) -> Reproduced:
    """Train a past epoch again and compare state, progress, metrics and history with what was recorded of them.

    It is trained from the end of the one before it, or where that state was not kept or is damaged, from the nearest
    before: every epoch in between is compared then, too. What was changed by hand acts again. It happens in a temporary
    directory; the run is only read, and may be training.

    Args:
        of: the plan of a run, or an experiment's TOML file.
        epoch: its number, from 1.
        store: the directory of runs, where a file is given.

    Raises:
        ArtifactError: when the epoch is not done.
        TrainingError: when it does not come out as recorded, naming what differs.
    """
    plan = of if isinstance(of, Lineage) else lineage.read(of, store=store)
    run = plan.training
    done = run.done()
    if not 1 <= epoch <= done:
        raise ArtifactError(f"{run.directory}: expected an epoch from 1 to {done}, which are done, got {epoch}")
    with _beside(run, epoch) as (again, behind):
        trainer = session.trainer_of(plan, again, epoch)
        try:
            for number in range(behind + 1, epoch + 1):
                trainer.train(number)
                digests = _compared(run, again, number)
        finally:
            trainer.close()
    return Reproduced(epoch, behind, digests, tuple(one for one in run.interventions if one.epoch <= epoch))


@contextlib.contextmanager
def _beside(run: TrainingRun, epoch: int) -> Iterator[tuple[TrainingRun, int]]:
    """The same training in a directory of its own, up to the nearest state before an epoch, and the epoch it is of."""
    with tempfile.TemporaryDirectory(prefix="deeptrain-") as directory:
        again = replace(run, root=Path(directory), checker=Checker())
        make_directories(again.directory / "epochs")
        if run.interventions:
            interventions.write(again.directory, run.interventions)
        behind = next((number for number in range(epoch - 1, 0, -1) if _taken(run, again, number)), 0)
        for number in range(1, behind + 1):
            made = again.epoch(number).directory
            made.symlink_to(run.epoch(number).directory.resolve(), target_is_directory=True)
        yield again, behind


def _taken(run: TrainingRun, again: TrainingRun, number: int) -> bool:
    """Whether the state of an epoch is the recorded one, every byte compared, and has another name now."""
    try:
        found = adoption.link(run.state(number).directory, again.state(number).directory)
        return found.manifest.content == run.recorded_state(number)
    except ArtifactError:
        return False


def _compared(run: TrainingRun, again: TrainingRun, number: int) -> dict[str, str]:
    """The digests of an epoch that was trained again.

    Raises:
        TrainingError: when they are not those recorded.
    """
    recorded, made = run.published(number), again.published(number)
    before, now = (
        {STATE: of.recorded_state(number), **{file.name: file.sha256 for file in found.manifest.files}}
        for of, found in ((run, recorded), (again, made))
    )
    differing = [
        f"{name} ({now.get(name, 'nothing')[:12]} instead of {before.get(name, 'nothing')[:12]})"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    if differing:
        raise TrainingError(
            f"epoch {number} trained again is not the one recorded in {recorded.directory}: "
            f"{', '.join(differing)}{_other_versions(recorded.manifest, made.manifest)}"
        )
    return now


def _other_versions(recorded: Manifest, now: Manifest) -> str:
    names = sorted({**recorded.versions, **now.versions})
    other = [
        f"{name} {recorded.versions.get(name, 'none')}, here {now.versions.get(name, 'none')}"
        for name in names
        if recorded.versions.get(name) != now.versions.get(name)
    ]
    same = "the same versions, so on another kind of machine, or with code that draws what it cannot repeat"
    return f"; it was trained with {', '.join(other) or same}"
