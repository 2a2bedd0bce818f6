"""The choice among maps: never worse than none where it counts, blind to the order of rows, plain about bad input."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeptrain.calibration import folds, probabilities
from deeptrain.calibration.maps.score_map import softmax
from deeptrain.calibration.probabilities import Probabilities
from deeptrain.calibration.probabilities_settings import ProbabilitiesSettings
from deeptrain.errors import DataError, SettingsError
from deeptrain.settings import Mistakes, typed


def two_classes(samples: int, seed: int, scale: float = 3.0, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.Philox(seed))
    true = generator.normal(-1, 1.5, samples)
    labels = (generator.random(samples) < 1 / (1 + np.exp(-true))).astype(np.int64)
    return labels, 1 / (1 + np.exp(-(scale * true + shift)))


def several(samples: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.Philox(seed))
    logits = 1.5 * generator.normal(size=(samples, classes))
    labels = (softmax(logits).cumsum(axis=1) > generator.random((samples, 1))).argmax(axis=1)
    return labels, softmax(2 * logits + np.arange(classes) / 3)


@pytest.mark.parametrize("made", [two_classes, several])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_chosen_is_better_than_the_scores_on_fresh_data_and_as_good_as_it_was_said_to_be(made, seed) -> None:
    found = probabilities.choose(*made(1000, seed))
    assert found.method != "none"
    fresh = probabilities.score(*made(20_000, seed + 100), found.fitted)
    assert fresh.gain > 10 * fresh.error
    assert fresh.after.expected_calibration_error < fresh.before.expected_calibration_error / 3
    assert fresh.after.log_loss == pytest.approx(found.cross_fitted.log_loss, abs=0.06)


@pytest.mark.parametrize("seed", range(3))
def test_scores_that_are_probabilities_lose_nothing_to_speak_of(seed) -> None:
    found = probabilities.choose(*two_classes(1000, seed, 1.0, 0.0))
    fresh = probabilities.score(*two_classes(50_000, seed + 100, 1.0, 0.0), found.fitted)
    assert fresh.gain > -0.003
    assert found.warnings  # that nothing is gained, or nothing beyond noise


def test_when_nothing_helps_the_scores_are_left_as_they_are() -> None:
    labels, scores = np.tile([0, 1], 500), np.full(1000, 0.5)
    found = probabilities.choose(labels, scores)
    assert found.method == "none"
    assert found.fitted.apply(scores) is scores
    assert found.warnings == (
        "No method has a lower cross-fitted log loss than the scores themselves, so they are left as they are.",
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=2, max_size=25), st.randoms())
def test_the_choice_is_never_worse_than_none_and_has_the_same_bytes_in_any_order(samples, random) -> None:
    samples = [*samples, (0, 3), (1, 4)]
    labels, eighths = (np.array(column) for column in zip(*samples, strict=True))
    found = probabilities.choose(labels, eighths / 8)
    none = next(one for one in found.candidates if one.method == "none")
    assert found.cross_fitted.log_loss == min(one.cross_fitted for one in found.candidates) <= none.cross_fitted
    order = list(range(len(labels)))
    random.shuffle(order)
    assert probabilities.choose(labels[order], eighths[order] / 8) == found
    assert Probabilities.from_plain(json.loads(json.dumps(found.plain()))) == found


def test_of_several_classes_too_the_order_of_rows_changes_no_byte() -> None:
    labels, outputs = several(200, 0)
    order = np.random.Generator(np.random.Philox(1)).permutation(200)
    found = probabilities.choose(labels, outputs)
    assert probabilities.choose(labels[order], outputs[order]) == found
    again = Probabilities.from_plain(json.loads(json.dumps(found.plain())))
    assert again.fitted.apply(outputs).tobytes() == found.fitted.apply(outputs).tobytes()
    assert {one.method for one in found.candidates} == set(probabilities.applicable(classes=True))


def test_each_fold_is_judged_by_a_map_that_did_not_see_it() -> None:
    """Labels at random, every score its own: a curve through them is worth nothing, though it fits them well."""
    generator = np.random.Generator(np.random.Philox(3))
    found = probabilities.choose(generator.integers(0, 2, 400), generator.uniform(0.4, 0.6, 400), ["isotonic"])
    isotonic = found.candidates[1]
    assert isotonic.in_sample < np.log(2) < isotonic.cross_fitted


def test_folds_hold_each_class_as_evenly_as_can_be() -> None:
    labels = np.array([0] * 13 + [1] * 4 + [2] * 6)
    dealt = folds.dealt(labels, 5, 0)
    for one in range(3):
        assert np.ptp(np.bincount(dealt[labels == one], minlength=5)) <= 1
    assert np.ptp(np.bincount(dealt)) <= 1
    assert (folds.dealt(labels, 5, 0) == dealt).all()
    assert (folds.dealt(labels, 5, 1) != dealt).any()


def test_two_samples_and_exact_zeros_and_ones_are_enough() -> None:
    found = probabilities.choose([0, 1], [0.0, 1.0])
    assert np.isfinite(found.cross_fitted.log_loss)
    assert found.samples == (1, 1)
    assert found.warnings[0].startswith("There is only 1 negatives among 2 samples: ")
    saturated = np.float32([0, 0, 1, 1, 1, 0] * 20)
    labels = np.tile([0, 0, 1, 1, 0, 1], 20)
    found = probabilities.choose(labels, saturated)
    np.testing.assert_allclose(found.fitted.apply(np.array([0.0, 1.0])), [1 / 3, 2 / 3], atol=0.01)
    assert found.cross_fitted.log_loss < 0.66 < 5 < found.before.log_loss


@pytest.mark.parametrize(
    ("labels", "outputs", "message"),
    [
        (
            [0, 1, 1, 0],
            [-4.1, 6.3, 0.2, 1.5],
            r"^cannot calibrate: 3 of 4 scores lie outside \[0, 1\], from -4\.1 to 6\.3; the first is -4\.1 in row 0 "
            r'\(counted from 0\); if these are logits, say model\.outputs = "logits", or put a sigmoid or softmax ',
        ),
        ([0, 1], [0.1, np.nan], r"^cannot calibrate: 1 of 2 scores are not finite; the first is nan in row 1 "),
        ([0, 1], [[0.5, np.inf], [0.5, 0.5]], r"^cannot calibrate: 1 of 4 scores are not finite; the first is inf"),
        ([0, 0, 0], [0.1, 0.2, 0.3], r"^cannot calibrate: 0 positives among 3 samples; both classes are needed$"),
        ([1, 1], [[0.5, 0.5]] * 2, r"^cannot calibrate: all 2 samples are of class 1; two are needed$"),
        (
            [0, 2, 3, 1],
            [[0.5, 0.25, 0.25]] * 4,
            r"^cannot calibrate: 1 of 4 labels are none of the class numbers 0 to 2; the first is 3 in row 2 ",
        ),
        ([0, 2], [0.1, 0.2], r"^cannot calibrate: 1 of 2 labels are none of the class numbers 0 to 1; the first is 2 "),
        ([0, 1], [[0.5, 0.9]] * 2, r"^cannot calibrate: 2 of 2 rows do not sum to 1; the first is 1\.4 in row 0 "),
        ([0, 1, 1], [0.1, 0.2], r"^labels and scores must be equally many, got 3 and 2$"),
        ([], [], r"^labels and scores must have at least one sample, got none$"),
        (["a", "b"], [0.1, 0.2], r"^labels must be 0 or 1, got a in row 0 "),
    ],
)
def test_bad_input_is_told_with_counts(labels, outputs, message) -> None:
    with pytest.raises(DataError, match=message):
        probabilities.choose(labels, outputs)


def test_a_method_that_does_not_apply_is_told() -> None:
    with pytest.raises(SettingsError, match=r"^methods for two classes are none, temperature, platt, beta, isotonic, "):
        probabilities.choose([0, 1], [0.1, 0.9], ["vector"])
    with pytest.raises(SettingsError, match=r"^folds must be at least 2, got 1$"):
        probabilities.choose([0, 1], [0.1, 0.9], folds=1)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"methods": ["spline"]}, "methods: "),
        ({"methods": ["beta", "beta"]}, "methods: names beta more than once, got ['beta', 'beta']"),
        ({"folds": 1}, "folds: expected int >= 2, got 1"),
        ({"fold": 1}, "fold: unknown key; did you mean folds?"),
    ],
)
def test_a_mistake_in_the_table_is_told(table, line) -> None:
    mistakes = Mistakes("my.toml")
    typed(ProbabilitiesSettings, table, "calibration.probabilities", mistakes)
    (found,) = mistakes.lines
    assert found.startswith(f"my.toml: calibration.probabilities.{line}")


def test_two_spellings_of_one_question_are_one() -> None:
    one, other = ProbabilitiesSettings(methods=("beta", "none")), ProbabilitiesSettings(methods=("beta",))
    assert one.relevant() == other.relevant() == {"methods": ["beta", "none"], "folds": 5, "seed": 0}
    assert ProbabilitiesSettings().relevant()["methods"] == []


@pytest.mark.parametrize("made", [two_classes, several])
def test_of_weights_only_ratios_matter_and_what_counts_for_nothing_is_left_out(made) -> None:
    labels, outputs = made(300, 4)
    weights = np.random.Generator(np.random.Philox(8)).integers(0, 4, 300) / 2
    found = probabilities.choose(labels, outputs, weights=weights)
    some = weights > 0
    assert found == probabilities.choose(labels[some], outputs[some], weights=4 * weights[some])
    assert sum(found.samples) == np.count_nonzero(some)
    assert probabilities.choose(labels, outputs, weights=np.full(300, 0.2)) == probabilities.choose(labels, outputs)
    order = np.random.Generator(np.random.Philox(1)).permutation(300)
    assert probabilities.choose(labels[order], outputs[order], weights=weights[order]) == found


def test_the_map_is_for_those_samples_that_count() -> None:
    """One half is too sure and counts, the other too modest and hardly does."""
    sure, modest = two_classes(2000, 1), two_classes(2000, 2, 0.3, -1.0)
    labels, scores = (np.concatenate(column) for column in zip(sure, modest, strict=True))
    weights = np.repeat([1.0, 0.01], 2000)
    plain, weighed = (probabilities.choose(labels, scores, weights=one) for one in (None, weights))
    fresh = two_classes(20_000, 3)
    gains = [probabilities.score(*fresh, one.fitted).gain for one in (plain, weighed)]
    assert gains[1] > gains[0] + 0.01
    told = probabilities.score(labels, scores, weighed.fitted, weights)
    assert told.gain == pytest.approx(told.before.log_loss - told.after.log_loss)
    assert told.before.log_loss == pytest.approx(weighed.before.log_loss)


def test_weights_leave_two_classes_or_it_is_told() -> None:
    labels, scores = two_classes(50, 1)
    with pytest.raises(DataError, match=r"^cannot calibrate: 0 positives among \d+ samples; both classes are needed$"):
        probabilities.choose(labels, scores, weights=1 - labels)
    with pytest.raises(DataError, match=r"^weights must be one for each of the 50 samples, got 3$"):
        probabilities.choose(labels, scores, weights=[1, 2, 3])
