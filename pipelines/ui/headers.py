"""What every answer tells the browser: load nothing from elsewhere, show this page in no other, believe its types."""

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

POLICY = "Content-Security-Policy"
OWN = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Of our pages: scripts and styles are files of ours, nothing stands in the page itself."""

OF_A_STORE = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""Of a page or picture that lies in a store, which may be a stranger's: shown, and as good as of another origin."""

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class SafeHeaders(OutputTransform):
    """Adds them to each answer of an application, Luigi's too."""

    def __init__(self, request: HTTPServerRequest) -> None:
        """Nothing depends on the request."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The answer with its headers; a policy that a handler has set stays."""
        del finishing
        for name, value in EVERYWHERE.items():
            headers.setdefault(name, value)
        headers.setdefault(POLICY, OWN)
        headers.pop("Server", None)
        return status_code, headers, chunk
