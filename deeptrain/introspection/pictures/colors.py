"""What a number looks like: blue below 0, the paper's colour at 0, orange above, and one colour for what is no number.

Blue and orange are told apart by all common kinds of colour vision, and their lightness falls with the distance from 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from deeptrain.drawing import wording
from deeptrain.drawing.canvas import Theme
from deeptrain.introspection.pictures.panes import GREATEST, SMALLEST, TICK_SIZE, Pane, length

BELOW = {"light": ("#8fbbe0", "#0b62a8", "#062f52"), "dark": ("#2f5877", "#4aa0e8", "#d3ebff")}
ABOVE = {"light": ("#f0b083", "#c4500a", "#5c2402"), "dark": ("#7c4c2d", "#f08642", "#ffe6d4")}
NOT_A_NUMBER = {"light": "#1d2329", "dark": "#ffffff"}
NAME_OF_NOT = {"light": "black", "dark": "white"}
QUANTILE = 0.999
FEWEST = 20
FAR = 2.0
"""The scale ends before the greatest distance from 0 when that is so many times the distance of 99.9 % of the values."""


@dataclass(frozen=True)
class Scale:
    """Numbers as colours; those beyond the ends have the ends' colours."""

    low: float
    high: float
    theme: Theme

    @property
    def furthest(self) -> float:
        """The distance from 0 that has the strongest colour."""
        return max(-self.low, self.high)

    def colors(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Red, green and blue of each value, in a new last axis."""
        with np.errstate(invalid="ignore", over="ignore"):
            place = np.clip(np.nan_to_num(np.asarray(values, np.float64) / self.furthest), -1, 1)
        stops = np.array(
            [
                *(to_rgb(one) for one in BELOW[self.theme.name][::-1]),
                to_rgb(self.theme.paper),
                *(to_rgb(one) for one in ABOVE[self.theme.name]),
            ]
        )
        at = np.array([-1, -0.55, -0.15, 0, 0.15, 0.55, 1])
        found = np.stack([np.interp(place, at, stops[:, channel]) for channel in range(3)], axis=-1)
        found[~np.isfinite(values)] = to_rgb(NOT_A_NUMBER[self.theme.name])
        return np.asarray(np.rint(255 * found), np.uint8)

    def bar(
        self, sheet: Any, left: float, top: float, width: float, names: tuple[float, float] | None = None
    ) -> None:
        """What the colours mean: a bar with the numbers at its ends, and 0 where it is between them.

        Args:
            sheet: what is drawn on.
            left: of the bar, in pixels.
            top: of the bar.
            width: of the bar.
            names: the numbers at its ends, where they are not those of the scale.
        """
        pane = Pane(sheet, self.theme, left, top, width, 9, 0, (self.low, self.high))
        pane.pixels(self.colors(np.linspace(self.low, self.high, 256))[None])
        pane.frame()
        ends = {self.low: "left", self.high: "right"}
        written = dict(zip(ends, names or (self.low, self.high), strict=True))
        texts = {end: wording.score(value) if value else "0" for end, value in written.items()}
        room = width - sum(length(text, TICK_SIZE) for text in texts.values())
        for value, ha in ends.items():
            x = float(pane.across(value))
            pane.text(x, top + 13, texts[value], self.theme.muted, TICK_SIZE, ha=ha, va="top")
        middle = float(pane.across(0.0))
        taken = max(length(text, TICK_SIZE) for text in texts.values())
        near = min(middle - left, left + width - middle) - taken
        if self.low < 0 < self.high and room > 30 and near > 10:
            pane.text(middle, top + 13, "0", self.theme.muted, TICK_SIZE, ha="center", va="top")


def scale_of(arrays: list[NDArray[Any]], theme: Theme) -> Scale:
    """A scale that fits arrays, the same distance on both sides of 0.

    Where nothing is below 0 the scale begins at 0, where nothing is above, it ends there.
    """
    values = np.concatenate([one[np.isfinite(one)].astype(np.float64) for one in arrays])
    if not values.size:
        return Scale(-1.0, 1.0, theme)
    distance = np.abs(values)
    most = min(float(distance.max()), GREATEST)
    end = most
    if values.size >= FEWEST:
        place = min(int(QUANTILE * values.size), values.size - 2)  # at least one may be far away
        usual = float(np.partition(distance, place)[place])
        end = usual if 0 < usual and most > FAR * usual else most
    end = end if end >= SMALLEST else 1.0
    return Scale(-end if (values < 0).any() else 0.0, end if (values >= 0).any() else 0.0, theme)


def told_color(theme: Theme) -> str:
    """The name of the colour of what is no number."""
    return NAME_OF_NOT[theme.name]


