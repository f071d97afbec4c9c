"""`medidiff app`: the pages in a browser, served to this machine alone.

This process starts the server, watches it, and ends it and its jobs. The server dies with it; a job does not,
and the next server finds it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from argparse import Namespace
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from medidiff.cli.door import BUG
from medidiff.cli.options import Parser, whole
from medidiff.cli.terminal import Terminal
from medidiff.errors import InputError, MissingError, OutputError

LOOPBACK = ("127.0.0.1", "localhost")
PORT = 8501
FLAGS = {
    "server.headless": "true",
    "server.enableCORS": "true",
    "server.enableXsrfProtection": "true",
    "server.enableStaticServing": "false",
    "server.enableAgentApi": "false",
    "server.maxUploadSize": "500",
    "server.maxCacheDataSize": "1gb",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
}
"""What `streamlit run` is told, beside address, port and hosts; a test compares it with its own list."""

_EVERYWHERE = ("0.0.0.0",)
_START_SECONDS, _STOP_SECONDS, _LOOK_EVERY_SECONDS = 60.0, 0.8, 0.1
_DIE_WITH_PARENT = 1  # prctl(2), PR_SET_PDEATHSIG


def add_arguments(parser: Parser) -> None:
    """Where it listens, and what it opens."""
    parser.add_argument("--port", type=whole(1, 65535), default=PORT, metavar="P", help=f"port ({PORT})")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--data", type=Path, metavar="FOLDER", help="a folder of scans to choose from")
    what.add_argument("--study", type=Path, metavar="DIR", help="a frozen reader study, and nothing else")
    parser.add_argument(
        "--token", action="store_true", help="only who has the address of the terminal sees anything"
    )
    parser.add_argument(
        "--address", default=LOOPBACK[0], metavar="A", help=f"where to listen ({LOOPBACK[0]})"
    )
    parser.add_argument(
        "--i-understand-no-login", action="store_true", help="needed for an address that others reach"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    _check(arguments)
    script = _server_script()
    _check_port(arguments.address, arguments.port)

    from medidiff.runs.home import home_folder
    from medidiff.runs.jobs import advance, among_servers, environment, stop_jobs

    jobs = home_folder("jobs")
    token = secrets.token_urlsafe(24) if arguments.token else None
    url = f"http://{_shown(arguments.address)}:{arguments.port}/" + (f"?token={token}" if token else "")
    terminal.after_interrupt = "the app and its jobs have ended."
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what it sends behind deaf to it
    with among_servers(jobs) as last:
        advance(jobs)  # what waited when the last server was killed
        told = {**_kept(environment()), "MEDIDIFF_APP": _for_pages(arguments, token, jobs)}
        server = _start(_command(script, arguments), told, script.parent, debug=arguments.debug)
        try:
            _wait_until_ready(server, arguments.address, arguments.port)
            # A browser's command line, with the token in it, could be read by those whom the token keeps out.
            _tell(url, terminal, browser=not arguments.no_browser and token is None)
            server.wait()
        except BaseException:  # Ctrl-C, SIGTERM
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            server.terminate()
            if last():
                stop_jobs(jobs)
            raise
        finally:
            _end(server)
    terminal.warn(f"the server ended (exit code {server.returncode}); jobs go on, the next one shows them.")
    return BUG


def _check(arguments: Namespace) -> None:
    """Refuse folders that are none, and an open door that nobody asked for."""
    for name, folder in (("--data", arguments.data), ("--study", arguments.study)):
        if folder is not None and not folder.is_dir():
            raise InputError(
                f"{name} {folder.name}",
                expected="a folder",
                got="none under that name",
                fix="Check the path.",
            )
    if ":" in arguments.address:
        raise InputError(
            "--address",
            expected="an IPv4 address or a name",
            got="another",
            fix=f"Take {LOOPBACK[0]}.",
            argument=True,
        )
    if arguments.address not in LOOPBACK and not arguments.i_understand_no_login:
        raise InputError(
            "--address",
            expected=f"{LOOPBACK[0]}, this machine alone, or --i-understand-no-login beside it",
            got=f"{arguments.address}, which other machines reach",
            fix="There is no login and no encryption: a tunnel by ssh -L is safer.",
            argument=True,
        )


def _server_script() -> Path:
    """The server in the wheel, or in the checkout."""
    if importlib.util.find_spec("streamlit") is None:
        raise MissingError(
            "package streamlit",
            expected="an installed package",
            got="none",
            fix="Install it: pip install 'medidiff[apps]'",
        )
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "_apps", package.parent / "apps"):
        if (folder / "server.py").is_file():
            return folder / "server.py"
    raise MissingError("app", expected="its pages in the package", got="none", fix="Install medidiff again.")


def _check_port(address: str, port: int) -> None:
    """Say in one line that a port is taken, before anything starts."""
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind((address, port))
    except OSError as error:
        raise OutputError(
            f"port {port}",
            expected=f"a free port of {address}",
            got=os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "no such address",
            fix="Give another --port.",
        ) from None


def _kept(environment: dict[str, str]) -> dict[str, str]:
    """Without Streamlit's own variables, which could open what the flags close."""
    return {name: value for name, value in environment.items() if not name.startswith("STREAMLIT_")}


def _for_pages(arguments: Namespace, token: str | None, jobs: Path) -> str:
    """What the server and its pages read; `apps/settings.py` says what each is."""
    plain = {
        "data": arguments.data and os.path.abspath(arguments.data),
        "study": arguments.study and os.path.abspath(arguments.study),
        "token": token,
        "home": str(jobs.parent),
        "jobs": str(jobs),
        "hosts": _hosts(arguments.address),
    }
    return json.dumps(plain)


def _hosts(address: str) -> list[str]:
    """The names by which browsers may call the server."""
    if address in LOOPBACK:
        return list(LOOPBACK)
    own = {address, socket.gethostname(), socket.getfqdn()}
    with contextlib.suppress(OSError):
        own.update(socket.gethostbyname_ex(socket.gethostname())[2])
    return [*LOOPBACK, *sorted(own)]


def _shown(address: str) -> str:
    return socket.gethostname() if address in _EVERYWHERE else address


def _reached(address: str) -> str:
    return LOOPBACK[0] if address in _EVERYWHERE else address


def _command(server: Path, arguments: Namespace) -> list[str]:
    flags = {**FLAGS, "server.address": arguments.address, "server.port": str(arguments.port)}
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    hosts = [word for host in _hosts(arguments.address) for word in ("--server.allowedHosts", host)]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(server), *words, *hosts]


def _start(
    command: list[str], environment: dict[str, str], folder: Path, *, debug: bool
) -> subprocess.Popen[bytes]:
    """The server, in a session of its own: Ctrl-C comes here alone. It dies when this process does.

    It runs in the folder of its script: Streamlit would obey a `.streamlit/config.toml` of the current one,
    which may be a folder of downloads.
    """
    libc = ctypes.CDLL(None)
    return subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=None if debug else subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL),
    )


def _wait_until_ready(server: subprocess.Popen[bytes], address: str, port: int) -> None:
    """Return once it answers, whatever it says. Raises MissingError when it ends, or takes a minute."""
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        connection = HTTPConnection(_reached(address), port, timeout=_START_SECONDS)
        with contextlib.suppress(OSError, HTTPException), contextlib.closing(connection):
            connection.request("GET", "/_stcore/health")
            connection.getresponse()
            return
        time.sleep(_LOOK_EVERY_SECONDS)
    raise MissingError(
        "server",
        expected="one that answers within a minute",
        got="none" if server.poll() is None else f"one that ended with exit code {server.returncode}",
        fix="Run it again with --debug to see what it says.",
    )


def _tell(url: str, terminal: Terminal, *, browser: bool) -> None:
    """The address, on the terminal and, where a person sits at it, in a browser."""
    terminal.result(f"{url}\nResearch use only: not for diagnosis. Ctrl-C ends it.", {"url": url})
    sys.stdout.flush()
    seated = sys.stdout.isatty() and ("DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ)
    if browser and seated:
        webbrowser.open(url)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Open channels and pages that still compute may hold it up: it has a second."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_STOP_SECONDS)
    server.kill()
    server.wait()
