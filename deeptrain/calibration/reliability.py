"""Whether scores are probabilities: of the samples scored about .3, are about 30 % positive?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import intervals, optimum
from deeptrain.calibration.record import Record
from deeptrain.errors import SettingsError
from deeptrain.metrics import checks
from deeptrain.metrics.checks import Labels, Scores

Equal = Literal["width", "mass"]
"""Whether bins are equally wide, or hold equally many samples."""


@dataclass(frozen=True)
class Bin(Record):
    """The samples whose score lies in [low, high), in the last bin [low, high].

    Attributes:
        low: least score of the bin.
        high: bound above it.
        samples: how many there are, of those that count for something.
        mean_score: the mean of their scores; nan in an empty bin.
        fraction: the fraction of them that is positive; nan in an empty bin.
        band: the confidence interval of that fraction; (0, 1) in an empty bin.
    """

    low: float
    high: float
    samples: int
    mean_score: float
    fraction: float
    band: tuple[float, float]


@dataclass(frozen=True)
class Reliability(Record):
    """A reliability diagram.

    Attributes:
        bins: over [0, 1], ascending.
        expected_calibration_error: the mean over samples of |fraction - mean_score| of their bin, from 0 to 1.
        confidence: of each band by itself.
    """

    bins: tuple[Bin, ...]
    expected_calibration_error: float
    confidence: float

    @property
    def maximum_calibration_error(self) -> float:
        """The greatest |fraction - mean_score| of a bin with samples; of small bins mostly chance, see their bands."""
        return max(abs(one.fraction - one.mean_score) for one in self.bins if one.samples)


def diagram(
    labels: ArrayLike,
    scores: ArrayLike,
    bins: int = 10,
    confidence: float = 0.95,
    equal: Equal = "width",
    weights: ArrayLike | None = None,
) -> Reliability:
    """Mean score and observed fraction in bins, with exact bands; imports SciPy.

    Bands: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934. Expected
    and maximum calibration error: M. P. Naeini et al., "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015, in the binary form: the probability is that of the positive class. They depend on the bins.
    With weights a bin is as sure as (sum w)^2 / sum w^2 equal samples (L. Kish, "Survey sampling", 1965).

    Args:
        labels: (n,) of 0 and 1, n >= 1.
        scores: (n,) finite, in [0, 1].
        bins: how many, at least 1.
        confidence: of the bands, between 0 and 1.
        equal: "width", or "mass" for bins with equally many samples; equal scores are never parted, so there may be
            fewer bins then.
        weights: (n,) what each sample counts for.

    Raises:
        DataError: when labels, scores or weights are not that.
        SettingsError: when bins or confidence are out of range.
    """
    _check_bins(bins)
    if not 0 < confidence < 1:
        raise SettingsError(f"confidence must be between 0 and 1, got {confidence}")
    found = _binned(labels, scores, bins, equal, weights)
    low, high = intervals.clopper_pearson(
        np.nan_to_num(found.fraction) * found.as_sure_as, found.as_sure_as, confidence
    )
    bands = zip(low.tolist(), high.tolist(), strict=True)
    rows = zip(
        found.edges[:-1].tolist(),
        found.edges[1:].tolist(),
        found.samples.tolist(),
        found.mean_score.tolist(),
        found.fraction.tolist(),
        bands,
        strict=True,
    )
    return Reliability(
        bins=tuple(Bin(*row) for row in rows),
        expected_calibration_error=float(np.nansum(np.abs(found.fraction - found.mean_score) * found.held)),
        confidence=confidence,
    )


@dataclass(frozen=True)
class BrierParts(Record):
    """What a Brier score is made of: brier = reliability - resolution + uncertainty + within.

    Source: A. H. Murphy, "A new vector partition of the probability score", 1973, for scores that are equal within a
    bin; what they differ by within one, its variance less twice its covariance with the labels: D. B. Stephenson,
    C. A. S. Coelho, I. T. Jolliffe, "Two extra components in the Brier score decomposition", 2008.

    Attributes:
        brier: mean of (score - label)^2, of several classes summed over them; 0 is best.
        reliability: how far mean scores are from fractions; what calibration can take away.
        resolution: how far the fractions of the bins are from each other; more is better.
        uncertainty: of the labels alone.
        within: what is left within bins.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def brier_parts(
    labels: ArrayLike, scores: ArrayLike, bins: int = 10, equal: Equal = "width", weights: ArrayLike | None = None
) -> BrierParts:
    """The Brier score of (n,) 0 and 1 and its parts, over the bins of `diagram`.

    Raises:
        DataError: as `diagram`.
        SettingsError: as `diagram`.
    """
    _check_bins(bins)
    found = _binned(labels, scores, bins, equal, weights)
    filled = found.samples > 0
    held, mean, fraction = (column[filled] for column in (found.held, found.mean_score, found.fraction))
    truth, values, weighed = found.of
    brier, base = (float(np.average(of, weights=weighed)) for of in ((values - truth) ** 2, truth))
    reliability, resolution = float(held @ (mean - fraction) ** 2), float(held @ (fraction - base) ** 2)
    uncertainty = base * (1 - base)
    return BrierParts(brier, reliability, resolution, uncertainty, brier - reliability + resolution - uncertainty)


@dataclass(frozen=True, eq=False)
class _Binned:
    """Samples in bins: what they are, the (bins + 1,) edges, and (bins,) arrays."""

    of: tuple[Labels, Scores, Scores | None]
    edges: Scores
    samples: checks.Integers
    held: Scores  # the part of all weight
    as_sure_as: Scores  # so many equal samples
    mean_score: Scores
    fraction: Scores


def _binned(labels: ArrayLike, scores: ArrayLike, bins: int, equal: Equal, weights: ArrayLike | None) -> _Binned:
    truth, values, weighed = optimum.weighted(labels, scores, weights)
    edges = _edges(values, bins, equal)
    bins = len(edges) - 1
    # Searching the edges, not multiplying by `bins`, puts a score that is an edge above it however it was rounded.
    index = np.minimum(np.searchsorted(edges, values, side="right") - 1, bins - 1)
    samples = np.bincount(index, minlength=bins)
    each = np.ones(len(values)) if weighed is None else weighed / weighed.max()

    def sums(of: Scores) -> Scores:
        return np.bincount(index, of, bins).astype(np.float64, copy=False)

    weight = sums(each)
    some = np.where(samples > 0, weight, np.nan)
    return _Binned(
        of=(truth, values, weighed),
        edges=edges,
        samples=samples,
        held=weight / weight.sum(),
        as_sure_as=np.nan_to_num(weight * weight / np.where(samples > 0, sums(each * each), np.nan)),
        mean_score=sums(each * values) / some,
        fraction=sums(each * truth) / some,
    )


def _check_bins(bins: int) -> None:
    if bins < 1:
        raise SettingsError(f"bins must be at least 1, got {bins}")


def top_label(labels: Labels | checks.Integers, outputs: Scores) -> tuple[Labels, Scores]:
    """Of several classes, whether the one with the greatest output is right, and that output: both (n,).

    With these the diagram is that of C. Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    said = outputs.argmax(axis=1)
    return said == labels, outputs[np.arange(len(said)), said]


def _edges(values: Scores, bins: int, equal: Equal) -> Scores:
    """Bounds of the bins: (bins + 1,) or fewer, from 0 to 1."""
    if equal == "width":
        return np.arange(bins + 1) / bins
    ascending = np.sort(values)
    inner = ascending[np.arange(1, bins) * len(values) // bins]
    # The last bin holds 1, so scores of 1 are parted from those below by an edge between the two.
    below = ascending[: np.searchsorted(ascending, 1.0)]
    inner = np.where(inner < 1, inner, (below[-1] + 1) / 2 if len(below) else 1.0)
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))
