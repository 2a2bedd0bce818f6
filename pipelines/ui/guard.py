"""Which requests are answered: by the name they call this server, by where they come from, and by what they change.

Any page of the world can make a browser send requests to 127.0.0.1. What follows holds in front of everything that is
served here, Luigi's own handlers too:

- The `Host` is 127.0.0.1 or localhost: a name of somebody else that was made to lead here is turned away.
- What a browser says of where a request comes from (`Origin`, `Sec-Fetch-Site`) is this server. A link from elsewhere
  may be followed to a page, nothing else.
- GET and HEAD change nothing; of the scheduler's methods they reach those that only tell.
- POST needs the token in a header of our own, which no other origin can read or send. Without a browser, which names
  itself by the headers above, the scheduler's methods need none: workers are no browsers.
"""

import hmac
import re
from dataclasses import dataclass

from tornado.httputil import HTTPServerRequest

HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?", re.IGNORECASE)
API = "/api/"
TELLING = frozenset(
    f"{API}{method}"
    for method in (
        "count_pending",
        "dep_graph",
        "fetch_error",
        "get_running_task_resources",
        "get_task_progress_percentage",
        "get_task_status_message",
        "graph",
        "has_task_history",
        "inverse_dep_graph",
        "is_pause_enabled",
        "is_paused",
        "resource_list",
        "task_list",
        "task_search",
        "worker_list",
    )
)
"""Methods of the scheduler that change nothing; reading an answer to a message takes it away, so that is none."""

TOKEN = "X-Deeptrain-Token"  # noqa: S105 - the name of the header
OF_BROWSERS = ("Origin", "Referer", "Cookie", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered.

    Attributes:
        status: of HTTP.
        why: a line for people.
    """

    status: int
    why: str


def refusal(request: HTTPServerRequest, token: str) -> Refusal | None:
    """Why a request is not answered; None where it is.

    Args:
        request: its first line and headers.
        token: what a page of this server sends when it changes something.
    """
    headers = request.headers
    host = headers.get("Host", "")
    if HOST.fullmatch(host) is None:
        return Refusal(403, f"this server is 127.0.0.1 or localhost, the request asks for {host[:80]!r}")
    if request.method not in {"GET", "HEAD", "POST"}:
        return Refusal(405, "only GET, HEAD and POST are understood")
    if not _from_here(request, host):
        return Refusal(403, "the request comes from a page of somebody else")
    is_api = request.path.startswith(API)
    if request.method != "POST":
        return Refusal(405, "this method is asked for by POST") if is_api and request.path not in TELLING else None
    if is_api and not any(name in headers for name in OF_BROWSERS):
        return None
    if not hmac.compare_digest(headers.get(TOKEN, "").encode(), token.encode()):
        return Refusal(403, "a change needs the token of a page of this server, since it was started: reload the page")
    return None


def _from_here(request: HTTPServerRequest, host: str) -> bool:
    headers = request.headers
    if "Origin" in headers and headers["Origin"].lower() != f"http://{host}".lower():
        return False
    if headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}:
        return True
    followed = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return followed and request.method == "GET" and not request.path.startswith(API)
