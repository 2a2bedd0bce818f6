"""What a disk spoils is noticed, told with its file, and made again to the same bytes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipelines import command
from tests.pipelines.command import Warm, lines_of
from tests.pipelines.conftest import Trained
from tests.reliability.stopped import trained_two_epochs


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def only(pattern: str, here: Path) -> Path:
    (path,) = (here / "runs/tiny").glob(pattern)
    return path


@pytest.mark.parametrize(
    ("pattern", "spoil", "again"),
    [
        ("samples-*/labels.npy", truncated, ["samples"]),
        ("shards-*/parts/0001/train-00001.x.npy", truncated, ["part 1", "shards"]),
        ("shards-*/parts/0001/manifest.json", flipped, ["part 1", "shards"]),
        ("shards-*/whole/data.json", emptied, ["shards"]),
        ("training-*/epochs/0001/metrics.json", truncated, ["epoch 1"]),
        ("training-*/epochs/0002/progress.json", flipped, ["epoch 2", "epoch 3"]),
        ("training-*/epochs/0003/manifest.json", flipped, ["epoch 3"]),
        ("training-*/states/0002/state.safetensors", truncated, ["epoch 3"]),
        ("training-*/states/0003/manifest.json", emptied, ["epoch 3"]),
        ("predictions-*/test.outputs.npy", truncated, ["predictions"]),
        ("threshold-*/manifest.json", flipped, ["threshold"]),
        ("evaluation-*/evaluation.json", emptied, ["evaluation"]),
        ("report-*/state.png", truncated, ["report"]),
    ],
)
def test_what_a_plan_finds_damaged_is_made_again_to_the_same_bytes(
    pattern: str, spoil: Callable[[Path], None], again: list[str], here: Path, trained: Trained, warm: Warm
) -> None:
    path = only(pattern, here)
    spoil(path)
    before = command.stages(here / "runs")
    finished = warm.job(cwd=here)
    assert finished.code == 0
    (line,) = lines_of(finished.err)
    assert line.startswith(f"deeptrain: warning: {path.relative_to(here)}: ")
    assert "set aside" in line
    assert set(command.stages(here / "runs")[len(before) :]) <= set(again)
    assert command.contents(here / "runs") == trained.contents
    assert "everything is there already" in warm.job(cwd=here).out


@pytest.fixture(scope="session")
def four_epochs(trained: Trained, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tiny experiment after a fourth epoch."""
    here = command.copied(trained.directory, tmp_path_factory.mktemp("four") / "here")
    assert warm.job("--epochs", "4", cwd=here).err == ""
    return command.contents(here / "runs")


@pytest.mark.parametrize(
    "pattern",
    [
        "shards-*/parts/0001/train-00001.x.npy",
        "shards-*/whole/val.labels.npy",
        "shards-*/whole/data.json",
        "training-*/states/0003/state.safetensors",
        "training-*/epochs/0002/metrics.json",
        "training-*/epochs/0003/progress.json",
    ],
)
def test_a_flipped_bit_is_found_when_the_file_is_read_and_its_artifact_made_again(
    pattern: str, here: Path, four_epochs: dict[str, bytes], warm: Warm
) -> None:
    path = only(pattern, here)
    flipped(path)
    finished = warm.job("--epochs", "4", cwd=here)
    assert finished.code == 0, finished
    assert f"warning: {path.relative_to(here)}: altered: " in finished.err
    assert command.contents(here / "runs") == four_epochs


@pytest.mark.parametrize(
    ("pattern", "remade"),
    [
        ("predictions-*/calibration.outputs.npy", "threshold"),
        ("predictions-*/predictions.json", "evaluation"),
        ("threshold-*/threshold.json", "evaluation"),
        ("training-*/epochs/0001/history.parquet", "report"),
    ],
)
def test_a_flipped_bit_in_what_a_finished_task_left_fails_one_run_and_no_more(
    pattern: str, remade: str, here: Path, trained: Trained, warm: Warm
) -> None:
    """Luigi does not go back to a task it has found complete: the next run does."""
    path = only(pattern, here)
    flipped(path)
    shutil.rmtree(only(f"{remade}-*", here))
    failed = warm.job(cwd=here)
    assert failed.code == 30
    *_, line = lines_of(failed.err)
    assert line.startswith(f"deeptrain: {path.relative_to(here)}: altered: its sha256 is ")
    assert line.endswith("; run the same command again and it is made anew")
    assert warm.job(cwd=here).code == 0
    assert command.contents(here / "runs") == trained.contents


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("state.safetensors", flipped),
        ("progress.json", flipped),
        ("history.parquet", truncated),
        ("manifest.json", emptied),
        ("manifest.json", flipped),
    ],
)
def test_a_spoilt_checkpoint_is_set_aside_and_the_one_before_it_used(
    name: str, spoil: Callable[[Path], None], stopped: Path, two_epochs: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = command.copied(stopped, tmp_path / "here")
    newest = max(here.glob("runs/tiny/training-*/unfinished/[0-9]*"))
    spoil(newest / name)
    finished = trained_two_epochs(here, warm)
    assert finished.code == 0
    (line,) = lines_of(finished.err)
    assert line.startswith(f"deeptrain: warning: {newest.relative_to(here)}/{name}: ")
    assert line.endswith("; it is set aside and the one before it is used")
    assert command.contents(here / "runs") == two_epochs


def test_when_both_checkpoints_are_spoilt_the_epoch_begins_again(
    stopped: Path, two_epochs: dict[str, bytes], tmp_path: Path, warm: Warm
) -> None:
    here = command.copied(stopped, tmp_path / "here")
    for path in here.glob("runs/tiny/training-*/unfinished/[0-9]*/state.safetensors"):
        flipped(path)
    finished = trained_two_epochs(here, warm)
    assert finished.code == 0
    assert len(lines_of(finished.err)) == 2
    assert command.contents(here / "runs") == two_epochs
