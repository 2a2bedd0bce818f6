"""The `[calibration.several]` table of an experiment: several classes, and several labels."""

from typing import Any

from deeptrain.metrics.metric import Average
from deeptrain.settings import Section


class SeveralSettings(Section, frozen=True):
    """What is chosen where there are several classes, or several binary outputs.

    Attributes:
        offsets: whether offsets of the log-probabilities of classes are chosen.
        thresholds: whether a threshold is chosen for every binary output, for their average.
        average: over classes or outputs, of `calibration.metric`.
    """

    offsets: bool = False
    thresholds: bool = False
    average: Average = "macro"

    @property
    def asked(self) -> bool:
        """Whether any of it is asked for."""
        return self.offsets or self.thresholds

    def relevant(self) -> dict[str, Any]:
        """Without what is not used: nothing where nothing is asked for."""
        return Section.relevant(self) if self.asked else {}
