"""Scores at named thresholds and without one."""

import math

import numpy as np
import pytest
import sklearn.metrics as peer

from deeptrain.calibration import evaluation
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
