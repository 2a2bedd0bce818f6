"""Metrics of one's own, and choosing among all."""

import functools
import math

import numpy as np
import pytest

from deeptrain.errors import DataError, SettingsError, UserCodeError
from deeptrain.metrics import chosen, names, own
from deeptrain.metrics.settings import MetricUse

LABELS, SCORES = np.array([0, 1, 1]), np.array([0.2, 0.9, 0.4])


def plain(y_true, y_pred):
    return np.mean(np.abs(y_true - y_pred))


def weighted(y_true, y_pred, sample_weight):
    return np.average(np.abs(y_true - y_pred), weights=sample_weight)


def with_all(y_true, y_pred, sample_weight=None, threshold=0.5, *, power):
    return float(np.average(np.abs(y_true - (y_pred > threshold)) ** power, weights=sample_weight))


with_all.maximize = False


class Counting:
    maximize = True

    def __call__(self, y_true, y_pred, **options):
        return len(y_true) + len(options) + 0 * len(y_pred)


def test_it_gets_what_its_signature_has_and_no_more():
    assert own.of(plain, maximize=False)(LABELS, SCORES) == pytest.approx(0.3)
    assert own.of(weighted, maximize=False)(LABELS, SCORES, [0, 0, 2]) == pytest.approx(0.6)
    metric = own.of(with_all, arguments={"power": 2})
    assert (metric.name, metric.maximize, metric.source) == ("with_all", False, "own")
    assert metric(LABELS, SCORES) == pytest.approx(1 / 3)
    assert metric(LABELS, SCORES, threshold=0.3) == 0
    assert metric(LABELS, SCORES, [1, 1, 0]) == 0
    assert own.of(Counting(), arguments={"anything": 1})(LABELS, SCORES) == 4
    assert own.of(functools.partial(with_all, power=1), name="p", maximize=True)(LABELS, SCORES) == pytest.approx(1 / 3)


def test_weights_that_say_nothing_need_no_parameter_and_others_are_never_dropped_in_silence():
    metric = own.of(plain, maximize=False)
    assert metric(LABELS, SCORES, [2, 2, 2]) == pytest.approx(0.3)
    with pytest.raises(UserCodeError, match=r"^metric plain: takes no sample_weight, and these samples have weights: "):
        metric(LABELS, SCORES, [2, 2, 1])


def test_nan_says_that_it_is_undefined():
    assert math.isnan(own.of(lambda _, __: math.nan, name="n", maximize=True)(LABELS, SCORES))


def _changes(y_true, y_pred):
    y_pred[0] = 1
    return float(y_true.sum())


def _fails(y_true, y_pred):
    return y_true[7] / y_pred[7]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_changes, "raised ValueError: assignment destination is read-only"),
        (_fails, "raised IndexError: index 7 is out of bounds"),
        (lambda y, p: y - p, r"must return one number, got an array of shape \(3,\)"),
        (lambda *_: "much", "must return one number, got 'much'"),
        (lambda *_: None, "must return one number, got None"),
    ],
)
def test_what_goes_wrong_in_it_is_told_with_its_name(function, message):
    with pytest.raises(UserCodeError, match=f"^metric mine: {message}"):
        own.of(function, name="mine", maximize=True)(LABELS, SCORES)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (
            plain,
            {},
            "must say whether more is better: maximize = true or false in its table, or an attribute `mine.max",
        ),
        (with_all, {}, "needs power: give it in arguments"),
        (plain, {"maximize": True, "arguments": {"power": 2}}, "takes no argument power; it takes none"),
        (with_all, {"arguments": {"pow": 2}}, "takes no argument pow; it takes power"),
        (with_all, {"arguments": {"y_true": 2}}, "takes no argument y_true; it takes power"),
        (
            lambda y: y,
            {"maximize": True},
            r"must take \(y_true, y_pred\[, sample_weight\]\[, threshold\]\), takes \(y\)",
        ),
        (7, {"maximize": True}, r"must be a function of \(y_true, y_pred\[, sample_weight\]\[, threshold\]\), got int"),
    ],
)
def test_what_cannot_be_called_is_told_before_anything_is_trained(function, options, message):
    with pytest.raises(UserCodeError, match=f"^metric mine: {message}"):
        own.of(function, name="mine", **options)


def test_predictions_that_are_not_finite_do_not_reach_it():
    with pytest.raises(DataError, match=r"^plain: outputs must be finite, got nan in row 1 \(counted from 0\)$"):
        own.of(plain, maximize=True)([0.0, 1.0], [0.0, math.nan])
    with pytest.raises(DataError, match=r"^plain: labels and outputs must be equally many, got 2 and 1$"):
        own.of(plain, maximize=True)([0.0, 1.0], [0.0])


def test_names_tables_functions_and_metrics_are_chosen_together(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def gap(y_true, y_pred, power=1):\n    return abs(y_true.mean() - y_pred.mean()) ** power\n"
    )
    found = chosen.of(
        [
            "f1",
            MetricUse(use="f_beta", arguments={"beta": 2}),
            MetricUse(use="f_beta", arguments={"beta": 0.5}, name="f_half"),
            MetricUse(use="mine:gap", arguments={"power": 2}, maximize=False),
            with_defaults,
            names.get("brier"),
        ],
        "binary",
        tmp_path,
    )
    assert [one.name for one in found] == ["f1_score", "f_beta", "f_half", "gap", "with_defaults", "brier"]
    assert [one.of_counts for one in found] == [True, True, True, False, False, False]
    assert found[2].from_counts(1, 2, 3, 4) == pytest.approx(1.25 / (1.25 + 0.75 + 2))
    assert found[3](LABELS, SCORES) == pytest.approx((2 / 3 - 0.5) ** 2)


def with_defaults(y_true, y_pred):
    return float(y_true.mean() - y_pred.mean())


with_defaults.maximize = False


@pytest.mark.parametrize(
    ("named", "kind", "lines"),
    [
        (
            ["f1", "f1_score"],
            "binary",
            ["metric f1_score: has the name of another metric; give it one of its own, name ="],
        ),
        (
            [MetricUse(use="brier", name="loss")],
            "binary",
            ["metric loss: has the name of the training's own loss; give it one of its own, name ="],
        ),
        (
            ["f1", "mae", "log_los"],
            "classes",
            [
                "metric f1 is of two classes; for more say f1_score_macro or f1_score_micro or f1_score_weighted",
                "metric mae does not fit a task of kind classes; those that do are accuracy, balanced_accuracy, m",
                "unknown metric 'log_los'; did you mean log_loss?",
            ],
        ),
        (
            [MetricUse(use="top_k_accuracy_score", arguments={"kk": 2})],
            "classes",
            ["metric top_k_accuracy_score takes no argument kk; it takes k, normalize"],
        ),
        (
            [MetricUse(use="f1", maximize=True)],
            "binary",
            ["metric f1_score: its direction is known; leave maximize out"],
        ),
    ],
)
def test_a_choice_that_does_not_do_is_told_all_at_once(named, kind, lines):
    with pytest.raises(SettingsError) as caught:
        chosen.of(named, kind)
    found = str(caught.value).splitlines()
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(start), line


def test_of_several_classes_only_accuracy_is_made_of_right_and_wrong():
    made = chosen.of(["acc", "mcc", "balanced_accuracy", "f1_macro"], "classes")
    assert [one.name for one in made if one.of_counts] == ["accuracy"]


def test_what_only_a_framework_computes_says_so():
    (dice,) = chosen.of(["dice"], "binary")
    with pytest.raises(SettingsError, match=r"^metric dice is computed by Keras: name it in an experiment, or to a Tr"):
        dice(LABELS, SCORES)
