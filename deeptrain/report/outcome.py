"""What came out of a run, in one sentence and a few numbers: what a reader wants first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deeptrain.report import wording
from deeptrain.report.run import Plain, Run

SPLITS = {"val": "validation"}
NAMES = {"half": "at 0.5", "threshold": "at the threshold", "subset": "at the subset's threshold"}
MOST_TILES = 4


@dataclass(frozen=True)
class Tile:
    """One number: what it is, its text, and what to know beside it."""

    label: str
    value: str
    note: str


def at(run: Run, name: str) -> Plain | None:
    """The counts and metrics of the test split at a named threshold: "half", "threshold" or "subset"."""
    entries = (run.evaluation or {}).get("at", ())
    return next((entry for entry in entries if entry["name"] == name), None)


def value_at(run: Run, name: str) -> Any:
    """The calibrated metric on the test split at a named threshold, or None."""
    found = at(run, name)
    return None if found is None or run.evaluation is None else found["metrics"].get(run.evaluation["metric"])


def split_name(result: Plain) -> str:
    """The split that a result of calibration comes from, in words."""
    name = str(result.get("split", "calibration"))
    return SPLITS.get(name, name)


def key_value(run: Run, number: int) -> Any:
    """The key metric of an epoch on the validation split, or in training without one; None if it is in neither."""
    epoch = run.epoch(number)
    for split in ("validation", "train"):
        if run.key_metric in (epoch.get(split) or {}):
            return epoch[split][run.key_metric]
    return None


def sentence(run: Run) -> str:
    """The outcome as a reader would tell it."""
    parts = []
    chosen, half = value_at(run, "threshold"), value_at(run, "half")
    if run.evaluation and chosen is not None:
        found = at(run, "threshold") or {}
        parts.append(
            f"On {wording.plural(run.evaluation['samples'], 'test sample')} the {metric(run)} is "
            f"{wording.score(chosen)} at the threshold {wording.score(found['threshold'])}"
            + (f", against {wording.score(half)} at 0.5." if half is not None else ".")
        )
    elif run.threshold:
        parts.append(
            f"On the {split_name(run.threshold)} split the {wording.metric_name(run.threshold['metric'])} is "
            f"{wording.score(run.threshold['cross_fitted'])} (cross-fitted) at the threshold "
            f"{wording.score(run.threshold['value'])}, against {wording.score(run.threshold['value_at_half'])} at 0.5."
        )
    elif found := dict(measured(run.evaluation or {})):
        name = next(iter(found))
        samples = (run.evaluation or {}).get("samples")
        where = "the test split" if samples is None else wording.plural(samples, "test sample")
        parts.append(f"On {where} the {wording.metric_name(name)} is {wording.score(found[name])}.")
    last = run.epochs[-1]["epoch"]
    which = "the best" if run.used_epoch == run.best_epoch else f"where epoch {run.best_epoch} is the best"
    if run.averaged:
        parts.append(f"The model has the mean weights of the epochs {wording.listed(run.averaged)} of {last}.")
    else:
        parts.append(f"The model is that of epoch {run.used_epoch} of {last}, {which} by {key_name(run)}.")
    return " ".join(parts)


def metric(run: Run) -> str:
    """The metric that calibration made best, in words; "" without one."""
    return wording.metric_name((run.evaluation or run.threshold or {}).get("metric", ""))


def key_name(run: Run) -> str:
    """The key metric and where it is measured, in words."""
    where = "validation" if (run.epochs[-1].get("validation") or {}) else "training"
    return f"{where} {wording.metric_name(run.key_metric)}"


def tiles(run: Run) -> tuple[Tile, ...]:
    """At most four numbers, the one to read first in front."""
    return tuple(_tiles(run))[:MOST_TILES]


def _tiles(run: Run) -> Iterator[Tile]:
    evaluation, threshold = run.evaluation or {}, run.threshold
    if "at" in evaluation:
        for name in ("threshold", "half"):
            found = at(run, name)
            if found is not None:
                note = (
                    f"{wording.count(evaluation['samples'])} samples, {wording.count(evaluation['positives'])} positive"
                )
                if name == "threshold":
                    note = f"threshold {wording.score(found['threshold'])}" + (
                        f", tuned on {split_name(threshold)}" if threshold else ""
                    )
                yield Tile(f"Test {metric(run)} {NAMES[name]}", wording.score(value_at(run, name)), note)
    elif threshold:
        name = wording.capital(wording.metric_name(threshold["metric"]))
        note = f"threshold {wording.score(threshold['value'])}, {split_name(threshold)} split"
        yield Tile(f"{name}, cross-fitted", wording.score(threshold["cross_fitted"]), note)
        yield Tile(f"{name} at 0.5", wording.score(threshold["value_at_half"]), f"{split_name(threshold)} split")
    else:
        for name, value in measured(evaluation):
            yield Tile(f"Test {wording.metric_name(name)}", wording.score(value), "scored once")
    epoch = run.best_epoch
    note = f"epoch {epoch} of {run.epochs[-1]['epoch']}"
    yield Tile(f"Best {key_name(run)}", wording.score(key_value(run, epoch)), note)
    free = evaluation.get("without_threshold", {})
    for name in ("roc_auc", "average_precision", *free):
        if name in free:
            yield Tile(f"Test {wording.metric_name(name)}", wording.score(free[name]), "needs no threshold")
            return


def measured(evaluation: Plain) -> Iterator[tuple[str, Any]]:
    """The metrics of an evaluation without thresholds, by name, however deep they are; "OUTPUT.METRIC" of others."""
    for name, value in evaluation.items():
        if name == "outputs":
            yield from ((f"{of}.{metric}", found) for of, its in value.items() for metric, found in measured(its))
        elif name == "probabilities":  # have a table of their own
            continue
        elif isinstance(value, dict):
            yield from measured(value)
        elif isinstance(value, float) or value in ("nan", "inf", "-inf"):
            yield name, value
