"""A server with the phantom page, a browser, and a hand on the viewer in it.

Pictures are read from the canvas. Places on the screen are computed here from millimetres, not asked of the
viewer.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the app needs pip install 'medidiff[apps]'")

sys.path.insert(0, str(Path(__file__).parents[3] / "apps"))  # as `streamlit run` does for the app

PAGES = Path(__file__).parent / "pages"
ROOT = Path(__file__).parents[3]
FLAGS = [
    *("--server.address", "127.0.0.1", "--server.headless", "true", "--server.fileWatcherType", "none"),
    *("--browser.gatherUsageStats", "false", "--server.port"),
]
COUNT_FRAMES = """
window.framesSent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...words) { window.framesSent += 1; return send.apply(this, words); };
"""
SPACING = (1.5, 1.0, 4.0)  # x, y, z of the phantom in mm
SIZE = (60, 50, 12)
AXES = {"axial": (0, 1, False), "coronal": (0, 2, True), "sagittal": (1, 2, True)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    port = free_port()
    paths = os.pathsep.join([str(ROOT), str(ROOT / "apps")])
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(PAGES / "viewer_server.py"), *FLAGS, str(port)],
        env={**os.environ, "VIEWER_PAGE": str(PAGES / "viewer_phantom.py"), "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert server.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


@dataclass
class Viewer:
    """A page with the viewer on it, and what went wrong there."""

    page: object
    faults: list[str] = field(default_factory=list)
    frames: list[object] = field(default_factory=list)
    received: list[object] = field(default_factory=list)

    def listen(self) -> None:
        """Keep page errors, console errors, requests to other hosts and the frames of the channel."""
        page, faults = self.page, self.faults
        page.on("pageerror", lambda error: faults.append(f"page error: {error}"))
        page.on("console", lambda said: said.type == "error" and faults.append(f"console: {said.text}"))
        page.on("request", lambda asked: "//127.0.0.1" not in asked.url and faults.append(asked.url))
        page.add_init_script(COUNT_FRAMES)
        page.on("websocket", self._listen_to_channel)

    def _listen_to_channel(self, channel) -> None:
        channel.on("framesent", lambda frame: self.frames.append(frame))
        channel.on("framereceived", lambda frame: self.received.append(frame))

    @property
    def root(self):
        return self.page.locator(".viewer")

    def state(self, expression: str):
        """A JavaScript expression of the state `s`, after the next drawing."""
        code = "root => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {"
        return self.root.evaluate(code + f"const s = root.viewer; done({expression}); }})))")

    def button(self, name: str) -> None:
        self.root.get_by_role("button", name=re.compile(rf"^{re.escape(name)}(\.|$)")).click()

    def field(self, label: str, value: float) -> None:
        entry = self.root.get_by_label(label, exact=True)
        entry.fill(str(value))
        entry.press("Enter")

    def pane(self, i: int):
        return self.root.locator(".pane").nth(i)

    def texts(self, i: int, name: str) -> str:
        self.state("0")
        return self.pane(i).locator(f".{name}").first.text_content()

    def place(self, i: int, index: tuple[float, float, float]) -> tuple[float, float]:
        """CSS pixels in pane i of a voxel index; the picture is fitted with a margin of 4 pixels."""
        plane, w, h = self.state(f"[s.panes[{i}].plane, s.panes[{i}].w, s.panes[{i}].h]")
        across, down, up = AXES[plane]
        width, height = SIZE[across] * SPACING[across], SIZE[down] * SPACING[down]
        scale = min((w - 8) / width, (h - 8) / height)
        u, v = (index[across] + 0.5) * SPACING[across], (index[down] + 0.5) * SPACING[down]
        v = height - v if up else v
        return w / 2 + (u - width / 2) * scale, h / 2 + (v - height / 2) * scale

    def colour(self, i: int, index: tuple[float, float, float]) -> list[int]:
        x, y = self.place(i, index)
        picture = f"s.panes[{i}].canvas.getContext('2d')"
        return self.state(f"[...{picture}.getImageData({round(x)}, {round(y)}, 1, 1).data].slice(0, 3)")

    def drag(self, i: int, start, end, **options: str) -> None:
        box = self.pane(i).bounding_box()
        self.page.mouse.move(box["x"] + start[0], box["y"] + start[1])
        self.page.mouse.down(**options)
        self.page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=3)
        self.page.mouse.up(**options)


@pytest.fixture(scope="module")
def opening(browser, address) -> Callable[..., Viewer]:
    """Opens the phantom page with a query, in a browser context of its own."""

    def open_one(query: str = "", **context: object) -> Viewer:
        page = browser.new_context(viewport={"width": 1280, "height": 800}, **context).new_page()
        page.set_default_timeout(120_000)
        seen = Viewer(page)
        seen.listen()
        page.goto(address + query)
        page.wait_for_selector(".viewer[data-loaded]", timeout=60_000)
        page.wait_for_selector(".viewer[data-drawn]", timeout=60_000)
        return seen

    return open_one


@pytest.fixture
def open_viewer(opening) -> Iterator[Callable[..., Viewer]]:
    """`opening`; at the end nothing may have gone wrong on any page, and all are closed."""
    opened: list[Viewer] = []

    def open_one(query: str = "", **context: object) -> Viewer:
        opened.append(opening(query, **context))
        return opened[-1]

    yield open_one
    for seen in opened:
        assert seen.faults == []
        seen.page.context.close()


@pytest.fixture(scope="module")
def one_page(opening) -> Iterator[Viewer]:
    """A page that tests share: opening one takes seconds."""
    seen = opening("?plain=1")
    yield seen
    seen.page.context.close()


@pytest.fixture
def plain(one_page) -> Iterator[Viewer]:
    """Two arms without overlays, as they are first seen."""
    one_page.page.mouse.move(5, 5)
    for name in ("Axial", "Window", "Clear", "Images", "Mean", "Reset"):
        one_page.button(name)
    yield one_page
    assert one_page.faults == []


@pytest.fixture
def covered(open_viewer) -> Viewer:
    """Two arms with a heat map on B and a label on both."""
    return open_viewer()
