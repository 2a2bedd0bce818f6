"""Pictures of one thing: over time, of predictions, of a history, animated."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import DARK, Picture
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import (
    animation,
    by_iteration,
    by_set,
    confusion,
    histograms,
    history,
    over_time,
    ranking,
    scores,
    values,
)
from deeptrain.introspection.pictures.history import History
from tests.overlaps import assert_nothing_overlaps

RNG = np.random.Generator(np.random.Philox(6))
LABELS = np.arange(60) % 4 == 0
SCORES = np.clip(0.3 * LABELS + RNG.normal(0.3, 0.2, 60), 0, 1)


def drawn(draw: Callable[..., Picture], *arguments: Any, **options: Any) -> Picture:
    picture = draw(*arguments, **options)
    with canvas.drawing():
        assert_nothing_overlaps(picture.figure)
    assert picture.words.endswith(".")
    return picture


@pytest.mark.parametrize(("layers", "records"), [(1, 1), (6, 2), (6, 5000), (7, 1), (7, 2), (30, 5000)])
def test_any_number_of_layers_is_drawn_over_time_with_its_gaps(layers: int, records: int) -> None:
    norms = {
        f"block/{'long_' * 12}{number}/kernel": 10.0 ** RNG.normal(-number / 20, 1, records) for number in range(layers)
    }
    first = next(iter(norms))
    norms[first][0] = np.nan
    picture = drawn(over_time.draw, norms, 10 * np.arange(records), title="Norms", unit="norm", theme=DARK)
    assert picture.numbers["not_finite"][first] == 1
    assert ("values" in picture.numbers) == (layers > 6)


def test_over_time_peaks_are_kept_and_the_scale_is_logarithmic_where_that_helps() -> None:
    loss = np.full(1_000_000, 0.5)
    loss[123_456] = 7.0
    found = over_time.draw({"a": loss}).numbers
    assert not found["logarithmic"]
    curve = found["curves"]["a"]
    assert curve["iteration"][curve["value"].index(7.0)] == 123_456
    steep = np.geomspace(1, 1e-6, 50)
    assert over_time.draw({"a": steep}).numbers["logarithmic"]
    assert not over_time.draw({"a": steep}, log=False).numbers["logarithmic"]
    assert not over_time.draw({"a": steep - 0.1}).numbers["logarithmic"]


@pytest.mark.parametrize(
    "given_values", [{"a": np.full(9, np.nan)}, {"a": np.zeros(9)}, {f"{n}": np.zeros(3) for n in range(9)}]
)
def test_nothing_to_see_over_time_is_drawn_too(given_values: dict[str, np.ndarray]) -> None:
    drawn(over_time.draw, given_values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), "nothing to draw"),
        (({"a": [1.0], "b": [1.0, 2.0]},), r"vectors of one length of at least 1, got shapes \[1\], \[2\]"),
        (({"a": []},), r"got shapes \[0\]"),
        (({"a": [1.0, 2.0]}, [3, 3]), "expected 2 ascending iterations"),
    ],
)
def test_what_has_no_course_over_time_is_said(arguments: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"over_time: .*{message}|over_time: {message}"):
        over_time.draw(*arguments)
    with pytest.raises(DataError, match="the scale cannot be logarithmic"):
        over_time.draw({"a": [0.0]}, log=True)


@pytest.mark.parametrize("steps", [1, 4])
def test_predictions_of_each_iteration_stand_under_its_labels(steps: int) -> None:
    labels = np.array([[0, 1, 1.0], [1, 0, np.nan]])
    said = np.repeat(np.array([[0.1, 0.9, 0.2], [0.8, np.nan, np.nan]])[:, None], steps, axis=1)
    found = drawn(by_iteration.draw, labels, said, [100, 110], title="Predictions").numbers
    assert found == {"iterations": [100, 110], "wrong": [1, 0], "not_finite": steps}


def test_of_very_many_iterations_the_last_are_drawn() -> None:
    found = drawn(by_iteration.draw, np.zeros((5000, 8)), np.zeros((5000, 8))).numbers
    assert found["iterations"][-1] == 4999
    assert 50 < len(found["iterations"]) < 200


@pytest.mark.parametrize(
    ("labels", "said", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 3)), r"got shapes \[2, 3\] and \[3, 3\]"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "got shapes"),
        (np.zeros((1, 1)), np.full((1, 1), 3.0), "predictions must be between 0 and 1, got 3 to 3"),
    ],
)
def test_predictions_that_do_not_fit_their_labels_are_refused(labels: Any, said: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        by_iteration.draw(labels, said)


@pytest.mark.parametrize("classes", [1, 2, 12, 130])
def test_a_confusion_of_any_size_is_drawn(classes: int) -> None:
    counts = RNG.integers(0, 99_999, (classes, classes))
    counts[0] = 0
    picture = drawn(confusion.draw, counts, [f"class {number} of a long name" for number in range(classes)])
    assert picture.numbers["counts"] == counts.tolist()
    assert picture.numbers["shares"][0] == [0] * classes


@pytest.mark.parametrize("counts", [np.zeros((2, 3)), np.zeros((0, 0)), [[-1.0]], [[np.nan]]])
def test_what_is_no_confusion_is_refused(counts: Any) -> None:
    with pytest.raises(DataError, match=r"confusion: expected counts \(classes, classes\), got shape"):
        confusion.draw(counts)


@pytest.mark.parametrize("missing", [0, 1, 60])
def test_scores_that_are_not_finite_are_left_out_and_told(missing: int) -> None:
    given_scores = np.where(np.arange(60) < missing, np.nan, SCORES)
    for picture in (
        drawn(scores.draw, LABELS, given_scores, split="validation", thresholds={"at 0.5": 0.5}),
        drawn(by_set.draw, LABELS, given_scores, np.arange(60) // 7, 0.4),
    ):
        assert ("not finite, left out" in picture.words) == bool(missing)
        assert sum(map(sum, picture.numbers["counts"].values())) == 60 - missing
    if missing < 60:
        assert ("not finite" in drawn(ranking.draw, LABELS, given_scores).words) == bool(missing)
    else:
        with pytest.raises(DataError, match="expected samples of both classes, got 0 samples"):
            ranking.draw(LABELS, given_scores)


def test_scores_need_a_label_each() -> None:
    with pytest.raises(DataError, match=r"scores: expected labels and scores, .* got shapes \[60\] and \[59\]"):
        scores.draw(LABELS, SCORES[1:])
    with pytest.raises(DataError, match="by_set: expected a set number for each of 60 samples"):
        by_set.draw(LABELS, SCORES, [1])


@pytest.mark.parametrize("sets", [1, 20, 3000])
def test_any_number_of_sets_has_its_rows(sets: int) -> None:
    count = max(sets, 60)
    assert (
        len(
            drawn(by_set.draw, np.arange(count) % 3 == 0, np.linspace(0, 1, count), np.arange(count) % sets).numbers[
                "sets"
            ]
        )
        == sets
    )


def test_values_are_drawn_over_true_ones() -> None:
    found = drawn(values.draw, [1.0, 2.0, np.nan, np.inf], [2.0, 2.0, 1.0, 1.0]).numbers
    assert (found["true"], found["predicted"], found["not_finite"]) == ([1, 2], [2, 2], 2)
    assert found["root_mean_squared_error"] == pytest.approx(0.5**0.5)
    drawn(values.draw, [np.nan], [1.0])
    with pytest.raises(DataError, match="of one shape"):
        values.draw([1.0], [1.0, 2.0])


def test_a_history_of_which_there_is_nothing_yet_says_so() -> None:
    picture = drawn(history.draw, History())
    assert "nothing to draw yet" in {text.get_text() for text in picture.figure.axes[0].texts}
    drawn(history.draw, History(np.full(50, np.nan)))


def test_a_history_from_plain_values_marks_phases_and_tells_what_is_above_its_pane() -> None:
    epochs = [{"epoch": number, "iterations": 100 * number} for number in range(1, 6)]
    epochs[2]["phase"] = "all layers"
    losses = np.linspace(1, 0.5, 500)
    losses[250] = 30.0
    picture = drawn(history.draw, History(losses, epochs, best_epoch=4))
    assert "1 iteration above the pane, up to 30.00" in picture.words
    assert "From epoch 3 on: all layers." in picture.words
    assert picture.figure.axes[0].get_ylim()[1] < 2
    drawn_at = {line.get_label(): line.get_xdata()[0] for line in picture.figure.axes[0].lines}
    assert drawn_at["epoch 3: all layers"] == 200
    assert 30.0 in picture.numbers["lines"]["each_iteration"]["value"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"losses": np.zeros((2, 2))}, r"history: losses must be a vector, got shape \(2, 2\)"),
        ({"epochs": [{"epoch": 2}, {"epoch": 1}]}, r"history: epochs must ascend, got \[2, 1\]"),
    ],
)
def test_a_history_that_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        History(**fields)


def test_an_animation_shows_each_picture_for_its_time_in_the_same_bytes_each_time() -> None:
    pictures = [histograms.draw({"a": np.arange(10.0) ** power}, title=f"{power}") for power in (1, 2, 3)]
    data = animation.gif(pictures, 0.25)
    assert data == animation.gif([one.png() for one in pictures], 0.25)
    file = Image.open(io.BytesIO(data))
    assert (file.n_frames, file.info["loop"]) == (3, 0)  # type: ignore[attr-defined]
    for place, picture in enumerate(pictures):
        file.seek(place)
        assert file.info["duration"] == 250
        expected = np.asarray(Image.open(io.BytesIO(picture.png()))).astype(int)
        assert np.abs(np.asarray(file.convert("RGB")) - expected).mean() < 1


@pytest.mark.parametrize(
    ("pictures", "seconds", "message"),
    [
        ([], 1.0, "gif: nothing to draw"),
        ([b"GIF89a"], 1.0, r"gif: picture number 0 \(from 0\) is no PNG"),
        ([histograms.draw({"a": [1.0]})], 0.0, "seconds_each must be at least 0.01, got 0.0"),
        ([histograms.draw({"a": [1.0]}), confusion.draw([[1]])], 1.0, "of one size: the first is 1200 by"),
    ],
)
def test_what_cannot_be_animated_is_said(pictures: Any, seconds: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        animation.gif(pictures, seconds)
