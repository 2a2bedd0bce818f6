"""Scores and probabilities on one diagram, and what the page says of them."""

import dataclasses
import html

import numpy as np
import pytest

from deeptrain.calibration import probabilities, reliability
from deeptrain.calibration.probabilities import Probabilities
from deeptrain.drawing import canvas
from deeptrain.drawing.canvas import LIGHT, THEMES
from deeptrain.report import probabilities_picture, rendering
from deeptrain.report.run import Run, Scores
from tests.report.test_pictures import assert_nothing_overlaps


def sureness(found: Probabilities, scores: Scores) -> tuple[Scores, Scores]:
    return scores, dataclasses.replace(scores, scores=found.fitted.apply(scores.scores))


@pytest.mark.parametrize("samples", [2, 20_000])
@pytest.mark.parametrize("classes", [False, True])
def test_it_is_readable_with_few_samples_and_many(samples: int, classes: bool) -> None:
    generator = np.random.Generator(np.random.Philox(samples))
    scores = generator.random(samples)
    labels = np.concatenate([[0, 1], generator.random(samples - 2) < scores[2:] ** 2]).astype(np.int64)
    before = Scores(labels, scores, np.zeros(samples, np.int64))
    after = dataclasses.replace(before, scores=scores**2)
    with canvas.drawing():
        for theme in THEMES:
            picture = probabilities_picture.draw(theme, before, after, "temperature", "validation", classes)
            assert_nothing_overlaps(picture.figure)
    assert picture.numbers["before"] == reliability.diagram(labels, scores).plain()
    assert picture.numbers["after"] == reliability.diagram(labels, scores**2).plain()


def test_the_page_shows_before_and_after_and_what_was_compared(run: Run) -> None:
    assert run.test is not None
    assert run.calibration is not None
    assert run.evaluation is not None
    found = probabilities.choose(run.calibration.labels, run.calibration.scores, ["temperature"])
    change = probabilities.score(run.test.labels, run.test.scores, found.fitted)
    told = dataclasses.replace(
        run,
        probabilities={**found.plain(), "split": "calibration"},
        sureness=sureness(found, run.test),
        evaluation={**run.evaluation, "probabilities": change.plain()},
    )
    assert set(rendering.applicable(told)) == {"threshold", "probabilities", "scores", "ranking", "confusion", "subset"}
    with canvas.drawing():
        drawn = rendering.applicable(told)["probabilities"](LIGHT).numbers
    assert (drawn["split"], drawn["method"]) == ("test", found.method)
    page = html.unescape(rendering.render(told)["index.html"].decode())
    for text in (
        f"{change.before.log_loss:.3f} before, {change.after.log_loss:.3f} after",
        f"{found.before.log_loss:.3f} before, {found.cross_fitted.log_loss:.3f} after",
        "Decisions are by the scores: positive if over the threshold.",
        "gain by temperature",
        *found.warnings,
    ):
        assert text in page
