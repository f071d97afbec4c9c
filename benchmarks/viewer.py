"""Does the viewer keep up with a reader? First image, drawing, calls to Python, in a real browser.

    python benchmarks/viewer.py --out benchmarks/results/viewer.json

The server is warm: each page was opened once before. `first_image_s` runs from the request of the page, in a
browser with an empty cache, to the first drawn slice of all arms. `draw_ms` is script and rasterisation (a
pixel of each canvas is read back) of all panes after one turn of the wheel, 95th percentile. Frames are those
that the page sends to the server during the scrolling. Chromium runs without a GPU, so a workstation is
faster. `first_visit_s` is the first request of a case: volumes are made, hashed and packed in it.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from medidiff.bench.report import BenchResult, Row
from medidiff.runs.plain import write_json

HERE = Path(__file__).resolve().parent
CHROMIUM = "/usr/bin/chromium"
CASES = {"demo": (24, 512, 2), "256": (120, 256, 2), "large": (300, 512, 3)}  # slices, side, arms
SERVER = """
import streamlit as st
from serving.routes import routes
app = st.App({page!r}, routes=routes())
"""
COUNT = """
window.framesSent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...words) { window.framesSent += 1; return send.apply(this, words); };
"""
SCROLL = """async root => {
  const state = root.viewer, pane = root.querySelector('.pane'), times = [], before = window.framesSent;
  for (let i = 0; i < 60; i += 1) {
    const deltaY = i % 10 < 5 ? -100 : 100;  // five slices up and five down: within the slab that is loaded
    pane.dispatchEvent(new WheelEvent('wheel', { deltaY, bubbles: true, cancelable: true }));
    await new Promise(requestAnimationFrame);
    const begin = performance.now();
    for (const { canvas, ink } of state.panes) {
      canvas.getContext('2d').getImageData(0, 0, 1, 1);
      ink.getContext('2d').getImageData(0, 0, 1, 1);
    }
    times.push(state.times.at(-1) + performance.now() - begin);
  }
  return { times, sent: window.framesSent - before, whole: state.panes[0].whole };
}"""


@contextmanager
def server(port: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "server.py"
        script.write_text(SERVER.format(page=str(HERE / "pages" / "viewer_page.py")), encoding="utf-8")
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)),
                *("--server.address", "127.0.0.1", "--server.headless", "true"),
                *("--server.fileWatcherType", "none", "--browser.gatherUsageStats", "false"),
            ],
            env={**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE.parent / 'apps'}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(20)


def opened(browser: Browser, address: str) -> tuple[Page, float, float]:
    """A page in a fresh context, seconds to its first image, seconds until all slices are loaded."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(COUNT)
    begin = time.monotonic()
    page.goto(address)
    page.wait_for_selector(".viewer[data-drawn]", timeout=180_000)
    drawn = time.monotonic() - begin
    page.wait_for_selector(".viewer[data-loaded]", timeout=180_000)
    return page, drawn, time.monotonic() - begin


def rows_of(browser: Browser, address: str, case: str) -> list[Row]:
    slices, side, arms = CASES[case]
    name, query = f"{arms} arms of {side} x {side} x {slices}", f"?slices={slices}&side={side}&arms={arms}"
    page, visit, _ = opened(browser, address + query)
    page.context.close()
    page, drawn, loaded = opened(browser, address + query)
    page.wait_for_timeout(2000)  # full resolution around the shown slice
    found = page.locator(".viewer").evaluate(SCROLL)
    megabytes = page.locator(".viewer").evaluate("root => root.viewer.arms[0].store.voxels.byteLength / 1e6")
    page.context.close()
    assert found["whole"] is (side > 256), "full resolution should be what is drawn"
    p95 = statistics.quantiles(found["times"], n=20)[-1]
    return [
        Row(name, "first_image_s", drawn, "s", gate=5.0, better="lower"),
        Row(name, "first_visit_s", visit, "s", better="lower"),
        Row(name, "all_loaded_s", loaded, "s", better="lower"),
        Row(name, "draw_ms", p95, "ms", gate=16.0, better="lower"),
        Row(name, "draw_ms.median", statistics.median(found["times"]), "ms", better="lower"),
        Row(name, "frames_to_python", found["sent"], "frames", gate=0, better="lower"),
        Row(name, "browser_megabytes_an_arm", megabytes, "MB", gate=40.0, better="lower"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--port", type=int, default=8640)
    options = parser.parse_args()
    rows: list[Row] = []
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with server(options.port) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=quiet)
        for case in options.cases:
            rows += rows_of(browser, address, case)
        browser.close()
    result = BenchResult("viewer", tuple(rows), remarks=("Chromium without a GPU, viewport 1280 x 800",))
    for row in rows:
        print(f"{row.case:32} {row.metric:26} {row.value:10.3f} {row.unit}")
    write_json(options.out, result.to_plain())


if __name__ == "__main__":
    main()
