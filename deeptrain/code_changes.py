"""What a changed function costs when nothing else changed: it is made again, or asked about first.

An artifact whose recorded work took under ten minutes is made again. A dearer one, or one of unknown cost, stops the
run before any work. Whoever knows that the change changes nothing may let the old code's digest stand for the new one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from deeptrain import lineage
from deeptrain.errors import ArtifactError, CodeChangeError
from deeptrain.lineage import Lineage
from deeptrain.settings import Use
from deeptrain.shards import plan as conversions
from deeptrain.shards.plan import Conversion
from deeptrain.store import code_aliases, code_record, events, manifest
from deeptrain.training import chronicle
from deeptrain.training.run import TrainingRun

CHEAP_SECONDS = 600
Choice = Literal["", "rerun", "adopt"]


@dataclass(frozen=True)
class CodeChange:
    """A change of code alone: with the old code, what is planned is there.

    Attributes:
        run: the directory of the run that it is in.
        made: what the old code made, a training or shards.
        aliases: for each new digest of code the old one.
        named: what changed, in words.
        seconds: what the event log tells of the work; None where it tells nothing.
    """

    run: Path
    made: Path
    aliases: dict[str, str]
    named: str
    seconds: float | None

    @property
    def is_dear(self) -> bool:
        """Whether a person is asked before it is made again."""
        return self.seconds is None or self.seconds >= CHEAP_SECONDS

    @property
    def cost(self) -> str:
        """How long the work took, in words."""
        return "an unknown time" if self.seconds is None else _in_words(self.seconds)


def settled(plan: Lineage, choice: Choice) -> Lineage:
    """The plan after a change of code alone was decided upon.

    Args:
        plan: what is asked.
        choice: "rerun" makes it again, "adopt" lets the old digest stand for the new, "" does what is cheap.

    Raises:
        CodeChangeError: when nothing was chosen and the change is dear.
    """
    changes = [] if choice == "rerun" else everywhere(plan)
    if not changes:
        return plan
    if choice == "adopt":
        for change in changes:
            code_aliases.append(change.run, change.aliases)
        return lineage.of(plan.experiment, plan.root.parent)
    dear = [change for change in changes if change.is_dear]
    if dear:
        raise CodeChangeError(_asking(dear))
    return plan


def _asking(dear: Sequence[CodeChange]) -> str:
    told = [
        f"{change.named} changed since {change.made} was made, and nothing else; it took {change.cost}"
        for change in dear
    ]
    places = " and ".join(dict.fromkeys(str(change.run / code_aliases.NAME) for change in dear))
    before, them = (f"{told[0]}. ", "it") if len(dear) == 1 else ("\n".join([*told, ""]), "them")
    return (
        f"{before}Say --on-code-change rerun to make {them} again, or --on-code-change adopt if the change changes "
        f"nothing: the old code then stands for the new in {places}"
    )


def everywhere(plan: Lineage) -> list[CodeChange]:
    """The changes of code alone in a plan and in the other runs whose models are members of its ensemble."""
    found = [find(one) for one in (plan, *(other.plan for other in plan.others))]
    return [change for change in found if change is not None]


def find(plan: Lineage) -> CodeChange | None:
    """The change of code alone that has one run made again; None when nothing of it was made, or it has begun."""
    if _begun(plan.training):
        return None
    trained = [
        (run, converted)
        for converted in [plan.conversion, *_other_conversions(plan)]
        for run in _other_trainings(replace(plan.training, shards=converted.whole))
        if _begun(run)
    ]
    if trained:
        run, converted = max(trained, key=lambda found: found[0].directory.stat().st_mtime_ns)
        seconds = _seconds(plan, _names(converted) if converted is not plan.conversion else [], run)
        return _change(plan, run.directory, converted, run.code, seconds)
    if not plan.conversion.directory.exists():
        for converted in _other_conversions(plan):
            if (converted.whole.directory / manifest.NAME).is_file():
                return _change(
                    plan, converted.directory, converted, plan.training.code, _seconds(plan, _names(converted))
                )
    return None


def _change(
    plan: Lineage, made: Path, converted: Conversion, training_code: str | None, seconds: float | None
) -> CodeChange:
    settings, beside = plan.experiment.data, plan.experiment.beside
    loader = [] if settings.loader is None else [Use.of(settings.loader).use]
    aliases, named = {}, []
    for new, old, names in (
        (plan.conversion.samples.code, converted.samples.code, loader),
        (plan.training.code, training_code, plan.experiment.training_code()),
    ):
        if new is not None and old is not None and new != old:
            aliases[new] = old
            told = code_record.changed(plan.root, old, new, names, beside)
            entries = ", ".join(name for name in names if ":" in name)
            named.append(told or f"the code of {entries or 'a loader'}")
    return CodeChange(plan.root, made, aliases, " and ".join(named), seconds)


def _other_conversions(plan: Lineage) -> Iterator[Conversion]:
    """The conversion as other code of the loader did it, of which there is something."""
    own = plan.conversion.samples.code
    if own is None:
        return
    for code in _codes(plan.root, "samples-*"):
        if code != own:
            found = conversions.of(
                plan.experiment.data, plan.experiment.beside, plan.root, plan.conversion.memory, {own: code}, keep=False
            )
            if found.samples.directory.exists():
                yield found


def _other_trainings(training: TrainingRun) -> Iterator[TrainingRun]:
    """The training, and as it was with other code."""
    yield training
    if training.code is not None:
        for code in _codes(training.root, "training-*/epochs/0001"):
            if code != training.code:
                yield replace(training, code=code)


def _codes(run: Path, pattern: str) -> list[str]:
    """The digests of code that artifacts record; damaged ones tell none."""
    found = set()
    for directory in run.glob(pattern):
        try:
            found.add(manifest.read(directory).code)
        except ArtifactError:
            continue
    return sorted(code for code in found if code is not None)


def _begun(training: TrainingRun) -> bool:
    """Whether an epoch of it is done, or a checkpoint in its first one written."""
    places = ("epochs/0001", "unfinished/[0-9]*")
    return any(True for place in places for _ in training.directory.glob(f"{place}/{manifest.NAME}"))


def _names(converted: Conversion) -> list[str]:
    return [converted.samples.directory.name, converted.directory.name]


def _seconds(plan: Lineage, names: list[str], training: TrainingRun | None = None) -> float | None:
    """What the event logs tell of the work on some artifacts of a run, by their names; None where they tell nothing."""
    converted = events.seconds_of(plan.live / "events.jsonl", names)
    if training is None:
        return converted
    directory = training.directory
    trained = events.seconds_of(plan.live / "events.jsonl", [directory.name])
    trained = trained or chronicle.read(directory / "live" / chronicle.NAME).seconds or None
    return None if trained is None else trained + (converted or 0.0)


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
