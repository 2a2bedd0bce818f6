"""The best subset of a run: by the settings of an experiment, from the predictions of a split."""

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import set_means, subset
from deeptrain.calibration.chosen_sets import Choice, Subset
from deeptrain.calibration.room import fits
from deeptrain.calibration.set_rules import Candidates, Rules
from deeptrain.calibration.settings import CalibrationSettings
from deeptrain.errors import DataError
from deeptrain.metrics import checks
from deeptrain.metrics.metric import Kind
from deeptrain.shards.reading import Split

MOST_SIZES = 40
"""Of how many sizes the best choice is looked for: of more sets as many that are evenly apart."""


def of_run(
    labels: ArrayLike,
    values: ArrayLike,
    sets: ArrayLike,
    kind: Kind,
    settings: CalibrationSettings,
    split: Split,
    weights: ArrayLike | None = None,
) -> tuple[Subset, tuple[Choice, ...]]:
    """The best sets of the size that is asked for, and the best of other sizes.

    Args:
        labels: (n,) of 0 and 1, or class numbers.
        values: (n,) probabilities, or (n, classes): these are chosen for their accuracy.
        sets: (n,) set numbers.
        kind: of the task, "binary" or "classes".
        settings: metric, size and rules.
        split: knows the raw files of the sets.
        weights: (n,) what each sample counts for; by default all count alike.

    Raises:
        DataError: as `subset.best`.
    """
    rules, size = _rules(kind, settings, split), settings.subset_size
    weights = checks.unequal(checks.weights(weights, len(np.asarray(sets))))
    if kind == "classes":
        right = set_means.correct(labels, values)
        found = set_means.best(right, sets, size, "accuracy", rules=rules, weights=weights)
        return found, set_means.every_size(right, sets, "accuracy", rules=rules, sizes=_sizes(found), weights=weights)
    found = subset.best(labels, values, sets, size, settings.metric, rules=rules, weights=weights)
    given = (labels, values, sets, settings.metric)
    return found, subset.every_size(*given, rules=rules, sizes=_sizes(found), weights=weights)


def check(labels: ArrayLike, kind: Kind, settings: CalibrationSettings, split: Split) -> None:
    """Check that as many sets may be chosen as are asked for, which takes no prediction.

    Args:
        labels: as `of_run`, of the samples of the split.
        kind: of the task.
        settings: size and rules.
        split: the calibration split.

    Raises:
        DataError: when the rules do not fit the labels or the raw files, or leave too few sets.
    """
    rules = _rules(kind, settings, split)
    numbers, index = np.unique(split.sets, return_inverse=True)
    counts = np.ones(len(split), np.bool_) if split.weights is None else np.asarray(split.weights > 0)
    samples = np.bincount(index, counts, len(numbers)).astype(np.int64)
    positives = None
    if kind == "binary":
        of_samples = (np.asarray(labels) > 0).reshape(len(split), -1).sum(axis=1) * counts
        positives = np.bincount(index, of_samples, len(numbers)).astype(np.int64)
    Candidates.of(numbers, samples, positives, rules).room(settings.subset_size, len(numbers))


def _rules(kind: Kind, settings: CalibrationSettings, split: Split) -> Rules:
    asked = settings.subset
    if kind == "classes" and asked.min_positives:
        raise DataError("calibration.subset.min_positives needs binary labels, these are classes")
    return Rules(
        min_positives=asked.min_positives,
        groups=split.raw_of_sets() if asked.most_per_file else None,
        most_per_group=max(asked.most_per_file, 1),
    )


def _sizes(found: Subset) -> list[int]:
    """Sizes from 1 to as many as may be chosen, at most `MOST_SIZES` and the one that was found."""
    names = [one.group for one in found.per_set if one.candidate]
    groups = None if found.most_per_group is None else np.unique(names, return_inverse=True)[1].astype(np.int64)
    fit = fits(len(names), groups, found.most_per_group or 1)
    spread = np.linspace(1, fit, min(fit, MOST_SIZES)).round().astype(np.int64)
    return sorted({*spread.tolist(), len(found.sets)})
