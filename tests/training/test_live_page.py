"""The page of a running training: safe, up to date, readable."""

import html.parser
import itertools
import logging
import math
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeptrain.introspection.health import Finding
from deeptrain.training import live_page
from deeptrain.training.live_page import LivePage, render, thinned
from deeptrain.training.progress import Progress

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
LOSSES = st.lists(st.floats(), max_size=60).map(tuple)
STEPS = st.lists(st.floats(0, 3), min_size=1, max_size=20)


def progress(**changes):
    values = {"phase": "fit", "epoch": 3, "epochs": 8, "iteration": 20, "iterations": 80, "losses": (0.7, 0.5)}
    if "batch" in changes:
        name = changes.pop("batch")
        changes["fitting"] = lambda: name
    return Progress(**(values | changes))


class Tags(html.parser.HTMLParser):
    """The tags, attributes and texts of a page, after checking that every tag is closed where it must be."""

    VOID = ("meta",)

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.attributes, self.text = [], set(), {}, []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@given(st.text(), st.text(), st.dictionaries(st.text(), st.floats(), max_size=4), st.text())
def test_text_from_data_is_text_on_the_page(name, batch, metrics, key):
    shown = progress(batch=batch, metrics=metrics, key_metric=key, stage=name, best=1.0)
    page = Tags(render(shown, name, NOW, running=True))
    harmless = Tags(render(progress(batch="b", metrics={"m": 1.0}, best=1.0), "n", NOW, running=True))
    assert page.seen <= harmless.seen
    assert set(page.attributes) == set(harmless.attributes)


def test_a_hostile_name_stays_a_name():
    page = render(progress(batch='"><script>alert(1)</script>'), "<img src=x onerror=alert(1)>", NOW, running=True)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


@given(LOSSES, LOSSES, st.integers(1, 9), st.integers(0, 9))
def test_any_losses_can_be_drawn(losses, validation_losses, epoch, epochs):
    shown = progress(losses=losses, validation_losses=validation_losses, epoch=epoch, epochs=epochs, loss=math.nan)
    page = Tags(render(shown, "digits", NOW, running=True))
    for path in page.attributes.get("d", []):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+|nan|inf", path)]
        assert all(0 <= number <= 100 for number in numbers)


def test_the_curve_goes_from_the_greatest_loss_to_the_least():
    page = render(progress(losses=(3.0, 2.0, 1.0)), "digits", NOW, running=True)
    assert '<path class="line train" d="M1.00 6.00h0L50.00 50.00L99.00 94.00"/>' in page


@given(st.lists(st.floats(), max_size=500), st.integers(2, 50))
def test_thinning_keeps_the_order_and_every_extreme(values, most):
    kept = thinned(values, most)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(most, 2)
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        assert {min(finite), max(finite)} <= {values[index] for index in kept}


def test_the_page_of_ten_thousand_epochs_is_small():
    losses = tuple(1 / epoch for epoch in range(1, 10_001))
    shown = progress(losses=losses, validation_losses=losses)
    assert len(render(shown, "digits", NOW, running=True)) < 30_000


@pytest.mark.parametrize(
    ("phase", "running", "refresh", "state"),
    [
        ("fit", True, "2", "fitting"),
        ("build", True, "2", "building the model"),
        ("fit", False, "10", "not running"),
        ("done", True, None, "done"),
        ("done", False, None, "done"),
    ],
)
def test_the_page_refreshes_itself_while_there_is_something_to_come(phase, running, refresh, state):
    page = render(progress(phase=phase), "digits", NOW, running=running)
    found = re.search(r'http-equiv="refresh" content="(\d+)"', page)
    assert (found and found[1]) == refresh
    assert f"training: {state}" in page


def test_the_page_says_everything(tmp_path):
    page = LivePage(tmp_path / "run" / "live" / "index.html", "digits", now=lambda: NOW)
    shown = progress(
        batch="b0412 (37 sets)", loss=0.123456, iterations_per_second=412.3, seconds_left_epoch=12,
        seconds_left_run=100, metrics={"val_loss": 0.2, "f1": 0.91}, key_metric="f1", best=0.934, best_epoch=2,
        validation_losses=(0.8, 0.6),
    )  # fmt: skip
    page.show(shown)
    text = " ".join(" ".join(Tags(page.path.read_text()).text).split())
    for expected in (
        "Epoch 3 of 8, iteration 20 of 80", "training loss", "validation loss", "epoch 1", "epoch 2", "0.8000 0.5000",
        "Batch b0412 (37 sets)", "Loss 0.1235", "Iterations per second 412.3", "Left of the epoch 0:12",
        "Left of the run 1:40", "Best f1 0.9340 in epoch 2", "Latest validation val_loss 0.2000 f1 0.9100",
        "As of 2026-01-31 12:00:00 UTC",
    ):  # fmt: skip
        assert expected in text
    assert 'style="width:28.1%"' in page.path.read_text()


@given(STEPS)
def test_the_page_is_written_at_most_once_a_second_and_at_the_end(tmp_path_factory, steps):
    clock = Clock()
    page = LivePage(tmp_path_factory.mktemp("live") / "index.html", "digits", clock=clock, now=lambda: NOW)
    written = []
    for number, step in enumerate(steps):
        clock.now += step
        page.show(progress(iteration=number))
        text = page.path.read_text()
        if not written or written[-1][1] != text:
            written.append((clock.now, text))
    assert all(after - before >= 1 for (before, _), (after, _) in itertools.pairwise(written))
    page.close()
    assert f"iteration {len(steps) - 1} of 80" in page.path.read_text()


def test_the_end_is_written_at_once(tmp_path):
    page = LivePage(tmp_path / "index.html", "digits", clock=Clock())
    page.show(progress())
    page.show(progress(phase="done"))
    assert "training: done" in page.path.read_text()


def test_a_training_that_showed_nothing_leaves_no_page(tmp_path):
    page = LivePage(tmp_path / "live" / "index.html", "digits")
    page.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_beside_the_page(tmp_path):
    page = LivePage(tmp_path / "index.html", "\ud800 broken", every_seconds=0)
    for number in range(5):
        page.show(progress(iteration=number))
    page.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "index.html"]


class Wall:
    """A wall clock that goes on a minute whenever it is asked."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        self.now += timedelta(minutes=1)
        return self.now


def trained(root, number, losses, values=(), begun=1):
    """A training of that number that `begun` processes worked on, one after the other; the text of its page."""
    wall = Wall()
    for process in range(1, begun + 1):
        page = LivePage(root / "live" / "index.html", "digits", now=wall, number=number)
        page.show(progress(losses=()))
        for count in range(1, len(losses) * process // begun + 1):
            page.show(progress(losses=losses[:count], key_values=values[:count], key_metric="f1"))
        page.close()
    return " ".join(" ".join(Tags(page.path.read_text()).text).split())


def test_the_page_is_written_whenever_an_epoch_has_ended(tmp_path):
    page = LivePage(tmp_path / "training-1" / "live" / "index.html", "digits", clock=Clock())
    for count in range(4):
        page.show(progress(epoch=count + 1, losses=(0.5,) * count))
        assert f"Epoch {count + 1} of 8" in page.path.read_text()
    page.close()


def test_the_page_tells_how_often_and_how_long_the_run_was_trained(tmp_path):
    text = trained(tmp_path / "training-1", 1, (0.7, 0.5, 0.4, 0.3), begun=2)
    assert "Run 1 Begun 2026-01-31 12:01:00 UTC Host" in text
    assert "Resumed once" in text
    assert "Time so far 13:00" not in text  # between two processes nobody worked
    assert "The last epoch took" in text
    assert "Beside the run before" not in text


def test_a_pause_counts_in_no_time_and_is_told_at_once(tmp_path):
    minutes = [0]
    page = LivePage(
        tmp_path / "training-1" / "live" / "index.html",
        "digits",
        clock=lambda: 0.0,
        now=lambda: NOW + timedelta(minutes=minutes[0]),
        number=1,
    )
    for minute, phase, losses in ((0, "fit", ()), (10, "paused", ()), (70, "fit", ()), (80, "fit", (0.5,))):
        minutes[0] = minute
        page.show(progress(phase=phase, losses=losses))
        assert (": paused<" in page.path.read_text()) == (phase == "paused")
    page.close()
    assert "Time so far</th><td>20:00<" in page.path.read_text()


def test_the_page_has_the_run_beside_the_one_before(tmp_path):
    trained(tmp_path / "training-b", 4, (0.9, 0.8), (0.3, 0.2))
    trained(tmp_path / "training-a", 7, (0.7, 0.5, 0.4), (0.5, 0.6, 0.4))
    assert "Beside" not in trained(tmp_path / "training-b", 4, (0.9, 0.8), (0.3, 0.2))
    text = trained(tmp_path / "training-c", 9, (0.6, 0.45), (0.55, 0.65))
    assert "Run 9 Run 7 Training loss, epoch 2 0.4500 0.5000" in text
    assert "f1, epoch 2 0.6500 0.6000 Best f1 0.6500 in epoch 2 0.6000 in epoch 2 Epochs 2 3" in text


def test_health_the_log_and_in_the_end_the_report_are_told(tmp_path):
    handlers = list(logging.getLogger("deeptrain").handlers)
    page = LivePage(
        tmp_path / "training-1" / "live" / "index.html", "digits", now=lambda: NOW, report="../r/index.html"
    )
    findings = tuple(Finding(f"dense_{number}", "dead", 0.5, "is <dead>", "a lamp") for number in range(10))
    page.show(progress(findings=findings))
    logging.getLogger("deeptrain").warning("a <b>line</b> that was %s", "logged")
    page.show(progress(findings=findings, losses=(0.7, 0.5, 0.4)))
    text = page.path.read_text()
    assert "is &lt;dead&gt;; try a lamp" in text
    assert "and 2 more" in text
    assert "warning: a &lt;b&gt;line&lt;/b&gt; that was logged" in text
    assert "../r/index.html" not in text
    page.show(progress(phase="done", losses=(0.7, 0.5, 0.4)))
    assert '<a href="../r/index.html">' in page.path.read_text()
    page.close()
    assert logging.getLogger("deeptrain").handlers == handlers


@pytest.mark.parametrize(
    "line", [b"", b"\xff\xfe", b'{"kind": "began"}', b'{"time": 1, "kind": "epoch", "epoch": []}', b"[]"]
)
def test_a_log_of_any_content_stops_no_page(tmp_path, line):
    live = tmp_path / "training-1" / "live"
    live.mkdir(parents=True)
    (live / "events.jsonl").write_bytes(line + b"\n")
    assert "Run 3" in trained(tmp_path / "training-1", 3, (0.7, 0.5))


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.2, relative luminance and contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_and_lines_have_the_contrast_that_wcag_aa_asks_for(scheme):
    block = re.findall(r":root \{(.*?)\}", live_page.STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
    assert set(colours) == {"page", "text", "quiet", "rule", "bar", "train", "val"}
    for name, least in (("text", 4.5), ("quiet", 4.5), ("train", 3), ("val", 3)):
        assert contrast(colours[name], colours["page"]) >= least, name
    assert contrast(colours["train"], colours["bar"]) >= 3
