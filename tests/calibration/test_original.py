"""Every threshold, subset and history of DeepTrain 0.6.0: the same here, or in the list of those it had wrong."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from deeptrain.calibration import grid, optimum, set_means, subset, subset_proof
from deeptrain.calibration.joining import joined
from deeptrain.errors import DataError, DeeptrainError, SettingsError
from deeptrain.loading.settings import LinearWeights, WindowSettings
from deeptrain.loading.windows import Cut
from deeptrain.metrics import names
from deeptrain.metrics.counts import counts_at

CASES = json.loads((Path(__file__).parents[1] / "data" / "deeptrain_calibration.json").read_text())
METRICS = {
    "f1_score": "f1_score",
    "binary_accuracy": "accuracy",
    "binary_informedness": "informedness",
    "matthews_corrcoef(t, p > th)": "mcc",
    "1*FP + 5*FN (a cost: minimise)": names.with_arguments(names.get("cost"), {"false_negative": 5}),
    "binary_crossentropy": "binary_crossentropy",
}

WRONG = {
    7: ((0.51, 7 / 32), "a cost never beat its start of 0"),
    8: (DataError("scores must be finite, got nan in row 1"), "NaN was taken for a negative"),
    9: (DataError("labels must have the shape (samples,), got (6, 1)"), "labels of shape (n, 1) failed"),
    10: (SettingsError("metric binary_crossentropy does not depend on"), "a loss got the threshold as weights"),
    14: ((0.35, 0.95, 61), "steps were summed up, so the upper bound was missed"),
    19: (0.0334844, "of a loss the worst batches were taken"),
    20: (0.0334844, "a loss got the threshold as weights"),
    21: (32 / 39, "batches were taken one by one"),
    23: (25 / 31, "batches were taken one by one"),
    24: (1.0, "a batch of one class failed"),
    25: (1.0, "batches of different sizes failed"),
    26: (1.0, "a metric of thresholds without bounds failed"),
    27: (0.5, "of several classes all samples were taken for one"),
    31: (DataError("metric must be finite, got nan in row 0"), "NaN was taken for the best"),
    32: (DataError("the best 5 of 2 sets cannot be chosen"), "more batches than there are"),
    38: ((0.355, 10 / 13), "a given threshold was rounded to two digits"),
    39: ((0.5, 0.875), "labels of shape (n, 1) failed"),
    40: ((0.5, 0.875), "a metric without a threshold got one"),
}
"""By the case's number: the right value, or the refusal; and what was wrong."""


def threshold_of(labels, scores, metric, options):
    found = grid.best(
        labels,
        np.array(scores, np.float64),
        METRICS[metric],
        step=options.get("search_interval", 0.01),
        bounds=tuple(options.get("search_min_max", (0, 1))),
        preference=options.get("threshold_preference", 0.5),
    )
    assert optimum.of(labels, scores, METRICS[metric]).in_sample >= found[1] or metric.startswith("1*FP")
    return found


def points_of(options):
    points = grid.thresholds(options.get("search_interval", 0.01), tuple(options.get("search_min_max", (0, 1))))
    return points[0], points[-1], len(points)


def subset_of(labels, scores, metric, options):
    """The value of the best subset; where it is certified, the proof is checked."""
    size = options["subset_size"]
    if metric == "mean_squared_error":
        errors = np.square(np.subtract(labels, scores)).mean(axis=1)
        return set_means.best(errors, np.arange(len(labels)), size, "mean_squared_error", maximize=False).value
    if metric == "categorical_accuracy":
        batches, rows, classes = np.shape(labels)
        right = set_means.correct(np.argmax(labels, axis=2).ravel(), np.reshape(scores, (-1, classes)))
        return set_means.best(right, np.repeat(np.arange(batches), rows), size, "accuracy").value
    flat = joined(labels, scores)
    low, high = options.get("search_min_max") or (0, 1)
    at = low if low == high else None
    found = subset.best(flat.labels, flat.scores, flat.sets, size, METRICS[metric], threshold=at, numbers=flat.numbers)
    assert at is not None or metric != "f1_score" or found.certified
    if found.certified:
        assert subset_proof.holds(found, flat.labels, flat.scores, flat.sets, METRICS[metric])
    return found.value


def history_of(values, size):
    """The batches with the greatest mean, as the original orders them: the best first."""
    means = np.array(values, np.float64).reshape(len(values), -1).mean(axis=1)
    found = set_means.best(means, np.arange(len(values)), size, "metric")
    return sorted(found.sets, key=lambda one: (-means[one], one))


def windows_of(outputs, options):
    """The original's (batches, windows, samples, 1) as the samples' windows."""
    outputs = np.array(outputs)
    outputs = outputs.transpose(1, 0, 2, 3).reshape(outputs.shape[1], -1, 1)
    first, last = options["pred_weighted_slices_range"]
    settings = WindowSettings(size=1, prediction_weights=LinearWeights(first=first, last=last))
    return Cut(settings, 0, np.full(outputs.shape[1], len(outputs))).mean(list(outputs)).ravel()


def validation_of(labels, scores, options):
    """Threshold, given or searched for, and key metric of a validation; of the best batches the metric alone."""
    batches = len(labels)
    labels, scores = np.array(labels).reshape(batches, -1), np.array(scores).reshape(batches, -1)
    bounds, size = options.get("dynamic_predict_threshold_min_max"), options.get("best_subset_size")
    metric = METRICS.get(options.get("key", "f1_score"), options.get("key"))
    if size:
        return subset.best(labels.ravel(), scores.ravel(), np.repeat(np.arange(batches), len(labels[0])), size).value
    if bounds:
        return grid.best(labels.ravel(), scores.ravel(), metric, bounds=tuple(bounds))
    at = options.get("predict_threshold", 0.5)
    return at, float(names.count_metric(metric).at_counts(*counts_at(labels.ravel(), scores.ravel(), at)))


def ours(case):
    args = [
        [math.nan if one == "NaN" else one for one in arg] if isinstance(arg, list) else arg
        for arg in case.get("args", ())
    ]
    function, options = case["function"], case["kwargs"]
    if function == "find_best_subset_from_history":
        return history_of(*args)
    by_name = {
        "find_best_predict_threshold": threshold_of,
        "grid": points_of,
        "find_best_subset": subset_of,
        "_weighted_normalize_preds": windows_of,
        "_get_val_history": validation_of,
    }
    return by_name[function](*args, options)


def theirs(case):
    """What can be compared of what it returned; nan where it raised."""
    if "raises" in case:
        return math.nan
    told = case["returns"]
    if case["function"] == "grid":
        return told["first"], told["last"], told["n"]
    if case["function"] == "find_best_subset":
        return told[2]
    if case["function"] == "_get_val_history":
        value = told["metrics"]["f1_score"]
        return (told["predict_threshold"], value) if told["best_subset_nums"] is None else value
    return np.ravel(told)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_value_is_that_of_the_original_or_listed(number):
    case = CASES[number]
    right, _ = WRONG.get(number, (theirs(case), ""))
    if isinstance(right, DeeptrainError):
        with pytest.raises(type(right)) as told:
            ours(case)
        assert str(told.value).startswith(str(right))
        return
    np.testing.assert_allclose(ours(case), right, rtol=2e-6, atol=1e-6)
    if number in WRONG:
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(theirs(case), right, rtol=2e-6, atol=1e-6)


def test_the_docs_list_what_was_wrong():
    page = (Path(__file__).parents[2] / "docs" / "calibration.md").read_text()
    for number, (_, why) in WRONG.items():
        assert f"| `{CASES[number]['function']}` | {why} |" in page
