"""The files of a report: a page, two pictures, and every number in them."""

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from deeptrain import files
from deeptrain.drawing import canvas, raster, wording
from deeptrain.drawing.canvas import DARK, LIGHT, Picture, Theme
from deeptrain.drawing.raster import Pixels
from deeptrain.introspection.pictures import history as history_picture
from deeptrain.introspection.pictures import ranking as ranking_picture
from deeptrain.introspection.pictures import scores as scores_picture
from deeptrain.report import (
    confusion_picture,
    cost_picture,
    health_table,
    members_picture,
    outcome,
    page,
    probabilities_picture,
    reliability_picture,
    state_picture,
    subset_picture,
    threshold_picture,
)
from deeptrain.report.page import Image
from deeptrain.report.run import Plain, Run, Scores
from deeptrain.report.samples import Samples
from deeptrain.report.settings import ReportSettings

IN_THE_DARK = "screen and (prefers-color-scheme: dark)"
NARROW = "screen and (max-width: 600px)"
NARROW_IN_THE_DARK = "screen and (max-width: 600px) and (prefers-color-scheme: dark)"
WIDE_PIXELS, NARROW_PIXELS = 1040, 380
ALONE = 28
"""Margin of a picture that stands alone, in pixels."""


def render(run: Run, settings: ReportSettings | None = None) -> dict[str, bytes]:
    """The report's files by name, the same bytes for the same run: no time, host or path is in them.

    Returns:
        `index.html`, which opens from disk by itself; `history.png`; `state.png`, the whole state on one picture;
        `report.json`, the run and the numbers each picture shows, non-finite ones as text.
    """
    dpi = (settings or ReportSettings()).dpi
    drawn: dict[str, Any] = {}
    images = {}
    with canvas.drawing():
        margin = round(ALONE * dpi / canvas.PIXELS_PER_INCH)
        wide, images["history"], light = in_two_widths(partial(history_picture.draw, run), dpi)
        drawn["history"], history_png = wide.numbers, raster.png(light, dpi, margin, LIGHT.paper)
        del wide, light  # pixels are many, and what they became is all that is needed of them
        for name, draw in applicable(run).items():
            picture, light, dark = _in_both(draw, dpi)
            drawn[name] = picture.numbers
            images[name] = _image(picture, dpi, light, (IN_THE_DARK, dark))
        state_png = raster.png(raster.paint(state_picture.draw(run, LIGHT).figure, dpi), dpi)
    return {
        "index.html": page.render(run, images, drawn),
        "history.png": history_png,
        "state.png": state_png,
        "report.json": files.readable_json({**_told(run), "pictures": drawn}),
    }


def in_two_widths(draw: Callable[..., Picture], dpi: int) -> tuple[Picture, Image, Pixels]:
    """A picture for wide and narrow windows, in the light and in the dark; call it within `canvas.drawing()`.

    Args:
        draw: takes a theme, and `width` in pixels.
        dpi: pixels made for an inch of the figure.

    Returns:
        The wide picture, its image for a page, and its pixels in the light.
    """
    picture, light, dark = _in_both(partial(draw, width=NARROW_PIXELS), dpi)
    narrow = ((NARROW_IN_THE_DARK, raster.png(dark, dpi)), (NARROW, raster.png(light, dpi)))
    picture, light, dark = _in_both(partial(draw, width=WIDE_PIXELS), dpi)
    others = (*narrow, (IN_THE_DARK, raster.png(dark, dpi)))
    return picture, Image(raster.png(light, dpi), picture.words, dpi / canvas.PIXELS_PER_INCH, others), light


def _in_both(draw: Callable[[Theme], Picture], dpi: int) -> tuple[Picture, Pixels, Pixels]:
    """The picture in the light, and its pixels in the light and in the dark."""
    gc.collect()  # figures are cycles of references: those of a whole report would stay side by side
    picture = draw(LIGHT)
    if picture.mixed:
        return picture, raster.paint(picture.figure, dpi), raster.paint(draw(DARK).figure, dpi)
    return picture, *raster.paint_both(picture.figure, dpi, LIGHT.colors_in(DARK))


def _image(picture: Picture, dpi: int, pixels: Pixels, *others: tuple[str, Pixels]) -> Image:
    variants = tuple((media, raster.png(found, dpi)) for media, found in others)
    return Image(raster.png(pixels, dpi), picture.words, dpi / canvas.PIXELS_PER_INCH, variants)


def applicable(run: Run) -> dict[str, Callable[[Theme], Picture]]:
    """The pictures of calibration and test that apply to this run."""
    made: dict[str, Callable[[Theme], Picture]] = {}
    calibration, threshold, subset, members = run.calibration, run.threshold, run.subset, run.members
    if calibration is not None and threshold is not None:
        made["threshold"] = lambda theme: threshold_picture.draw(run, theme, calibration, threshold)
    scores, split = (run.test, "test") if run.test is not None else (calibration, outcome.split_name(threshold or {}))
    if run.sureness is not None and run.probabilities is not None:
        found = "test" if run.evaluation is not None else outcome.split_name(run.probabilities)
        made["probabilities"] = partial(_probabilities, run.sureness, run.probabilities, found)
    elif scores is not None:
        made["reliability"] = partial(_reliability, scores, split)
    if scores is not None and threshold is not None:
        used = {"at 0.5": 0.5, f"at {wording.score(threshold['value'])}": wording.as_float(threshold["value"])}
        classes = _classes(run.data)
        told: dict[str, Any] = {"labels": scores.labels, "scores": scores.scores, "split": split, "thresholds": used}
        made["scores"] = lambda theme: scores_picture.draw(**told, classes=classes, theme=theme)
        if threshold["metric"] == "cost":
            made["cost"] = partial(cost_picture.draw, scores=scores, split=split, chosen=threshold)
        if 0 < np.count_nonzero(scores.labels) < len(scores.labels):
            made["ranking"] = lambda theme: ranking_picture.draw(**told, theme=theme)
    entries = [entry for entry in (outcome.at(run, "half"), outcome.at(run, "threshold")) if entry is not None]
    if entries:
        classes = _classes(run.data)
        made["confusion"] = lambda theme: confusion_picture.draw(theme, entries, classes)
    if subset is not None:
        made["subset"] = lambda theme: subset_picture.draw(theme, subset)
    if members is not None:
        made["members"] = lambda theme: members_picture.draw(theme, members)
    return made


def _probabilities(scores: tuple[Scores, Scores], found: Plain, split: str, theme: Theme) -> Picture:
    return probabilities_picture.draw(theme, *scores, found["map"]["method"], split, len(found["samples"]) > 2)


def _reliability(scores: Scores, split: str, theme: Theme) -> Picture:
    return reliability_picture.draw(theme, scores, split)


def _classes(data: Plain) -> tuple[str, str]:
    names = [str(name) for name in data.get("classes") or ()]
    return (names[0], names[1]) if len(names) == 2 else ("negative", "positive")


def _shown(drawn: tuple[Samples, ...]) -> list[dict[str, Any]]:
    """Which samples the page draws; by all inputs they are the same."""
    return [
        {"group": name, **sample.plain()} for one in drawn[:1] for name, samples in one.groups for sample in samples
    ]


def _told(run: Run) -> dict[str, Any]:
    """The run as plain values; the scores themselves are in the predictions."""
    return {
        "name": run.name,
        "title": run.title,
        "outcome": {tile.label: tile.value for tile in outcome.tiles(run)},
        "settings": run.settings,
        "lineage": [
            {
                "stage": line.stage,
                "artifact": line.artifact,
                "identity": line.identity,
                "content": line.content,
                "inputs": line.inputs,
                "seeds": line.seeds,
            }
            for line in run.lineage
        ],
        "data": run.data,
        "epochs": run.epochs,
        "key_metric": run.key_metric,
        "maximize": run.maximize,
        "best_epoch": run.best_epoch,
        "used_epoch": run.used_epoch,
        **({"averaged": list(run.averaged)} if run.averaged else {}),
        "parameters": run.parameters,
        "feeds": run.feeds,
        "health": {"epoch": run.health_epoch, "layers": [health_table.plain(one) for one in run.health]},
        "examples": _shown(run.examples),
        "hardest": {"split": run.hardest_split, "samples": _shown(run.hardest)},
        **({"reconstructed": _shown(run.reconstructed)} if run.reconstructed else {}),
        "threshold": run.threshold,
        "subset": run.subset,
        **({} if run.probabilities is None else {"probabilities": run.probabilities}),
        **({"offsets": run.offsets} if run.offsets else {}),
        **({"thresholds": run.thresholds} if run.thresholds else {}),
        **({"members": run.members} if run.members else {}),
        "evaluation": run.evaluation,
        "left_out": [{"stage": stage, "reason": reason} for stage, reason in run.left_out],
        "versions": run.versions,
        "command": run.command,
        "stopped": run.stopped,
        **({"changed_by_hand": list(run.changed)} if run.changed else {}),
    }
