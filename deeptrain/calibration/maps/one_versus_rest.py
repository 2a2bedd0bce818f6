"""A method for two classes, used on several: each class against all others, and the rows brought to a sum of 1.

Source: B. Zadrozny, C. Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD
2002.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from deeptrain.calibration.maps.score_map import Map
from deeptrain.metrics.checks import Scores


class OneVersusRest:
    """A map for each class.

    Attributes:
        name: of the method.
        maps: one a class.
    """

    def __init__(self, maps: Sequence[Map]) -> None:
        """Take the maps, all of one method."""
        self.name = maps[0].name
        self.maps = tuple(maps)

    def apply(self, outputs: Scores) -> Scores:
        """The probabilities for (n, classes) scores; a row that all maps give 0 is spread evenly."""
        found = np.column_stack([one.apply(outputs[:, column]) for column, one in enumerate(self.maps)])
        total = found.sum(axis=1, keepdims=True)
        even: Scores = np.full_like(found, 1 / len(self.maps))
        np.divide(found, total, out=even, where=total > 0)
        return even

    def plain(self) -> dict[str, Any]:
        """Its numbers for JSON."""
        return {"each": [one.plain() for one in self.maps]}
