"""The page in a browser: a run is started, watched, paused, resumed, stopped, and goes on when it is started again."""

import contextlib
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from luigi.rpc import RemoteScheduler
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import write_experiment
from tests.pipelines import command
from tests.pipelines.command import PATIENCE, SLOW_BUILDER, SLOW_TOML, Warm

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome is installed")

ASKED = ("--module", "pipelines", "TrainModel", "--experiment", "tiny.toml")
LONG = SLOW_TOML.replace("epochs = 6", "epochs = 400")
FOCUSED = "document.activeElement === document.body ? 'BODY' : document.activeElement.outerHTML.slice(0, 300)"
MISSING = "Failed to load resource: the server responded with a status of 400"
MILLISECONDS = 1000 * PATIENCE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield one
        one.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page, closed before its server ends, that asks nobody but the server, and has nothing to complain of."""
    said: list[str] = []
    one = browser.new_page()
    one.set_default_timeout(MILLISECONDS)
    expect.set_options(timeout=MILLISECONDS)
    one.on("console", lambda message: said.append(message.text))
    one.on("pageerror", lambda error: said.append(str(error)))
    one.on("request", lambda request: said.append(request.url) if not request.url.startswith(url) else None)
    yield one
    one.close()
    assert [text for text in said if not text.startswith(("data:", MISSING))] == []


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return write_experiment(tmp_path / "here", toml=LONG, builder=SLOW_BUILDER).parent


@pytest.fixture
def url(here: Path) -> Iterator[str]:
    """The address of the page of the runs there."""
    process = command.start("ui", "--port", "0", cwd=here, module="pipelines")
    assert process.stdout is not None
    yield process.stdout.readline().split()[0]
    process.terminate()
    finished = command.end(process)
    assert finished.code == 143
    assert "Traceback" not in finished.err, finished.err


@pytest.fixture
def started(page: Page) -> Iterator[Callable[[], int]]:
    """Starts the experiment from the page; the process, which the server leaves to itself, ends with the test."""
    processes: list[int] = []

    def start() -> int:
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator(".started")).to_contain_text("is at work")
        found = re.search("process ([0-9]+) is at work", page.locator(".started").inner_text())
        assert found
        processes.append(int(found[1]))
        return processes[-1]

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)


def test_a_run_is_started_watched_paused_resumed_and_stopped_from_the_page_and_goes_on(
    page: Page, url: str, here: Path, started: Callable[[], int]
) -> None:
    page.goto(url)
    expect(page.get_by_text("There is no training yet.")).to_be_visible()

    process = started()
    expect(page.locator("tr .state")).to_have_text("training")
    page.get_by_role("link", name="M1__tiny").click()
    standing = page.locator("[data-live=standing]")
    curve = page.locator(".plot path.now")
    expect(curve).not_to_have_attribute("d", str(curve.get_attribute("d")))

    page.get_by_role("button", name="Pause").click()
    expect(standing.locator(".state")).to_have_text("paused")
    at_rest = standing.inner_text()
    page.wait_for_timeout(2500)
    assert standing.inner_text() == at_rest
    os.kill(process, 0)
    expect(page.get_by_role("button", name="Pause")).to_be_disabled()

    page.get_by_role("button", name="Resume").focus()
    page.keyboard.press("Enter")
    expect(standing.locator(".state")).to_have_text("training")
    page.get_by_role("button", name="Status").click()
    expect(page.locator("#answers li").first).to_contain_text("epoch ")

    page.get_by_role("button", name="Stop", exact=True).click()
    expect(standing.locator(".state")).to_have_text("stopped")
    expect(page.get_by_role("button", name="Resume")).to_be_disabled()
    page.get_by_role("link", name="Runs").click()
    expect(page.locator(".started")).to_contain_text("ended with 143")
    expect(page.locator(".started")).to_contain_text("run the same command to go on")
    epochs, checkpoints = command.trained(here / "runs")
    assert checkpoints or epochs

    asked = str(epochs + 1)  # the one it was stopped in
    (here / "tiny.toml").write_text(LONG.replace("epochs = 400", f"epochs = {asked}"))
    started()
    expect(page.locator(".started")).to_contain_text("is complete")
    expect(page.locator("tr .state")).to_have_text("complete")
    page.get_by_role("link", name="M1__tiny").click()
    expect(standing).to_contain_text(f"{asked} of {asked} epochs done")
    page.get_by_role("link", name="The report of this run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("tiny")


def test_nothing_is_wider_than_the_window_and_the_keyboard_reaches_everything(
    page: Page, url: str, here: Path, warm: Warm
) -> None:
    assert warm(*ASKED, "--scheduler-url", url, "--epochs", "1", cwd=here).code == 0
    training = next(here.glob("runs/tiny/training-*")).name
    for address in (url, f"{url}runs/tiny/{training}", f"{url}compare"):
        for width in (400, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert page.evaluate("[...document.images].filter(one => one.complete && !one.naturalWidth).length") == 0
        reached = []
        while (page.keyboard.press("Tab"), page.evaluate(FOCUSED))[1] not in {"BODY", *reached[:1]}:
            reached.append(page.evaluate(FOCUSED))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", reached
        visible = "a, button:enabled, input, summary, .scroll, pre[tabindex]"
        assert len(reached) >= page.locator(visible).filter(visible=True).count()


class Stranger(BaseHTTPRequestHandler):
    """A page of somebody else that tries all it can."""

    target = ""

    def do_GET(self) -> None:
        page = f"""<body><img src="{self.target}api/pause"><iframe name="frame"></iframe>
        <form id="form" method="post" action="{self.target}api/pause" target="frame"></form><script>
        const read = fetch("{self.target}").then(one => one.text()).catch(() => "");
        const asked = ["GET", "POST"].map(method => fetch("{self.target}api/pause", {{ method, mode: "no-cors" }}));
        form.submit();
        Promise.allSettled([read, ...asked]).then(all => document.body.dataset.read = "read:" + all[0].value);
        </script></body>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_page_of_another_origin_changes_nothing_and_reads_nothing(browser: Browser, url: str) -> None:
    Stranger.target = url
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_function("document.body.dataset.read")
        page.wait_for_timeout(500)
        assert page.evaluate("document.body.dataset.read") == "read:"
        page.close()
        server.shutdown()
    assert RemoteScheduler(url).is_paused() == {"paused": False}


def test_luigis_own_page_shows_tasks_and_its_buttons_work(browser: Browser, url: str) -> None:
    scheduler = RemoteScheduler(url)
    scheduler.add_task(worker="w", task_id="Epoch_1", status="PENDING", family="Epoch", params={}, deps=[])
    asked: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(MILLISECONDS)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}scheduler")
    expect(page.locator("#taskTable")).to_contain_text("Epoch")
    page.evaluate("new LuigiAPI('../../api').pause()")
    command.wait_until(lambda: scheduler.is_paused()["paused"])
    page.get_by_role("link", name="Runs of the store").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    page.close()
    assert {re.sub("^(http://127.0.0.1:[0-9]+/|data:).*", r"\1", one, flags=re.S) for one in asked} <= {url, "data:"}
