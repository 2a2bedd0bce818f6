"""The `[calibration]` table of an experiment."""

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta

from deeptrain.calibration.subset_settings import SubsetSettings
from deeptrain.metrics import names
from deeptrain.settings import Section


class CalibrationSettings(Section, frozen=True):
    """How the threshold and the best subset of sets are chosen.

    Attributes:
        metric: what both maximise; a metric of counts, such as f1_score.
        subset_size: how many of the calibration sets the best subset has; 0 for no subset.
        folds: parts of the cross-fitting that gives the threshold's honest value.
        seed: decides which sample falls into which part.
        output: which of several outputs is calibrated; by default the only one with a threshold.
        subset: what the best subset keeps to.
    """

    metric: str = "f1_score"
    subset_size: Annotated[int, Meta(ge=0)] = 0
    folds: Annotated[int, Meta(ge=2)] = 5
    seed: Annotated[int, Meta(ge=0)] = 0
    output: str | None = None
    subset: SubsetSettings = SubsetSettings()

    def relevant(self) -> dict[str, Any]:
        """With the metric by its own name, so that two spellings of one question have one identity."""
        metric = names.find(self.metric)
        value = {**Section.relevant(self), "metric": self.metric if metric is None else metric.name}
        if self.output is None:
            del value["output"]
        value["subset"] = self.subset.relevant()
        if not value["subset"]:
            del value["subset"]
        return value

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """A metric that is unknown, or that no threshold changes."""
        metric = names.find(self.metric)
        if metric is None:
            yield "metric", f"unknown metric; {names.hint(self.metric)}", self.metric
        elif not metric.of_counts:
            fit = ", ".join(metric.name for metric in names.of_counts())
            yield "metric", f"must depend on the threshold, as do {fit}", self.metric
