"""The `[calibration]` table: its defaults and its mistakes."""

import pytest

from deeptrain.calibration.settings import CalibrationSettings
from deeptrain.settings import Mistakes, typed


def mistakes_of(table):
    mistakes = Mistakes("my.toml")
    typed(CalibrationSettings, table, "calibration", mistakes)
    return mistakes.lines


def test_an_empty_table_means_the_best_three_sets_for_f1_and_five_folds():
    assert typed(CalibrationSettings, {}, "calibration", Mistakes("my.toml")) == CalibrationSettings(
        metric="f1_score", subset_size=0, folds=5, seed=0, resamples=50, confidence=0.9, preference=0.5
    )


def test_two_spellings_of_one_question_have_one_identity():
    one = CalibrationSettings(metric="f1", constraint="tpr>=.80")
    other = CalibrationSettings(metric="f1_score", constraint="recall >= 0.8", bounds=None, output=None)
    assert one.relevant() == other.relevant()
    assert not {"bounds", "output"} & set(one.relevant())
    assert one.relevant()["constraint"] == "recall >= 0.8"


def test_no_subset_is_asked_for_by_zero():
    assert mistakes_of({"subset_size": 0}) == []


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"metric": "f1_scor"}, "metric: unknown metric; did you mean f1_score?, got 'f1_scor'"),
        (
            {"metric": "roc_auc"},
            "metric: must depend on the threshold, as do accuracy, f1_score, precision, recall, specificity, jaccard, "
            "balanced_accuracy, informedness, mcc, f_beta, kappa, cost, got 'roc_auc'",
        ),
        ({"metric": "mae"}, "metric: must depend on the threshold, as do accuracy, "),
        ({"subset_size": -1}, "subset_size: expected int >= 0, got -1"),
        ({"folds": 1}, "folds: expected int >= 2, got 1"),
        (
            {"metric": {"use": "f_beta", "arguments": {"beta": 0}}},
            "metric: metric f_beta: beta must be a finite number above 0, ",
        ),
        (
            {"constraint": "f1 >= 0.8"},
            "constraint: must be precision, recall or specificity, >= and a number between 0 ",
        ),
        ({"constraint": "precision > 0.8"}, "constraint: must be precision, recall or specificity, >= and a number "),
        ({"constraint": "precision >= 80"}, "constraint: must be precision, recall or specificity, >= and a number "),
        ({"confidence": 0.2}, "confidence: expected float >= 0.5, got 0.2"),
        ({"resamples": -1}, "resamples: expected int >= 0, got -1"),
        ({"preference": 1.5}, "preference: expected float <= 1.0, got 1.5"),
        ({"bounds": [0.6, 0.4]}, "bounds: the lower one must come first, got [0.6, 0.4]"),
        ({"bounds": [0.6, 0.9]}, "preference: must lie within the bounds [0.6, 0.9], got 0.5"),
        ({"seed": -1}, "seed: expected int >= 0, got -1"),
        ({"fold": 3}, "fold: unknown key; did you mean folds?"),
    ],
)
def test_a_mistake_is_told_with_key_rule_and_value(table, line):
    (found,) = mistakes_of(table)
    assert found.startswith(f"my.toml: calibration.{line}")


MEMBERS = [
    ({}, "best: an ensemble needs at least 2 members; name best, epochs, seeds or runs, got 1"),
    (
        {"epochs": [3]},
        "best: an ensemble needs at least 2 members; name best, epochs, seeds or runs, got 1",
    ),
    ({"best": 2, "epochs": [1, 2]}, "best: expected either best or epochs, got 2"),
    ({"epochs": [1, 2, 1]}, "epochs: expected each once (1 is there twice), got [1, 2, 1]"),
    ({"runs": ["a.toml", "a.toml"]}, "runs: expected each once (a.toml is there twice), got ['a.toml', 'a.toml']"),
    ({"seeds": [4, 4]}, "seeds: expected each once (4 is there twice), got [4, 4]"),
    ({"best": 3, "metric": "f1_scor"}, "metric: unknown metric; did you mean f1_score?, got 'f1_scor'"),
    ({"best": 3, "metric": "tversky"}, "metric: expected a metric that is computed without Keras, got 'tversky'"),
    (
        {"best": 3, "metric": "f1", "method": "convex"},
        "metric: convex weights are found for log_loss, brier, mean_squared_error, got 'f1'",
    ),
    (
        {"best": 13, "method": "exact"},
        "method: every subset is looked at of 12 members at most, here are 13, got 'exact'",
    ),
    ({"best": 3, "method": "bagging"}, 'method: expected "greedy" or "convex" or "exact", got \'bagging\''),
]


@pytest.mark.parametrize(("table", "line"), MEMBERS)
def test_a_mistake_about_members_is_told_with_key_rule_and_value(table, line):
    (found,) = mistakes_of({"members": table})
    assert found == f"my.toml: calibration.members.{line}"


def test_one_seed_or_one_run_beside_the_own_makes_two_members():
    assert mistakes_of({"members": {"seeds": [1]}}) == []
    assert mistakes_of({"members": {"runs": ["a.toml"]}}) == []


def test_where_a_members_file_lies_is_in_no_identity():
    read = typed(CalibrationSettings, {"members": {"runs": ["/somewhere/a.toml"]}}, "calibration", Mistakes("my.toml"))
    assert "somewhere" not in str(read.relevant())
