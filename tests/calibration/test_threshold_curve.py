"""The curve of a metric as arrays: exact steps, thinned without losing a peak, the same from its file."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as peer

from deeptrain.calibration import optimum, threshold_curve
from deeptrain.errors import ArtifactError
from deeptrain.metrics import counts, names

HERE = Path("curve.parquet")


def drawn(samples, seed=1):
    generator = np.random.Generator(np.random.Philox(seed))
    labels = generator.random(samples) < 0.2
    return labels, 1 / (1 + np.exp(1.5 - 1.2 * labels - generator.normal(size=samples)))


@pytest.mark.parametrize("name", ["f1_score", "mcc", "cost"])
def test_a_thinned_curve_keeps_its_best_its_worst_and_what_is_asked_for(name):
    labels, scores = drawn(5000)
    every = threshold_curve.of(labels, scores, name)
    few = threshold_curve.thinned(every, (0.5, 0.123), 60)
    assert len(every.threshold) == 5001
    assert len(few.threshold) <= 62
    assert (few.value.min(), few.value.max()) == (every.value.min(), every.value.max())
    assert optimum.of(labels, scores, name).in_sample in few.value
    for at in (0.5, 0.123):
        step = np.searchsorted(few.threshold, at, side="right") - 1
        assert tuple(getattr(few, count)[step] for count in threshold_curve.COLUMNS[2:]) == counts.counts_at(
            labels, scores, at
        )
    for t, value in zip(few.threshold, few.value, strict=True):
        assert value == names.get(name).at_counts(*counts.counts_at(labels, scores, t))


def test_of_few_steps_none_is_left_out():
    curve = threshold_curve.of([0, 1, 1], [0.0, 0.4, 1.0])
    assert curve.threshold.tolist() == [0, 0.4, 1]
    assert curve.value.tolist() == [1, 2 / 3, 0]
    assert threshold_curve.thinned(curve) is curve


def test_roc_follows_from_the_counts():
    labels, scores = drawn(800)
    curve = threshold_curve.of(labels, scores)
    recall, fall_out = curve.tp / (curve.tp + curve.fn), curve.fp / (curve.fp + curve.tn)
    assert -np.trapezoid(recall, fall_out) == pytest.approx(peer.roc_auc_score(labels, scores), abs=1e-9)


def test_of_one_class_what_is_undefined_is_nan():
    assert np.isnan(threshold_curve.of([0, 0], [0.2, 0.4], "recall").value).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_file_gives_the_curve_again_and_the_same_bytes(weighted):
    labels, scores = drawn(300)
    weights = np.arange(300) % 4 if weighted else None
    curve = threshold_curve.of(labels, scores, "mcc", weights)
    data = threshold_curve.encode(curve)
    again = threshold_curve.decode(data, HERE)
    for name in threshold_curve.COLUMNS:
        assert getattr(again, name).tobytes() == getattr(curve, name).tobytes()
    assert threshold_curve.encode(again) == data
    with pytest.raises(ArtifactError, match=r"^curve\.parquet: not a curve: "):
        threshold_curve.decode(data[:-30], HERE)
