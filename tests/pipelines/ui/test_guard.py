"""Which requests are let through, by their first line and headers alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from luigi.scheduler import RPC_METHODS
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, RequestStartLine

from pipelines.ui import guard

TOKEN = "the-token-of-this-server"
HOST = "127.0.0.1:8082"
HERE = f"http://{HOST}"
HEADERS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


class Context:
    remote_ip = "127.0.0.1"
    protocol = "http"


class Connection:
    context = Context()


def status(method: str, path: str, **headers: str) -> int | None:
    """What a request is refused with; None where it is answered."""
    named = {name.replace("_", "-"): value for name, value in ({"Host": HOST} | headers).items()}
    line = RequestStartLine(method, path, "HTTP/1.1")
    try:
        request = HTTPServerRequest(start_line=line, headers=HTTPHeaders(named), connection=Connection())  # type: ignore[arg-type]
    except HTTPInputError:
        return 400  # what is no host at all never comes to the guard
    found = guard.refusal(request, TOKEN)
    return None if found is None else found.status


@pytest.mark.parametrize("host", ["127.0.0.1:8082", "localhost:8082", "LOCALHOST:9000", "127.0.0.1", "localhost"])
def test_the_names_of_this_machine_are_answered(host: str) -> None:
    assert status("GET", "/", Host=host) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8082", "127.0.0.1.evil.example", "localhost.evil.example:8082", "0.0.0.0:8082",
     "127.0.0.1:8082@evil.example", "localhost:8082, evil.example", "[::1]:8082", "127.0.0.1:", "localhost:808200"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/task_list", "/static/visualiser/index.html"])
def test_any_other_name_is_turned_away(host: str, path: str) -> None:
    assert status("GET", path, Host=host) in {400, 403}


@given(HEADERS)
def test_nothing_but_a_name_of_this_machine_is_one(host: str) -> None:
    name, _, port = host.strip().lower().partition(":")
    known = name in {"127.0.0.1", "localhost"} and (port.isdigit() or ":" not in host)
    assert (status("GET", "/", Host=host.strip()) is None) <= known


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8082", "http://localhost:8082"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/api/task_list"), ("POST", "/api/pause")])
def test_what_another_origin_sends_is_refused_even_with_the_token(origin: str, method: str, path: str) -> None:
    assert status(method, path, Origin=origin, X_Deeptrain_Token=TOKEN) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_from_elsewhere_may_be_followed_to_a_page_and_nothing_else(site: str) -> None:
    followed = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert status("GET", "/runs/a/training-b", **followed) is None
    assert status("GET", "/api/task_list", **followed) == 403
    assert status("POST", "/runs/a/training-b/messages", **followed, X_Deeptrain_Token=TOKEN) == 403
    for destination, mode in (("image", "no-cors"), ("script", "no-cors"), ("iframe", "navigate"), ("empty", "cors")):
        asked = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": destination}
        assert status("GET", "/runs/a/training-b", **asked) == 403


def test_no_method_of_the_scheduler_that_changes_something_is_reached_by_get() -> None:
    assert {f"/api/{name}" for name in RPC_METHODS} >= guard.TELLING
    changing = [f"/api/{name}" for name in RPC_METHODS if f"/api/{name}" not in guard.TELLING]
    for path in (*changing, "/api/mark%5Fas_done", "/api//pause", "/api/", "/api/task_list/../pause"):
        for method in ("GET", "HEAD"):
            assert status(method, path) == status(method, path, Origin=HERE, X_Deeptrain_Token=TOKEN) == 405
    assert {status("GET", path) for path in guard.TELLING} == {None}


def test_a_worker_needs_no_token_and_a_browser_does() -> None:
    assert status("POST", "/api/add_task") is None
    for header in guard.OF_BROWSERS:
        own = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}.get(header, "x")
        assert status("POST", "/api/add_task", **{header.replace("-", "_"): own}) == 403
        assert status("POST", "/api/add_task", **{header.replace("-", "_"): own}, X_Deeptrain_Token=TOKEN) is None


@given(HEADERS)
def test_without_the_token_nothing_of_ours_is_changed(token: str) -> None:
    path = "/runs/a/training-b/messages"
    assert (status("POST", path, X_Deeptrain_Token=token.strip()) is None) == (token.strip() == TOKEN)
    assert status("POST", path) == 403
    assert status("POST", path, Origin=HERE, X_Deeptrain_Token=TOKEN) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get"])
def test_no_other_method_is_understood(method: str) -> None:
    assert status(method, "/", X_Deeptrain_Token=TOKEN) == 405
