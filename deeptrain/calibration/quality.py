"""How good probabilities are, in the numbers that are usual."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.calibration import reliability
from deeptrain.calibration.maps.score_map import LEAST
from deeptrain.calibration.record import Record
from deeptrain.calibration.reliability import BrierParts
from deeptrain.metrics import checks
from deeptrain.metrics.checks import Integers, Scores


@dataclass(frozen=True)
class Quality(Record):
    """What probabilities of some samples are worth; less is better in all but `resolution`.

    Attributes:
        samples: how many there are.
        log_loss: mean of -log of the probability given to what is true, that taken as at least 2^-24.
        brier: the Brier score and its parts, of several classes summed over them (G. W. Brier, "Verification of
            forecasts expressed in terms of probability", 1950).
        expected_calibration_error: over ten bins of equal width; of several classes that of the class with the
            greatest probability (C. Guo et al., 2017).
        maximum_calibration_error: of the same bins.
        classwise_error: of several classes the mean of the expected calibration errors of each class against the rest
            (M. Kull et al., "Beyond temperature scaling", NeurIPS 2019); of two the same as the expected one.
    """

    samples: int
    log_loss: float
    brier: BrierParts
    expected_calibration_error: float
    maximum_calibration_error: float
    classwise_error: float


def of(labels: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None) -> Quality:
    """The quality of probabilities; a class without a sample is no error here.

    Args:
        labels: (n,) of 0 and 1, or class numbers.
        probabilities: (n,) of label 1, or (n, classes).
        weights: (n,) what each sample counts for.

    Raises:
        DataError: when labels, probabilities or weights are not that.
    """
    weighed = checks.unequal(checks.weights(weights, len(np.asarray(labels))))
    if np.ndim(probabilities) != 2:
        truth, scores = checks.binary(labels, probabilities)
        found = reliability.diagram(truth, scores, weights=weighed)
        parts = reliability.brier_parts(truth, scores, weights=weighed)
        classwise = found.expected_calibration_error
        loss = losses(truth.astype(np.int64), scores)
    else:
        classes, outputs = checks.classes(labels, probabilities)
        checks.probabilities(outputs)
        outputs = np.clip(outputs, 0, 1)  # sums may be off by a rounding
        found = reliability.diagram(*reliability.top_label(classes, outputs), weights=weighed)
        columns = [(classes == one, outputs[:, one]) for one in range(outputs.shape[1])]
        each = [reliability.brier_parts(*column, weights=weighed) for column in columns]
        names = ("brier", "reliability", "resolution", "uncertainty", "within")
        parts = BrierParts(*(sum(getattr(one, name) for one in each) for name in names))
        diagrams = [reliability.diagram(*column, weights=weighed) for column in columns]
        classwise = float(np.mean([one.expected_calibration_error for one in diagrams]))
        loss = losses(classes, outputs)
    return Quality(
        samples=len(loss),
        log_loss=float(np.average(loss, weights=weighed)),
        brier=parts,
        expected_calibration_error=found.expected_calibration_error,
        maximum_calibration_error=found.maximum_calibration_error,
        classwise_error=classwise,
    )


def losses(labels: Integers, probabilities: Scores) -> Scores:
    """-log of the probability given to what is true, at least 2^-24: (n,) float64.

    Args:
        labels: (n,) class numbers.
        probabilities: (n,) of label 1, or (n, classes).
    """
    if probabilities.ndim == 1:
        true = np.where(labels == 1, probabilities, 1 - probabilities)
    else:
        true = probabilities[np.arange(len(labels)), labels]
    found: Scores = -np.log(np.clip(true, LEAST, 1))
    return found
