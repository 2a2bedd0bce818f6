"""The file that tells programs where a training stands: small, whole at any time, and true."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.training import progress_file
from deeptrain.training.progress import Progress
from deeptrain.training.progress_file import ProgressFile, read

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_it_tells_everything(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path, "M1__tiny", now=lambda: NOW)
    file.show(
        Progress(
            phase="fit",
            epoch=3,
            epochs=8,
            iteration=2,
            iterations=8,
            fitting=lambda: "12",
            loss=0.5,
            metrics={"f1_score": float("nan")},
            key_metric="f1_score",
            best=0.9,
            best_epoch=1,
            losses=(1.0, float("inf")),
            validation_losses=(2.0,),
            key_values=(0.9, 0.8),
        )
    )
    logging.getLogger("deeptrain").warning("a line")
    file.close()
    found = read(tmp_path)
    assert found is not None
    assert (found["name"], found["running"], found["paused"], found["phase"]) == ("M1__tiny", False, False, "fit")
    assert (found["epoch"], found["iteration"], found["batch"], found["loss"]) == (3, 2, "12", 0.5)
    assert found["metrics"] == {"f1_score": "nan"}
    assert found["started"] == found["updated"] == "2026-01-31T12:00:00.000+00:00"
    assert found["log"][-1].endswith("warning: a line")
    assert found["curves"] == {
        "loss": [[1, 1.0], [2, "inf"]],
        "validation_loss": [[1, 2.0]],
        "key": [[1, 0.9], [2, 0.8]],
        "now": [[2.25, 0.5]],
    }


def test_it_is_written_twice_a_second_at_most_but_at_once_when_training_is_paused(tmp_path: Path) -> None:
    clock = [0.0]
    file = ProgressFile(tmp_path, "x", 0.5, lambda: clock[0])
    seen = []
    for phase, seconds in (("fit", 0.0), ("fit", 0.1), ("paused", 0.1), ("fit", 0.1), ("fit", 0.6)):
        clock[0] += seconds
        file.show(Progress(phase=phase, epoch=1, epochs=2, iteration=len(seen)))  # type: ignore[arg-type]
        found = read(tmp_path)
        assert found is not None
        seen.append((found["iteration"], found["paused"]))
    assert seen == [(0, False), (0, False), (2, True), (3, False), (4, False)]
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


@settings(max_examples=25)
@given(st.lists(st.floats(), min_size=1, max_size=10), st.text(max_size=2000))
def test_any_progress_is_json_of_bounded_size(losses: list[float], name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        file = ProgressFile(Path(directory), "x", 0.0)
        many = tuple(losses * 60)
        for number, loss in enumerate(losses):
            file.show(
                Progress(
                    phase="fit",
                    epoch=1,
                    epochs=9,
                    iteration=number,
                    fitting=lambda: name,
                    loss=loss,
                    losses=many,
                    validation_losses=many,
                    key_values=many,
                )
            )
        found = read(Path(directory))
        assert found is not None
        assert all(len(curve) <= progress_file.POINTS for curve in found["curves"].values())
        file.close()


def test_many_iterations_keep_a_bounded_curve_with_its_extremes(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path, "x", 1e9)
    for number in range(5000):
        loss = 100.0 if number == 1234 else number % 7
        file.show(Progress(phase="fit", epoch=1, epochs=1, iteration=number, iterations=5000, loss=loss))
    file.close()
    found = read(tmp_path)
    assert found is not None
    assert len(found["curves"]["now"]) <= progress_file.POINTS
    assert max(value for _, value in found["curves"]["now"]) == 100.0


def test_what_is_no_such_file_is_none(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    for text in ("[", "[]", "{}", json.dumps({"format": 99}), "x" * (2 << 20)):
        (tmp_path / "progress.json").write_text(text)
        assert read(tmp_path) is None
