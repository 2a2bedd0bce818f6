"""Curves stay on their field, whatever the numbers are."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from pipelines.ui.curves import Line, chart

ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(ANY, max_size=700))
def test_every_finite_value_is_on_the_field_and_no_other_is_drawn(values: list[float]) -> None:
    drawn = chart("Loss", [Line("training", "train", list(enumerate(values)))], "epoch {:.0f}")
    if not any(map(math.isfinite, values)):
        assert drawn is None
        return
    assert drawn is not None
    ((_, _, path),) = drawn.lines
    assert re.fullmatch(r"([ML]-?[0-9.]+ -?[0-9.]+(h0)?)*", path)
    places = [float(number) for number in re.findall(r"-?[0-9.]+", path.replace("h0", " "))]
    assert all(0 <= place <= 100 for place in places)


def test_a_line_is_broken_where_a_value_is_not_finite_and_a_value_alone_is_a_dot() -> None:
    drawn = chart("Loss", [Line("", "", [(1, 2.0), (2, 4.0), (3, math.nan), (4, 3.0)])], "epoch {:.0f}")
    assert drawn is not None
    assert drawn.lines[0][2] == "M0.00 96.00h0L33.33 4.00M100.00 50.00h0"
    assert (drawn.low, drawn.high, drawn.left, drawn.right) == ("2.000", "4.000", "epoch 1", "epoch 4")
    alone = chart("Loss", [Line("", "", [(1, 2.0)])], "epoch {:.0f}")
    assert alone is not None
    assert (alone.lines[0][2], alone.right) == ("M50.00 50.00h0", "")
