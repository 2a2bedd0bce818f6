"""Asking again, for more, for less, for something else: nothing is trained twice and nothing is lost."""

import json
from pathlib import Path

import pytest

from tests.conftest import TOML, write_experiment
from tests.pipelines import command
from tests.pipelines.command import Warm
from tests.pipelines.conftest import Trained

AFTER_TRAINING = ["predictions", "threshold", "subset", "evaluation", "report"]


def ran(here: Path, warm: Warm, *arguments: str) -> set[str]:
    """The tasks that a successful command ran."""
    before = command.stages(here / "runs")
    finished = warm.job(*arguments, cwd=here)
    assert (finished.code, finished.err) == (0, "")
    return set(command.stages(here / "runs")[len(before) :])


def directories(here: Path, stage: str) -> list[Path]:
    return sorted((here / "runs/tiny").glob(f"{stage}-*"), key=lambda path: path.stat().st_mtime_ns)


def predicted_epoch(directory: Path) -> int:
    return int(json.loads((directory / "predictions.json").read_bytes())["epoch"])


def test_five_epochs_after_three_train_two_and_three_again_train_none(
    here: Path, trained: Trained, warm: Warm, tmp_path: Path
) -> None:
    assert ran(here, warm, "--epochs", "5") == {"epoch 4", "epoch 5", *AFTER_TRAINING}
    at_once = write_experiment(tmp_path / "at once", toml=TOML.replace("epochs = 3", "epochs = 5")).parent
    assert warm.train(5, cwd=at_once).err == ""
    whole = command.contents(at_once / "runs")
    assert {name: data for name, data in command.contents(here / "runs").items() if name in whole} == whole
    states = [sorted(path.name for path in place.glob("runs/tiny/training-*/states/*")) for place in (here, at_once)]
    assert states[0] == states[1]

    assert ran(here, warm, "--epochs", "3") == set()
    assert ran(here, warm, "--epochs", "4") == set(AFTER_TRAINING)
    (four,) = set(directories(here, "predictions")[2:])
    best = [json.loads(path.read_bytes())["key_value"] for path in sorted(here.glob("runs/**/metrics.json"))[:4]]
    assert predicted_epoch(four) == 1 + best.index(min(best))
    kept = {name: data for name, data in trained.contents.items() if "/states/" not in name}
    now = command.contents(here / "runs")
    assert {name: now[name] for name in kept} == kept


STOPPING = TOML.replace(
    "epochs = 3",
    'epochs = 6\ncallbacks = [{ use = "early_stopping", arguments = { patience = 1, min_delta = 10 } }]',
)


def test_after_early_stopping_the_later_epochs_count_as_complete(tmp_path: Path, warm: Warm) -> None:
    here = write_experiment(tmp_path, toml=STOPPING).parent
    finished = warm.job(cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert command.trained(here / "runs")[0] == 2
    assert "epochs 1-2   2 ran" in finished.out
    assert ran(here, warm) == set()
    assert warm.train(5, cwd=here).code == 0
    assert command.trained(here / "runs")[0] == 2


def test_epochs_of_one_task_are_trained_together_to_the_same_bytes(
    trained: Trained, tmp_path: Path, warm: Warm
) -> None:
    here = write_experiment(tmp_path, toml=TOML.replace("epochs = 3", "epochs = 3\nepochs_per_task = 2")).parent
    finished = warm.job(cwd=here)
    assert (finished.code, finished.err) == (0, "")
    assert command.stages(here / "runs")[:5] == ["samples", "part 1", "shards", "epoch 2", "epoch 3"]
    assert command.contents(here / "runs") == trained.contents


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        (["--seed", "7"], {"training"}),
        (["--settings", '{"training.batch_size": 8}'], {"training"}),
        (["--settings", '{"data.seed": 7}'], {"shards", "training"}),
        (["--settings", '{"training.autosave_seconds": 9, "training.keep_every": 1, "report.title": "x"}'], set()),
    ],
)
def test_another_setting_makes_again_what_depends_on_it_and_leaves_the_first_as_it_was(
    arguments: list[str], new: set[str], here: Path, trained: Trained, warm: Warm
) -> None:
    assert warm.train(1, *arguments, cwd=here).err == ""
    for stage in ("shards", "training"):
        assert len(directories(here, stage)) == (2 if stage in new else 1), stage
    now = command.contents(here / "runs")
    assert {name: now[name] for name in trained.contents} == trained.contents


def test_a_pruned_state_that_is_asked_for_later_is_trained_again(here: Path, trained: Trained, warm: Warm) -> None:
    (training,) = directories(here, "training")
    assert sorted(path.name for path in training.glob("states/*")) == ["0002", "0003"]
    assert warm.train(3, "--settings", '{"training.keep_every": 1}', cwd=here).code == 0
    assert sorted(path.name for path in training.glob("states/*")) == ["0001", "0002", "0003"]
    recorded = json.loads((training / "epochs/0001/progress.json").read_bytes())["state_content"]
    assert json.loads((training / "states/0001/manifest.json").read_bytes())["content"] == recorded
    assert warm.train(3, cwd=here).err == ""
    assert sorted(path.name for path in training.glob("states/*")) == ["0001", "0002", "0003"]
    assert {name: command.contents(here / "runs")[name] for name in trained.contents} == trained.contents
