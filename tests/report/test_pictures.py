"""Pictures show the numbers they are given, and nothing in them lies over anything else."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.calibration import reliability, threshold, threshold_curve
from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import LIGHT, Picture
from deeptrain.introspection.pictures import history as history_picture
from deeptrain.introspection.pictures import ranking, scores
from deeptrain.report import (
    confusion_picture,
    cost_picture,
    reliability_picture,
    rendering,
    state_picture,
    subset_picture,
    threshold_picture,
)
from deeptrain.report.run import Run, Scores
from deeptrain.settings import Use
from tests.overlaps import assert_nothing_overlaps


def history(run: Run, width: int = 1040) -> Picture:
    with canvas.drawing():
        picture = history_picture.draw(run, LIGHT, width)
        assert_nothing_overlaps(picture.figure)
    return picture


def with_metrics(run: Run, **values: float) -> Run:
    epochs = [
        {**epoch, "train": {**epoch["train"], **values}, "validation": {**epoch["validation"], **values}}
        for epoch in run.epochs
    ]
    return dataclasses.replace(run, epochs=tuple(epochs))


@pytest.mark.parametrize("width", [1040, 380])
@pytest.mark.parametrize("epochs", [1, 2, 12, 300])
def test_a_history_of_any_length_shows_every_epoch(make_run: Callable[..., Run], epochs: int, width: int) -> None:
    run = make_run(epochs=epochs, per_epoch=10, calibrated=False)
    lines = history(run, width).numbers["lines"]
    assert lines["validation.loss"]["iteration"] == [epoch["iterations"] for epoch in run.epochs]
    assert lines["validation.f1_score"]["value"] == [epoch["validation"]["f1_score"] for epoch in run.epochs]
    assert max(lines["each_iteration"]["value"]) == run.losses.max()


def test_losses_that_are_not_finite_are_gaps_and_counted(make_run: Callable[..., Run]) -> None:
    run = make_run(calibrated=False)
    losses = run.losses.copy()
    losses[[3, 50, 51]] = [np.nan, np.inf, -np.inf]
    picture = history(dataclasses.replace(run, losses=losses))
    drawn = picture.numbers["lines"]["each_iteration"]["value"]
    assert np.isnan([drawn[3], drawn[50], drawn[51]]).all()
    assert picture.numbers["not_finite"] == 3
    assert "3 iterations without a finite loss" in picture.words


@pytest.mark.parametrize(
    "losses", [np.full(100, np.nan), np.zeros(100), np.zeros(0), np.full(100, 3e38), [1e-320] * 100]
)
def test_strange_losses_are_drawn_without_a_warning(make_run: Callable[..., Run], losses: list[float]) -> None:
    history(make_run(calibrated=False, losses=np.array(losses)))


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_a_history_without_one_of_the_two_is_drawn(make_run: Callable[..., Run], missing: str) -> None:
    run = make_run(calibrated=False)
    epochs = tuple({**epoch, missing: {}} for epoch in run.epochs)
    assert not [name for name in history(dataclasses.replace(run, epochs=epochs)).numbers["lines"] if missing in name]


def test_the_axis_is_logarithmic_only_when_that_helps(make_run: Callable[..., Run]) -> None:
    run = make_run(calibrated=False)
    steep = np.geomspace(10, 0.01, 100)
    assert history(dataclasses.replace(run, losses=steep)).numbers["logarithmic"] == ["Loss (logarithmic)"]
    assert history(dataclasses.replace(run, losses=np.linspace(1, 0.5, 100))).numbers["logarithmic"] == []
    assert history(dataclasses.replace(run, losses=steep - 5)).numbers["logarithmic"] == []


@pytest.mark.parametrize("width", [1040, 380])
def test_metrics_beyond_one_get_a_pane_each_and_what_has_no_room_is_named(
    make_run: Callable[..., Run], width: int
) -> None:
    many = {f"metric_{number}": number / 10 for number in range(8)} | {"mse": 40.0, "mae": 5.0, "log_loss": 3.0}
    picture = history(with_metrics(make_run(calibrated=False), **many), width)
    assert picture.numbers["not_drawn"] == ["metric_5", "metric_6", "metric_7", "log_loss"]
    assert "validation.f1_score" in picture.numbers["lines"]
    assert "Not drawn: metric 5" in picture.words


def test_ten_million_iterations_are_drawn_thinned_with_their_peak(make_run: Callable[..., Run]) -> None:
    run = make_run(epochs=5, per_epoch=400_000, calibrated=False)
    losses = np.full(2_000_000, 0.5)
    losses[1_234_567] = 7.0
    drawn = history(dataclasses.replace(run, losses=losses)).numbers["lines"]["each_iteration"]
    assert len(drawn["value"]) <= history_picture.MOST_POINTS
    assert drawn["iteration"][drawn["value"].index(7.0)] == 1_234_568


def test_the_threshold_picture_draws_the_exact_curve(run: Run) -> None:
    assert run.calibration is not None
    assert run.threshold is not None
    with canvas.drawing():
        picture = threshold_picture.draw(run, LIGHT, run.calibration, run.threshold)
        assert_nothing_overlaps(picture.figure)
    found = threshold_curve.of(run.calibration.labels, run.calibration.scores)
    x, y = found.threshold, found.value
    assert picture.numbers["threshold"] == [*x, 1.0]
    assert picture.numbers["value"] == [*y, y[-1]]
    assert max(picture.numbers["value"]) == run.threshold["optimum"]["in_sample"]
    assert picture.numbers["plateau"] == list(run.threshold["plateau"])
    assert set(picture.numbers["test"]) == {"half", "threshold"}


def test_the_cost_of_both_mistakes_is_drawn_apart_and_together(run: Run) -> None:
    assert run.calibration is not None
    priced = {"use": "cost", "arguments": {"false_negative": 5}}
    labels, scores = run.calibration.labels, run.calibration.scores
    chosen = threshold.choose(labels, scores, Use(**priced))
    with canvas.drawing():
        picture = cost_picture.draw(LIGHT, run.calibration, "calibration", chosen.plain())
        assert_nothing_overlaps(picture.figure)
    both, missed, alarms = (np.array(picture.numbers[name]) for name in ("both", "missed positives", "false alarms"))
    np.testing.assert_allclose(both, missed + alarms)
    assert min(both) == chosen.optimum.in_sample
    assert missed[-1] == pytest.approx(5 * labels.mean())  # nothing is called positive
    assert picture.numbers["if_probabilities"] == 1 / 6


def test_a_threshold_beyond_the_scores_is_drawn_at_the_edge(run: Run) -> None:
    assert run.threshold is not None
    scores = Scores(np.array([0, 1, 1, 1]), np.array([0.0, 0.0, 1.0, 0.5]), np.zeros(4, int))
    with canvas.drawing():
        picture = threshold_picture.draw(run, LIGHT, scores, {**run.threshold, "value": -0.5})
        assert_nothing_overlaps(picture.figure)


@pytest.mark.parametrize("samples", [2, 9, 5000])
def test_the_ranking_is_that_of_scikit_learn(samples: int) -> None:
    from sklearn import metrics

    rng = np.random.Generator(np.random.Philox(samples))
    labels = np.arange(samples) % 3 == 0
    given = np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1), 2)  # with ties, and with 0 and 1
    with canvas.drawing():
        picture = ranking.draw(labels, given, split="calibration", thresholds={"at 0.5": 0.5, "at 0.376": 0.376})
        assert_nothing_overlaps(picture.figure)
    np.testing.assert_allclose(picture.numbers["roc_auc"], metrics.roc_auc_score(labels, given), rtol=0, atol=1e-12)
    expected = metrics.average_precision_score(labels, given)
    np.testing.assert_allclose(picture.numbers["average_precision"], expected, rtol=0, atol=1e-12)
    rates, recall, _ = metrics.roc_curve(labels, given, drop_intermediate=False)
    assert picture.numbers["roc"] == {"false_positive_rate": rates.tolist(), "recall": recall.tolist()}
    for axes, x, y in zip(
        picture.figure.axes,
        ((given > 0.376)[~labels].mean(), (given > 0.376)[labels].mean()),
        ((given > 0.376)[labels].mean(), labels[given > 0.376].mean() if (given > 0.376).any() else None),
        strict=True,
    ):
        marks = {line.get_label(): line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "D"}
        assert marks == ({} if y is None else {"at 0.376": [x, y]})


def test_scores_of_each_class_are_drawn_in_percent_of_the_class(run: Run) -> None:
    assert run.test is not None
    with canvas.drawing():
        picture = scores.draw(
            run.test.labels,
            run.test.scores,
            split="test",
            thresholds={"at 0.5": 0.5, "at 0.4": 0.4},
            classes=("a" * 40, "eight"),
        )
        assert_nothing_overlaps(picture.figure)
    counts = {name: sum(counted) for name, counted in picture.numbers["counts"].items()}
    assert counts == {"a" * 40: int((run.test.labels == 0).sum()), "eight": int((run.test.labels == 1).sum())}
    first, second = (patch.get_data().values for patch in picture.figure.axes[0].patches[::2])
    np.testing.assert_allclose([first.sum(), second.sum()], 100)


def test_of_one_class_there_is_nothing_to_rank(run: Run) -> None:
    alone = dataclasses.replace(run, test=Scores(np.zeros(3, int), np.array([0.1, 0.2, 0.3]), np.zeros(3, int)))
    assert {"scores", "ranking"} <= rendering.applicable(run).keys()
    assert "ranking" not in rendering.applicable(alone)
    with canvas.drawing():
        assert_nothing_overlaps(rendering.applicable(alone)["scores"](LIGHT).figure)


def test_the_reliability_diagram_draws_the_bins(run: Run) -> None:
    assert run.test is not None
    with canvas.drawing():
        picture = reliability_picture.draw(LIGHT, run.test, "test")
        assert_nothing_overlaps(picture.figure)
    assert picture.numbers["bins"] == reliability.diagram(run.test.labels, run.test.scores).plain()["bins"]


@pytest.mark.parametrize("samples", [1, 3_000_000])
def test_a_reliability_diagram_of_any_size_is_readable(samples: int) -> None:
    scores = Scores(np.ones(samples, np.uint8), np.linspace(0, 1, samples), np.zeros(samples, int))
    with canvas.drawing():
        assert_nothing_overlaps(reliability_picture.draw(LIGHT, scores, "test").figure)


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (1, 0, 0, 0), (12_345_678, 9_999_999, 1_234_567, 98_765_432)])
@pytest.mark.parametrize("classes", [("other", "8"), ("a very long name of a class", "<script>$x$</script>")])
def test_confusion_counts_stand_in_their_cells(counts: tuple[int, ...], classes: tuple[str, str]) -> None:
    tp, fp, fn, tn = counts
    entry = {"threshold": 0.312, "tp": tp, "fp": fp, "fn": fn, "tn": tn}
    entries = [{**entry, "name": "half", "threshold": 0.5}, {**entry, "name": "threshold"}]
    with canvas.drawing():
        picture = confusion_picture.draw(LIGHT, entries, classes)
        assert_nothing_overlaps(picture.figure)
    assert picture.numbers == {"half": [[tn, fp], [fn, tp]], "threshold": [[tn, fp], [fn, tp]]}
    assert f"{tp} true positives" in picture.words


@pytest.mark.parametrize("sets", [1, 10, 24, 25, 400])
def test_every_set_has_its_bar_and_the_chosen_ones_are_marked(sets: int) -> None:
    values = [number / sets for number in range(sets)]
    per_set: list[dict[str, Any]] = [
        {"number": 100 + n, "samples": 9, "positives": 1, "value": v} for n, v in enumerate(values)
    ]
    per_set[0]["value"] = "nan"
    subset = {"sets": [100], "threshold": 0.4, "value": 0.9, "metric": "mcc", "per_set": per_set, "all_sets": "nan"}
    with canvas.drawing():
        picture = subset_picture.draw(LIGHT, subset)
        assert_nothing_overlaps(picture.figure)
    assert picture.numbers["set"] == [100 + number for number in range(sets)]
    assert picture.numbers["value"][1:] == values[1:]
    assert "in sample: 0.900 on the chosen sets 100 together" in picture.words


def test_a_metric_below_zero_has_bars_below_zero() -> None:
    per_set = [{"number": n, "samples": 9, "positives": 1, "value": -0.5 + n} for n in range(2)]
    subset = {"sets": [1], "threshold": 0.4, "value": 0.5, "metric": "mcc", "per_set": per_set, "all_sets": 0.1}
    with canvas.drawing():
        assert subset_picture.draw(LIGHT, subset).figure.axes[0].get_ylim()[0] < -0.5


def test_the_state_lines_up_and_loses_no_block(run: Run) -> None:
    with canvas.drawing():
        picture = state_picture.draw(run, LIGHT)
        assert_nothing_overlaps(picture.figure)
    assert picture.numbers["Calibration"]["threshold"]
    assert picture.numbers["[training]"]["batch_size"] == "32"
    assert set(picture.numbers) == {block.title for block in state_picture.blocks(run)} | {"Outcome"}


@given(st.text("ab=._(- 01,", max_size=90), st.integers(8, 30))
def test_a_value_has_at_most_four_lines_that_hold_all_of_it_where_it_fits(text: str, width: int) -> None:
    text = " ".join(text.split())
    lines = state_picture._in_lines(text, width)
    assert len(lines) <= 4
    assert all(len(line) <= width for line in lines)
    if "\N{HORIZONTAL ELLIPSIS}" not in lines[-1]:
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("adam(learning_rate=0.005, clipnorm=1.0)", ["adam(", "learning_rate=0.005,", "clipnorm=1.0)"]),
        ("[f1_score, average_precision, accuracy]", ["[f1_score,", "average_precision,", "accuracy]"]),
    ],
)
def test_a_long_value_is_broken_between_its_parts(value: str, lines: list[str]) -> None:
    assert state_picture._in_lines(value, 24) == lines


def test_a_long_name_of_the_state_is_broken_as_a_value_is_and_loses_nothing() -> None:
    rows = (("windows.prediction_weights.first", "0.2"), ("last", "keep keep keep keep on"), ("a", "b"))
    block = state_picture.Block("[training]", rows)
    assert block.lines == (
        ("windows.", "0.2"),
        ("  prediction_weights.", ""),
        ("  first", ""),
        ("last", "keep keep keep keep on"),
        ("a", "b"),
    )


def test_a_state_with_long_values_and_long_tables_lines_up(make_run: Callable[..., Run]) -> None:
    settings = {
        "x" * 80: {"a_key_that_is_very_long_indeed_" * 3: "value " * 80, "short": 1},
        "many": {f"key_{number}": list(range(number + 1)) for number in range(200)},
        "plain": 5,
    }
    run = make_run(settings=settings, title="T" * 300, stopped="Because " * 40, left_out=(("subset", "why " * 90),))
    with canvas.drawing():
        picture = state_picture.draw(run, LIGHT)
        assert_nothing_overlaps(picture.figure)
    assert picture.numbers["[many]"]["..."] == "161 more"
