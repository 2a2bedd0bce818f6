"""Scores at named thresholds and without one."""

import math

import numpy as np
import pytest
import sklearn.metrics as peer

from deeptrain.calibration import class_offsets, evaluation, intervals
from deeptrain.calibration.evaluation import Way
from deeptrain.errors import DataError, SettingsError
from deeptrain.metrics import names


def drawn(samples=300):
    generator = np.random.Generator(np.random.Philox(1))
    labels = generator.random(samples) < 0.3
    return labels, np.clip(0.3 + 0.3 * labels + 0.2 * generator.normal(size=samples), 0, 1).astype(np.float32)


def test_every_threshold_has_the_counts_and_metrics_of_scikit_learn():
    labels, scores = drawn()
    found = evaluation.score(labels, scores, "f1", {"half": 0.5, "threshold": 0.43, "subset": 0.61})
    assert (found.metric, found.samples, found.positives) == ("f1_score", 300, labels.sum())
    assert [(one.name, one.threshold) for one in found.at] == [("half", 0.5), ("threshold", 0.43), ("subset", 0.61)]
    for one in found.at:
        decisions = scores > one.threshold
        tn, fp, fn, tp = peer.confusion_matrix(labels, decisions).ravel().tolist()
        assert (one.tp, one.fp, one.fn, one.tn) == (tp, fp, fn, tn)
        assert one.metrics["f1_score"] == pytest.approx(peer.f1_score(labels, decisions))
        assert one.metrics["mcc"] == pytest.approx(peer.matthews_corrcoef(labels, decisions))
        assert set(one.metrics) == {metric.name for metric in names.standard("binary") if metric.of_counts}
    assert found.without_threshold == pytest.approx(
        {
            "roc_auc": peer.roc_auc_score(labels, scores),
            "average_precision": peer.average_precision_score(labels, scores),
            "log_loss": peer.log_loss(labels, scores.astype(np.float64)),
            "brier": np.mean((scores.astype(np.float64) - labels) ** 2),
        }
    )


def test_one_class_leaves_metrics_undefined_and_is_no_error():
    found = evaluation.score([0, 0, 0], [0.1, 0.6, 0.2], "f1_score", {"half": 0.5})
    (half,) = found.at
    assert (half.tp, half.fp, half.fn, half.tn) == (0, 1, 0, 2)
    assert math.isnan(half.metrics["recall"])
    assert half.metrics["f1_score"] == 0
    assert math.isnan(found.without_threshold["roc_auc"])
    assert found.plain()["without_threshold"]["roc_auc"] == "nan"


def test_an_evaluation_comes_back_from_its_plain_values():
    found = evaluation.score(*drawn(), "f1", {"half": 0.5})
    assert evaluation.Evaluation.from_plain(found.plain()) == found


def test_bad_input_is_told():
    with pytest.raises(DataError, match=r"^threshold 'subset' must be finite, got nan$"):
        evaluation.score(*drawn(), "f1", {"half": 0.5, "subset": math.nan})
    with pytest.raises(DataError, match=r"^scores must lie in \[0, 1\], got 1.5 in row 1 "):
        evaluation.score([0, 1], [0.5, 1.5], "f1", {"half": 0.5})
    with pytest.raises(SettingsError, match=r"^metric brier does not depend on a threshold"):
        evaluation.score(*drawn(), "brier", {"half": 0.5})
    with pytest.raises(DataError, match=r"^scores of 'members' must lie in \[0, 1\], got 2.0 in row 0 "):
        evaluation.score([0, 1], [0.5, 0.5], "f1", {"half": 0.5, "members": Way([2.0, 0.5])})
    with pytest.raises(DataError, match=r"^scores of 'offsets' must have the shape \(2, 2\), got \(2, 3\)$"):
        evaluation.score_classes([0, 1], np.full((2, 2), 0.5), "accuracy", {"offsets": Way(np.full((2, 3), 0.5))})
    with pytest.raises(DataError, match=r"^threshold 'own' must be one number or one a label, got \(3,\)$"):
        evaluation.score_labels([[0, 1]], [[0.1, 0.2]], "f1", "macro", {"own": [0.1, 0.2, 0.3]}, ("a", "b"))


def test_the_key_metric_has_an_interval_and_a_gain_over_the_first_way():
    labels, scores = drawn()
    found = evaluation.score(labels, scores, "f1", {"half": 0.5, "threshold": 0.43, "same": 0.5})
    half, tuned, same = found.at
    assert half.gain is None
    f1 = names.get("f1_score")
    assert tuned.gain == intervals.of_gain(f1, labels, scores > 0.5, scores > 0.43)
    assert tuned.gain.value == pytest.approx(tuned.metrics["f1_score"] - half.metrics["f1_score"])
    assert half.interval.low < half.metrics["f1_score"] < half.interval.high
    assert (same.gain.low, same.gain.value, same.gain.high) == (0, 0, 0)


def test_a_way_with_scores_of_its_own_has_the_metrics_of_scores_too():
    labels, scores = drawn()
    better = np.clip(scores + 0.1 * labels, 0, 1)
    found = evaluation.score(labels, scores, "f1", {"half": 0.5, "members": Way(better, 0.45)})
    assert set(found.at[1].metrics) - set(found.at[0].metrics) == set(found.without_threshold)
    assert found.at[1].metrics["roc_auc"] > found.without_threshold["roc_auc"]
    assert found.at[1].tp == np.count_nonzero(labels & (better > 0.45))


def test_classes_are_scored_without_and_with_offsets():
    generator = np.random.Generator(np.random.Philox(6))
    labels = generator.choice(3, 500, p=[0.7, 0.2, 0.1])
    weights = np.exp(generator.normal(size=(500, 3)) + 1.5 * np.eye(3)[labels] + [2, 0, 0])
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    moved = Way(class_offsets.weighed(probabilities, [-2, 0, 0]))
    found = evaluation.score_classes(labels, probabilities, "f1_score_macro", {"offsets": moved})
    largest, offsets = found.at
    assert (found.metric, found.samples, largest.name, offsets.name) == ("f1_score_macro", 500, "largest", "offsets")
    for way, scores in ((largest, probabilities), (offsets, moved.scores)):
        said = np.argmax(scores, axis=1)
        assert way.metrics["accuracy"] == pytest.approx(np.mean(said == labels))
        assert way.metrics["f1_score_macro"] == pytest.approx(peer.f1_score(labels, said, average="macro"))
        assert way.interval.low < way.metrics["f1_score_macro"] < way.interval.high
    assert offsets.gain.low > 0
    assert offsets.gain.value == pytest.approx(offsets.metrics["f1_score_macro"] - largest.metrics["f1_score_macro"])
    assert found.without_threshold == pytest.approx({"log_loss": peer.log_loss(labels, probabilities)})
    accuracy = evaluation.score_classes(labels, probabilities, "accuracy", {}).at[0].interval
    hits = int(np.count_nonzero(probabilities.argmax(axis=1) == labels))
    assert accuracy == intervals.of_rate(hits, 500)
    assert evaluation.ClassEvaluation.from_plain(found.plain()) == found


def test_several_labels_are_scored_together_and_each():
    generator = np.random.Generator(np.random.Philox(7))
    truth = generator.random((400, 2)) < [0.3, 0.1]
    scores = np.clip(0.2 + 0.3 * truth + 0.1 * generator.normal(size=truth.shape), 0, 1)
    ways = {"half": 0.5, "thresholds": [0.35, 0.38]}
    found = evaluation.score_labels(truth, scores, "f1", "micro", ways, ("a", "b"))
    half, own = found.at
    said = scores > np.array([0.35, 0.38])
    assert own.metrics == {"f1_score_micro": pytest.approx(peer.f1_score(truth, said, average="micro"))}
    assert own.per_label == pytest.approx([peer.f1_score(truth[:, label], said[:, label]) for label in (0, 1)])
    assert own.gain.value == pytest.approx(own.metrics["f1_score_micro"] - half.metrics["f1_score_micro"])
    assert own.gain.low > 0
    assert own.interval.low < own.metrics["f1_score_micro"] < own.interval.high
    assert (found.labels, found.positives) == (("a", "b"), tuple(truth.sum(axis=0)))
    assert evaluation.LabelsEvaluation.from_plain(found.plain()) == found


def scored(kind: str, rows: np.ndarray, weights: np.ndarray | None):
    """The plain evaluation of samples that are the same for equal rows."""
    generator = np.random.Generator(np.random.Philox(12))
    labels = generator.random((200, 3)) < [0.5, 0.3, 0.2]
    scores = np.clip(0.3 * labels + 0.7 * generator.random((200, 3)), 0, 1)
    classes, probabilities = generator.integers(0, 3, 200), scores / scores.sum(axis=1, keepdims=True)
    if kind == "binary":
        ways = {"half": 0.5, "threshold": 0.4, "members": Way(scores[rows, 1], 0.3)}
        return evaluation.score(labels[rows, 0], scores[rows, 0], "mcc", ways, weights=weights).plain()
    if kind == "classes":
        ways = {"offsets": Way(probabilities[rows] * [1, 2, 3])}
        return evaluation.score_classes(
            classes[rows], probabilities[rows], "f1_score_macro", ways, weights=weights
        ).plain()
    ways = {"half": 0.5, "thresholds": [0.3, 0.4, 0.5]}
    found = evaluation.score_labels(
        labels[rows], scores[rows], "f1_score", "macro", ways, ("a", "b", "c"), weights=weights
    )
    return found.plain()


@pytest.mark.parametrize("kind", ["binary", "classes", "labels"])
def test_whole_weights_are_samples_repeated_and_equal_ones_change_nothing(kind: str) -> None:
    weights = np.random.Generator(np.random.Philox(13)).integers(0, 4, 200)
    every = np.arange(200)
    weighed, repeated = scored(kind, every, weights), scored(kind, np.repeat(every, weights), None)
    for one, other in zip(weighed["at"], repeated["at"], strict=True):
        assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-12)
        assert one.get("per_label") == pytest.approx(other.get("per_label"), abs=1e-12)
        if one["gain"]:
            assert one["gain"]["value"] == pytest.approx(other["gain"]["value"], abs=1e-12)
            assert one["gain"]["low"] < one["gain"]["value"] < one["gain"]["high"]
        # As many samples as there are are resampled, not as many as they count for: the interval is no narrower.
        width, narrower = (told["interval"]["high"] - told["interval"]["low"] for told in (one, other))
        assert width > narrower
    if kind != "labels":
        assert weighed["without_threshold"] == pytest.approx(repeated["without_threshold"], abs=1e-12)
    assert scored(kind, every, np.full(200, 2.5)) == scored(kind, every, None)
