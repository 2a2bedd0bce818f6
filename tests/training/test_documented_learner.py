"""The learner of docs/training.md, as it stands there, driven by the trainer."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deeptrain.errors import Interrupted
from deeptrain.loading.batch_feed import BatchFeed
from deeptrain.training import Trainer
from deeptrain.training.progress import Progress
from deeptrain.training.sklearn_learner import SklearnLearner
from tests.conftest import one_by_one

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"


def documented() -> Any:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (source,) = [block for block in blocks if "class Logistic" in block]
    names: dict[str, Any] = {}
    exec(compile(source, DOCUMENT, "exec"), names)
    return names["Logistic"](4)


def estimator() -> Any:
    from sklearn.linear_model import SGDClassifier

    return SklearnLearner(SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=1), "binary")


def data(experiment: Path) -> tuple[BatchFeed, BatchFeed]:
    """The feeds of a tiny experiment, whose own model is left aside."""
    made = Trainer.from_experiment(experiment)
    data.kept.append(made)  # type: ignore[attr-defined] - its shards live as long as it does
    return made.train_data, made.val_data  # type: ignore[return-value]


data.kept = []  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", [documented, estimator])
def test_it_trains_stops_and_goes_on_exactly(make: Any, experiment: Path) -> None:
    whole = Trainer(make(), *data(experiment), epochs=3)
    whole.train()
    losses = [result.train["loss"] for result in whole.results]
    assert losses[-1] < losses[0]

    stopped: Trainer

    def watch(progress: Progress) -> None:
        if progress.phase == "fit" and progress.iteration == 3:
            stopped.interrupt()

    stopped = Trainer(make(), *data(experiment), epochs=3, watch=watch)
    one_by_one(stopped)
    stops = 0
    while stopped.position.epoch <= 3:
        try:
            stopped.train()
        except Interrupted:
            stops += 1
            kept, state = stopped.learner.variables(), stopped.state
            stopped.learner = make()
            stopped.learner.restore(kept)
            assert stopped.state == state
    assert stops == 3
    for name, value in whole.learner.variables().items():
        np.testing.assert_array_equal(value, stopped.learner.variables()[name], err_msg=name)
    assert [result.train for result in stopped.results] == [result.train for result in whole.results]
    assert [result.validation for result in stopped.results] == [result.validation for result in whole.results]
