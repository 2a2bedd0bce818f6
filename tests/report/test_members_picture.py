"""The picture of members shows each with its weight, hides nothing, and covers nothing."""

from typing import Any

import numpy as np
import pytest

from deeptrain.calibration import members
from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import DARK, LIGHT
from deeptrain.report import members_picture
from tests.report.test_pictures import assert_nothing_overlaps


def chosen(count: int, method: str = "greedy", name: str = "epoch") -> dict[str, Any]:
    rng = np.random.Generator(np.random.Philox(count))
    labels = rng.random(80) < 0.4
    given = {
        f"{name} {number + 1}": 1 / (1 + np.exp(-(2 * labels - 1 + rng.normal(size=80)))) for number in range(count)
    }
    return {**members.choose(labels, given, "binary", method, rounds=4, folds=2).plain(), "split": "calibration"}


@pytest.mark.parametrize("count", [2, 5, 9, 14])
def test_members_are_drawn_with_nothing_over_anything_else(count: int) -> None:
    found = chosen(count, name="a network with a long name")
    for theme in (LIGHT, DARK):
        with canvas.drawing():
            picture = members_picture.draw(theme, found)
            assert_nothing_overlaps(picture.figure)
    assert len(picture.numbers["member"]) == min(count, members_picture.MOST)
    weighted = {one["name"] for one in found["members"] if one["weight"] > 0}
    assert weighted <= set(picture.numbers["member"])
    shown = " ".join(text.get_text() for text in picture.figure.texts)
    assert ("4 more not drawn" in shown) == (count == 14)


def test_an_undefined_correlation_is_a_dash() -> None:
    labels = np.array([1.0, 2.0, 3.0])
    found = members.choose(labels, {"off": labels + 1, "b": [1.0, 2.5, 2.0]}, "values", "convex").plain()
    with canvas.drawing():
        picture = members_picture.draw(LIGHT, found)
        assert_nothing_overlaps(picture.figure)
    assert "\N{EN DASH}" in [text.get_text() for text in picture.figure.axes[1].texts]


def test_the_caption_tells_what_the_members_are_worth_where_nothing_was_chosen() -> None:
    found = chosen(3, "exact")
    words = members_picture.caption(found, {"value": 0.5, "alone": {"epoch 1": 0.6, "epoch 2": 0.75}, "alike": 0.5})
    assert words.endswith("On the test split the ensemble has 0.500; alone: epoch 1 0.600, epoch 2 0.750.")
    assert "of 3 models make the ensemble, all counting alike, the best of every subset" in words
    told = dict(members_picture.rows(found))
    assert told["proven best"] == "yes"
    assert told["chosen for"] == "log loss"
