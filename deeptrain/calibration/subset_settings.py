"""The `[calibration.subset]` table of an experiment."""

from typing import Annotated, Any

from msgspec import Meta

from deeptrain.settings import Section


class SubsetSettings(Section, frozen=True):
    """What the best subset keeps to; how many sets it has is `calibration.subset_size`.

    Attributes:
        min_positives: a set with fewer positives is not chosen.
        most_per_file: at most so many sets come from one raw file; 0 for any number.
    """

    min_positives: Annotated[int, Meta(ge=0)] = 0
    most_per_file: Annotated[int, Meta(ge=0)] = 0

    def relevant(self) -> dict[str, Any]:
        """What is asked for; what is not is left out."""
        return {key: value for key, value in Section.relevant(self).items() if value}
