"""The page of a run: one HTML file that opens from disk, needs no network and runs no script."""

import base64
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeptrain.drawing import wording
from deeptrain.report import health_table, lineage_graph, members_picture, outcome, score_tables, templates
from deeptrain.report.run import Lineage, Plain, Run
from deeptrain.report.score_tables import Row

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
        scored=score_tables.scored(run),
        tuned=list(score_tables.tuned(run)),
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
        f"Training loss of each iteration, and its moving mean; validation after each epoch. "
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
