"""The methods by name, which of them apply where, and maps as plain numbers."""

from collections.abc import Mapping
from typing import Any

from deeptrain.calibration.maps.beta import Beta
from deeptrain.calibration.maps.isotonic import Isotonic
from deeptrain.calibration.maps.one_versus_rest import OneVersusRest
from deeptrain.calibration.maps.platt import Platt
from deeptrain.calibration.maps.score_map import Map
from deeptrain.calibration.maps.temperature import Temperature
from deeptrain.calibration.maps.unchanged import Unchanged
from deeptrain.calibration.maps.vector_temperature import VectorTemperature
from deeptrain.errors import ArtifactError
from deeptrain.metrics.checks import Scores

METHODS = {one.name: one for one in (Unchanged, Temperature, VectorTemperature, Platt, Beta, Isotonic)}
"""From the fewest numbers to the most: of equally good ones the first is chosen."""

OF_TWO = frozenset({Platt.name, Beta.name, Isotonic.name})
"""Methods for two classes; of several each class is taken against the rest."""


def fit(name: str, outputs: Scores, targets: Scores, weights: Scores | float = 1.0) -> Map:
    """The map of a method.

    Args:
        name: of the method.
        outputs: (n,) scores of the positive class, or (n, classes).
        targets: of the same shape, see `score_map.targets`.
        weights: (n,) what each sample counts for, over 0, 1 on average; a law: a sample of weight 2 counts as two.
    """
    method = METHODS[name]
    if outputs.ndim == 2 and name in OF_TWO:
        return OneVersusRest([method.fit(outputs[:, one], targets[:, one], weights) for one in range(outputs.shape[1])])
    return method.fit(outputs, targets, weights)


def plain(found: Map) -> dict[str, Any]:
    """A map for JSON; a law: `restored(plain(m))` gives the same bytes as `m`."""
    return {"method": found.name, **found.plain()}


def restored(value: Any) -> Map:
    """The map that `plain` made the value from; numbers alone, nothing is executed.

    Raises:
        ArtifactError: when it is none.
    """
    name = value.get("method") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or name not in METHODS:
        known = ", ".join(METHODS)
        raise ArtifactError(f"a map to probabilities must name its method, one of {known}; run its task again")
    method = METHODS[name]
    rest = {key: one for key, one in value.items() if key != "method"}
    if method.name in OF_TWO and isinstance(rest.get("each"), list) and len(rest) == 1 and rest["each"]:
        return OneVersusRest([method.from_plain(one) for one in rest["each"]])
    return method.from_plain(rest)
