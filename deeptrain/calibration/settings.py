"""The `[calibration]` table of an experiment."""

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta

from deeptrain.calibration import constraint
from deeptrain.calibration.members_settings import MembersSettings
from deeptrain.calibration.probabilities_settings import ProbabilitiesSettings
from deeptrain.calibration.several_settings import SeveralSettings
from deeptrain.calibration.subset_settings import SubsetSettings
from deeptrain.errors import SettingsError
from deeptrain.metrics import names
from deeptrain.settings import Section, Use

Fraction = Annotated[float, Meta(ge=0, le=1)]


class CalibrationSettings(Section, frozen=True):
    """How the threshold and the best subset of sets are chosen.

    Attributes:
        metric: what both make best; a metric of counts, such as f1_score, or {use = "cost", arguments = {...}}.
        constraint: what the threshold must keep besides, on other samples too, such as "precision >= 0.8".
        confidence: of the intervals, and of what the constraint promises.
        bounds: the least and the greatest threshold that may be chosen.
        preference: among equally good thresholds the one nearest to it is taken.
        resamples: the threshold is the median of the best ones of so many resamples; 0 for the best of the samples
            themselves.
        subset_size: how many of the calibration sets the best subset has; 0 for no subset.
        folds: parts of the cross-fitting that gives the threshold's honest value.
        seed: decides which sample falls into which part, and what is resampled.
        output: which of several outputs is calibrated; by default the only one with a threshold.
        subset: what the best subset keeps to.
        members: which models make an ensemble; none without the table.
        probabilities: how scores are made into probabilities; None if they are not.
        several: what is chosen where there are several classes or labels; in identities only where it is asked for.
    """

    metric: str | Use = "f1_score"
    constraint: str | None = None
    confidence: Annotated[float, Meta(ge=0.5, lt=1)] = 0.9
    bounds: tuple[Fraction, Fraction] | None = None
    preference: Fraction = 0.5
    resamples: Annotated[int, Meta(ge=0)] = 50
    subset_size: Annotated[int, Meta(ge=0)] = 0
    folds: Annotated[int, Meta(ge=2)] = 5
    seed: Annotated[int, Meta(ge=0)] = 0
    output: str | None = None
    subset: SubsetSettings = SubsetSettings()
    members: MembersSettings | None = None
    probabilities: ProbabilitiesSettings | None = None
    several: SeveralSettings = SeveralSettings()

    def relevant(self) -> dict[str, Any]:
        """With metric and constraint in one spelling, so that two spellings of one question have one identity."""
        value = {**Section.relevant(self), "metric": names.plain(self.metric)}
        tables = {"subset": self.subset, "several": self.several, "members": self.members}
        for key, table in {**tables, "probabilities": self.probabilities}.items():
            value[key] = (table.relevant() if table is not None else None) or None
        if self.constraint is not None:
            value["constraint"] = str(constraint.parse(self.constraint))
        return {key: one for key, one in value.items() if one is not None}

    def mistakes(self) -> Iterable[tuple[str, str, Any]]:
        """A metric that is unknown or that no threshold changes, and what does not go together."""
        use = Use.of(self.metric)
        metric = names.find(use.use)
        if metric is None:
            yield "metric", f"unknown metric; {names.hint(use.use)}", use.use
        elif not metric.of_counts:
            fit = ", ".join(metric.name for metric in names.of_counts())
            yield "metric", f"must depend on the threshold, as do {fit}", use.use
        elif use.arguments and (self.several.thresholds or self.several.offsets):
            yield "metric", "takes no arguments where it is averaged over labels or classes", use.arguments
        elif self.several.thresholds and metric.name not in names.AVERAGED:
            fit = ", ".join(one.name for one in names.of_counts() if one.name in names.AVERAGED)
            yield "metric", f"must be one that is averaged over labels, as are {fit}", use.use
        elif self.several.thresholds and self.several.average == "micro" and metric.ratio is None:
            yield "several.average", f"expected macro or weighted: {metric.name} is no ratio of counts", "micro"
        else:
            try:
                names.count_metric(use)
            except SettingsError as error:
                yield "metric", str(error), use.arguments
        if self.constraint is not None:
            try:
                constraint.parse(self.constraint)
            except SettingsError:
                yield "constraint", constraint.RULE, self.constraint
        if self.bounds is not None:
            low, high = self.bounds
            if low > high:
                yield "bounds", "the lower one must come first", list(self.bounds)
            elif not low <= self.preference <= high:
                yield "preference", f"must lie within the bounds {list(self.bounds)}", self.preference
