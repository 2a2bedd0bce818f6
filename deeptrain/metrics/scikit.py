"""Metrics of scikit-learn by name: what they are fed, and what they say where they are undefined."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deeptrain.errors import DataError, SettingsError, in_one_line
from deeptrain.metrics import checks
from deeptrain.metrics.checks import Scores

OF_DECISIONS = frozenset({"zero_one_loss", "hamming_loss"})
OF_SCORES = frozenset({"d2_log_loss_score", "top_k_accuracy_score"})
"""The others are of values."""

AGAINST_CONSTANT = frozenset(
    {"r2_score", "explained_variance_score"}
    | {f"d2_{name}_score" for name in ("absolute_error", "pinball", "tweedie", "log_loss")}
)
"""What compares with the best constant: undefined where labels are constant, as nothing is left to be explained."""

FLAT = frozenset({"max_error", "mean_poisson_deviance", "mean_gamma_deviance", "mean_tweedie_deviance"})
"""What takes one value a sample in scikit-learn, and is as well defined over all values of all samples."""


def value(
    name: str,
    labels: ArrayLike,
    outputs: ArrayLike,
    weights: Scores | None,
    threshold: Any,
    arguments: Mapping[str, Any],
) -> float:
    """The value of `sklearn.metrics.NAME`, nan where it is undefined; never a warning.

    Args:
        name: of the function.
        labels: as `Metric` takes them.
        outputs: as `Metric` takes them.
        weights: (n,) positive, or None.
        threshold: for decisions in a binary task.
        arguments: further ones.

    Raises:
        DataError: for labels and outputs that do not fit each other, or that scikit-learn refuses.
        SettingsError: for an argument it does not take, or that it refuses.
    """
    from sklearn import metrics

    function = getattr(metrics, name)
    check(name, arguments)
    takes = inspect.signature(function).parameters
    given = dict(arguments)
    truth: Any
    said: Any
    if name not in OF_DECISIONS | OF_SCORES:
        truth, said = checks.values(labels, outputs)
        truth, said = truth.reshape(len(truth), -1), said.reshape(len(said), -1)
        if name in AGAINST_CONSTANT and (truth == truth[0]).all(axis=0).any():
            return float("nan")
        if name in FLAT:
            weights = None if weights is None or name == "max_error" else np.repeat(weights, truth.shape[1])
            truth, said = truth.reshape(-1), said.reshape(-1)
    elif np.ndim(outputs) == 2:
        truth, said = checks.classes(labels, outputs)
        if name in AGAINST_CONSTANT and (truth == truth[0]).all():
            return float("nan")
        if name in OF_DECISIONS:
            said = said.argmax(axis=1)
        elif "labels" in takes:
            given["labels"] = np.arange(said.shape[1])
    else:
        truth, said = checks.binary(labels, outputs, "outputs")
        if name in AGAINST_CONSTANT and (truth == truth[0]).all():
            return float("nan")
        if name in OF_DECISIONS:
            said = said > threshold
        elif "labels" in takes:
            given["labels"] = [False, True]
    if weights is not None:
        given["sample_weight"] = weights
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they say what nan says
        try:
            return float(function(truth, said, **given))
        except (ValueError, TypeError) as error:
            raise DataError(f"scikit-learn says: {in_one_line(error)}") from error


def check(name: str, arguments: Mapping[str, Any]) -> None:
    """Check that a function of scikit-learn takes arguments of these names.

    Raises:
        SettingsError: when it does not, with those it takes.
    """
    from sklearn import metrics

    takes = list(inspect.signature(getattr(metrics, name)).parameters)[2:]
    takes = [one for one in takes if one not in ("sample_weight", "labels", "multioutput", "y_pred")]
    for argument in arguments:
        if argument not in takes:
            told = f"it takes {', '.join(takes)}" if takes else "it takes none"
            raise SettingsError(f"metric {name} takes no argument {argument}; {told}")
