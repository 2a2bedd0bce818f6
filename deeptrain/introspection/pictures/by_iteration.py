"""What a model said of each sample, iteration by iteration, under what was true of it."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from deeptrain.drawing import canvas, wording
from deeptrain.drawing.canvas import LIGHT, Picture, Theme
from deeptrain.errors import DataError
from deeptrain.introspection.pictures import arrays as given_arrays
from deeptrain.introspection.pictures.colors import Scale, told_color
from deeptrain.introspection.pictures.panes import EDGE, HEAD, NOTE, TICK_SIZE, WIDTH, Pane, blank, fitted

LABELS, BETWEEN = 14.0, 8.0
STEP = 7.0
HIGHEST = 2400.0
STRENGTH = 0.55
"""Blue and orange, not the darker tones beyond, which are near to black."""


def draw(
    labels: ArrayLike,
    predictions: ArrayLike,
    iterations: ArrayLike | None = None,
    *,
    title: str = "",
    theme: Theme = LIGHT,
) -> Picture:
    """A strip for each iteration: on top the labels, below them what was said after each step, a column a sample.

    Blue is 0, orange 1, the paper's colour 0.5: a column of one colour is a sample that was told right from the first
    step on. Where all have no room the last iterations are drawn.

    Args:
        labels: (iterations, samples) from 0 to 1; NaN where a batch has fewer samples.
        predictions: (iterations, samples), or (iterations, steps, samples) such as of the windows of a batch; from 0
            to 1.
        iterations: (iterations,) their numbers; by default 0, 1, ...
        title: of the picture.
        theme: colours.

    Returns:
        The picture, 1200 pixels wide; `numbers`: `iterations` that are drawn, `wrong` of each (samples of which the
        last step was on the other side of 0.5), `not_finite` among the predictions.

    Raises:
        DataError: for other shapes, without an iteration or a sample, and for labels or predictions beyond 0 and 1.
    """
    truth, said = (
        given_arrays.numbers("by_iteration: labels", labels),
        given_arrays.numbers("by_iteration: predictions", predictions),
    )
    said = said[:, None, :] if said.ndim == 2 else said
    if truth.ndim != 2 or said.ndim != 3 or not truth.size or not said.size or said[:, 0].shape != truth.shape:
        raise DataError(
            "by_iteration: expected labels (iterations, samples) and predictions like them or (iterations, steps, "
            f"samples), got shapes {list(truth.shape)} and {list(np.shape(predictions))}"
        )
    for name, values in (("labels", truth), ("predictions", said)):
        finite = values[np.isfinite(values)]
        if finite.size and not 0 <= finite.min() <= finite.max() <= 1:
            raise DataError(
                f"by_iteration: {name} must be between 0 and 1, got {finite.min():.4g} to {finite.max():.4g}"
            )
    numbers = np.arange(len(truth)) if iterations is None else np.asarray(iterations)
    if numbers.shape != (len(truth),):
        raise DataError(f"by_iteration: expected {len(truth)} numbers of iterations, got shape {list(numbers.shape)}")
    strip = LABELS + STEP * said.shape[1]
    most = max(int(HIGHEST / (strip + BETWEEN)), 1)
    left_out = max(len(truth) - most, 0)
    truth, said, numbers = truth[-most:], said[-most:], numbers[-most:]
    bad = int(np.count_nonzero(~np.isfinite(said) & np.isfinite(truth)[:, None]))
    with canvas.drawing():
        figure = _sheet(truth, said, numbers, title, left_out, bad, theme)
    wrong = [int(np.count_nonzero((last >= 0.5) != (one >= 0.5))) for one, last in zip(truth, said[:, -1], strict=True)]
    words = (
        f"{title + ': ' if title else ''}labels over predictions of {wording.plural(len(truth), 'iteration')}; of the "
        f"last one {wrong[-1]} of {int(np.isfinite(truth[-1]).sum())} samples are on the wrong side of 0.5."
    )
    return Picture(figure, {"iterations": numbers.tolist(), "wrong": wrong, "not_finite": bad}, words, mixed=True)


def _sheet(
    truth: NDArray[Any],
    said: NDArray[Any],
    numbers: NDArray[Any],
    title: str,
    left_out: int,
    bad: int,
    theme: Theme,
) -> Figure:
    steps = said.shape[1]
    strip = LABELS + STEP * steps
    top = EDGE + (HEAD if title else 0) + 2 * NOTE + 16
    figure, sheet = blank(WIDTH, top + len(truth) * (strip + BETWEEN) + 34, theme)
    if title:
        canvas.heading(figure, theme, fitted(title, WIDTH - 2 * EDGE, 14.5, "bold"), EDGE, EDGE - 4)
    below = "predictions" if steps == 1 else f"predictions after each of {steps} steps"
    notes = [
        f"Each strip an iteration: on top its labels, below its {below}; across: {truth.shape[1]} samples."
        + (f" The {wording.plural(left_out, 'iteration')} before are not drawn." if left_out else ""),
        f"{bad:,} predictions are no number: {told_color(theme)}." if bad else "",
    ]
    for number, note in enumerate(notes):
        y = EDGE + (HEAD if title else 0) + NOTE * number - 4
        color = theme.muted if number == 0 else theme.second
        text = fitted(note, WIDTH - 2 * EDGE - (280 if number else 0), 12.5)
        canvas.write(figure, EDGE, y, text, color=color, fontsize=canvas.points(12.5))
    left, width = EDGE + 68, WIDTH - 2 * EDGE - 68
    scale = Scale(-1.0, 1.0, theme, STRENGTH)
    scale.bar(sheet, WIDTH - EDGE - 240, top - 42, 240, ("0", "0.5", "1"))
    every = max(1, int(np.ceil(16 / (strip + BETWEEN))))
    for place, (one, steps_said, number) in enumerate(zip(truth, said, numbers, strict=True)):
        y = top + place * (strip + BETWEEN)
        for row, (values, height) in enumerate([(one[None], LABELS), (steps_said, STEP * steps)]):
            absent = ~np.isfinite(one)[None]
            colors = scale.colors(2 * np.asarray(values, np.float64) - 1)
            colors[np.broadcast_to(absent, values.shape)] = scale.colors(np.zeros(1))[0]
            Pane(sheet, theme, left, y + row * LABELS, width, height - row, 0).pixels(colors)
        if place % every == 0:
            Pane(sheet, theme, left, y, width, strip, 0).text(
                left - 8, y + strip / 2, f"{number:,}", theme.muted, TICK_SIZE, ha="right", va="center"
            )
    return figure
