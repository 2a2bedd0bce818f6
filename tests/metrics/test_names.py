"""Finding metrics by name, and checking names against a task."""

import subprocess
import sys

import pytest

from deeptrain.errors import SettingsError
from deeptrain.metrics import computation, counts, names


def test_the_table_and_the_functions_have_the_same_names():
    assert {metric.name for metric in names.known()} == set(computation.BY_NAME)
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
    ],
)
def test_a_metric_answers_to_its_usual_names(alias, name):
    assert names.get(alias) is names.get(name)
    assert names.get(alias).name == name


def test_losses_and_errors_are_made_small_and_the_rest_great():
    small = {metric.name for metric in names.known() if not metric.maximize}
    assert small == {"log_loss", "brier", "mean_absolute_error", "mean_squared_error"}


def test_ratios_keep_the_law_of_the_subset_search():
    ratios = {metric.name: metric.ratio for metric in names.known() if metric.ratio}
    assert set(ratios) == {"accuracy", "f1_score", "precision", "recall", "specificity", "jaccard"}
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


def test_names_are_checked_against_the_task_all_at_once():
    assert [metric.name for metric in names.checked(["f1", "roc_auc", "f1_score"], "binary")] == ["f1_score", "roc_auc"]
    with pytest.raises(SettingsError) as error:
        names.checked(["f1", "acc", "log_los"], "classes")
    assert str(error.value).splitlines() == [
        "metric f1 does not fit a task of kind classes; those that do are accuracy, log_loss",
        "unknown metric 'log_los'; did you mean log_loss?",
    ]


def test_settings_find_names_without_loading_numpy():
    script = (
        "import sys, deeptrain.metrics.names as n, deeptrain.calibration.settings as s; "
        "assert n.get('f1').maximize and s.CalibrationSettings(); "
        "print([m for m in ('numpy', 'sklearn', 'scipy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
