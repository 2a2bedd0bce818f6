"""The page in a browser: nothing is wrong with it, and nothing is wider than the window."""

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deeptrain.report import rendering
from deeptrain.report.run import Run
from deeptrain.report.settings import ReportSettings
from tests.report.conftest import drawn

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip
MEASURE = """<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(one => !one.parentElement.closest(".scroll, pre, svg")
    && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.tagName + "." + one.className);
  const seen = [...document.images].filter(one => one.complete && one.naturalWidth > 0).length;
  const missing = document.images.length - seen;
  parent.postMessage([innerWidth, document.documentElement.scrollWidth, missing, wide.slice(0, 9)].join(" "), "*");
})</script>"""
FRAME = """<body><script>addEventListener("message", found => document.body.dataset.measured = found.data)</script>
<iframe src="measured.html" width="{0}" height="900" style="border: 0"></iframe></body>"""
"""A window cannot be as narrow as a telephone, a frame can."""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome is installed")


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples = {
        "examples": (
            drawn("row", [("a long name of a class " * 4, ()), ("b", ())]),
            drawn("series", [("a", ()), ("b", ())]),
        ),
        "reconstructed": (drawn("image", [("", ("error 0.1",))], made=True),),
    }
    made = rendering.render(dataclasses.replace(run, **samples), ReportSettings(dpi=50))
    directory = tmp_path_factory.mktemp("report")
    (directory / "index.html").write_bytes(made["index.html"])
    # The page itself lets no script run; its copy has one that measures.
    copy = re.sub(rb'<meta http-equiv="Content-Security-Policy"[^>]*>', b"", made["index.html"])
    (directory / "measured.html").write_bytes(copy.replace(b"</body>", MEASURE.encode() + b"</body>"))
    return directory / "index.html"


def opened(page: Path, directory: Path) -> tuple[str, list[str]]:
    """The document as the browser has it, and what it said of it."""
    assert BROWSER is not None
    options = (f"--user-data-dir={directory}", "--window-size=1500,900", "--dump-dom")
    done = subprocess.run(
        [BROWSER, *QUIET, *options, page.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_the_browser_has_nothing_to_say_about_the_page(page: Path, tmp_path: Path) -> None:
    document, said = opened(page, tmp_path)
    assert said == []
    assert 'id="reproduce"' in document


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(page: Path, tmp_path: Path, width: int) -> None:
    frame = page.with_name(f"frame-{width}.html")
    frame.write_text(FRAME.format(width))
    document, said = opened(frame, tmp_path)
    assert said == []
    (measured,) = re.findall('data-measured="([^"]*)"', document)
    inner, scrolled, missing, wide = measured.split(" ", 3)
    assert (int(inner), int(scrolled), missing, wide) == (width, width, "0", "")
