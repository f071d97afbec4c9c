"""Everything that a page gets from the server, and a search in it for what no reader may learn.

Searched: addresses, headers and bodies of all answers (but of Streamlit's own files), frames of the
channel both ways, the page's source with every shadow root, what the viewer holds, title, console, storages,
cookies. A secret is looked for as text (any case) in ASCII, UTF-16 and base64; a digest as bytes too.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Response, WebSocket

_WHOLE_PAGE = """() => {
  const parts = [];
  const walk = (root) => {
    parts.push(root.innerHTML ?? root.documentElement.outerHTML);
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) walk(one.shadowRoot);
      if (one.viewer) parts.push(JSON.stringify(one.viewer.data));
      if ("value" in one && typeof one.value === "string") parts.push(one.value);
    }
  };
  walk(document);
  const stores = [localStorage, sessionStorage].map((store) => JSON.stringify({ ...store }));
  return [...parts, ...stores, document.cookie, document.title, location.href];
}"""


@dataclass(frozen=True)
class Voxels:
    """An answer with voxels, without them. address, size: their lengths in characters and bytes."""

    side: str
    address: int
    headers: dict[str, str]
    size: int


@dataclass
class Heard:
    """What pages got. voxels: the answers to requests for voxels, in the order of asking."""

    parts: list[tuple[str, bytes]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    voxels: list[Voxels] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("request", lambda request: self.asked.append(request))
        page.on("response", lambda answer: self.answers.append(answer))
        page.on("console", lambda message: self.add("console", message.text))
        page.on("websocket", self._channel)

    def add(self, where: str, content: str | bytes) -> None:
        self.parts.append((where, content.encode() if isinstance(content, str) else content))

    def gather(self, page: Page) -> None:
        """Take what the page holds now, and the bodies of the answers since the last time."""
        self.look(page)
        sides = {arm["token"]: arm["letter"] for arm in self.arms(page)}
        answers = sorted(self.answers, key=lambda answer: self.asked.index(answer.request))
        self.answers = []
        for answer in answers:
            self.add("address", answer.url)
            headers = answer.all_headers()
            self.add("headers", str(headers))
            if "/medidiff/voxels/" in answer.url:
                timeless = {name: text for name, text in headers.items() if name != "date"}
                side = sides[answer.url.split("/")[5]]
                self.voxels.append(Voxels(side, len(answer.url), timeless, len(answer.body())))
            # The page asks for health again and again, also while it is left: those answers are fixed texts.
            if not re.search("/static/|/_stcore/", answer.url) and answer.status == 200:
                self.add("body", answer.body())
        for cookie in page.context.cookies():
            self.add("cookie", str(cookie))

    def look(self, page: Page) -> None:
        """Take what the page holds now."""
        for text in page.evaluate(_WHOLE_PAGE):
            self.add("page", text)

    @staticmethod
    def arms(page: Page) -> list[dict[str, str]]:
        """What viewers on the page were given of their images: one that goes may stand beside the next."""
        code = "(all) => all.flatMap((root) => root.viewer?.data.arms ?? [])"
        found: list[dict[str, str]] = page.locator(".viewer").evaluate_all(code)
        return found

    def leaks(self, secrets: Iterable[str], digests: Iterable[str] = ()) -> list[str]:
        """Where which secret is, in words."""
        wanted = [(name, form) for name in secrets for form in forms(name.encode())]
        wanted += [(name, form) for name in digests for form in [*forms(name.encode()), bytes.fromhex(name)]]
        lowered = [(where, part, part.lower()) for where, part in self.parts]
        return [
            f"{name} in {where}"
            for where, part, low in lowered
            for name, form in wanted
            if form in part or form.lower() in low
        ]

    def _channel(self, channel: WebSocket) -> None:
        self.add("address", channel.url)
        channel.on("framereceived", lambda frame: self.add("frame", frame))
        channel.on("framesent", lambda frame: self.add("frame sent", frame))


def forms(secret: bytes) -> Iterator[bytes]:
    """The ways in which text may hide: as it is, in UTF-16, and in base64 at each of the three offsets."""
    yield secret
    yield secret.decode().encode("utf-16-le")
    for offset in range(3):
        packed = base64.b64encode(bytes(offset) + secret).rstrip(b"=")
        first = -(-offset * 8 // 6)
        yield packed[first : -1 if (offset + len(secret)) % 3 else None]
