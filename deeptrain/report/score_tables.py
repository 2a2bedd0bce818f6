"""The tables of what a run is worth: the scores of the test split, and what was tuned for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deeptrain.drawing import wording
from deeptrain.report import members_picture, outcome
from deeptrain.report.run import Plain, Run


@dataclass(frozen=True)
class Row:
    """A row of a table: its name, its cells, whether it is the one to look at."""

    name: str
    cells: tuple[str, ...]
    best: bool = False


def scored(run: Run) -> dict[str, Any]:
    """The table of the test split: metrics by threshold, then those that need none."""
    evaluation = run.evaluation or {}
    if "at" not in evaluation:
        rows = [Row(wording.metric_name(name), (wording.score(value),)) for name, value in outcome.measured(evaluation)]
        caption = "The test split, scored once"
        if "samples" in evaluation:
            caption += f": {wording.plural(evaluation['samples'], 'sample')}"
        return {"caption": caption, "names": [], "rows": rows}
    at = list(evaluation["at"])
    rows = []
    if all("threshold" in entry for entry in at):
        rows.append(Row("threshold", tuple(wording.score(entry["threshold"]) for entry in at)))
    for name in at[0]["metrics"] if at else ():
        best = name == evaluation["metric"]
        rows.append(Row(wording.metric_name(name), tuple(wording.score(entry["metrics"][name]) for entry in at), best))
        rows += _sure(at) if best else []
    for key, words in (
        ("tp", "true positives"),
        ("fp", "false positives"),
        ("fn", "false negatives"),
        ("tn", "true negatives"),
    ):
        if all(key in entry for entry in at):
            rows.append(Row(words, tuple(wording.count(entry[key]) for entry in at)))
    caption = f"The test split, scored once: {wording.plural(evaluation['samples'], 'sample')}"
    if "positives" in evaluation:
        caption += f", {wording.count(evaluation['positives'])} positive"
    ways = [outcome.NAMES.get(entry["name"], entry["name"]) for entry in at]
    # Classes are called by their greatest score: where that is the only way there is nothing to tell it from.
    return {"caption": caption, "names": [] if ways == [outcome.NAMES["largest"]] else ways, "rows": rows}


def _sure(at: list[Plain]) -> list[Row]:
    """How sure the key metric is, and what each way of deciding gains over the first."""
    rows = [
        Row("95\N{NO-BREAK SPACE}% interval", tuple(outcome.between(e.get("interval")) or wording.NOTHING for e in at))
    ]
    if any(entry.get("gain") for entry in at):
        gains = [entry.get("gain") for entry in at]
        first = str(outcome.NAMES.get(at[0]["name"], at[0]["name"]))
        told = tuple(outcome.sure(gain["value"], gain) if gain else wording.NOTHING for gain in gains)
        rows.append(Row(f"gain over {first.removeprefix('at ')}", told))
    return rows


def _labels(found: Plain) -> list[tuple[str, str]]:
    """What the thresholds of several labels are worth on the test split."""
    rows = []
    for entry in found["at"]:
        name = f"{wording.metric_name(found['metric'])} {outcome.NAMES.get(entry['name'], entry['name'])}"
        rows.append((name, outcome.sure(entry["metrics"][found["metric"]], entry["interval"])))
        if entry["gain"]:
            rows.append(("gain over 0.5", outcome.sure(entry["gain"]["value"], entry["gain"])))
    for number, label in enumerate(found["labels"]):
        values = [wording.score(entry["per_label"][number]) for entry in found["at"]]
        rows.append(
            (f"{label} ({wording.count(found['positives'][number])} positive)", " \N{RIGHTWARDS ARROW} ".join(values))
        )
    return rows


def tuned(run: Run) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The tables beside that of the test split."""
    evaluation = run.evaluation or {}
    free = evaluation.get("without_threshold", {})
    if free:
        yield (
            "test, by scores alone",
            [(wording.metric_name(name), wording.score(value)) for name, value in free.items()],
        )
    if "labels" in evaluation:
        yield "test, several labels", _labels(evaluation["labels"])
    if "at" in evaluation:
        for output, found in evaluation.get("outputs", {}).items():
            yield (
                f"test, {output}",
                [(wording.metric_name(name), wording.score(value)) for name, value in outcome.measured(found)],
            )
    if run.threshold:
        found = run.threshold
        best = found["optimum"]
        yield (
            "threshold",
            [
                ("threshold", wording.score(found["value"], 4)),
                *(
                    [(f"{100 * found['confidence']:g} % of resamples", _between(found["interval"], 4))]
                    if found["interval"]
                    else []
                ),
                ("tuned for", wording.metric_name(found["metric"])),
                ("tuned on", f"{outcome.split_name(found)}, {wording.plural(found['samples'], 'sample')}"),
                ("cross-fitted", wording.score(found["cross_fitted"])),
                (f"{100 * found['confidence']:g} % between", _between(found["cross_fitted_interval"])),
                ("in sample", wording.score(found["in_sample"])),
                ("at 0.5", wording.score(found["value_at_half"])),
                ("as good between", _between(found["plateau"], 4)),
                ("best in sample", f"{wording.score(best['in_sample'])} at {wording.score(best['value'], 4)}"),
                *_promised(found),
            ],
        )
    if run.probabilities:
        yield from _probable(run, run.probabilities)
    if run.offsets:
        found = run.offsets
        yield (
            "offsets",
            [
                *zip(found["classes"], (wording.score(value) for value in found["offsets"]), strict=True),
                ("tuned for", wording.metric_name(found["metric"])),
                ("tuned on", f"{outcome.split_name(found)}, {wording.plural(found['samples'], 'sample')}"),
                ("in sample", wording.score(found["in_sample"])),
                ("cross-fitted", wording.score(found["cross_fitted"])),
                ("without offsets", wording.score(found["value_without"])),
            ],
        )
    if run.thresholds:
        found = run.thresholds
        yield (
            "thresholds",
            [
                *zip(found["labels"], (wording.score(value, 4) for value in found["values"]), strict=True),
                ("tuned for", wording.metric_name(found["metric"])),
                ("tuned on", f"{outcome.split_name(found)}, {wording.plural(found['samples'], 'sample')}"),
                ("in sample", wording.score(found["in_sample"])),
                ("cross-fitted", wording.score(found["cross_fitted"])),
                ("all at 0.5", wording.score(found["value_at_half"])),
            ],
        )
    if run.subset:
        found = run.subset
        yield (
            "subset",
            [
                ("best sets", ", ".join(str(number) for number in found["sets"])),
                *(
                    [("their threshold", wording.score(found["threshold"], 4))]
                    if found["threshold"] is not None
                    else []
                ),
                ("together, in sample", wording.score(found["value"])),
                ("all sets, in sample", wording.score(found["all_sets"])),
                ("proven best", "yes" if found["certified"] else "no"),
                ("proof", found["proof"]),
            ],
        )
    if run.members:
        yield "members", members_picture.rows(run.members)


def _probable(run: Run, found: Plain) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What probabilities are worth before and after, and what was compared."""
    tested = (run.evaluation or {}).get("probabilities")
    if tested:
        yield (
            "test, before and after probabilities",
            [*_qualities(tested["before"], tested["after"]), ("gain in log loss", _with_error(tested))],
        )
    split = outcome.split_name(found)
    yield (
        "probabilities",
        [
            ("made by", str(found["map"]["method"])),
            ("chosen on", f"{split}, {wording.plural(sum(found['samples']), 'sample')}"),
            *_qualities(found["before"], found["cross_fitted"]),
            *((f"gain by {one['method']}", _with_error(one)) for one in found["candidates"] if one["method"] != "none"),
        ],
    )


def _qualities(before: Plain, after: Plain) -> Iterator[tuple[str, str]]:
    for name, words in (
        ("log_loss", "log loss"),
        ("expected_calibration_error", "expected calibration error"),
        ("maximum_calibration_error", "greatest error of a bin"),
        ("classwise_error", "error by class"),
    ):
        yield words, f"{wording.score(before[name])} before, {wording.score(after[name])} after"
    for name in ("brier", "reliability", "resolution", "uncertainty"):
        words = "Brier score" if name == "brier" else f"its {name}"
        yield words, f"{wording.score(before['brier'][name])} before, {wording.score(after['brier'][name])} after"


def _with_error(gain: Plain) -> str:
    return f"{wording.score(gain['gain'])} ± {wording.score(gain['error'])}"


def _between(bounds: Sequence[Any], digits: int = 3) -> str:
    return " and ".join(wording.score(bound, digits) for bound in bounds)


def _promised(found: Plain) -> Iterator[tuple[str, str]]:
    kept = found["promise"]
    if kept:
        sure = f"at least {wording.score(kept['bound'])}, {kept['hits']:,} of {kept['cases']:,}"
        yield kept["constraint"], f"promised ({sure})" if kept["met"] else f"cannot be promised ({sure})"
        naive = wording.score(kept["naive"], 4)
        yield (
            "kept in sample from",
            f"{naive}, {wording.metric_name(found['metric'])} {wording.score(kept['naive_in_sample'])}",
        )
