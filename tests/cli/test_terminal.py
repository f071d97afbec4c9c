"""Progress and results, as a pipe and as a terminal see them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest

from medidiff.cli import terminal as module
from medidiff.cli.terminal import Terminal
from medidiff.progress import Progress


def test_a_pipe_gets_one_plain_line_in_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock moves 4 s a record: of 10 records, lines at 12 s, 24 s and 36 s."""
    now = iter(range(10_000))
    time = {"value": 0.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: time["value"])
    with Terminal() as shown:
        for done in range(10):
            time["value"] = 4.0 * next(now)
            shown.progress(Progress("diffusion", done, 10))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "medidiff: diffusion 3/10, about 28 s left",
        "medidiff: diffusion 6/10, about 16 s left",
        "medidiff: diffusion 9/10, about 4 s left",
    ]


def test_a_stage_that_begins_again_is_timed_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """100 s for 10 steps, then the same stage again at 11 s a step: the rate is the second one's."""
    time = {"value": 0.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: time["value"])
    with Terminal() as shown:
        shown.progress(Progress("tv", 0, 10))
        time["value"] = 100.0
        shown.progress(Progress("tv", 10, 10))
        shown.progress(Progress("tv", 0, 60))
        time["value"] = 122.0
        shown.progress(Progress("tv", 2, 60))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["medidiff: tv 10/10", "medidiff: tv 2/60, about 11 min left"]


def test_quiet_shows_neither_progress_nor_notes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "LINE_EVERY_SECONDS", 0.0)
    with Terminal(quiet=True) as shown:
        shown.progress(Progress("fbp", 1, 2))
        shown.note("something")
        shown.warn("a warning is not progress")
    assert capsys.readouterr().err == "medidiff: warning: a warning is not progress\n"


def test_json_replaces_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(json=True).result("for people", {"out": "o"})
    assert json.loads(capsys.readouterr().out) == {"out": "o"}


_HOSTILE = "a\x1b[2J b\x9b31m\u202ec"


def test_text_from_a_file_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes, C1 codes and reversed writing direction; the spaces of our own tables stay."""
    with Terminal() as shown:
        shown.note(f"{_HOSTILE}\nmedidiff: error")
        shown.warn(_HOSTILE)
        shown.result(f"name    {_HOSTILE}\nsecond", None)
    found = capsys.readouterr()
    assert all(character.isprintable() or character == "\n" for character in found.out + found.err)
    assert found.out.splitlines() == ["name    a [2J b 31m c", "second"]
    assert found.err.count("\n") == 2


def test_json_keeps_such_text_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"summary": _HOSTILE + "\U000e0001\udcff", "name": "Größe"}
    Terminal(json=True).result("", data)
    shown = capsys.readouterr().out
    assert json.loads(shown) == data
    assert "Größe" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_a_terminal_gets_a_bar_on_stderr_and_stdout_stays_clean() -> None:
    code = (
        "from medidiff.cli.terminal import Terminal; from medidiff.progress import Progress\n"
        "with Terminal() as t:\n"
        "    [t.progress(Progress('tv [b]', k, 3)) for k in range(4)]\n"
        "    t.result('result', None)"
    )
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    run = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=slave, env=environment, timeout=60
    )
    os.close(slave)
    drawn = ""
    with contextlib.suppress(OSError):  # the end of a terminal
        while block := os.read(master, 65536):
            drawn += block.decode()
    os.close(master)
    assert run.stdout == b"result\n"
    assert "tv [b]" in drawn
    assert "3/3" in drawn
