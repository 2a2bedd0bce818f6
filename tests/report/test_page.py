"""The page is whole in itself, safe with any text, and readable by all."""

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from deeptrain.drawing import raster
from deeptrain.introspection import verdicts
from deeptrain.report import outcome, page, rendering
from deeptrain.report.confusion_picture import luminance
from deeptrain.report.page import Image
from deeptrain.report.run import Run
from deeptrain.report.settings import ReportSettings
from tests.report.conftest import drawn

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
VOID = {"meta", "link", "source", "img", "br", "wbr"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag that opens closes in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def html(run: Run) -> str:
    """The page with one black pixel for each picture: drawing them takes long and is tested elsewhere."""
    pixel = Image(raster.png(np.zeros((1, 1, 4), np.uint8), 100), "words", 1.0)
    names = ["history", *rendering.applicable(run)]
    numbers: dict[str, Any] = {
        "not_drawn": [],
        "test": outcome.at(run, "half"),
        "split": "test",
        "expected_calibration_error": 0.1,
    }
    return page.render(run, dict.fromkeys(names, pixel), dict.fromkeys(names, numbers)).decode()


@pytest.fixture(scope="module")
def source(run: Run) -> str:
    return rendering.render(run, ReportSettings(dpi=50))["index.html"].decode()


def test_every_picture_has_words_a_size_and_a_caption(source: str) -> None:
    found = Page(source)
    images = [image for image in found.of("img") if "small" not in (image.get("class") or "")]
    assert len(images) == len(found.of("figcaption")) == 7
    assert all(len(image["alt"] or "") > 40 for image in images)
    assert all(int(image["width"] or 0) > 300 and int(image["height"] or 0) > 200 for image in images)


def test_every_sample_and_the_graph_have_words(source: str) -> None:
    found = Page(source)
    small = [image for image in found.of("img") if image.get("class") == "small"]
    assert len(small) == 12
    assert small[0]["alt"] == "other; set 3, row 0 of digits-2.csv"
    assert small[-1]["alt"] == "log loss 4.2, is eight, said other (0.98); set 3, row 3 of digits-2.csv"
    (graph,) = found.of("svg")
    assert graph["role"] == "img"
    words = "shards; training made from shards; predictions made from training, shards."
    assert graph["aria-label"] == f"What was made from what: {words}"


def test_nothing_is_loaded_and_nothing_runs(source: str) -> None:
    found = Page(source)
    assert not re.search(r"https?:|url\(|@import|javascript:", source)
    assert not {"script", "iframe", "object", "embed", "form"} & {tag for tag, _ in found.tags}
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on") or name == "style"]
    loaded = [image["src"] for image in found.of("img")] + [one["srcset"] for one in found.of("source")]
    assert all((address or "").startswith("data:image/png;base64,") for address in loaded)
    assert {link["href"] for link in found.of("link")} == {"data:,"}
    links = {link["href"] for link in found.of("a") if not (link["href"] or "").startswith("#")}
    assert links == {"history.png", "state.png", "report.json"}


def test_the_policy_allows_inline_style_and_data_images_only(source: str) -> None:
    policy = next(meta["content"] for meta in Page(source).of("meta") if "http-equiv" in meta)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def test_sections_can_be_reached_and_ids_are_unique(source: str) -> None:
    found = Page(source)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [(link["href"] or "")[1:] for link in found.of("a") if (link["href"] or "").startswith("#")]
    assert targets == [name for name, _ in page.SECTIONS if name != "reconstructed"]
    assert set(targets) <= set(ids)
    labelled = {attributes["aria-labelledby"] for _, attributes in found.tags if "aria-labelledby" in attributes}
    assert labelled <= set(ids)
    assert len(found.of("h1")) == 1


def test_a_table_of_more_than_two_ways_has_the_whole_width(run: Run) -> None:
    ways = list((run.evaluation or {})["at"])
    few, many = (dataclasses.replace(run, evaluation={**run.evaluation, "at": at}) for at in (ways[:2], ways[:1] * 3))
    assert [one["class"] for one in Page(html(few)).of("div") if "results" in (one.get("class") or "")] == [
        "pair results"
    ]
    assert [one["class"] for one in Page(html(many)).of("div") if "results" in (one.get("class") or "")] == ["results"]


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(source: str) -> None:
    found = Page(source)
    scrolled = [attributes for _, attributes in found.tags if "scroll" in (attributes.get("class") or "").split()]
    assert len(scrolled) == 5
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in scrolled)


def test_hostile_names_are_text_everywhere(make_run: Callable[..., Run]) -> None:
    base = make_run()
    line = dataclasses.replace(base.lineage[0], stage=HOSTILE, artifact=HOSTILE, seeds={HOSTILE: HOSTILE})
    evaluation = {**(base.evaluation or {})}
    evaluation["without_threshold"] = {HOSTILE: 0.5}
    run = dataclasses.replace(
        base,
        name=HOSTILE,
        title=HOSTILE,
        settings={HOSTILE: {HOSTILE: HOSTILE}},
        lineage=(line, *base.lineage[1:]),
        data={**base.data, "classes": [HOSTILE, HOSTILE], "columns": [HOSTILE], "statistics": {HOSTILE: 1.0}},
        model=HOSTILE,
        versions={HOSTILE: HOSTILE},
        command=HOSTILE,
        stopped=HOSTILE,
        examples=(dataclasses.replace(drawn("series", [(HOSTILE, ())]), columns=(HOSTILE,) * 3),),
        health=verdicts.judged({f"model/0001/{HOSTILE}/kernel": np.ones((2, 2))}).rows,
        hardest=(drawn("row", [("", (HOSTILE,))]),),
        hardest_split=HOSTILE,
        key_metric=HOSTILE,
        evaluation=evaluation,
        threshold={**(base.threshold or {}), "warnings": [HOSTILE], "split": HOSTILE},
        left_out=((HOSTILE, HOSTILE),),
    )
    source = html(run)
    found = Page(source)
    assert "<script" not in source.lower()
    assert not {"script", "b1"} & {tag for tag, _ in found.tags}
    assert "{{7*7}}" in found.text
    assert found.text.count("<script>alert(1)</script>") > 20


def test_the_outcome_comes_first(source: str, run: Run) -> None:
    found = Page(source).text
    assert run.evaluation is not None
    half, best, _ = run.evaluation["at"]
    value, (low, high) = best["metrics"]["f1_score"], (best["interval"][end] for end in ("low", "high"))
    assert f"On 300 test samples the F1 score is {value:.3f} ({low:.3f} to {high:.3f}) at the threshold" in found
    gain = best["gain"]["value"]
    assert f"against {half['metrics']['f1_score']:.3f} at 0.5: a gain of {gain:.3f} (" in found
    assert "), within noise, on data that chose nothing." in found
    order = [f"{value:.3f}", *(title for name, title in page.SECTIONS if name != "reconstructed")]
    assert sorted(order, key=found.index) == order


def test_what_needs_no_threshold_is_said_of_binary_labels_alone(run: Run) -> None:
    assert run.evaluation is not None
    assert outcome.tiles(run)[-1].note == "needs no threshold"
    classes = {"samples": 42, "accuracy": 0.75, "without_threshold": {"log_loss": 0.657}}
    last = outcome.tiles(dataclasses.replace(run, threshold=None, evaluation=classes))[-1]
    assert (last.label, last.value, last.note) == ("Test log loss", "0.657", "scored once")


def test_a_cut_table_shows_where_it_goes_on(source: str) -> None:
    (rule,) = re.findall(r"\n\.scroll \{(.*?)\}\n", source, re.DOTALL)
    assert "background-attachment: local, local, scroll, scroll" in rule
    assert ".scroll { overflow: visible; background: none; }" in source  # on paper nothing is cut


@pytest.mark.parametrize("form", ["image", "series", "row"])
def test_samples_of_every_form_are_drawn_with_what_was_made_of_them(run: Run, form: str) -> None:
    examples = (drawn(form, [("a", ()), ("b", ())]),)
    reconstructed = (drawn(form, [("", ("error 1",))], made=True),)
    found = Page(html(dataclasses.replace(run, hardest=(), examples=examples, reconstructed=reconstructed)))
    images = [image for image in found.of("img") if image.get("class") == "small"]
    curves = [one for one in found.of("svg") if one.get("class") != "graph"]
    assert (len(images), len(curves)) == {"image": (16, 0), "series": (0, 16), "row": (0, 0)}[form]
    words = [one.get("alt") or one.get("aria-label") or "" for one in images + curves]
    for which in ("original", "reconstruction"):
        assert sum(f"{which}, error 1" in one for one in words) == (0 if form == "row" else 4)
    assert {"href": "#reconstructed"} in found.of("a")
    assert ("ageweightheightwhere" in found.text) == (form == "row")
    assert (found.text.count("reconstruction0.") == 4) == (form == "row")


def test_a_sample_that_is_not_finite_is_drawn(run: Run) -> None:
    for form in ("image", "series", "row"):
        one = drawn(form, [("a", ())])
        bad = dataclasses.replace(one.groups[0][1][0], values=np.full(one.groups[0][1][0].values.shape, np.nan))
        one = dataclasses.replace(one, groups=(("a", (bad,)),))
        assert "nan" not in html(dataclasses.replace(run, examples=(one,))).split("<main>")[1].split("Training</h2>")[0]


def test_health_is_told_by_layer_with_a_verdict(source: str, run: Run) -> None:
    found = Page(source).text
    assert "1 of 3 layers could be healthier." in found
    assert "large100 % of its weights are above 3; try weight decay, or inputs and labels scaled to about 1" in found
    assert "dense_0healthy" in found
    assert not [link for link in Page(html(dataclasses.replace(run, health=()))).of("a") if link["href"] == "#health"]


def test_the_only_way_of_deciding_is_not_told_apart_from_others(make_run: Callable[..., Run]) -> None:
    at = [{"name": "largest", "metrics": {"accuracy": 0.91}, "interval": {"low": 0.9, "high": 0.92}}]
    evaluation = {"samples": 360, "metric": "accuracy", "at": at, "without_threshold": {"log_loss": 0.3}}
    found = Page(html(make_run(calibrated=False, evaluation=evaluation)))
    assert "without offsets" not in found.text
    assert "0.900 to 0.920" in found.text


def test_what_does_not_apply_is_said_with_its_reason(make_run: Callable[..., Run]) -> None:
    reason = "a threshold exists for binary labels; these are classes"
    evaluation = {"samples": 360, "metrics": {"accuracy": 0.91, "log_loss": "nan"}}
    run = make_run(calibrated=False, left_out=(("threshold", reason), ("subset", reason)), evaluation=evaluation)
    found = Page(html(run))
    assert f"No threshold: {reason}." in " ".join(found.text.split())
    assert len([image for image in found.of("img") if image.get("class") != "small"]) == 1
    assert "On 360 test samples the accuracy is 0.910." in found.text


def test_tuning_on_the_validation_split_is_called_optimistic(make_run: Callable[..., Run]) -> None:
    base = make_run()
    run = dataclasses.replace(base, threshold={**(base.threshold or {}), "split": "val"}, evaluation=None, test=None)
    found = Page(html(run)).text
    assert "Optimistic. There is no calibration split" in found
    assert "On the validation split the F1 score is" in found
    assert "diamonds" not in found


@pytest.mark.parametrize(("epochs", "opened"), [(1, True), (12, True), (13, False), (300, False)])
def test_a_long_table_of_epochs_is_folded(make_run: Callable[..., Run], epochs: int, opened: bool) -> None:
    found = Page(html(make_run(epochs=epochs, per_epoch=3, calibrated=False)))
    assert [("open" in details) for details in found.of("details")] == [False, opened, True]  # lineage, health
    assert f"{epochs} (best)" in found.text


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_aa_asks_for(scheme: int) -> None:
    style = page.TEMPLATE.read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    color = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0]))
    color |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme]))
    for text, paper in (
        *((text, "paper") for text in ("ink", "muted", "accent")),
        ("ink", "panel"),
        ("ink", "warn-panel"),
        ("warn", "warn-panel"),
        ("warn", "paper"),
        ("muted", "panel"),
    ):
        light, dark = sorted((luminance(to_rgb(color[text])), luminance(to_rgb(color[paper]))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, paper)
    for line in ("c1", "c2", "c3", "c4", "c5", "c6"):
        light, dark = sorted((luminance(to_rgb(color[line])), luminance(to_rgb(color["panel"]))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, line


def test_a_printed_page_is_light_and_hides_nothing_behind_a_scroll(source: str) -> None:
    style = source[source.index("<style>") : source.index("</style>")]
    assert re.findall(r"@media ([^{]*prefers-color-scheme[^{]*) \{", style) == [
        "screen and (prefers-color-scheme: dark)"
    ]
    printed = style[style.index("@media print {") :]
    for rule in (
        ".scroll { overflow: visible;",
        "pre { font-size: 7.5pt; white-space: pre-wrap;",
        "nav { display: none; }",
    ):
        assert rule in printed
    dark = re.findall(r'<source media="([^"]*dark[^"]*)"', source)
    assert dark
    assert all(media.startswith("screen and ") for media in dark)
