"""The ensemble of a run: what its members predicted is read, its members are chosen, and it predicts."""

from collections.abc import Mapping
from typing import Any

from deeptrain.calibration import members, run_threshold, same_samples
from deeptrain.calibration.members import Members
from deeptrain.errors import ArtifactError
from deeptrain.lineage import Lineage
from deeptrain.metrics import names
from deeptrain.metrics.checks import Scores
from deeptrain.shards.settings import ONLY
from deeptrain.training import predictions
from deeptrain.training.predictions import SplitPredictions

RESULT = "members.json"


def choose(plan: Lineage) -> dict[str, Any]:
    """The plain result of choosing members on the split that calibration works on.

    Beside what `Members` holds it has `split`, and for binary labels `threshold`, the plain result of choosing one for
    the ensemble.

    Raises:
        ArtifactError: when predictions are not there, or damaged.
        DataError: when a member predicted other samples than the run, or fewer than two are there.
    """
    split, asked, calibration = plan.calibration_split, plan.experiment.calibration.members, plan.experiment.calibration
    if asked is None or plan.kind is None:
        raise ArtifactError(f"{plan.experiment.name}: {plan.left_out['members']}")
    own, values = _predicted(plan, split)
    found = members.choose(
        own.labels,
        values,
        plan.kind,
        asked.method,
        asked.metric,
        rounds=asked.rounds,
        folds=calibration.folds,
        seed=calibration.seed,
        weights=own.weights,
    )
    result = {**found.plain(), "split": split}
    if plan.kind == "binary":
        combined = members.combine(values, found.weights, plan.kind)
        result["threshold"] = run_threshold.of_run(own.labels, combined, calibration, own.weights).plain()
    return result


def predicted(plan: Lineage, split: str) -> Scores:
    """What the ensemble says of a split's samples, float64: probabilities, or values, shaped as each member's.

    Raises:
        ArtifactError: when members are not chosen yet, or what is read is damaged.
        DataError: when a member predicted other samples than the run.
    """
    _, values = _predicted(plan, split)
    return members.combine(values, _chosen(plan).weights, plan.kind or "values")


def threshold_of(plan: Lineage) -> float:
    """Above which the ensemble calls a sample positive."""
    return float(plan.artifact("members").json(RESULT)["threshold"]["value"])


def scored(plan: Lineage, split: str) -> dict[str, Any]:
    """The members' metric on a split that chose nothing: `metric`, `value`, `alone` of each by name, and `alike`.

    Samples count by their weights, as in all that is told of that split.
    """
    own, values = _predicted(plan, split)
    kind, metric = plan.kind or "values", names.get(_chosen(plan).metric)
    weights = {"value": _chosen(plan).weights, "alike": dict.fromkeys(values, 1 / len(values))}
    worth = {key: metric(own.labels, members.combine(values, one, kind), own.weights) for key, one in weights.items()}
    alone = {name: metric(own.labels, one, own.weights) for name, one in values.items()}
    return {"metric": metric.name, **worth, "alone": alone}


def _chosen(plan: Lineage) -> Members:
    told = plan.artifact("members").json(RESULT)
    return Members.from_plain({key: value for key, value in told.items() if key not in ("split", "threshold")})


def _predicted(plan: Lineage, split: str) -> tuple[SplitPredictions, Mapping[str, Scores]]:
    """The samples as the run has them, and what each member predicted for them, by its name."""
    output = plan.output or ONLY
    found: dict[str, SplitPredictions] = {}
    if "epoch_predictions" in plan.stages:
        made = plan.artifact("epoch_predictions")
        for epoch, within in predictions.directories(made).items():
            found[f"epoch {epoch}"] = predictions.read(made, split, output, within)
    else:
        found[plan.experiment.name] = predictions.read(plan.artifact("predictions"), split, output)
    own = next(iter(found.values()))
    for other in plan.others:
        its = predictions.read(other.plan.artifact("predictions"), split, output)
        same_samples.check(other.name, its.labels, its.sets, own.labels, own.sets, split)
        found[other.name] = its
    return own, {name: one.values for name, one in found.items()}
