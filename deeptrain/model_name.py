"""What the trainings of a store are called: "M3__digits-filt16-idp.3__max.981".

`training-IDENTITY/live/name.json` holds the `number` of a training and the `description` of its settings. A number is
given when a training begins, one more than the highest in the store, and stays. Both are outside all artifacts: what
people call a run, and which one it is of many, changes no byte of it.
"""

import fcntl
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from deeptrain import files
from deeptrain.errors import MISSHAPEN, ArtifactError
from deeptrain.experiment import Experiment
from deeptrain.introspection import naming
from deeptrain.lineage import Lineage
from deeptrain.training.results import Results
from deeptrain.training.run import METRICS

log = logging.getLogger("deeptrain")

FILE = Path("live", "name.json")
LIMIT = 1 << 16


@dataclass(frozen=True)
class ModelName:
    """A training's name without what it came to.

    Attributes:
        description: of its settings.
        number: of the training in its store, from 1; None while it has none.
    """

    description: str
    number: int | None = None

    def __str__(self) -> str:
        """The name, with its number where it has one."""
        return naming.with_number(self.description, self.number)

    def with_best(self, best: float | None, maximize: bool) -> str:
        """The name with the best key metric behind it."""
        return naming.with_number(self.description, self.number, best, maximize)


def describe(experiment: Experiment) -> str:
    """The description of an experiment's settings, by its table `[naming]`."""
    return naming.describe(experiment.naming.base or experiment.name, experiment.tables(), experiment.naming.aliases)


def take(plan: Lineage) -> ModelName:
    """The name of a plan's training, which gets the next number of its store if it has none.

    Of several processes that ask at once each training gets a number of its own. Where it cannot be written down there
    is none, and the logger "deeptrain" is told: a name is never worth stopping a training.
    """
    training = plan.training.directory
    name = ModelName(describe(plan.experiment))
    try:
        files.make_directories((training / FILE).parent)
        store = plan.root.parent
        lock = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _taken(training, store, name.description)
        finally:
            os.close(lock)
    except OSError as error:
        log.warning("%s: the training gets no number: %s", training / FILE, error.strerror)
        return name


def _taken(training: Path, store: Path, description: str) -> ModelName:
    known = read(training)
    number = known.number if known else None
    if number is None:
        others = (read(path.parent.parent) for path in store.glob(f"*/training-*/{FILE.as_posix()}"))
        number = max((one.number or 0 for one in others if one), default=0) + 1
    name = ModelName(description, number)
    if name != known:
        files.write_loose(training / FILE, files.canonical_json({"number": number, "description": description}))
    return name


def read(training: Path) -> ModelName | None:
    """The name written down in a training's directory; None where there is none, or what is there is no name."""
    try:
        told = files.read_json(training / FILE, LIMIT)
        number, description = told["number"], told["description"]
    except (ArtifactError, *MISSHAPEN):
        return None
    fits = isinstance(number, int) and number > 0 and isinstance(description, str) and 0 < len(description) < LIMIT
    return ModelName(description, number) if fits else None


def of(plan: Lineage) -> str:
    """A plan's training by its whole name: its number, if it has one, and its best key metric, if it has been trained.

    Raises:
        ArtifactError: when an epoch is damaged.
    """
    from deeptrain.metrics import chosen  # NumPy, which a plan does without

    known = read(plan.training.directory)
    name = ModelName(describe(plan.experiment), known.number if known else None)
    last = plan.training.done(plan.epochs)
    number = plan.training.best(last) if last else None
    best = plan.training.published(number).told(METRICS, Results.from_plain).key_value if number else None
    judge = plan.experiment.training.judge
    return name.with_best(best, judge is not None and chosen.maximizes(judge, plan.experiment.beside))
