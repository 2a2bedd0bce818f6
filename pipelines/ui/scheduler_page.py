"""Luigi's own scheduler page as it is served here: with our script, and with no other than the files it names."""

import base64
import hashlib
import html
import re
from pathlib import Path

import luigi.server
from tornado.web import RequestHandler

from pipelines.ui.headers import POLICY

PATH = "/static/visualiser/index.html"
STYLE = "/static/visualiser/lib/AdminLTE/css/AdminLTE.min.css"
FILES = Path(luigi.server.__file__).parent
ANCHOR = '<script src="js/luigi.js"></script>'
ELSEWHERE = re.compile(r"@import url\(https?:[^)]*\);")
"""A font of another server: none is asked for anything, the reader's own fonts do."""
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class SchedulerPage(RequestHandler):
    """Luigi's page; what it changes is sent by POST with the token, which its own script does not know."""

    def initialize(self, token: str) -> None:
        """Take what is written into the page."""
        self._token = token

    def get(self) -> None:
        """The page."""
        text = (FILES / PATH[1:]).read_text()
        self.set_header(POLICY, policy(text))
        self.write(page(text, self._token))

    head = get


class SchedulerStyle(RequestHandler):
    """Luigi's style sheet without what it would load from elsewhere."""

    def get(self) -> None:
        """The sheet."""
        self.set_header("Content-Type", "text/css; charset=utf-8")
        self.write(ELSEWHERE.sub("", (FILES / STYLE[1:]).read_text()))

    head = get


def page(text: str, token: str) -> str:
    """The text of Luigi's page with our script behind the one that asks the scheduler."""
    ours = (
        f'<meta name="token" content="{html.escape(token)}"><link rel="icon" href="data:,">'
        '<script src="/ui/scheduler.js"></script>'
    )
    return text.replace(ANCHOR, ANCHOR + ours, 1)


def policy(text: str) -> str:
    """What the page may load and run: files of this server, and the scripts that stand in it.

    The line of a task is put into it as HTML: what is in there shall not run, whoever wrote it.
    """
    digests = (hashlib.sha256(script.encode()).digest() for script in INLINE.findall(text))
    inline = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {inline}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
