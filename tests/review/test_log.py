"""The log: nothing is lost by two writers or a kill, and every attack is found with its place."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import pytest

from medidiff.errors import InputError, MedidiffError, OutputError
from medidiff.review import Head, Presentation, Study, open_study, verify_study
from medidiff.review.opening import DATABASE
from medidiff.review.store import Log, create_log, open_log, verify_log
from medidiff.review.store.chain import Row

KEY, STUDY = bytes(range(32)), "ab" * 16


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """A log of ten rows."""
    log = create_log(tmp_path / "log.sqlite", STUDY, KEY, {"database": "d"})
    for k in range(2, 11):
        log.append("event", {"event": "e", "data": {"k": k}}, reader=1, session=1, seconds=0.5 * k)
    return log


def head(log: Log) -> Head:
    with log.reading() as now:
        return now.head()


def tamper(log: Log, *statements: str) -> None:
    """What somebody does who has the file and no key: triggers away, then whatever they like."""
    log.close()
    with sqlite3.connect(log.path) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def places(log: Log, expect: Head | None = None) -> list[tuple[str, str]]:
    return [(fault.place, fault.text) for fault in verify_log(log, expect).faults]


def test_a_whole_log_is_whole(log: Log) -> None:
    verdict = verify_log(log, head(log))
    assert verdict.whole
    assert verdict.head.count == 10
    assert verdict.sentence().startswith("10 rows, whole; head 10:")


def test_an_earlier_head_is_still_there(log: Log) -> None:
    before = head(log)
    log.append("event", {"event": "later"})
    assert verify_log(log, before).whole


@pytest.mark.parametrize("column", ["kind", "body", "reader", "session", "seconds", "mac"])
@pytest.mark.parametrize("row", [1, 5, 10])
def test_a_changed_row_is_named(log: Log, row: int, column: str) -> None:
    value = {"kind": "'x'", "body": '\'{"database":"e"}\'', "mac": f"'{'0' * 64}'"}.get(column, "7")
    tamper(log, f"UPDATE log SET {column} = {value} WHERE number = {row}")
    found = places(log)
    assert found[0][0] == f"row {row}"
    # A changed mac breaks the next row too, so that the place is still right and the words are weaker.
    assert "changed" in found[0][1] or column == "mac"


@pytest.mark.parametrize("row", [1, 2, 5, 9])
def test_a_removed_row_is_named(log: Log, row: int) -> None:
    tamper(log, f"DELETE FROM log WHERE number = {row}")
    assert places(log)[0] == (f"row {row}", "was removed")


def test_a_removed_row_is_named_when_the_rest_was_renumbered(log: Log) -> None:
    tamper(log, "DELETE FROM log WHERE number = 5", "UPDATE log SET number = number - 1 WHERE number > 5")
    text = "does not follow: what stood before it was removed, and the rest renumbered"
    assert places(log) == [("row 5", text)]


def test_an_inserted_row_is_named(log: Log) -> None:
    tamper(
        log,
        "UPDATE log SET number = -number - 1 WHERE number >= 5",
        "UPDATE log SET number = -number WHERE number < 0",
        "INSERT INTO log SELECT 5, kind, reader, session, seconds, body, mac FROM log WHERE number = 4",
    )
    assert places(log) == [("row 5", "was inserted, and the rows after it were renumbered")]


def test_swapped_rows_are_named(log: Log) -> None:
    moves = ((5, -1), (6, 5), (-1, 6))
    tamper(log, *(f"UPDATE log SET number = {to} WHERE number = {at}" for at, to in moves))
    assert places(log) == [("row 5", "and row 6 were swapped")]


def test_an_added_row_is_named(log: Log) -> None:
    tamper(
        log, "INSERT INTO log SELECT 11, kind, reader, session, seconds, body, mac FROM log WHERE number = 9"
    )
    assert places(log) == [("row 11", "was changed, or added by another program")]


@pytest.mark.parametrize(("cut", "text"), [(10, "was cut off"), (8, "up to row 10 were cut off")])
def test_a_cut_tail_is_named_by_an_earlier_head(log: Log, cut: int, text: str) -> None:
    """Without that head it does not show: what is left is a whole chain."""
    before = head(log)
    tamper(log, f"DELETE FROM log WHERE number >= {cut}")
    assert places(log) == []
    assert places(log, before) == [(f"row {cut}", f"{text} (the expected head has 10 rows)")]


def test_two_changes_are_both_named(log: Log) -> None:
    tamper(log, "UPDATE log SET seconds = 1 WHERE number IN (3, 8)")
    assert places(log) == [("row 3", "was changed"), ("row 8", "was changed")]


def test_another_key_fits_nothing(log: Log) -> None:
    ((place, text),) = places(open_log(log.path, STUDY, bytes(32)))
    assert (place, "another key" in text) == ("row 1", True)


def test_rows_of_another_database_do_not_fit(log: Log, tmp_path: Path) -> None:
    other = create_log(tmp_path / "other.sqlite", STUDY, KEY, {"database": "f"})
    for k in range(2, 5):
        other.append("event", {"event": "e", "data": {"k": k}}, reader=1, session=1, seconds=0.5 * k)
    other.close()
    log.close()
    connection = sqlite3.connect(log.path, isolation_level=None)
    connection.execute("ATTACH ? AS other", (str(other.path),))
    for name in ("log_keeps_rows", "log_keeps_content", "log_keeps_numbers"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("DELETE FROM log WHERE number = 3")
    connection.execute("INSERT INTO log SELECT * FROM other.log WHERE number = 3")
    connection.close()
    assert places(log)[0][0] == "row 3"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET seconds = 1 WHERE number = 3",
        "DELETE FROM log WHERE number = 10",
        "INSERT INTO log VALUES (12, 'x', 0, 0, 0.0, '{}', '')",
    ],
)
def test_the_database_itself_refuses_to_change_rows(log: Log, statement: str) -> None:
    log.close()
    connection = sqlite3.connect(log.path)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


_WRITER = """
import random, sys, time
from medidiff.review import open_study
study = open_study(sys.argv[1])
reader = study.sign_in(sys.argv[2], "4711", new=True)
shown = study.next(reader)
row = study.answer(reader, shown, "A", seconds=1.0)
print("ready", flush=True)
sys.stdin.readline()
for k in range(int(sys.argv[3]) - 1):
    time.sleep(random.random() * float(sys.argv[4]))
    row = study.answer(reader, shown, "AB"[k % 2], seconds=1.0, comment=str(k), corrects=row)
    print(row, flush=True)
"""


def _writer(study: Study, code: str, count: int, pause_s: float) -> subprocess.Popen[str]:
    """A process that signs in, waits for a line, and answers with random pauses."""
    command = [sys.executable, "-c", _WRITER, str(study.folder), code, str(count), str(pause_s)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_lose_nothing_of_1000_interleaved_answers(study: Study) -> None:
    writers = [_writer(study, code, 500, 0.008) for code in ("R01", "R02")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        _go(writer)
    told = [len(writer.communicate(timeout=300)[0].split()) for writer in writers]
    assert told == [499, 499]
    with study.log.reading() as now:
        rows = now.rows("answer")
    assert len(rows) == 1000
    for reader in (1, 2):
        own = [row.data["comment"] for row in rows if row.reader == reader]
        assert own == ["", *map(str, range(499))]
    turns = sum(a.reader != b.reader for a, b in pairwise(rows))
    assert turns > 100  # they did write at the same time
    assert verify_study(study.folder).whole


def _write_until_killed(folder: Path, code: str, told: int) -> NoReturn:
    """In a forked child: answer for ever, and say each row's number once it was stored."""
    study = open_study(folder)
    reader = study.sign_in(code, "4711", new=True)
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    row = study.answer(reader, shown, "A", seconds=1.0)
    while True:
        os.write(told, f"{row}\n".encode())
        row = study.answer(reader, shown, "B", seconds=1.0, corrects=row)


def test_a_kill_while_writing_leaves_a_whole_chain(study: Study) -> None:
    """Twenty times: what was told to be stored is there, the chain is whole, and reading goes on."""
    study.log.close()
    for k in range(20):
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _write_until_killed(study.folder, f"R{k:02d}", theirs)
            finally:
                os._exit(1)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            told = [int(pipe.readline())]
            time.sleep(0.003 * k)
            os.kill(child, signal.SIGKILL)
            told += [int(line) for line in pipe if line.endswith("\n")]
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        with study.log.reading() as now:
            stored = [row.number for row in now.rows("answer", reader=k + 1)]
        assert len(told) <= len(stored) <= len(told) + 1  # at most the one in flight
        assert stored[: len(told)] == told
        assert verify_log(study.log).whole
        study.log.close()
    assert verify_study(study.folder).whole


def test_a_study_that_was_tampered_with_is_not_whole(study: Study) -> None:
    reader = study.sign_in("R01", "4711", new=True)
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    row = study.answer(reader, shown, "A", seconds=1.0)
    tamper(study.log, f"UPDATE log SET body = replace(body, '\"A\"', '\"B\"') WHERE number = {row}")
    assert [fault.place for fault in verify_study(study.folder).faults] == [f"row {row}", DATABASE]
    with pytest.raises(InputError, match=f"row {row} was changed"):
        open_study(study.folder)


def test_a_forged_unblinding_opens_nothing(study: Study) -> None:
    """Its row is the next one, so that the triggers let it in; only the chain knows better."""
    study.log.close()
    with sqlite3.connect(study.log.path) as connection:
        count = connection.execute("SELECT MAX(number) FROM log").fetchone()[0]
        row = (count + 1, "unblind", 0, 0, 0.0, '{"reason":"mine","utc":0}', "0" * 64)
        connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    with pytest.raises(InputError, match=f"row {count + 1} was changed, or added"):
        open_study(study.folder)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER log_keeps_rows",
        "CREATE TRIGGER swallow BEFORE INSERT ON log BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TABLE more (x)",
    ],
)
def test_other_triggers_or_tables_are_found(study: Study, statement: str) -> None:
    """One that ignores inserts would let answers vanish while every row stays whole."""
    study.log.close()
    with sqlite3.connect(study.log.path) as connection:
        connection.execute(statement)
    connection.close()
    (fault,) = verify_study(study.folder).faults
    assert (fault.place, fault.text) == (DATABASE, "has other tables or triggers than it was made with")
    with pytest.raises(InputError):
        open_study(study.folder)


def test_a_damaged_index_is_found_though_all_rows_are_there(study: Study) -> None:
    """Questions go through the index: what it has lost would be missing in an export."""
    for k in range(400):
        study.log.append("event", {"event": "e", "data": k}, reader=1)
    study.log.close()
    with sqlite3.connect(study.log.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        question = "SELECT rootpage FROM sqlite_master WHERE name = 'log_by_kind'"
        page = connection.execute(question).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    content = bytearray(study.log.path.read_bytes())
    content[(page - 1) * size + 12 : page * size] = bytes(size - 12)
    study.log.path.write_bytes(content)
    faults = verify_study(study.folder).faults
    assert [(fault.place, fault.text) for fault in faults] == [(DATABASE, "has damaged pages or indexes")]


@pytest.mark.parametrize("row", [1, 2])
@pytest.mark.parametrize("body", ["no json", "[]", "{}"])
def test_rows_of_another_program_are_one_message(study: Study, row: int, body: str) -> None:
    study.sign_in("R01", "4711", new=True)
    tamper(study.log, f"UPDATE log SET body = '{body}' WHERE number = {row}")
    assert not verify_study(study.folder).whole
    with pytest.raises(InputError):
        open_study(study.folder)


def test_a_log_without_its_table_is_damaged(study: Study) -> None:
    study.log.close()
    with sqlite3.connect(study.log.path) as connection:
        connection.execute("DROP TABLE log")
    connection.close()
    with pytest.raises(InputError, match="damaged"):
        verify_study(study.folder)


def test_a_changed_arm_map_is_refused_where_no_database_knows_it_yet(study: Study, draft: Path) -> None:
    """As on the next workstation, which has the frozen study and makes a database of its own."""
    study.log.close()
    for file in draft.glob(f"{DATABASE}*"):
        file.unlink()
    manifest = json.loads((draft / "frozen.json").read_text())
    arms = manifest["cases"]["case02"]["arms"]
    arms["tv"], arms["diffusion"] = arms["diffusion"], arms["tv"]
    (draft / "frozen.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"frozen\.json"):
        open_study(draft)
    assert not (draft / DATABASE).exists()


def test_a_changed_protocol_image_or_arm_map_is_named(study: Study, draft: Path) -> None:
    protocol, manifest = draft / "protocol.yaml", draft / "frozen.json"
    protocol.write_text(protocol.read_text().replace("alpha: 0.025", "alpha: 0.049"))
    assert "protocol.yaml" in [fault.place for fault in verify_study(draft).faults]
    arms = study.manifest.cases["case02"].arms
    one, two = (json.dumps({"file": arms[arm].file, "sha256": arms[arm].sha256}) for arm in arms)
    plain = json.dumps(json.loads(manifest.read_text()))
    assert one in plain
    manifest.write_text(plain.replace(one, "ONE").replace(two, one).replace("ONE", two))
    assert "frozen.json" in [fault.place for fault in verify_study(draft).faults]
    with pytest.raises(InputError):
        open_study(draft)


def test_a_full_disk_is_one_message_and_loses_nothing(log: Log) -> None:
    """SQLite's own refusal, by its page limit."""
    connection = log._connection()
    text = "x" * 1000
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    before = log.append("event", {"event": "fits"})

    def fill() -> None:
        nonlocal before
        while True:
            before = log.append("event", {"event": "e", "data": text})

    with pytest.raises(OutputError) as error:
        fill()
    assert error.value.got == "a full disk"
    assert verify_log(log).whole
    assert head(log) == Head(before.number, before.mac)
    connection.execute("PRAGMA max_page_count = 100000")
    log.append("event", {"event": "goes on"})


def test_a_disk_too_full_to_open_a_log_is_one_message(log: Log) -> None:
    """SQLite's file of shared memory, 32 KiB, cannot be made; the limit stands in for the disk."""
    log.close()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 10, before[1]))
    try:
        with pytest.raises(OutputError) as error:
            open_log(log.path, STUDY, KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.got == "one on a disk that is full, or fails"
    assert verify_log(log).whole


_READONLY = """
import encodings.ascii, fcntl, os, sys  # before the Python of another user is out of reach
import numpy.random
from medidiff.errors import MedidiffError
from medidiff.review import open_study, state_of, verify_study, export_study
os.setuid(65534)
study = open_study(sys.argv[1])
print(study.notices[-1])
print(state_of(study).answers, verify_study(sys.argv[1]).whole)
for act in (lambda: study.sign_in("R09", "4711", new=True), lambda: export_study(study)):
    try:
        act()
    except MedidiffError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to become nobody")
def test_a_read_only_folder_is_looked_at_and_refuses_answers(
    study: Study, own_home: Path, tmp_path: Path
) -> None:
    """In a process of the user nobody, whom the folder's owner lets read only."""
    reader = study.sign_in("R01", "4711", new=True)
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    study.answer(reader, shown, "A", seconds=1.0)
    assert (study.folder / f"{DATABASE}-wal").stat().st_size  # the answer lies there, not in the database
    for folder in (study.folder, own_home):
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-c", _READONLY, str(study.folder)], capture_output=True, text=True, timeout=60
    )
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert lines[0] == "the study's folder cannot be written: it is open for looking only"
    assert lines[1] == "1 True"
    assert [line.split()[0] for line in lines[2:]] == ["OutputError", "OutputError"]


@pytest.mark.parametrize("damage", [b"not a database at all", b""])
def test_a_damaged_database_is_one_message(study: Study, damage: bytes) -> None:
    study.log.close()
    (study.folder / DATABASE).write_bytes(damage)
    with pytest.raises(InputError):
        open_study(study.folder)


def test_another_studys_database_is_refused(study: Study, tmp_path: Path, draft: Path) -> None:
    study.log.close()
    other = create_log(tmp_path / "other.sqlite", "cd" * 16, KEY, {"database": "x", "study": "cd" * 16})
    other.close()
    for file in draft.glob(f"{DATABASE}*"):
        file.unlink()
    os.replace(other.path, draft / DATABASE)
    with pytest.raises(InputError) as error:
        open_study(draft)
    assert error.value.expected == "the database of this study"


def test_heads_are_read_back_as_printed(log: Log) -> None:
    assert Head.parse(f" {head(log)}\n") == head(log)
    for text in ("", "12", "12:abc", f"-1:{'0' * 64}", f"x{head(log)}"):
        with pytest.raises(InputError):
            Head.parse(text)


def test_a_row_is_read_as_it_was_written(log: Log) -> None:
    row = log.append("event", {"b": 1, "a": "ä\n'; DROP TABLE log;--"}, reader=3, session=2, seconds=1.25)
    with log.reading() as now:
        assert now.rows("event", reader=3) == [row]
    assert isinstance(row, Row)
    assert row.data["a"] == "ä\n'; DROP TABLE log;--"


def test_a_second_program_opens_with_a_notice(study: Study) -> None:
    code = "import sys; from medidiff.review import open_study; print(*open_study(sys.argv[1]).notices)"
    command = [sys.executable, "-c", code, str(study.folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "this study is open in another program too; answers of both are kept\n"


def test_errors_are_ours(tmp_path: Path) -> None:
    for act in (
        lambda: open_log(tmp_path / "absent.sqlite", STUDY, KEY),
        lambda: create_log(tmp_path / "no" / "folder.sqlite", STUDY, KEY, {"database": "d"}),
    ):
        attempt: Callable[[], object] = act
        with pytest.raises(MedidiffError):
            attempt()
