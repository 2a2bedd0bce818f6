"""Every value of a metric that DeepTrain 0.6.0 gave: the same here, or in the list of those it had wrong."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from deeptrain.errors import DataError
from deeptrain.metrics import counts, names

CASES = json.loads((Path(__file__).parents[1] / "data" / "deeptrain_metrics.json").read_text())
FLAT = {"binary_crossentropy", "sparse_categorical_crossentropy", "sparse_categorical_accuracy"}
OF_COUNTS = {"f1_score", "tpr", "tnr", "binary_informedness", "binary_accuracy"}

WRONG = {
    5: (0.8, "a score at the threshold counted as positive and as negative"),
    7: ("labels must be 0 or 1, got 2 in row 2", "a label that is neither 0 nor 1 was left out in silence"),
    11: (0.5844155844, "beta where its square belongs"),
    59: (0.5, "ties by the order of rows"),
    60: (0.5, "ties by the order of rows"),
    61: (math.nan, "one class only: there is no curve"),
    64: (-math.log(1e-7), "float32 cannot tell 1 - 1e-7 well"),
    65: (1.0494015807, "failed without weights"),
    67: ("outputs of a sample must sum to 1, got 2.999", "clipped before it normalised; these are no probabilities"),
    77: ("outputs must be at least 0, got -4.825 in row 0", "the logarithm of a negative rate"),
    82: (-0.6284359079, "divided by the norm of the whole array, and weights by the number of samples"),
    83: (1.0, "divided by the norm of the whole array"),
    103: (50 - math.log(2), "overflow of float32"),
    105: (1.52825, "labels of 0 and 1 were not taken for -1 and 1"),
    108: (3.1002188, "labels of 0 and 1 were not taken for -1 and 1"),
}
"""By the case's number: the right value, or the message of a refusal; and what was wrong."""


def ours(case):
    """What this room says where the original said `case["returns"]`; a list where that was one."""
    function, (labels, outputs, *further) = case["function"], (np.array(arg) for arg in case["args"])
    if function.endswith("_multi_th"):
        found = counts.counts_at_thresholds(labels, outputs, further[0])
        one = names.with_arguments(names.get("f_beta"), case["kwargs"])
        many = {"f1_score": one, "tnr_tpr": None}.get(function[:-9], names.find(function[:-9]))
        if many is None:
            return [names.get(name).at_counts(*found).tolist() for name in ("tnr", "tpr")]
        return many.at_counts(*found).tolist()
    if function == "tnr_tpr":
        return [ours({**case, "function": name}) for name in ("tnr", "tpr")]
    weights, threshold = None, None
    if function in OF_COUNTS:
        labels, outputs = labels.reshape(-1), outputs.reshape(-1)  # it took (n, 1) as well
        threshold = further[0] if further else None
    elif further:
        weights = None if further[0].dtype == object else further[0]
    if function in FLAT:
        labels = labels.reshape(-1)
        outputs = outputs.reshape(-1) if function.startswith("binary") else outputs
    if labels.ndim == 1 and function in ("categorical_accuracy", "cosine_similarity"):
        labels, outputs = labels[None], outputs[None]  # it took one sample as well
    if function == "categorical_accuracy":
        labels = labels.argmax(axis=1)
    metric = names.with_arguments(names.get("f_beta"), case["kwargs"]) if case["kwargs"] else names.get(function)
    return metric(labels, outputs, weights, threshold)


def theirs(case):
    if "raises" in case:
        return math.nan
    value = case["returns"]
    if case["function"] in ("binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"):
        return float(np.mean(value))  # it gave one value a sample where there was more than one axis
    return np.array(value, float).tolist()


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_value_is_that_of_the_original_or_listed(number):
    case = CASES[number]
    right, _ = WRONG.get(number, (theirs(case), ""))
    if isinstance(right, str):
        with pytest.raises(DataError, match=right):
            ours(case)
        return
    np.testing.assert_allclose(ours(case), right, rtol=2e-6, atol=1e-6, equal_nan=True)
    if number in WRONG:
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(theirs(case), right, rtol=2e-6, atol=1e-6, equal_nan=True)


def test_the_docs_list_what_was_wrong():
    table = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    for number, (_, why) in WRONG.items():
        assert f"| `{CASES[number]['function']}` | {why} |" in table
