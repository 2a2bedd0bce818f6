"""The `[calibration]` table of an experiment."""

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta

from deeptrain.calibration.members_settings import MembersSettings
from deeptrain.calibration.probabilities_settings import ProbabilitiesSettings
from deeptrain.calibration.several_settings import SeveralSettings
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
        members: which models make an ensemble; none without the table.
        probabilities: how scores are made into probabilities; None if they are not.
        several: what is chosen where there are several classes or labels; in identities only where it is asked for.
    """

    metric: str = "f1_score"
    subset_size: Annotated[int, Meta(ge=0)] = 0
    folds: Annotated[int, Meta(ge=2)] = 5
    seed: Annotated[int, Meta(ge=0)] = 0
    output: str | None = None
    members: MembersSettings | None = None
    probabilities: ProbabilitiesSettings | None = None
    several: SeveralSettings = SeveralSettings()

    def relevant(self) -> dict[str, Any]:
        """With the metric by its own name, so that two spellings of one question have one identity."""
        metric = names.find(self.metric)
        value = {**Section.relevant(self), "metric": self.metric if metric is None else metric.name}
        value["several"] = self.several.relevant()
        if not value["several"]:
            del value["several"]
        for key, asked in (("members", self.members), ("probabilities", self.probabilities)):
            if asked is not None:
                value[key] = asked.relevant()
        return {key: one for key, one in value.items() if one is not None}

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """A metric that is unknown, or that no threshold changes."""
        metric = names.find(self.metric)
        if metric is None:
            yield "metric", f"unknown metric; {names.hint(self.metric)}", self.metric
        elif not metric.of_counts:
            fit = ", ".join(metric.name for metric in names.of_counts())
            yield "metric", f"must depend on the threshold, as do {fit}", self.metric
        elif self.several.thresholds and metric.name not in names.AVERAGED:
            fit = ", ".join(one.name for one in names.of_counts() if one.name in names.AVERAGED)
            yield "metric", f"must be one that is averaged over labels, as are {fit}", self.metric
        elif self.several.thresholds and self.several.average == "micro" and metric.ratio is None:
            yield "several.average", f"expected macro or weighted: {metric.name} is no ratio of counts", "micro"
