"""What came out of a run, in one sentence and a few numbers: what a reader wants first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deeptrain.drawing import wording
from deeptrain.report.run import Plain, Run

SPLITS = {"train": "training", "val": "validation"}
NAMES = {
    "half": "at 0.5",
    "threshold": "at the threshold",
    "subset": "at the subset's threshold",
    "largest": "without offsets",
    "offsets": "with offsets",
    "thresholds": "at the thresholds",
    "members": "by the members",
}
"""What each way of deciding is called, after a metric."""
FIRST_READ = ("threshold", "offsets")
"""Of the ways that were chosen the one to tell first."""
BESIDE = frozenset({"labels", "probabilities", "members"})
"""Parts of an evaluation that have places of their own."""
MOST_TILES = 4


@dataclass(frozen=True)
class Tile:
    """One number: what it is, its text, and what to know beside it."""

    label: str
    value: str
    note: str


def at(run: Run, name: str) -> Plain | None:
    """What a named way of deciding about the test split is worth: "half", "threshold", "subset", "offsets", ..."""
    return _entry(run.evaluation or {}, name)


def value_at(run: Run, name: str) -> Any:
    """The calibrated metric on the test split at a named threshold, or None."""
    found = at(run, name)
    return None if found is None or run.evaluation is None else found["metrics"].get(run.evaluation["metric"])


def chosen(evaluation: Plain) -> Plain | None:
    """Of the ways of deciding that calibration chose the one to tell first; None where it chose none."""
    return next((found for name in FIRST_READ if (found := _entry(evaluation, name)) is not None), None)


def _entry(evaluation: Plain, name: str) -> Plain | None:
    return next((entry for entry in evaluation.get("at", ()) if entry["name"] == name), None)


def sure(value: Any, interval: Plain | None) -> str:
    """A value with its confidence interval: "0.310 (0.270 to 0.350)"; without it where there is none."""
    told = between(interval)
    return f"{wording.score(value)} ({told})" if told else wording.score(value)


def between(interval: Plain | None) -> str:
    """A confidence interval: "0.270 to 0.350"; "" where there is none."""
    low, high = (wording.as_float((interval or {}).get(end)) for end in ("low", "high"))
    return f"{wording.score(low)} to {wording.score(high)}" if low <= high else ""


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
    if tested := on_test(run.evaluation or {}):
        parts.append(tested)
    elif run.threshold:
        parts.append(
            f"On the {split_name(run.threshold)} split the {wording.metric_name(run.threshold['metric'])} is "
            f"{wording.score(run.threshold['cross_fitted'])} (cross-fitted) at the threshold "
            f"{wording.score(run.threshold['value'])}, against {wording.score(run.threshold['value_at_half'])} at 0.5."
        )
    last = run.epochs[-1]["epoch"]
    which = "the best" if run.used_epoch == run.best_epoch else f"where epoch {run.best_epoch} is the best"
    if run.averaged:
        parts.append(f"The model has the mean weights of the epochs {wording.listed(run.averaged)} of {last}.")
    else:
        parts.append(f"The model is that of epoch {run.used_epoch} of {last}, {which} by {key_name(run)}.")
    return " ".join(parts)


def on_test(evaluation: Plain) -> str:
    """What the test split says, in one sentence; "" without one.

    Args:
        evaluation: plain result of `calibration.evaluation`, or nothing.
    """
    if evaluation.get("at"):
        return _decided(evaluation)
    found = next(measured(evaluation), None)
    if found is None:
        return ""
    samples = evaluation.get("samples")
    where = "the test split" if samples is None else wording.plural(samples, "test sample")
    return f"On {where} the {wording.metric_name(found[0])} is {wording.score(found[1])}."


def _decided(evaluation: Plain) -> str:
    """What the decisions about the test split are worth, how sure that is, and what calibration gained."""
    first, best = evaluation["at"][0], chosen(evaluation)
    told, name = best or first, evaluation["metric"]
    where = NAMES[told["name"]] if best else ""
    if best and "threshold" in best:
        where += f" {wording.score(best['threshold'])}"
    value = sure(told["metrics"].get(name), told.get("interval"))
    samples = wording.plural(evaluation["samples"], "test sample")
    words = f"On {samples} the {wording.metric_name(name)} is {value}{f' {where}' if where else ''}"
    if best is None:
        return f"{words}."
    words += f", against {wording.score(first['metrics'].get(name))} {NAMES[first['name']]}"
    gain = best.get("gain") or {}
    if not between(gain):
        return f"{words}."
    lost = wording.as_float(gain["value"]) < 0
    size = {key: -wording.as_float(gain[key]) if lost else gain[key] for key in ("value", "low", "high")}
    if lost:
        size["low"], size["high"] = size["high"], size["low"]
    noise = ", within noise," if wording.as_float(gain["low"]) <= 0 <= wording.as_float(gain["high"]) else ""
    return f"{words}: a {'loss' if lost else 'gain'} of {sure(size['value'], size)}{noise} on data that chose nothing."


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
    if evaluation.get("at"):
        yield from _scored_tiles(run, evaluation)
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
            note = "needs no threshold" if "positives" in evaluation else "scored once"
            yield Tile(f"Test {wording.metric_name(name)}", wording.score(free[name]), note)
            return


def _scored_tiles(run: Run, evaluation: Plain) -> Iterator[Tile]:
    samples = f"{wording.count(evaluation['samples'])} samples"
    if "positives" in evaluation:
        samples += f", {wording.count(evaluation['positives'])} positive"
    first, best = evaluation["at"][0], chosen(evaluation)
    ways: list[Plain] = [first] if best is None else [best, first]
    for entry in ways:
        notes = [between(entry.get("interval"))]
        if entry is best:
            cut = f"threshold {wording.score(entry['threshold'])}, " if "threshold" in entry else ""
            tuned = run.threshold if "threshold" in entry else run.offsets
            notes.append(f"{cut}tuned on {split_name(tuned)}" if tuned else cut.removesuffix(", "))
        else:
            notes.append(samples)
        label = f"Test {metric(run)}" + (f" {NAMES[entry['name']]}" if best else "")
        value = wording.score(entry["metrics"].get(evaluation["metric"]))
        yield Tile(label, value, "; ".join(note for note in notes if note))


def measured(evaluation: Plain) -> Iterator[tuple[str, Any]]:
    """The metrics of an evaluation without thresholds, by name, however deep they are; "OUTPUT.METRIC" of others."""
    for name, value in evaluation.items():
        if name == "outputs":
            yield from ((f"{of}.{metric}", found) for of, its in value.items() for metric, found in measured(its))
        elif isinstance(value, dict) and name not in BESIDE:
            yield from measured(value)
        elif isinstance(value, float) or value in ("nan", "inf", "-inf"):
            yield name, value
