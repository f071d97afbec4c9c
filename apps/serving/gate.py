"""The gate before every path of the server: names, origins, the token, and what browsers are told to refuse.

Any user of the machine reaches a loopback port, and any web site can make a browser knock at it. So a request
must name one of the server's own hosts (against DNS rebinding), must not come from a page of another origin
(the channel must say where it comes from), and with `--token` must carry the cookie that the address printed
on the terminal gives; that address is left at once, so that no history keeps it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PARAMETER = "token"
UPLOADS = "/_stcore/upload_file"


def _inline_scripts() -> str:
    """Digests of the scripts that stand in Streamlit's own page, as a policy names them; CSP level 2."""
    page = Path(streamlit.__file__).with_name("static") / "index.html"
    scripts = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_CONTENT = "; ".join(
    [
        "default-src 'self'",
        # Components come as blobs. No text becomes a script: neither inline in the page, nor by eval.
        f"script-src 'self' blob: {_inline_scripts()}".rstrip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _CONTENT,
}


def gate(hosts: Iterable[str], token: str | None, *, uploads: bool = True) -> list[Middleware]:
    """What a request passes, in this order, before it reaches the pages."""
    return [
        Middleware(Headings),
        Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        Middleware(SameOrigin),
        *([Middleware(Known, token=token)] if token else []),
        *([] if uploads else [Middleware(NoUploads)]),
    ]


class Headings:
    """Adds `HEADERS` to every answer, refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers)


class SameOrigin:
    """Refuses (403) what a page of another origin sends, and a channel that does not say its origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compare Origin with Host."""
        if scope["type"] in ("http", "websocket") and not _own_origin(scope):
            await PlainTextResponse("Another origin", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _own_origin(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    origin, host = headers.get("origin"), headers.get("host")
    if origin is None:  # browsers always send it on a channel; reading a page needs none
        return bool(scope["type"] == "http")
    return origin in (f"http://{host}", f"https://{host}")


class Known:
    """With `--token`: refuses (403) who brings neither the token in the address nor the cookie it gave."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token
        # Cookies do not tell ports apart: each server names its own. The cookie does not hold the token.
        self._name = f"medidiff-{_derived(token, 'name')[:8]}"
        self._pass = _derived(token, "pass")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the cookie, then at the address."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if _same(connection.cookies.get(self._name), self._pass):
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and _same(connection.query_params.get(PARAMETER), self._token):
            answer = RedirectResponse(_without_token(scope), 303)
            answer.set_cookie(self._name, self._pass, httponly=True, samesite="strict")
            await answer(scope, receive, send)
        else:
            text = "Open the address that 'medidiff app' printed on its terminal."
            await PlainTextResponse(text, 403)(scope, receive, send)


class NoUploads:
    """Refuses (403) every upload: a server for readers takes no file."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the path."""
        if scope["type"] == "http" and scope["path"].startswith(UPLOADS):
            await PlainTextResponse("No uploads here", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _derived(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def _same(given: str | None, known: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), known.encode())


def _without_token(scope: Scope) -> str:
    """The path and what else was asked; a path of two slashes would name another server."""
    query = [
        (name, value)
        for name, value in parse_qsl(scope["query_string"].decode("latin-1"))
        if name != PARAMETER
    ]
    path = "/" + scope["path"].lstrip("/\\")
    return f"{path}?{urlencode(query)}" if query else path
