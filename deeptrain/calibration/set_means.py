"""The sets with the best mean of a value: of several classes, of values, of what a history tells of each batch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import mean_search
from deeptrain.calibration.chosen_sets import Choice, Subset, certificate, per_set
from deeptrain.calibration.set_rules import Candidates, Rules
from deeptrain.errors import DataError
from deeptrain.metrics import checks
from deeptrain.metrics.checks import Labels


def best(
    values: ArrayLike,
    sets: ArrayLike,
    size: int,
    metric: str,
    *,
    weights: ArrayLike | None = None,
    maximize: bool = True,
    rules: Rules | None = None,
) -> Subset:
    """The `size` sets with the best mean of a value over all their rows together, exactly; certified.

    For what is a mean over samples or batches: the accuracy of several classes (`values` is whether each sample is
    called right), an error of values, a loss or metric that a history tells of each batch. Not for what is no mean over
    rows, such as macro F1.

    Args:
        values: (n,) finite, bool, integers or floats: one a sample, or one a batch.
        sets: (n,) the number of each row's set, any integers.
        size: how many sets to choose.
        metric: what the value is called.
        weights: (n,) what each row counts for, such as the samples of its batch: finite, at least 0. A set of no
            weight is never chosen.
        maximize: whether more is better.
        rules: what a choice must keep to; without labels there is no `min_positives`.

    Raises:
        DataError: when they are not that, or fewer sets than `size` may be chosen.
    """
    means = _Means(values, sets, metric, weights, maximize, rules or Rules())
    return means.subset(means.choice(size))


def every_size(
    values: ArrayLike,
    sets: ArrayLike,
    metric: str,
    *,
    weights: ArrayLike | None = None,
    maximize: bool = True,
    rules: Rules | None = None,
    sizes: Sequence[int] | None = None,
) -> tuple[Choice, ...]:
    """The best choice of every size by a mean: what `best` finds for that size.

    Args:
        values: as `best` takes them.
        sets: likewise.
        metric: likewise.
        weights: likewise.
        maximize: likewise.
        rules: likewise.
        sizes: which; by default all from 1 to as many as may be chosen.

    Raises:
        DataError: as `best`.
    """
    means = _Means(values, sets, metric, weights, maximize, rules or Rules())
    return tuple(means.choice(size) for size in means.candidates.sizes(sizes))


def correct(labels: ArrayLike, outputs: ArrayLike) -> Labels:
    """(n,) bool, whether the class with the greatest output is the label: `best` of it is by accuracy.

    Args:
        labels: (n,) class numbers from 0.
        outputs: (n, classes) a probability or score each; of equal ones the first counts.

    Raises:
        DataError: when they are not that.
    """
    truth, values = checks.classes(labels, outputs)
    return np.asarray(values.argmax(axis=1) == truth)


class _Means:
    """Rows with a value and a set number, summed by set."""

    def __init__(
        self,
        values: ArrayLike,
        sets: ArrayLike,
        metric: str,
        weights: ArrayLike | None,
        maximize: bool,
        rules: Rules,
    ) -> None:
        given = checks.finite(np.asarray(values), metric).astype(np.float64)
        if given.ndim != 1:
            raise DataError(f"{metric} must have the shape (rows,), got {given.shape}")
        members = checks.set_numbers(sets, len(given))
        counted = checks.weights(weights, len(given))
        if rules.min_positives:
            raise DataError(f"min_positives needs binary labels, got {metric} of each row")
        self.metric, self.rules, self.sign = metric, rules, 1 if maximize else -1
        self.numbers, index, rows = np.unique(members, return_inverse=True, return_counts=True)
        self.rows = rows.astype(np.int64)
        each = np.ones(len(given)) if counted is None else counted
        self.sums = np.bincount(index, given * each)
        self.weights = np.bincount(index, each)
        self.candidates = Candidates.of(self.numbers, (self.weights > 0).astype(np.int64), None, rules)

    def choice(self, size: int) -> Choice:
        room = self.candidates.room(size, len(self.numbers))
        sums, weights = self.sums[self.candidates.which], self.weights[self.candidates.which]
        chosen = mean_search.best((self.sign * sums).tolist(), weights.tolist(), room)
        value = float(sums[chosen].sum() / weights[chosen].sum())
        return Choice(tuple(self.numbers[self.candidates.which[chosen]].tolist()), None, value, certified=True)

    def subset(self, choice: Choice) -> Subset:
        """The choice with what is told beside it."""
        with np.errstate(invalid="ignore"):
            alone = self.sums / self.weights
        ratio = [self.sums.tolist(), self.weights.tolist()]
        places = np.isin(self.numbers, choice.sets)
        p, q = float(self.sums[places].sum()), float(self.weights[places].sum())
        return Subset(
            sets=choice.sets,
            threshold=None,
            value=choice.value,
            certified=True,
            metric=self.metric,
            proof=certificate(self.metric, p, q, "", len(choice.sets), self.candidates, self.sign),
            joint=False,
            per_set=per_set(self.numbers, self.rows, None, alone, self.candidates, self.rules, ratio),
            all_sets=float(self.sums.sum() / self.weights.sum()),
            most_per_group=None if self.rules.groups is None else self.rules.most_per_group,
        )
