"""The threshold of a run, and the curve of its metric: by the settings of an experiment."""

from collections.abc import Collection

from numpy.typing import ArrayLike

from deeptrain.calibration import threshold, threshold_curve
from deeptrain.calibration.settings import CalibrationSettings
from deeptrain.calibration.threshold import Threshold


def of_run(
    labels: ArrayLike, scores: ArrayLike, settings: CalibrationSettings, weights: ArrayLike | None = None
) -> Threshold:
    """The threshold that settings ask for; see `threshold.choose`.

    Args:
        labels: (n,) of 0 and 1, both present.
        scores: (n,) finite, in [0, 1].
        settings: metric, constraint, bounds and how it is resampled and cross-fitted.
        weights: (n,) what each sample counts for; by default all count alike.

    Raises:
        DataError: as `threshold.choose`.
    """
    return threshold.choose(
        labels,
        scores,
        settings.metric,
        settings.folds,
        settings.seed,
        constraint=settings.constraint,
        confidence=settings.confidence,
        bounds=settings.bounds,
        preference=settings.preference,
        resamples=settings.resamples,
        weights=weights,
    )


def curve_of_run(
    labels: ArrayLike,
    scores: ArrayLike,
    settings: CalibrationSettings,
    weights: ArrayLike | None = None,
    used: Collection[float] = (),
) -> bytes:
    """The file `threshold_curve.FILE`: the metric that settings name and its counts against the threshold.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,) finite, in [0, 1].
        settings: metric.
        weights: (n,) what each sample counts for.
        used: thresholds whose steps are told, however many there are.
    """
    every = threshold_curve.of(labels, scores, settings.metric, weights)
    return threshold_curve.encode(threshold_curve.thinned(every, (0.5, *used)))
