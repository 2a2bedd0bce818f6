"""The page of a run: one HTML file that opens from disk, needs no network and runs no script."""

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeptrain.drawing import wording
from deeptrain.report import health_table, lineage_graph, members_picture, outcome, templates
from deeptrain.report.run import Lineage, Plain, Run

TEMPLATE = Path(__file__).with_name("page.html")
MOST_CLASSES = 12
SECTIONS = (
    ("lineage", "Lineage"),
    ("data", "Data"),
    ("training", "Training"),
    ("health", "Health"),
    ("reconstructed", "Reconstructions"),
    ("calibration", "Calibration and test"),
    ("hardest", "Hardest samples"),
    ("asked", "What was asked"),
    ("model", "Model"),
    ("reproduce", "How to reproduce"),
)
CAPTIONS = {
    "threshold": "{how} What it is worth on the {split} split, where it was chosen, is too good: {in_sample}; "
    "cross-fitted it is {cross_fitted}.{test}",
    "cost": "What mistakes cost on average, by the prices that were given; less is better.",
    "reliability": "Where the dots leave the dashed line by more than the band, a score is not a probability. "
    "Expected calibration error {error} on the {split} split.",
    "probabilities": "Scores, and the probabilities made of them by {method}; where dots leave the dashed line by more "
    "than their band, they do not say how sure one can be. Expected calibration error {before} before and {after} "
    "after, on the {split} split. Decisions are by the scores: {decisions}.",
    "scores": "Every class in percent of itself; what lies right of a line is called positive.",
    "ranking": "Every threshold there can be is a point of both curves; neither says which to take.",
    "confusion": "Every test sample, by what it is and what it was called.",
    "subset": "The best {size} of {all} sets{threshold}. Their value is in sample: other data will not reach it"
    "{transfers}. {proof}",
    "members": "{words}",
}

RULES = {
    "median": "The threshold is the median of the best ones of resampled samples.",
    "optimum": "The threshold is where the metric is best.",
    "constraint": "The threshold is the best of those that keep the constraint.",
}


@dataclass(frozen=True)
class Image:
    """A picture in the page: PNG bytes, its words for who cannot see it, and other bytes by media query, best first.

    Every file of an image is `scale` times as large as it is shown.
    """

    png: bytes
    words: str
    scale: float
    others: tuple[tuple[str, bytes], ...] = ()

    def plain(self) -> dict[str, Any]:
        """As the template takes it."""
        sources = [{"media": media, **self._source(png)} for media, png in self.others]
        return {**self._source(self.png), "words": self.words, "sources": sources}

    def _source(self, png: bytes) -> dict[str, Any]:
        width, height = struct.unpack(">II", png[16:24])  # of the IHDR chunk, always first
        data = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        return {"data": data, "width": round(width / self.scale), "height": round(height / self.scale)}


@dataclass(frozen=True)
class Row:
    """A row of a table: its name, its cells, whether it is the one to look at."""

    name: str
    cells: tuple[str, ...]
    best: bool = False


def render(run: Run, images: Mapping[str, Image], drawn: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The page as UTF-8.

    Every text of the run is escaped; nothing is loaded but what is in the file.

    Args:
        run: what to tell.
        images: "history", and of "threshold", "reliability", "confusion", "subset" and "members" those that apply.
        drawn: the numbers each picture shows.
    """
    text = templates.get(TEMPLATE.name).render(
        run=run,
        sentence=outcome.sentence(run),
        tiles=outcome.tiles(run),
        notices=list(_notices(run)),
        sections=_sections(run),
        titles=dict(_sections(run)),
        graph=lineage_graph.plain(run.lineage),
        examples=[one.plain() for one in run.examples],
        hardest=[one.plain() for one in run.hardest],
        reconstructed=[one.plain() for one in run.reconstructed],
        verdict=health_table.verdict(run.health),
        health=[(row, health_table.cells(row)) for row in run.health],
        settings=[(name, list(_rows(table))) for name, table in run.settings.items()],
        lineage=[_line(line, run.lineage) for line in run.lineage],
        splits=_splits(run.data),
        data=list(_data(run.data)),
        statistics=[
            (f"training {wording.metric_name(name)}", wording.statistic(value))
            for name, value in (run.data.get("statistics") or {}).items()
        ],
        pictures={"history": images["history"].plain()},
        history_caption=_history_caption(run, drawn["history"]),
        epochs=_epochs(run),
        absent=run.left_out,
        pairs=[(images[name].plain(), _caption(name, run, drawn[name])) for name in CAPTIONS if name in images],
        scored=_scored(run),
        tuned=list(_tuned(run)),
        parameters=wording.plural(run.parameters, "parameter"),
        versions=[(name, str(version)) for name, version in run.versions.items()],
    )
    return text.encode() + b"\n"


def _sections(run: Run) -> list[tuple[str, str]]:
    """The sections of the page: what there is nothing of is not among them."""
    calibrated = any((run.threshold, run.subset, run.offsets, run.thresholds, run.members, run.probabilities))
    there = {"health": run.health, "reconstructed": run.reconstructed, "hardest": run.hardest}
    return [
        (anchor, "Test" if anchor == "calibration" and not calibrated else title)
        for anchor, title in SECTIONS
        if there.get(anchor, True)
    ]


def _notices(run: Run) -> Iterator[tuple[str, str]]:
    if run.stopped:
        yield "Stopped early", run.stopped
    if run.changed:
        yield (
            "Changed by hand",
            f"While it was trained, iterations counted from 0: {'; '.join(run.changed)}. Epochs from there on are of "
            "that course; python -m pipelines clean --interventions returns to the undisturbed one.",
        )
    if run.threshold and outcome.split_name(run.threshold) != "calibration":
        yield (
            "Optimistic",
            "There is no calibration split: the threshold was tuned on the validation split, which also chose the "
            "epoch. Give [data.splits] a calibration split for an honest value.",
        )
    for name, found in (
        ("Threshold", run.threshold),
        ("Offsets", run.offsets),
        ("Thresholds", run.thresholds),
        ("Members", run.members),
        ("Probabilities", run.probabilities),
    ):
        for warning in (found or {}).get("warnings", ()):
            yield name, str(warning)


def _rows(table: Any) -> Iterator[tuple[str, str]]:
    if isinstance(table, Mapping):
        yield from wording.rows(table)
    else:
        yield "", wording.setting(table)


def _line(line: Lineage, others: tuple[Lineage, ...]) -> dict[str, str]:
    stages = {other.artifact: other.stage for other in others}
    return {
        "stage": line.stage,
        "artifact": line.artifact,
        "identity": line.identity[:16],
        "content": line.content[:16],
        "inputs": ", ".join(stages.get(name, name) for name in line.inputs),
        "seeds": ", ".join(f"{name} {seed}" for name, seed in line.seeds.items()),
    }


def _splits(data: Plain) -> dict[str, Any]:
    samples, counts = data.get("samples") or {}, data.get("label_counts") or {}
    classes = [str(name) for name in data.get("classes") or ()]
    if len(classes) > MOST_CLASSES:
        classes = []
    rows = []
    for split, number in samples.items():
        if not number:
            continue
        found = list(counts.get(split) or [None] * len(classes))[: len(classes)]
        cells = [
            wording.NOTHING if one is None else f"{wording.count(one)} ({wording.share(one, sum(found))})"
            for one in found
        ]
        rows.append(Row(outcome.SPLITS.get(split, split), (wording.count(number), *cells)))
    return {
        "classes": classes,
        "rows": [{"name": row.name, "samples": row.cells[0], "cells": row.cells[1:]} for row in rows],
    }


def _data(data: Plain) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if name in ("samples", "label_counts", "statistics", "columns"):
            continue
        if name == "classes" and len(value) > MOST_CLASSES:
            yield "classes", wording.count(len(value))
        elif name == "shape":
            yield "shape of a sample", " by ".join(str(size) for size in value)
        elif name == "labels_are_input":
            yield from [("labels", "the samples themselves")] if value else []
        elif name == "classes" and value:
            yield "classes", ", ".join(str(one) for one in value)
        elif value not in (None, [], ()):
            yield name, wording.setting(list(value) if isinstance(value, tuple) else value)
    columns = list(data.get("columns") or ())
    if columns:
        shown = ", ".join(columns[:MOST_CLASSES])
        rest = len(columns) - MOST_CLASSES
        yield "columns", shown + (f" and {rest:,} more" if rest > 0 else "")


def _history_caption(run: Run, drawn: Mapping[str, Any]) -> str:
    words = (
        f"Training loss as each batch was fit, and its moving mean; validation after each epoch. "
        f"The vertical line is epoch {run.best_epoch}, the best by {outcome.key_name(run)} "
        f"({wording.score(outcome.key_value(run, run.best_epoch))})."
    )
    if drawn["not_drawn"]:
        words += f" Not drawn: {', '.join(wording.metric_name(name) for name in drawn['not_drawn'])}."
    return words


def _caption(name: str, run: Run, drawn: Mapping[str, Any]) -> str:
    values: dict[str, Any] = {}
    if name == "threshold" and run.threshold:
        values = {
            "split": outcome.split_name(run.threshold),
            "how": RULES[run.threshold["rule"]],
            "in_sample": wording.score(run.threshold["in_sample"]),
            "cross_fitted": wording.score(run.threshold["cross_fitted"]),
            "test": " The diamonds are the test split, at the threshold and at 0.5." if drawn["test"] else "",
        }
    elif name == "reliability":
        values = {"split": drawn["split"], "error": wording.score(drawn["expected_calibration_error"])}
    elif name == "probabilities":
        values = {
            "method": drawn["method"],
            "split": drawn["split"],
            "before": wording.score(drawn["before"]["expected_calibration_error"]),
            "after": wording.score(drawn["after"]["expected_calibration_error"]),
            "decisions": "the class with the greatest" if drawn["classes"] else "positive if over the threshold",
        }
    elif name == "subset" and run.subset:
        values = {
            "size": len(run.subset["sets"]),
            "all": len(run.subset["per_set"]),
            "threshold": ""
            if run.subset["threshold"] is None
            else f" at their joint threshold {wording.score(run.subset['threshold'])}",
            "transfers": "" if run.subset["threshold"] is None else "; what transfers is the threshold",
            "proof": "No other choice is better: the search proves it."
            if run.subset["certified"]
            else "The search does not prove that no other choice is better.",
        }
    elif name == "members" and run.members:
        values = {"words": members_picture.caption(run.members, (run.evaluation or {}).get("members"))}
    return CAPTIONS[name].format(**values)


def _epochs(run: Run) -> dict[str, Any]:
    columns = list(
        dict.fromkeys(
            (name, split)
            for epoch in run.epochs
            for split in ("train", "validation")
            for name in epoch.get(split) or {}
        )
    )
    first = list(dict.fromkeys(["loss", run.key_metric, *(name for name, _ in columns)]))
    columns.sort(key=lambda column: (first.index(column[0]), column[1]))
    words = {"train": "training", "validation": "validation"}
    names = ["epoch", "iterations", "learning rate"]
    names += [f"{wording.metric_name(name)}, {words[split]}" for name, split in columns]
    rows = [
        Row(
            f"{epoch['epoch']}" + (" (best)" if epoch["epoch"] == run.best_epoch else ""),
            (
                wording.count(epoch["iterations"]),
                wording.rate(epoch.get("learning_rate")),
                *(
                    wording.score((epoch.get(split) or {})[name])
                    if name in (epoch.get(split) or {})
                    else wording.NOTHING
                    for name, split in columns
                ),
            ),
            epoch["epoch"] == run.best_epoch,
        )
        for epoch in run.epochs
    ]
    return {"names": names, "rows": rows}


def _scored(run: Run) -> dict[str, Any]:
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


def _tuned(run: Run) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The tables beside that of the test split."""
    free = (run.evaluation or {}).get("without_threshold", {})
    if free:
        yield (
            "test, by scores alone",
            [(wording.metric_name(name), wording.score(value)) for name, value in free.items()],
        )
    if "labels" in (run.evaluation or {}):
        yield "test, several labels", _labels((run.evaluation or {})["labels"])
    if "at" in (run.evaluation or {}):
        for output, found in (run.evaluation or {}).get("outputs", {}).items():
            yield (
                f"test, {output}",
                [(wording.metric_name(name), wording.score(value)) for name, value in outcome.measured(found)],
            )
    if run.threshold:
        found = run.threshold
        low, high = found["plateau"]
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
                ("as good between", _between((low, high), 4)),
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
