"""The server's own addresses: voxels by token, as `volumes` says; and the first page by its name."""

from __future__ import annotations

from collections.abc import AsyncIterator

from frame import PAGES
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from serving.volumes import ROUTE, STORE

_BLOCK = 1 << 20
_HEADERS = {
    "Cache-Control": "no-store",
    # Packed again, an image would tell by its size how smooth it is, and take longer than loopback does.
    "Content-Encoding": "identity",
}


def routes() -> list[BaseRoute]:
    """All of them; each answers GET only."""
    return [
        Route(f"{ROUTE}/{{token}}", _whole, methods=["GET"]),
        Route(f"{ROUTE}/{{token}}/{{a:int}}/{{b:int}}", _slices, methods=["GET"]),
        Route(f"/{PAGES[0].url}", _first, methods=["GET"]),
    ]


async def _first(request: Request) -> Response:
    """Streamlit knows its first page by no name, and says of the name that there is no such page."""
    return RedirectResponse("/" + f"?{request.url.query}".rstrip("?"))


async def _whole(request: Request) -> Response:
    return _answer(STORE.whole(request.path_params["token"]))


async def _slices(request: Request) -> Response:
    token, a, b = (request.path_params[name] for name in ("token", "a", "b"))
    return _answer(STORE.slices(token, a, b))


def _answer(packed: memoryview | None) -> Response:
    if packed is None:
        return PlainTextResponse("Nothing here", 404)
    headers = {**_HEADERS, "Content-Length": str(len(packed))}
    return StreamingResponse(_blocks(packed), media_type="application/octet-stream", headers=headers)


async def _blocks(packed: memoryview) -> AsyncIterator[memoryview]:
    """Piece by piece, so that other requests are answered in between."""
    for start in range(0, len(packed), _BLOCK):
        yield packed[start : start + _BLOCK]
