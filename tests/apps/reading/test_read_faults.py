"""The Read page when something is wrong with the study or its place: one line, no name, no answer lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medidiff.review.store import log as log_module
from medidiff.review.store import place as place_module

from ..conftest import RunEnds
from .conftest import APPS, SECRET_CASE
from .reader import Reading, rows


def test_an_unblinded_study_is_closed(served: Callable[..., Path]) -> None:
    from medidiff.review import open_study

    folder = served()
    reading = Reading().begin()
    open_study(folder).unblind("all readers are done")
    reading.test.run()
    assert "closed" in reading.text
    assert "Orion" not in reading.text


def test_a_protocol_changed_after_the_freeze_is_refused_and_putting_it_back_goes_on(
    served: Callable[..., Path],
) -> None:
    """In the middle of a session too: the server lives, nothing is lost."""
    folder = served()
    reading = Reading().begin().answer("A")
    frozen = (folder / "protocol.yaml").read_bytes()
    (folder / "protocol.yaml").write_bytes(frozen + b"# \n")
    reading.test.run()
    assert len(reading.test.error) == 1
    assert "the protocol that was frozen" in reading.text
    (folder / "protocol.yaml").write_bytes(frozen)
    reading.test.run()
    assert "Case 2 of 10" in reading.text


def test_a_missing_image_is_one_line_that_names_no_case(served: Callable[..., Path], tmp_path: Path) -> None:
    folder = served()
    reading = Reading().begin()
    shutil.move(folder / "images", tmp_path / "elsewhere")
    reading.answer("A")
    assert len(reading.test.error) == 1
    assert "each image as it was frozen" in reading.text
    assert SECRET_CASE not in reading.text
    shutil.move(tmp_path / "elsewhere", folder / "images")
    reading.press("Try again")
    assert "Case 2 of 10" in reading.text


def test_a_full_disk_loses_nothing(served: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own refusal, with a limit on the pages of the file; afterwards the same press stores it."""
    folder = served()
    reading = Reading().begin().press("A")
    connect, full = log_module._connect, True

    def limited(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        if full:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite makes it the pages that are there
        return connection

    monkeypatch.setattr(log_module, "_connect", limited)
    comment = "x" * 1900
    while True:  # the last page may have room
        reading.test.text_area[0].set_value(comment).run()
        reading.press("Submit")
        if reading.test.error:
            break
        reading.press("A")
    assert "a full disk" in reading.text
    before = len(rows(folder, "answer"))
    full = False
    reading.press("Submit")
    answers = rows(folder, "answer")
    assert len(answers) == before + 1
    assert answers[-1]["comment"] == comment


def test_a_network_file_system_is_refused(
    served: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served()
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(place_module, "_MOUNTS", mounts)
    reading = Reading()
    assert len(reading.test.error) == 1
    assert "network file system \\(nfs4\\)" in reading.text


def test_a_study_that_another_server_has_open_says_so(served: Callable[..., Path]) -> None:
    """And is read all the same."""
    folder = served()
    code = (
        "import sys; from medidiff.review import open_study; study = open_study(sys.argv[1]);"
        "print('open', flush=True); sys.stdin.read()"
    )
    # This process froze the study and holds it: the notice must be there for the page of another one too.
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(APPS.parent)},
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        reading = Reading()
        assert "open in another program too" in reading.text
        reading.begin().answer("A")
        other.communicate()
    assert len(rows(folder, "answer")) == 1


def test_no_event_takes_a_submission_with_it(served: Callable[..., Path], run_ends: RunEnds) -> None:
    """Nine are submitted while a run ends at the first use of the session's state, the second, and so on."""
    folder = served()
    reading = Reading().begin()
    for number in range(1, 10):
        reading.press("A")
        run_ends.at(number)
        reading.press("Submit")
        assert [one["number"] for one in rows(folder, "answer")] == list(range(1, number + 1))
    assert run_ends.count == 9
