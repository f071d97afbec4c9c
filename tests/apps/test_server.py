"""The server's doors: who is refused, what is hidden, and how it ends; all on the real `medidiff app`."""

from __future__ import annotations

import gzip
import http.client
import io
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from medidiff.cli.verbs.app import FLAGS
from medidiff.errors import InputError
from medidiff.io import Volume
from medidiff.runs.jobs import Job, read_job, start_job

from .conftest import free_port, wait_until, zipped

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .conftest import Server, StartServer, Watched

pytest.importorskip("streamlit", reason="needs the extra [apps]")

ROOT = Path(__file__).resolve().parents[2]
PATHS = ["/", "/_stcore/health", "/_stcore/host-config", "/_stcore/stream", "/medidiff/voxels/x", "/compare"]
SLOW = ["reconstruct", "ct", "input/scan.nii.gz", "--views", "24", "--method", "tv"]
END_SECONDS = 3.0


@pytest.fixture(scope="module")
def server(app_server: StartServer) -> Server:
    return app_server()


def ask(
    server: Server, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(
        method, path, body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    answer = connection.getresponse()
    found = answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
    connection.close()
    return found


def knock(server: Server, **headers: str) -> int:
    """The status of a request to open the channel; 101 is yes."""
    words = {
        "Host": f"127.0.0.1:{server.port}",
        "Origin": f"http://127.0.0.1:{server.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    lines = "".join(f"{name}: {text}\r\n" for name, text in words.items() if text)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as channel:
        channel.sendall(f"GET /_stcore/stream HTTP/1.1\r\n{lines}\r\n".encode())
        return int(channel.recv(64).split()[1])


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_host_is_refused_on_every_path(server: Server, path: str) -> None:
    for host in ("evil.example", f"127.0.0.1.evil.example:{server.port}", ""):
        assert ask(server, path, Host=host)[0] == 400
    assert ask(server, path, Host=f"localhost:{server.port}")[0] != 400


def test_the_channel_opens_for_its_own_page_alone(server: Server) -> None:
    assert knock(server) == 101
    assert knock(server, Host="evil.example") == 400
    assert knock(server, Origin="http://evil.example") == 403
    assert knock(server, Origin="null") == 403
    assert knock(server, Origin="") == 403
    assert knock(server, Origin=f"http://127.0.0.1:{server.port + 1}") == 403


def test_a_page_of_another_origin_may_not_write(server: Server) -> None:
    path = "/_stcore/upload_file/a/b"
    # Streamlit would refuse it too, for want of its own token: these are the gate's words.
    assert ask(server, path, method="PUT", Origin="http://evil.example")[::2] == (403, b"Another origin")


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/medidiff/voxels/x"])
def test_every_answer_tells_the_browser_what_to_refuse(server: Server, path: str) -> None:
    for headers in (ask(server, path)[1], ask(server, path, Host="evil.example")[1]):
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_no_text_becomes_a_script(server: Server, page: Page, watched: Watched) -> None:
    """In the browser, where it counts: the policy's own words are easily misread."""
    policy = ask(server, "/")[1]["content-security-policy"]
    (scripts,) = (part for part in policy.split("; ") if part.startswith("script-src"))
    assert re.fullmatch(r"script-src 'self' blob:( 'sha256-[\w+/]{43}=')+", scripts)
    page.goto(server.url)
    page.locator(".viewer[data-drawn]").wait_for(timeout=120_000)  # a component, which comes as a blob
    assert watched.faults == []
    page.evaluate(
        """() => { const made = document.createElement('script'); made.textContent = 'window.planted = 1';
        document.body.append(made); setTimeout("window.planted = 2"); }"""
    )
    wait_until(page, lambda: len(watched.faults) == 2)
    assert page.evaluate("typeof window.planted") == "undefined"
    watched.faults.clear()


def test_voxels_need_a_token_that_exists(server: Server) -> None:
    for path in ("x", "x/0/1", "../../etc/passwd", "x/-1/2", "%2e%2e/0/1"):
        assert b"root:" not in ask(server, f"/medidiff/voxels/{path}")[2]
    assert ask(server, "/medidiff/voxels/x")[0] == 404
    assert ask(server, "/medidiff/voxels/x", method="POST")[0] == 405


def test_it_listens_to_this_machine_alone(server: Server) -> None:
    """What the system says of the socket; and another address of this machine is not answered."""
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    hosts = {
        line[1].split(":")[0]
        for line in listening
        if line[1].endswith(f":{server.port:04X}") and line[3] == "0A"
    }
    assert hosts == {"0100007F"}
    with pytest.raises(OSError, match=r"refused|unreachable"):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


class Given(io.BytesIO):
    """As Streamlit hands an upload over."""

    name = "CANARY^ZX81.nii.gz"


def header_of(*shape: int) -> bytes:
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.int16)
    header["magic"], header["vox_offset"], header["sform_code"] = b"n+1", 352, 1
    return header.binaryblock + b"\0" * 104


BOMBS = {
    "header of 100 GB": header_of(30000, 30000, 60),
    "packed header": gzip.compress(header_of(30000, 30000, 60)),
    "gzip": gzip.compress(header_of(512, 512, 600) + b"\0" * (300 << 20), 1),
    "zip": zipped(dict.fromkeys("012", b"\0" * (100 << 20))),
}
NO_IMAGES = {"empty": b"", "picture": b"GIF89a" + b"\0" * 100}


@pytest.mark.parametrize("content", [*BOMBS.values(), *NO_IMAGES.values()], ids=[*BOMBS, *NO_IMAGES])
def test_a_bomb_is_refused_in_one_line(content: bytes) -> None:
    from serving.uploads import volume_from_upload

    with pytest.raises(InputError) as error:
        volume_from_upload(Given(content))
    assert "CANARY" not in str(error.value)


@pytest.mark.parametrize(("address", "place"), [("/reconstruct", "/"), ("/reconstruct?a=1", "/?a=1")])
def test_the_first_page_is_found_by_its_name(server: Server, address: str, place: str) -> None:
    status, headers, _ = ask(server, address)
    assert (status, headers["location"]) == (307, place)


def test_uploads_to_the_server_are_bounded_and_bombs_leave_it_alive(server: Server, page: Page) -> None:
    """As a person gives them; what the page's own session may send, and how much memory a bomb takes."""
    most = 0.0
    for name, content in BOMBS.items():
        page.goto(server.url)
        page.get_by_test_id("stButtonGroup").get_by_text("My file").click(timeout=120_000)
        before = memory_mib(server, "VmRSS")
        with page.expect_request(re.compile("upload_file")) as asked:
            page.locator("input[type=file]").set_input_files(
                {"name": f"{name}.nii.gz", "mimeType": "application/gzip", "buffer": content}
            )
        page.get_by_test_id("stAlertContentError").filter(has_text="expected").wait_for(timeout=120_000)
        most = max(most, memory_mib(server, "VmHWM") - before)
    assert most < 300

    known = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in page.context.cookies())
    path = asked.value.url.partition(str(server.port))[2]

    def put(path: str, announced: int | None = None) -> int:
        length = {} if announced is None else {"Content_Length": str(announced)}
        return ask(
            server,
            path,
            method="PUT",
            body=b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n1\r\n--x--\r\n',
            Content_Type="multipart/form-data; boundary=x",
            X_Xsrftoken=asked.value.headers["x-xsrftoken"],
            Cookie=known,
            **length,
        )[0]

    assert put(path) == 204  # this session may; so what follows is refused for its size alone
    assert put(path, 500 << 20 | 1) == 413
    assert put("/_stcore/upload_file/a/b") == 400
    assert ask(server, "/_stcore/health")[0] == 200


def memory_mib(server: Server, what: str) -> float:
    """Of the server itself, the one child of `medidiff app`: VmRSS now, VmHWM at its highest."""
    pid = server.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    status = Path(f"/proc/{child}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]  # it is there


def test_an_upload_becomes_the_volume_it_holds(tmp_path: Path) -> None:
    from serving.uploads import volume_from_upload

    given = Volume.from_array(20.0 * np.arange(-50, 10).reshape(3, 4, 5), spacing_mm=(2.5, 1.5, 1.25))
    given.write(tmp_path / "a.nii.gz")
    plain = (tmp_path / "a.nii.gz").read_bytes()
    packed = zipped({"Canary^Zx81/a.nii.gz": plain, "__MACOSX/._a.nii.gz": b"x"})
    for content in (plain, gzip.decompress(plain), packed):
        found = volume_from_upload(Given(content))
        assert found.digest() == given.digest()
        assert not any("anary" in note for note in found.notes)


def test_the_flags_are_streamlits_own() -> None:
    """An option that was renamed would be refused at the start."""
    shown = subprocess.run(
        [sys.executable, "-m", "streamlit", "config", "show"], capture_output=True, text=True, timeout=120
    ).stdout
    section, known = "", set()
    for line in shown.splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1]
        elif found := re.match(r"#? *(\w+) *=", line):
            known.add(f"{section}.{found[1]}")
    assert {*FLAGS, "server.address", "server.port", "server.allowedHosts"} - known == set()
    assert {"server.headless", "server.fileWatcherType", "browser.gatherUsageStats"} <= set(FLAGS)


def test_a_port_that_is_taken_is_one_line(server: Server) -> None:
    words = [sys.executable, "-m", "medidiff", "app", "--port", str(server.port)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"medidiff: error: port {server.port}: expected a free port")
    assert done.stderr.count("\n") == 1


def test_an_open_address_needs_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    from medidiff.cli.main import main

    assert main(["app", "--address", "0.0.0.0"]) == 2
    assert "--i-understand-no-login" in capsys.readouterr().err


def test_an_address_that_hosts_cannot_be_compared_with_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from medidiff.cli.main import main

    assert main(["app", "--address", "::1", "--i-understand-no-login"]) == 2
    assert "IPv4" in capsys.readouterr().err


def test_a_configuration_in_the_current_folder_is_not_obeyed(app_server: StartServer, tmp_path: Path) -> None:
    """It may be a folder of downloads; this one would move every page, and with it what the gate guards."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text('[server]\nbaseUrlPath = "elsewhere"\n')
    server = app_server(home=tmp_path)
    assert ask(server, "/_stcore/health")[0] == 200
    assert ask(server, "/elsewhere/_stcore/health")[2] != b"ok"


def test_a_token_is_never_in_the_words_of_a_browser(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every user of the machine can read the command lines of all programs."""
    from medidiff.cli.main import main
    from medidiff.cli.verbs import app

    class Ended:
        returncode = 0

        def wait(self, seconds: float | None = None) -> int:
            return 0

        def kill(self) -> None:
            pass

    opened: list[str] = []
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(app, "_start", lambda *words, **more: Ended())
    monkeypatch.setattr(app, "_wait_until_ready", lambda *words: None)
    for words, count in (([], 1), (["--token"], 1)):
        main(["app", "--port", "8739", *words])
        assert len(opened) == count
    assert "token" not in opened[0]
    assert "?token=" in capsys.readouterr().out


def test_without_streamlit_the_line_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from medidiff.cli.main import main

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["app"]) == 4
    assert "pip install 'medidiff[apps]'" in capsys.readouterr().err


def test_a_token_guards_every_path_and_leaves_the_address(app_server: StartServer) -> None:
    server = app_server("--token")
    query = server.address.removeprefix(server.url.rstrip("/"))
    assert re.fullmatch(r"/\?token=[\w-]{32}", query)
    for path in [*PATHS, "/?token=wrong", *streamlits_routes()]:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"):
            assert ask(server, path, method=method)[0] == 403
    assert knock(server) == 403

    status, headers, _ = ask(server, f"/compare{query[1:]}&job=1")
    assert (status, headers["location"]) == (303, "/compare?job=1")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert query.partition("=")[2] not in cookie
    known = cookie.partition(";")[0]
    assert ask(server, "/_stcore/health", Cookie=known)[0] == 200
    assert knock(server, Cookie=known) == 101
    assert ask(server, "/_stcore/health", Cookie=known[:-1] + "x")[0] == 403
    # Two slashes at the start would lead to another server.
    assert ask(server, f"//evil.example/{query[1:]}")[1]["location"] == "/evil.example/"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_and_jobs_end_within_three_seconds(app_server: StartServer, number: signal.Signals) -> None:
    """The job was at work; what it was writing is gone, and another waited behind it."""
    server = app_server()
    first, second = slow_job(server), start_job(server.jobs, SLOW, title="behind")
    until(server, first, "running")
    assert server.stop(number) < END_SECONDS
    assert {read_job(server.jobs, id).state for id in (first.id, second.id)} == {"cancelled"}
    assert not first.result.exists()
    assert list(first.folder.glob(".medidiff*")) == []
    assert server.process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]


def test_ctrl_c_in_a_terminal_is_one_line(tmp_path: Path) -> None:
    """The terminal sends it to all in the foreground at once, and a hasty person sends it thrice.

    A shell leads the session and stays: when a leader ends, the kernel drops what nobody has read yet.
    """
    words = [sys.executable, "-m", "medidiff", "app", "--no-browser", "--port", str(free_port())]
    shell = ["sh", "-c", 'trap : INT; "$@"; echo "exit code $?"; while :; do sleep 1; done', "sh", *words]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(shell[0], shell, environment)
    attributes = termios.tcgetattr(terminal)
    attributes[3] |= termios.NOFLSH  # else Ctrl-C, too, drops it
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    shown = b""
    try:
        while b"Ctrl-C ends it.\r\n" not in shown:  # print writes the end of a line by itself
            shown += os.read(terminal, 4096)
        began = time.monotonic()
        for _ in range(3):
            os.write(terminal, b"\x03")
            time.sleep(0.1)
        while not re.search(rb"exit code \d+\r\n", shown):
            shown += os.read(terminal, 4096)
        seconds = time.monotonic() - began
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    assert seconds < END_SECONDS
    lines = [line for line in shown.decode().replace("^C", "").splitlines() if line]
    assert lines[2:] == ["medidiff: interrupted; the app and its jobs have ended.", "exit code 130"]


def test_after_a_kill_the_job_goes_on_and_the_next_server_finds_it(app_server: StartServer) -> None:
    server = app_server()
    job = until(server, slow_job(server), "running")
    server.stop(signal.SIGKILL)
    assert ask_fails(server)
    again = app_server(home=server.home)
    assert read_job(again.jobs, job.id).state == "running"
    assert again.stop(signal.SIGTERM) < END_SECONDS
    assert read_job(again.jobs, job.id).state == "cancelled"


def test_a_second_server_does_not_take_the_jobs_with_it(app_server: StartServer) -> None:
    server = app_server()
    other = app_server(home=server.home)
    job = until(server, slow_job(server), "running")
    other.stop()
    assert read_job(server.jobs, job.id).state == "running"
    assert server.stop() < END_SECONDS
    assert read_job(server.jobs, job.id).state == "cancelled"


def test_the_page_asks_no_other_host_and_makes_no_error(server: Server, page: Page) -> None:
    """The policy of the headers is in force here: what it forbids would be a console error."""
    page.goto(server.url)
    page.locator(".viewer[data-loaded][data-drawn]").wait_for(timeout=120_000)


def test_a_page_that_is_loaded_again_keeps_its_job(app_server: StartServer, page: Page) -> None:
    """Also in another server, after the first was killed; and cancelling works from there."""
    server = app_server()
    job = until(server, slow_job(server), "running")
    address = f"?job={job.id}"
    page.goto(server.url + address)
    page.get_by_text(re.compile(r"Slow · ")).first.wait_for(timeout=120_000)
    page.reload()
    page.get_by_text(re.compile(r"Slow · .+ \d+ of (at most )?\d+")).first.wait_for(timeout=120_000)
    assert page.url.endswith(address)
    page.goto("about:blank")
    server.stop(signal.SIGKILL)

    again = app_server(home=server.home)
    page.goto(again.url + address)
    page.get_by_role("button", name="Cancel").click(timeout=120_000)
    page.get_by_text("Slow: cancelled").first.wait_for(timeout=120_000)
    assert read_job(again.jobs, job.id).state == "cancelled"
    assert not job.result.exists()


def test_readers_reach_nothing_but_their_page(
    app_server: StartServer, page: Page, watched: Watched, tmp_path: Path
) -> None:
    """Whatever address is typed, no other page is shown and none is offered; and no file is taken."""
    server = app_server("--study", str(tmp_path))
    for path in ("", "compare", "results", "reconstruct", "chromatogram"):
        page.goto(server.url + path)
        page.get_by_text("Research use only").first.wait_for(timeout=120_000)
        assert page.locator("[data-testid=stSidebar]").count() == 0
        for title in ("Compare", "Results", "Reconstruct", "Chromatogram"):
            assert page.get_by_role("heading", name=title).count() == 0
            assert page.get_by_role("link", name=title).count() == 0
    watched.faults.clear()  # Streamlit says on the console that these pages do not exist: so it should be
    assert ask(server, "/_stcore/upload_file/a/b", method="PUT")[::2] == (403, b"No uploads here")


def streamlits_routes() -> list[str]:
    """An address of every route that Streamlit's server has."""
    from streamlit.web.server.starlette import starlette_routes

    found = [
        text for name, text in vars(starlette_routes).items() if name.startswith(("_ROUTE_", "BASE_ROUTE_"))
    ]
    assert len(found) > 8
    return ["/" + re.sub(r"\{[^}]*\}", "x", path) for path in [*found, "static/js/index.js", "auth/login"]]


def slow_job(server: Server) -> Job:
    from medidiff.io.demo import demo_volume

    return start_job(server.jobs, SLOW, title="Slow", inputs={"scan.nii.gz": demo_volume()})


def until(server: Server, job: Job, state: str) -> Job:
    """Wait until the job has that state, and is at its first stage."""
    deadline = time.monotonic() + 60
    while not ((now := read_job(server.jobs, job.id)).state == state and now.total):
        assert time.monotonic() < deadline, now
        time.sleep(0.1)
    return now


def ask_fails(server: Server) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            ask(server, "/_stcore/health")
        except OSError:
            return True
        time.sleep(0.1)
    return False
