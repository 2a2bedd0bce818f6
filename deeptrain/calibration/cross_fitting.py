"""Decisions about samples by thresholds that were chosen without them, and how sure their value is.

A metric at a threshold that was tuned on the same samples is too high, by .08 on average with 100 samples. Choosing
the threshold on the other folds and deciding about each fold by it takes most of that away.
Source of the idea: M. Stone, "Cross-validatory choice and assessment of statistical predictions", 1974.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deeptrain.calibration import draws
from deeptrain.calibration import folds as dealing
from deeptrain.metrics.checks import Labels, Scores
from deeptrain.metrics.counts import Values
from deeptrain.metrics.metric import Metric

RESAMPLES = 1000
WEIGHTED_RESAMPLES = 200

Rule = Callable[[Labels, Scores, Scores | None, int], float]
"""The threshold for labels, scores in ascending order, weights, and the number of the fold that is left out."""


def decisions(
    labels: Labels, scores: Scores, rule: Rule, folds: int, seed: int, weights: Scores | None = None
) -> Labels | None:
    """Whether each sample is called positive by the threshold that the other folds lead to.

    A function of the sorted samples, the rule, the seed and the number of folds alone; see `folds`.

    Args:
        labels: (n,) bool, in the order `operating_points.sort` gives.
        scores: (n,) float64, ascending.
        rule: chooses a threshold.
        folds: at least 2.
        seed: of the dealing.
        weights: (n,) float64, what each sample counts for.

    Returns:
        (n,) bool, or None when a class has a single member, which the other folds would miss.
    """
    positives = int(np.count_nonzero(labels))
    if min(positives, len(labels) - positives) < 2:
        return None
    fold = dealing.dealt(labels, folds, seed)
    called = np.zeros(len(labels), np.bool_)
    for number in range(min(folds, len(labels))):
        held_out = fold == number
        others = ~held_out
        of_others = None if weights is None else weights[others]
        called[held_out] = scores[held_out] > rule(labels[others], scores[others], of_others, number)
    return called


class Resamples:
    """Decisions about the same samples, resampled together: how sure the value of each is (B. Efron, 1979)."""

    def __init__(
        self, labels: Labels, decided: tuple[Labels, ...], metric: Metric, seed: int, weights: Scores | None = None
    ) -> None:
        """Draw what samples that count differently need; of others a few counts are enough, which are drawn when asked.

        Args:
            labels: (n,) bool.
            decided: (n,) bool each, at most six.
            metric: of counts.
            seed: of the drawing.
            weights: (n,) float64, what each sample counts for.
        """
        self._labels, self._decided, self._metric, self._seed = labels, decided, metric, seed
        self._drawn: Values | None = None
        if weights is not None:
            cells = labels.astype(np.uint8)
            for one in decided:
                cells += cells + one
            self._drawn = self._weighed(cells, weights)

    def interval(self, of: int, confidence: float) -> tuple[float, float]:
        """Where the metric of one of the decisions lies with some confidence: the middle part of its values.

        Returns:
            Twice nan when hardly any resample has both classes.
        """
        at, _ = self._values(of, of)
        at = at[np.isfinite(at)]
        if len(at) < 2:
            return float("nan"), float("nan")
        low, high = np.quantile(at, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
        return low, high

    def error_of_difference(self, first: int, second: int) -> float:
        """Standard error of the metric of one of the decisions minus that of another.

        Returns:
            nan when hardly any resample has both classes.
        """
        of_first, of_second = self._values(first, second)
        difference = of_first - of_second
        difference = difference[np.isfinite(difference)]
        return float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")

    def _values(self, first: int, second: int) -> tuple[Values, Values]:
        """The metric of two of the decisions, (resamples,) each."""
        if self._drawn is None:
            drawn = self._counted(self._decided[first], self._decided[second])
        else:
            others = set(range(len(self._decided))) - {first, second}
            drawn = self._drawn.sum(axis=tuple(2 + one for one in others))
            if first == second:
                drawn = drawn[..., None] * np.eye(2)
            elif first > second:
                drawn = drawn.swapaxes(2, 3)
        of_first, of_second = (
            self._metric.at_counts(one[:, 1, 1], one[:, 0, 1], one[:, 1, 0], one[:, 0, 0])
            for one in (drawn.sum(axis=3), drawn.sum(axis=2))
        )
        return of_first, of_second

    def _counted(self, first: Labels, second: Labels) -> Values:
        """(resamples, label, first, second) how many samples are drawn.

        Samples with equal label and decisions are alike, so that resampling them is one multinomial draw of eight
        counts, whatever n is.
        """
        cells = self._labels * np.uint8(4) + first * np.uint8(2) + second
        held = np.bincount(cells, minlength=8)
        drawn = self._generator().multinomial(len(cells), held / len(cells), size=RESAMPLES)
        return drawn.astype(np.float64).reshape(-1, 2, 2, 2)

    def _weighed(self, cells: NDArray[np.uint8], weights: Scores) -> Values:
        """(resamples, label, each of the decisions) what the samples drawn weigh."""
        kinds, generator = 2 ** (1 + len(self._decided)), self._generator()
        found = np.zeros((WEIGHTED_RESAMPLES, kinds))
        for row in found:
            for _, samples, _, _ in draws.draw(len(cells), generator).parts():
                row += np.bincount(cells.take(samples), weights.take(samples), minlength=kinds)
        return found.reshape(-1, *[2] * (1 + len(self._decided)))

    def _generator(self) -> np.random.Generator:
        return np.random.Generator(np.random.Philox([self._seed, len(self._labels)]))
