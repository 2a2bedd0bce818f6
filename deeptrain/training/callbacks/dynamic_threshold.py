"""The threshold that is best for the key metric on the newest validation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deeptrain.calibration import cross_fitting, operating_points, optimum
from deeptrain.calibration.optimum import Bounds
from deeptrain.errors import SettingsError
from deeptrain.metrics import counts, names
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.training.callbacks.original_names import either

if TYPE_CHECKING:
    from deeptrain.training.trainer import Trainer

FOLDS = 5
"""As many as those of the threshold that is calibrated, by default."""


class DynamicThreshold:
    """Sets `trainer.threshold` after each validation to where a metric of counts is best on its predictions.

    The metrics of later validations are by it; those of the validation itself are not, since it was chosen on them.
    Found exactly, over all there are (`deeptrain.calibration.operating_points`); among equals the one nearest to 0.5.
    A sample of weight 2 in the data counts as two samples, as in the metrics. A validation without both classes, or
    without weight on both, leaves the threshold as it is.
    """

    def __init__(
        self,
        metric: str | None = None,
        bounds: Bounds | None = None,
        *,
        dynamic_predict_threshold_min_max: Bounds | None = None,
    ) -> None:
        """Choose the metric, and between which thresholds.

        Args:
            metric: a metric of counts; by default the trainer's key metric.
            bounds: (least, most) of the thresholds, both included; by default all.
            dynamic_predict_threshold_min_max: the same, as DeepTrain 0.6 called it.

        Raises:
            SettingsError: for an unknown metric, one that no threshold changes, or bounds that are none, or given by
                both names.
        """
        given = either(
            "dynamic_threshold",
            "bounds",
            bounds,
            "dynamic_predict_threshold_min_max",
            dynamic_predict_threshold_min_max,
        )
        self._bounds = None if given is None else _two(given)
        optimum.check_bounds(self._bounds, 0.5)
        self._metric = None if metric is None else names.count_metric(metric)
        self._value: float | None = None
        self._cross_fitted: float | None = None

    @property
    def value(self) -> float | None:
        """The metric, weighted as the data is, at the threshold on the predictions it was chosen on; None before."""
        return self._value

    @property
    def cross_fitted(self) -> float | None:
        """The metric where each fifth of the predictions is decided by the threshold the others lead to; see `value`.

        What other samples may expect. None before, and where a class has a single member.
        """
        return self._cross_fitted

    def init(self, trainer: "Trainer") -> None:
        """Check that there is a threshold to be chosen.

        Raises:
            SettingsError: when labels are not binary, or the key metric is none of counts.
        """
        if trainer.kind != "binary":
            raise SettingsError(f"dynamic_threshold: only binary labels have a threshold, these are {trainer.kind}")
        if self._metric is None:
            self._metric = _counted("dynamic_threshold", trainer.key_metric)

    def validation_end(self, trainer: "Trainer", metrics: Mapping[str, float]) -> None:  # noqa: ARG002 - the protocol's
        """Choose it."""
        found = trainer.validated
        if found is None:
            return
        if self._metric is None:
            self.init(trainer)
        metric = self._metric
        labels, scores, weights = optimum.weighted(
            found.labels.reshape(-1) > 0, found.outputs.reshape(-1), found.weights
        )
        if not 0 < labels.sum() < labels.size:
            return
        truth, values, weighed = operating_points.sort_weighted(labels, scores, weights)
        trainer.threshold, self._value = self._best(truth, values, weighed)

        def rule(labels: Labels, scores: Scores, weights: Scores | None, fold: int) -> float:  # noqa: ARG001
            return self._best(labels, scores, weights)[0]

        decided = cross_fitting.decisions(truth, values, rule, FOLDS, 0, weighed)
        self._cross_fitted = None
        if decided is not None:
            self._cross_fitted = float(metric.at_counts(*counts.weighed(truth, decided, weighed)))  # type: ignore[union-attr]

    def state(self) -> Mapping[str, Any]:
        """The metric at the threshold, here and for others; the threshold itself is the trainer's."""
        return {"value": self._value, "cross_fitted": self._cross_fitted}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Know it again."""
        self._value, self._cross_fitted = state["value"], state["cross_fitted"]

    def _best(self, labels: Labels, scores: Scores, weights: Scores | None) -> tuple[float, float]:
        """The best threshold for samples in ascending order of score, and the metric there."""
        points = operating_points.of_sorted(labels, scores, weights)
        if self._bounds is not None:
            points = points.within(*self._bounds)
        best = operating_points.best(points, self._metric)  # type: ignore[arg-type]
        return points.threshold(best), points.value(self._metric, best)  # type: ignore[arg-type]


def _two(bounds: Any) -> Bounds:
    try:
        low, high = (float(one) for one in bounds)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"dynamic_threshold: bounds must be two thresholds between 0 and 1, the lower first, got {bounds!r}"
        ) from error
    return low, high


def _counted(name: str, metric: str) -> Any:
    found = names.find(metric)
    if found is None or not found.of_counts:
        raise SettingsError(
            f"{name}: no threshold changes {metric}, the key metric; give a metric of counts, such as "
            'metric = "f1_score"'
        )
    return found
