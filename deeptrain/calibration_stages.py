"""What calibration chooses in a run: its stages by their specifications, and why the others do not apply."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeptrain.experiment import Experiment
from deeptrain.store.specification import Input, Specification
from deeptrain.training.run import TrainingRun

RECIPES = {
    "epoch_predictions": 1,
    "threshold": 4,
    "subset": 3,
    "offsets": 2,
    "thresholds": 2,
    "members": 3,
    "probabilities": 2,
    "evaluation": 4,
}
"""The integer of each stage, raised when our own code changes its bytes."""
CHOICES = ("threshold", "subset", "offsets", "thresholds", "members", "probabilities")
"""The stages of calibration whose choice is scored on the test split."""
UNASKED = {
    "members": "there is no table [calibration.members]",
    "probabilities": "there is no table [calibration.probabilities]",
}
"""Why a stage that must be asked for is left out; the report, and its identity, do not tell of it then."""


def add(
    stages: dict[str, Specification],
    experiment: Experiment,
    root: Path,
    training: TrainingRun,
    others: Mapping[str, Specification] | None,
) -> dict[str, str]:
    """Add what makes scores into decisions and probabilities as far as it applies, and what is scored of it.

    Args:
        stages: by name, with "shards" and "predictions"; changed in place.
        experiment: what was asked.
        root: the run's directory.
        training: the run's epochs.
        others: the predictions of other runs that are members, by the member's name; None for such a run itself.

    Returns:
        Why the rest does not apply, by stage.
    """
    reason = _add_members(stages, experiment, root, training, others)
    left_out = _add_choices(stages, experiment, root)
    if experiment.data.splits.test:
        _add_evaluation(stages, experiment, root)
    else:
        left_out["evaluation"] = "there is no test split"
    return {**left_out, "members": reason} if reason else left_out


def _add_members(
    stages: dict[str, Specification],
    experiment: Experiment,
    root: Path,
    training: TrainingRun,
    others: Mapping[str, Specification] | None,
) -> str | None:
    """Add the members of an ensemble and the predictions they need, or return why there are none."""
    calibration, output = experiment.calibration, experiment.calibrated
    members = calibration.members
    if members is None:
        return UNASKED["members"]
    if others is None:
        return "this run is a member itself"
    if output is None:
        return "calibration.output names none of the outputs"
    kind = experiment.data.kinds[output] or "values"
    own = "predictions"
    if members.best or members.epochs:
        own = "epoch_predictions"
        asked: dict[str, Any] = {"epochs": sorted(members.epochs)}
        trained: dict[str, Any] = {"epoch": max(members.epochs, default=0)}
        if members.best:
            asked, trained = {"best": members.best}, {"epoch": "best", "of": experiment.training.epochs}
            asked["of"] = experiment.training.epochs
        chosen: dict[str, Input] = {"shards": stages["shards"], "training": training.late(trained)}
        stages[own] = Specification(own, RECIPES[own], root, asked, chosen)
    settings = {**members.chosen_by(kind), "folds": calibration.folds, "seed": calibration.seed}
    if output:
        settings["output"] = output
    if kind == "binary":
        settings["threshold"] = _of_threshold(experiment)
    inputs: dict[str, Input] = {own: stages[own]}
    inputs |= {f"predictions of {name}": made for name, made in others.items()}
    stages["members"] = Specification("members", RECIPES["members"], root, settings, inputs)
    return None


def _add_choices(stages: dict[str, Specification], experiment: Experiment, root: Path) -> dict[str, str]:
    """Add what is chosen on the calibration split as far as it applies, and return why the rest does not."""
    left_out: dict[str, str] = {}
    kinds = experiment.data.kinds
    kind = ", ".join(f"{kinds[name]}{f' ({name})' if name else ''}" for name in _told(experiment))
    binary = kinds.get(experiment.calibrated or "") == "binary"
    asked_for, settings = experiment.calibration.relevant(), _of_threshold(experiment)
    size, rules = asked_for["subset_size"], asked_for.get("subset", {})
    several, probabilities = asked_for.get("several"), asked_for.get("probabilities")
    metric, of = _metric(experiment)
    made: dict[str, Input] = {"predictions": stages["predictions"]}
    if binary:
        stages["threshold"] = Specification("threshold", RECIPES["threshold"], root, settings, made)
    else:
        left_out["threshold"] = f"a threshold exists for binary labels; these are {kind}"
    if not binary and kinds.get(experiment.calibrated or "") != "classes":
        left_out["subset"] = f"the best sets are chosen for binary labels and classes; these are {kind}"
    elif not size:
        left_out["subset"] = "calibration.subset_size is 0"
    else:
        asked = {**(metric if binary else {**metric, "metric": "accuracy"}), "subset_size": size, **rules}
        stages["subset"] = Specification("subset", RECIPES["subset"], root, asked, {**made, **_files(stages, rules)})
    if several:
        fitted: dict[str, Any] = {
            key: settings[key] for key in ("metric", "output", "folds", "seed") if key in settings
        }
        left_out |= _add_several(stages, experiment, root, fitted)
    if probabilities is None:
        left_out["probabilities"] = UNASKED["probabilities"]
    elif kinds.get(experiment.calibrated or "") not in ("binary", "classes"):
        left_out["probabilities"] = f"probabilities are of two or more classes; these are {kind}"
    else:
        stages["probabilities"] = Specification(
            "probabilities", RECIPES["probabilities"], root, {**probabilities, **of}, made
        )
    return left_out


def _add_evaluation(stages: dict[str, Specification], experiment: Experiment, root: Path) -> None:
    """Add the scoring of all that was chosen, on the test split."""
    binary = experiment.data.kinds.get(experiment.calibrated or "") == "binary"
    decides = {name for name in CHOICES if name in stages and (name != "subset" or binary)}
    names = ["predictions", *(name for name in CHOICES if name in decides)]
    inputs: dict[str, Input] = {name: stages[name] for name in names}
    inputs |= stages["members"].inputs if "members" in stages else {}
    # Which output is told first decides, whatever it is.
    metric, of = _metric(experiment)
    asked = metric if binary or {"offsets", "thresholds"} & stages.keys() else of
    stages["evaluation"] = Specification("evaluation", RECIPES["evaluation"], root, asked, inputs)


def _metric(experiment: Experiment) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that say which metric of which output is made best, and those that say which output."""
    settings = _of_threshold(experiment)
    metric: dict[str, Any] = {key: settings[key] for key in ("metric", "output") if key in settings}
    return metric, {key: value for key, value in metric.items() if key == "output"}


def _files(stages: Mapping[str, Specification], rules: Mapping[str, Any]) -> dict[str, Input]:
    """The shards, where a rule is about the raw files of sets."""
    return {"shards": stages["shards"]} if "most_per_file" in rules else {}


def _of_threshold(experiment: Experiment) -> dict[str, Any]:
    """What decides over a threshold, with the output also where it was not named: two spellings of one question."""
    others = ("subset_size", "subset", "several", "members", "probabilities")
    settings = {key: value for key, value in experiment.calibration.relevant().items() if key not in others}
    return {**settings, "output": experiment.calibrated} if experiment.calibrated else settings


def _add_several(
    stages: dict[str, Specification], experiment: Experiment, root: Path, settings: Mapping[str, Any]
) -> dict[str, str]:
    """Add offsets of classes and thresholds of labels where they are asked for, and return why one does not apply."""
    left_out: dict[str, str] = {}
    several, kinds = experiment.calibration.several, experiment.data.kinds
    asked = {**settings, "average": several.average}
    made: dict[str, Input] = {"predictions": stages["predictions"]}
    kind = kinds.get(experiment.calibrated or "")
    binary = [name for name, its in kinds.items() if its == "binary"]
    if several.offsets and kind == "classes":
        stages["offsets"] = Specification("offsets", RECIPES["offsets"], root, asked, made)
    elif several.offsets:
        told = "there is no output that is calibrated" if kind is None else f"these are {kind}"
        left_out["offsets"] = f"offsets exist for one of several classes; {told}"
    if several.thresholds and len(binary) > 1:
        of_all = {key: value for key, value in asked.items() if key != "output"}
        stages["thresholds"] = Specification("thresholds", RECIPES["thresholds"], root, of_all, made)
    elif several.thresholds:
        left_out["thresholds"] = f"a threshold for each label takes several binary outputs; there is {len(binary)}"
    return left_out


def _told(experiment: Experiment) -> tuple[str, ...]:
    """The output that is calibrated, or where there is none, all."""
    return tuple(experiment.data.kinds) if experiment.calibrated is None else (experiment.calibrated,)
