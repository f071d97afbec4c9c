"""The real `medidiff app` on a free port, and a real headless Chromium that looks at it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "apps"))  # as `streamlit run` does for the script's folder
CHROMIUM = "/usr/bin/chromium"
INSTALL = "apt-get install -y chromium && pip install playwright"
_BROWSER_WORDS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = {"width": 1280, "height": 800}
PATIENT_MS = 120_000  # on a machine that others use too


@dataclass
class Server:
    """A running `medidiff app`: `url` as the terminal has it, without the token; `home` its data folder.

    What it prints goes to files: a pipe that nobody reads would fill, and hold it up.
    """

    process: subprocess.Popen[bytes]
    url: str
    address: str
    home: Path
    stdout: Path
    stderr: Path

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    @property
    def jobs(self) -> Path:
        return self.home / "medidiff" / "jobs"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal; the seconds until it has ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - began


StartServer = Callable[..., Server]


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of these files, by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(home: Path, *words: str) -> Server:
    """Start `medidiff app` with its own data folder, and wait until it answers."""
    places = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "XDG_DATA_HOME": str(home), "PYTHONPATH": places}
    command = [sys.executable, "-m", "medidiff", "app", "--json", "--no-browser", *words]
    if "--port" not in words:
        command += ["--port", str(free_port())]
    stdout, stderr = (home / f"printed-{secrets.token_hex(4)}.{name}" for name in ("out", "err"))
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, cwd=home)
    deadline = time.monotonic() + 60
    while not (told := stdout.read_text()).endswith("}\n"):
        assert process.poll() is None, stderr.read_text()
        assert time.monotonic() < deadline, stderr.read_text()
        time.sleep(0.05)
    address = json.loads(told)["url"]
    return Server(process, address.partition("?")[0], address, home, stdout, stderr)


@pytest.fixture(scope="module")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """`app_server(*options, home=None)` starts one; all end with the module."""
    started: list[Server] = []

    def start(*words: str, home: Path | None = None) -> Server:
        started.append(start_server(home or tmp_path_factory.mktemp("home"), *words))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; without one the test is skipped, or fails with MEDIDIFF_REQUIRE_BROWSER=1.

    One a module: Playwright keeps an event loop running in this thread, which other tests must not meet.
    """
    problem = "" if os.path.exists(CHROMIUM) else f"no {CHROMIUM}"
    with contextlib.ExitStack() as stack:
        if not problem:
            try:
                from playwright.sync_api import sync_playwright
            except ImportError:
                problem = "no playwright"
        if problem:
            if os.environ.get("MEDIDIFF_REQUIRE_BROWSER") == "1":
                pytest.fail(f"{problem}: {INSTALL}")
            pytest.skip(f"{problem}: {INSTALL}")
        playwright = stack.enter_context(sync_playwright())
        launched = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=_BROWSER_WORDS)
        yield launched
        launched.close()


def wait_until(page: Page, condition: Callable[[], bool]) -> None:
    """Look again and again, while the page goes on."""
    deadline = time.monotonic() + PATIENT_MS / 1000
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        page.wait_for_timeout(50)


def wait_for_pictures(page: Page, *, least: int = 0) -> None:
    """One that is left while it comes, also in a tab that is not open, is an error on the console."""
    code = "(least) => { const all = [...document.querySelectorAll('img')];"
    page.wait_for_function(
        code + "return all.length >= least && all.every((one) => one.complete); }", arg=least
    )


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """AppTest puts its script in the place of the main program, which a spawned worker would then run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@dataclass
class RunEnds:
    """Ends a page's run for a newer event, at the use of the session's state that is asked for."""

    left: int = 0
    count: int = 0

    def at(self, use: int) -> None:
        """The first use is 1."""
        self.left = use

    def ending(self, use: Callable[..., object]) -> Callable[..., object]:
        from streamlit.runtime.scriptrunner import RerunData, RerunException, get_script_run_ctx

        def used(*given: object, **named: object) -> object:
            if self.left and get_script_run_ctx(suppress_warning=True) is not None:  # a test looks, too
                self.left -= 1
                if not self.left:
                    self.count += 1
                    raise RerunException(RerunData())
            return use(*given, **named)

        return used


@pytest.fixture
def run_ends(monkeypatch: pytest.MonkeyPatch) -> RunEnds:
    """As Streamlit does when an event arrives while a page runs, at each place where it may."""
    from streamlit.runtime.state.safe_session_state import SafeSessionState

    made = RunEnds()
    for name in ("__getitem__", "__setitem__", "__delitem__", "__contains__", "register_widget"):
        monkeypatch.setattr(SafeSessionState, name, made.ending(getattr(SafeSessionState, name)))
    return made


@dataclass
class Watched:
    """What a page complained of, and whom it asked."""

    faults: list[str]

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        host = request.url.partition("://")[2].partition("/")[0].partition(":")[0]
        if request.url.startswith(("http", "ws")) and host not in ("127.0.0.1", "localhost"):
            self.faults.append(f"asked {host}")


@pytest.fixture
def watched() -> Watched:
    """Empty this list of faults where a test provokes one on purpose."""
    return Watched([])


@pytest.fixture
def page(browser: Browser, watched: Watched) -> Iterator[Page]:
    """A page of 1280 x 800; afterwards: no page error, no console error, no request to another host."""
    context = browser.new_context(viewport=SIZE, color_scheme="dark")  # type: ignore[arg-type]  # a TypedDict
    context.set_default_timeout(PATIENT_MS)
    made = context.new_page()
    watched.watch(made)
    yield made
    context.close()
    assert watched.faults == []
