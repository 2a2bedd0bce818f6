"""What a number looks like: blue below 0, the paper's colour at 0, orange above, and one colour for what is no number.

Blue and orange are told apart by all common kinds of colour vision, and their lightness falls with the distance from 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import Theme
from deeptrain.introspection.pictures.panes import GREATEST, SMALLEST, TICK_SIZE, Pane, length

BELOW = {"light": ("#8fbbe0", "#0b62a8", "#062f52"), "dark": ("#2f5877", "#4aa0e8", "#d3ebff")}
ABOVE = {"light": ("#f0b083", "#c4500a", "#5c2402"), "dark": ("#7c4c2d", "#f08642", "#ffe6d4")}
NOT_A_NUMBER = {"light": "#1d2329", "dark": "#ffffff"}
NAME_OF_NOT = {"light": "black", "dark": "white"}
QUANTILE = 0.999
FEWEST = 20
FAR = 2.0
"""The scale ends before the greatest distance from 0 where that is so many times that of 99.9 % of the values."""


@dataclass(frozen=True)
class Scale:
    """Numbers as colours; those beyond the ends have the ends' colours.

    Attributes:
        low: the number at the left end of its bar.
        high: the number at the right end.
        theme: colours.
        strength: of the colour that is furthest from the paper's, from 0 to 1.
    """

    low: float
    high: float
    theme: Theme
    strength: float = 1.0

    @property
    def furthest(self) -> float:
        """The distance from 0 that has the strongest colour."""
        return max(-self.low, self.high)

    def colors(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Red, green and blue of each value, in a new last axis."""
        with np.errstate(invalid="ignore", over="ignore"):
            place = np.clip(np.nan_to_num(np.asarray(values, np.float64) / self.furthest), -1, 1) * self.strength
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

    def bar(self, sheet: Any, left: float, top: float, width: float, names: tuple[str, str, str] | None = None) -> None:
        """What the colours mean: a bar with the numbers at its ends, and 0 where it is between them.

        Args:
            sheet: what is drawn on.
            left: of the bar, in pixels.
            top: of the bar.
            width: of the bar.
            names: what stands at its left end, at 0, and at its right end, where it is not these numbers.
        """
        pane = Pane(sheet, self.theme, left, top, width, 9, 0, (self.low, self.high))
        pane.pixels(self.colors(np.linspace(self.low, self.high, 256))[None])
        pane.frame()
        first, middle, last = names or (canvas.tick(self.low), "0", canvas.tick(self.high))
        zero = float(pane.across(0.0))
        style: dict[str, Any] = {"color": self.theme.muted, "size": TICK_SIZE, "va": "top"}
        pane.text(left, top + 13, first, ha="left", **style)
        pane.text(left + width, top + 13, last, ha="right", **style)
        room = min(zero - left - length(first, TICK_SIZE), left + width - zero - length(last, TICK_SIZE))
        if self.low < 0 < self.high and room > length(middle, TICK_SIZE) / 2 + 8:
            pane.text(zero, top + 13, middle, ha="center", **style)


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
        end = usual if usual > 0 and most > FAR * usual else most
    end = end if end >= SMALLEST else 1.0
    return Scale(-end if (values < 0).any() else 0.0, end if (values >= 0).any() else 0.0, theme)


def told_color(theme: Theme) -> str:
    """The name of the colour of what is no number."""
    return NAME_OF_NOT[theme.name]
