"""Whether scores are probabilities: of the samples scored about .3, are about 30 % positive?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import intervals
from deeptrain.calibration.record import Record
from deeptrain.errors import SettingsError
from deeptrain.metrics import checks


@dataclass(frozen=True)
class Bin(Record):
    """The samples whose score lies in [low, high), in the last bin [low, high].

    Attributes:
        low: least score of the bin.
        high: bound above it.
        samples: how many there are.
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
        bins: of equal width, over [0, 1], ascending.
        expected_calibration_error: the mean over samples of |fraction - mean_score| of their bin, from 0 to 1.
        confidence: of each band by itself.
    """

    bins: tuple[Bin, ...]
    expected_calibration_error: float
    confidence: float


def diagram(labels: ArrayLike, scores: ArrayLike, bins: int = 10, confidence: float = 0.95) -> Reliability:
    """Mean score and observed fraction in bins of equal width, with exact bands; imports SciPy.

    Bands: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934. Expected
    calibration error: M. P. Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015,
    in its binary form: the probability is that of the positive class. It depends on the number of bins.

    Args:
        labels: (n,) of 0 and 1, n >= 1.
        scores: (n,) finite, in [0, 1].
        bins: how many, at least 1.
        confidence: of the bands, between 0 and 1.

    Raises:
        DataError: when labels or scores are not that.
        SettingsError: when bins or confidence are out of range.
    """
    if bins < 1:
        raise SettingsError(f"bins must be at least 1, got {bins}")
    if not 0 < confidence < 1:
        raise SettingsError(f"confidence must be between 0 and 1, got {confidence}")
    truth, values = checks.binary(labels, scores)
    edges = np.arange(bins + 1) / bins
    # Searching the edges, not multiplying by `bins`, puts a score that is an edge above it however it was rounded.
    index = np.minimum(np.searchsorted(edges, values, side="right") - 1, bins - 1)
    samples = np.bincount(index, minlength=bins)
    positives = np.bincount(index, weights=truth, minlength=bins)
    held = np.maximum(samples, 1)
    mean_score = np.where(samples > 0, np.bincount(index, weights=values, minlength=bins) / held, np.nan)
    fraction = np.where(samples > 0, positives / held, np.nan)

    low, high = intervals.clopper_pearson(positives, samples, confidence)
    bands = zip(low.tolist(), high.tolist(), strict=True)
    rows = zip(
        edges[:-1].tolist(),
        edges[1:].tolist(),
        samples.tolist(),
        mean_score.tolist(),
        fraction.tolist(),
        bands,
        strict=True,
    )
    return Reliability(
        bins=tuple(Bin(*row) for row in rows),
        expected_calibration_error=float(np.nansum(np.abs(fraction - mean_score) * samples) / len(values)),
        confidence=confidence,
    )
