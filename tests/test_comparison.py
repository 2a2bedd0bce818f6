"""Runs side by side: what is told of them, what it is worth, and what is refused."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deeptrain
from deeptrain.calibration import intervals
from deeptrain.errors import ArtifactError, SettingsError
from deeptrain.metrics import names
from deeptrain.report.compared import Comparison
from deeptrain.store.events import EventLog
from pipelines import __main__, comparison_table
from pipelines.cells import cells
from tests import written_runs
from tests.written_runs import LABELS, scores


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared") / "runs"


@pytest.fixture(scope="module")
def two(store: Path) -> tuple[Path, Path]:
    good = written_runs.write(store, scores(), threshold=0.4, batch_size=32, optimizer={"use": "adam"})
    return good, written_runs.write(store, scores(1, noise=0.8), epochs=5, batch_size=64, optimizer={"use": "adam"})


@pytest.fixture(scope="module")
def compared(two: tuple[Path, Path]) -> Comparison:
    return deeptrain.compare(*two)


def test_only_settings_that_differ_are_told(compared: Comparison) -> None:
    assert [(row.name, row.cells) for row in compared.differing] == [("training.batch_size", ("32", "64"))]


def test_the_test_score_is_that_of_the_evaluation_with_its_interval(
    compared: Comparison, two: tuple[Path, Path]
) -> None:
    metric = names.count_metric("f1_score")
    for run, values, threshold in zip(compared.runs, (scores(), scores(1, 0.8)), (0.4, 0.5), strict=True):
        assert run.test is not None
        assert run.test.interval == intervals.of_decisions(metric, LABELS, values > threshold)
        assert (run.test.metric, run.test.samples, run.test.way) == ("f1_score", 60, "at the threshold")
        assert (run.best_epoch, run.best) == (len(run.epochs), 0.5 + 0.1 * len(run.epochs))
    assert [run.where for run in compared.runs] == [str(path) for path in two]


def test_the_difference_is_paired_over_the_same_samples(compared: Comparison) -> None:
    (difference,) = compared.differences
    first, second = scores() > 0.4, scores(1, 0.8) > 0.5
    assert difference.gain == intervals.of_gain(names.count_metric("f1_score"), LABELS, first, second)
    one, other = (run.test for run in compared.runs)
    assert one is not None and other is not None  # noqa: PT018
    assert difference.gain.value == pytest.approx(other.value - one.value)
    said = "B against A: a loss of 0.233 in F1 score on the same 60 test samples (−0.391 to −0.095)."
    assert list(compared.sentences()) == [said]


def test_a_run_compared_with_its_like_gains_nothing(store: Path, two: tuple[Path, Path]) -> None:
    like = written_runs.write(store, scores(), threshold=0.4, batch_size=32, optimizer={"use": "sgd"})
    (difference,) = deeptrain.compare(two[0], like).differences
    assert (difference.gain.low, difference.gain.value, difference.gain.high) == (0, 0, 0)
    assert difference.is_noise


def test_runs_of_other_data_are_compared_without_a_difference(store: Path, two: tuple[Path, Path]) -> None:
    other = written_runs.write(store, scores(), data_seed=2, batch_size=32)
    found = deeptrain.compare(two[0], other)
    assert found.differences == ()
    assert found.notices[0][0] == "A and B"
    assert found.notices[0][1].startswith("They have other data")
    assert ("data.seed", ("1", "2")) in [(row.name, row.cells) for row in found.differing]


def test_a_run_that_is_not_finished_is_compared_as_far_as_it_is(store: Path, two: tuple[Path, Path]) -> None:
    half = written_runs.write(store, None, epochs=1, batch_size=8)
    found = deeptrain.compare(two[0], half)
    assert found.runs[1].test is None
    assert found.runs[1].best == 0.6
    assert found.differences == ()
    assert [about for about, _ in found.notices] == ["B"]
    assert "no finished job of this training scored it" in found.notices[0][1]


def test_of_several_classes_and_of_values_the_difference_is_paired_too(tmp_path: Path) -> None:
    generator = np.random.Generator(np.random.Philox(2))
    labels = np.arange(80) % 4
    logits = [np.eye(4)[labels] + generator.normal(0, noise, (80, 4)) for noise in (1.0, 0.2)]
    outputs = [np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in logits]
    runs = [
        written_runs.write(tmp_path, one, labels=labels, kind="classes", key="accuracy", units=place)
        for place, one in enumerate(outputs)
    ]
    (difference,) = deeptrain.compare(*runs).differences
    right = [one.argmax(axis=1) == labels for one in outputs]
    assert difference.metric == "accuracy"
    assert difference.gain.value == pytest.approx(right[1].mean() - right[0].mean())
    assert 0 < difference.gain.low < difference.gain.value < difference.gain.high
    truth = generator.normal(size=80)
    said = [truth + generator.normal(0, noise, 80) for noise in (0.1, 2.0)]
    runs = [
        written_runs.write(tmp_path, one, name="values", labels=truth, kind="values", key="loss", units=place)
        for place, one in enumerate(said)
    ]
    (difference,) = deeptrain.compare(*runs).differences
    errors = [np.abs(one - truth) for one in said]
    assert difference.metric == "mean_absolute_error"
    assert difference.gain.value == pytest.approx(errors[0].mean() - errors[1].mean())
    assert difference.gain.high < 0


def test_a_metric_of_ones_own_is_not_run_for_a_difference(tmp_path: Path) -> None:
    runs = [written_runs.write(tmp_path, scores(seed), metric="my_metrics:cost", units=seed) for seed in range(2)]
    compared = deeptrain.compare(*runs)
    assert compared.differences == ()
    assert compared.notices[-1][1].startswith("Their difference is not known: ")


def test_what_training_cost_is_told_by_the_event_log(tmp_path: Path) -> None:
    runs = [written_runs.write(tmp_path, scores(), units=place) for place in range(2)]
    log = EventLog(tmp_path / "digits" / "live" / "events.jsonl")
    for artifact_, seconds in (
        (f"{runs[0].name}/epochs/0001", 1.5),
        (f"{runs[0].name}/epochs/0003", 2),
        ("shards-1", 9),
    ):
        log.append("task", stage="epoch", artifact=artifact_, outcome="ran", seconds=seconds)
    log.append("task", stage="epoch", artifact=runs[1].name, seconds="much")
    found = deeptrain.compare(*runs)
    assert [run.seconds for run in found.runs] == [3.5, None]
    assert found.outcomes[-1].cells == ("3.5", "–")


def test_what_is_no_run_is_refused_with_what_to_name(store: Path, two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"compare takes 2 to 26 runs, got 1: name directories such as runs/digits"):
        deeptrain.compare(two[0])
    with pytest.raises(SettingsError, match=r"is the same training as .*; name each run once"):
        deeptrain.compare(two[0], two[1], str(two[0]) + "/")
    with pytest.raises(ArtifactError, match=r"nothing: no such run; a run is a directory such as runs/digits"):
        deeptrain.compare(two[0], tmp_path / "nothing")
    with pytest.raises(ArtifactError, match=r"training-0: no such training"):
        deeptrain.compare(two[0], tmp_path / "training-0")
    with pytest.raises(ArtifactError, match=r"holds \d trainings: .*; name one of them"):
        deeptrain.compare(two[0], store / "digits")
    (tmp_path / "training-1" / "epochs").mkdir(parents=True)
    with pytest.raises(ArtifactError, match=r"training-1: no epoch of it is done yet"):
        deeptrain.compare(two[0], tmp_path / "training-1")
    old = written_runs.write(tmp_path, None)
    manifest = old / "epochs" / "0002" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 0}))
    with pytest.raises(ArtifactError, match=r"format must be 1, got 0: written by another version"):
        deeptrain.compare(two[0], old)


def test_what_another_version_wrote_otherwise_is_an_error_that_names_the_run(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    other = written_runs.write(tmp_path, scores(), parameters=None)
    with pytest.raises(ArtifactError, match=r"training-.*: was written by another version, or altered: TypeError: "):
        deeptrain.compare(two[0], other)


@settings(max_examples=40)
@given(st.integers(20, 200))
def test_no_line_of_the_table_is_wider_than_the_terminal(compared: Comparison, width: int) -> None:
    for line in comparison_table.lines(compared, width):
        assert cells(line) <= width


def test_settings_that_differ_do_not_look_alike_when_they_are_cut() -> None:
    values = ("pipelines.experiments.digits_model:build", "pipelines.experiments.visits_model:build", "–")
    assert comparison_table._cut_values(values, 20, "…") == ["…digits_model:build", "…visits_model:build", "–"]
    assert comparison_table._cut_values(("a long value", "another one"), 8, "…") == ["a long…", "another…"]


def test_the_table_reads_so(compared: Comparison) -> None:
    lines = comparison_table.lines(compared, None)
    assert lines[3:6] == ["settings that differ  A   B", "training.batch_size   32  64", ""]
    assert lines[6:10] == [
        "outcome                        A               B",
        "epochs                         3               5",
        "best epoch                     3               5",
        "F1 score, validation           0.800           1.000",
    ]
    assert lines[0].startswith("A  digits__max.8  ")


def test_the_command_prints_a_table_or_json_and_writes_a_page(
    two: tuple[Path, Path], compared: Comparison, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named, page = [str(path) for path in two], tmp_path / "page.html"
    assert __main__.main(["compare", *named, "--page", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "training.batch_size" in printed
    assert printed.endswith(f"\n{page}\n")
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    assert __main__.main(["compare", *named, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(compared.plain()))
    assert __main__.main(["compare", named[0]]) == 1
    assert capsys.readouterr().err.startswith("deeptrain: compare takes 2 to 26 runs")
    assert __main__.main(["compare", *named, "--page", str(tmp_path / "no" / "page.html")]) == 1
    assert "the directory" in capsys.readouterr().err


def test_a_poor_terminal_gets_plain_signs(two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setenv("COLUMNS", "80")
    assert __main__.main(["compare", *map(str, two)]) == 0
    assert b"(-0.391 to\n  -0.095)" in written.getvalue()


def test_comparing_loads_no_framework(two: tuple[Path, Path]) -> None:
    script = (
        "import sys, deeptrain\n"
        "from deeptrain.report import comparison_page\n"
        "comparison_page.render(deeptrain.compare(*sys.argv[1:]))\n"
        "print(sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))"
    )
    root = Path(deeptrain.__file__).parents[1]
    command = [sys.executable, "-c", script, *map(str, two)]
    found = subprocess.run(command, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
