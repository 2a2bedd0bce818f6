"""Finding metrics by name, and checking names against a task."""

import subprocess
import sys

import pytest

from deeptrain.errors import SettingsError
from deeptrain.metrics import computation, counts, names
from deeptrain.training import keras_metric


def test_the_table_and_the_functions_have_the_same_names():
    here = {metric.computation for metric in names.known() if metric.source == "here"}
    assert here == set(computation.BY_NAME)
    assert {metric.name for metric in names.known() if metric.source == "keras"} == set(keras_metric.CLASSES)
    assert {metric.name for metric in names.of_counts()} == set(counts.BY_NAME)


def test_no_name_means_two_metrics():
    every = [name for metric in names.known() for name in (metric.name, *metric.aliases)]
    assert len(every) == len(set(every))


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("f1", "f1_score"),
        ("f1-score", "f1_score"),
        ("acc", "accuracy"),
        ("binary_accuracy", "accuracy"),
        ("sparse_categorical_accuracy", "accuracy"),
        ("binary_informedness", "informedness"),
        ("tpr", "recall"),
        ("tnr", "specificity"),
        ("mae", "mean_absolute_error"),
        ("mse", "mean_squared_error"),
        ("roc_auc_score", "roc_auc"),
        ("mape", "mean_absolute_percentage_error"),
        ("msle", "mean_squared_logarithmic_error"),
        ("kld", "kullback_leibler_divergence"),
        ("cosine", "cosine_similarity"),
        ("logcosh", "log_cosh"),
        ("cohen_kappa_score", "kappa"),
    ],
)
def test_a_metric_answers_to_its_usual_names(alias, name):
    assert names.get(alias) is names.get(name)
    assert names.get(alias).name == name


def test_losses_and_errors_are_made_small_and_the_rest_great():
    small = {
        metric.name
        for kind in ("binary", "classes", "values")
        for metric in names.standard(kind)
        if not metric.maximize
    }
    assert small == {"log_loss", "brier", "mean_absolute_error", "mean_squared_error"}
    for metric in names.known():
        if metric.name.endswith(("_score", "_accuracy")):
            assert metric.maximize, metric.name
        if metric.name.endswith(("_loss", "_error", "_deviance", "_crossentropy", "hinge", "_divergence")):
            assert not metric.maximize, metric.name


def test_what_an_evaluation_tells_unasked_is_the_same_for_ever():
    # Their names and order are in artifacts: another one here needs another recipe of the evaluation.
    counts_ = "accuracy f1_score precision recall specificity jaccard balanced_accuracy informedness mcc"
    assert [metric.name for metric in names.standard("binary")] == [
        *counts_.split(),
        *("roc_auc", "average_precision", "log_loss", "brier"),
    ]
    assert [metric.name for metric in names.standard("classes")] == ["accuracy", "log_loss"]
    assert [metric.name for metric in names.standard("values")] == ["mean_absolute_error", "mean_squared_error"]


def test_ratios_keep_the_law_of_the_subset_search():
    ratios = {metric.name: metric.ratio for metric in names.known() if metric.ratio}
    assert set(ratios) == {"accuracy", "f1_score", "f_beta", "precision", "recall", "specificity", "jaccard"}
    for ratio in ratios.values():
        assert all(0 <= over <= under for over, under in zip(*ratio, strict=True))


def test_only_metrics_of_counts_have_a_function_of_counts():
    assert names.get("roc_auc").from_counts is None
    assert names.get("f1").from_counts is counts.f1_score


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(SettingsError, match=r"^unknown metric 'f1_scor'; did you mean f1_score\?$"):
        names.get("f1_scor")
    with pytest.raises(SettingsError, match=r"^unknown metric 'xyzzy'; known are accuracy, f1_score, precision, "):
        names.get("xyzzy")
    with pytest.raises(SettingsError, match=r"^unknown metric 'loss'; "):
        names.get("loss")


def test_a_metric_without_a_threshold_is_no_count_metric():
    with pytest.raises(SettingsError, match=r"^metric brier does not depend on a threshold; those that do are acc"):
        names.count_metric("brier")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("f1_score", {"beta": 2}, "metric f1_score takes no argument beta; it takes average"),
        ("brier", {"k": 2}, "metric brier takes no argument k; it takes none"),
        ("f_beta", {"beta": 0}, "metric f_beta: beta must be a finite number above 0, got 0"),
        ("f_beta", {"beta": "2"}, "metric f_beta: beta must be a finite number above 0, got '2'"),
        ("f_beta", {"beta": True}, "metric f_beta: beta must be a finite number above 0, got True"),
        ("cost", {"false_negative": -1}, "metric cost: false_negative must be a finite number, at least 0, got -1"),
        ("top_k_categorical_accuracy", {"k": 0.5}, "metric top_k_categorical_accuracy: k must be a whole number, at "),
        ("brier", {"average": "macro"}, "metric brier is not averaged over classes; those that are: f1_score, "),
        ("f1", {"average": "mean"}, "metric f1_score: average must be macro or micro or weighted, got 'mean'"),
    ],
)
def test_an_argument_that_does_not_fit_is_told_by_name_rule_and_value(name, arguments, message):
    with pytest.raises(SettingsError, match=f"^{message}"):
        names.with_arguments(names.get(name), arguments)


def test_an_average_is_said_by_a_suffix_or_by_an_argument():
    assert names.get("f1_macro") is names.with_arguments(names.get("f1_score"), {"average": "macro"})
    assert names.get("f1_macro").name == "f1_score_macro"
    assert names.get("tpr_weighted").name == "recall_weighted"
    assert names.get("roc_auc_ovr") is names.get("roc_auc_macro")
    with_beta = names.with_arguments(names.get("f_beta"), {"beta": 2, "average": "micro"})
    assert (with_beta.name, with_beta.arguments, with_beta.of_counts) == ("f_beta_micro", {"beta": 2}, False)


def test_settings_find_names_without_loading_numpy():
    script = (
        "import sys, deeptrain.metrics.names as n, deeptrain.calibration.settings as s; "
        "assert n.get('f1').maximize and s.CalibrationSettings(); "
        "print([m for m in ('numpy', 'sklearn', 'scipy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
