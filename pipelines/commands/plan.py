"""`python -m pipelines plan FILE`: what would run, in what order, and why; nothing is written."""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import listing

if TYPE_CHECKING:
    from deeptrain.agenda import Agenda, State, Step


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "plan",
        help="tell what a run would do, and why",
        description="Tell what TrainModel, or another task, would do with an experiment: each step in order, "
        "whether it is there, and why not. Nothing is written, and no code of the experiment is run. States: there; "
        "run; maybe, which runs only if what it is made from comes out otherwise than before; left out.",
        epilog="examples: python -m pipelines plan mine.toml --epochs 20; "
        "python -m pipelines plan mine.toml --task Calibrate; "
        """python -m pipelines plan mine.toml --settings '{"training.batch_size": 64}' --json""",
    )
    parser.add_argument("experiment", metavar="FILE", type=Path, help="the experiment's TOML file")
    parser.add_argument(
        "--task", metavar="TASK", default="TrainModel", help="up to another task than TrainModel, such as Calibrate"
    )
    parser.add_argument("--store", metavar="DIR", type=Path, help="the directory of runs (default: runs)")
    parser.add_argument("--epochs", metavar="N", type=int, help="instead of the file's training.epochs")
    parser.add_argument("--seed", metavar="N", type=int, help="of the training, instead of the file's")
    parser.add_argument("--settings", metavar="JSON", default="{}", help="other settings, by dotted key")
    parser.add_argument("--json", action="store_true", help="write JSON instead of lines")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Print the plan.

    Raises:
        DeeptrainError: when the experiment cannot be used.
    """
    from luigi.freezing import recursively_unfreeze

    from deeptrain import agenda
    from deeptrain.files import readable_json
    from tasks.base import SettingsParameter

    until = leads_to(asked.task)
    settings = recursively_unfreeze(SettingsParameter().parse(asked.settings))
    found = agenda.of(
        asked.experiment, store=asked.store, epochs=asked.epochs, seed=asked.seed, settings=settings, until=until
    )
    if asked.json:
        listing.write(readable_json(found.plain()).decode().splitlines())
    else:
        listing.write(lines(found, listing.width()))


def leads_to(task: str) -> tuple[str, ...]:
    """The stages that a task of an experiment leads to.

    Raises:
        SettingsError: when there is no such task.
    """
    import tasks
    from deeptrain.errors import SettingsError, did_you_mean

    known = names()
    if task not in known:
        raise SettingsError(f"--task {task}: no such task; {did_you_mean(task, known)}")
    stages: tuple[str, ...] = getattr(tasks, task).leads_to()
    return stages


def names() -> list[str]:
    """The tasks of which a plan can be told: all that lead to whole stages of an experiment."""
    import tasks
    from tasks.base import ExperimentTask

    numbered = ("Epoch", "EpochPredictions", "ShardPart")
    kinds = {name: getattr(tasks, name) for name in tasks.__all__ if name not in numbered}
    return [name for name, kind in kinds.items() if issubclass(kind, ExperimentTask)]


def lines(found: "Agenda", width: int | None) -> Iterator[str]:
    """The plan as people read it, at most `width` columns wide; None cuts nothing."""
    yield from listing.wrapped(f"{found.name}: {_summary(found)}", width)
    yield ""
    yield from listing.rows([(step.state, _label(step), step.why) for step in found.steps], width)
    for note in found.notes:
        yield ""
        yield from listing.wrapped(note, width)


def _label(step: "Step") -> str:
    if step.first is None:
        return step.stage
    return f"{step.stage} {step.first}" + ("" if step.first == step.last else f"-{step.last}")


def _summary(found: "Agenda") -> str:
    if found.complete:
        return f"everything is there in {found.root}, nothing would run"
    states = Counter(step.state for step in found.steps)
    told = ", ".join(f"{states[state]} {words}" for state, words in _WORDS.items() if states[state])
    return f"{told}; {found.trained} of {found.epochs} epochs are trained"


_WORDS: dict["State", str] = {"run": "to run", "maybe": "maybe", "there": "there"}
