"""The append-only log of a study: one SQLite table, one row for everything that happened.

Rows are only ever added: triggers refuse UPDATE and DELETE, and every row carries its place in a keyed
chain (`chain.py`). WAL lets several servers write; each writer takes the lock, reads the last row and adds
the next in one transaction with synchronous=FULL, so that an answer that was accepted is on the disk.
A file that cannot be written gives OutputError, one that is no log InputError; nothing is lost by either.
"""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from medidiff.errors import InputError, MedidiffError, OutputError
from medidiff.io.opening import regular_size
from medidiff.review.store.chain import Head, Row, canonical, row_mac, start_mac
from medidiff.review.store.place import refuse_network

BUSY_SECONDS = 30.0
_APPLICATION = 0x6D644C47  # "mdLG"
_COLUMNS = "number, kind, reader, session, seconds, body, mac"

_SCHEMA = (
    """CREATE TABLE log (
        number INTEGER PRIMARY KEY, kind TEXT NOT NULL, reader INTEGER NOT NULL, session INTEGER NOT NULL,
        seconds REAL NOT NULL, body TEXT NOT NULL, mac TEXT NOT NULL) STRICT""",
    "CREATE INDEX log_by_reader ON log (reader, kind, number)",
    "CREATE INDEX log_by_kind ON log (kind, number)",
    """CREATE TRIGGER log_keeps_rows BEFORE DELETE ON log
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
    """CREATE TRIGGER log_keeps_content BEFORE UPDATE ON log
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
    """CREATE TRIGGER log_keeps_numbers BEFORE INSERT ON log
        WHEN NEW.number <> (SELECT COALESCE(MAX(number), 0) + 1 FROM log)
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
    """CREATE TRIGGER log_is_locked BEFORE INSERT ON log
        WHEN NEW.kind IN ('reader', 'session', 'answer')
            AND EXISTS (SELECT 1 FROM log WHERE kind = 'unblind')
        BEGIN SELECT RAISE(ABORT, 'a study that was unblinded'); END""",
    f"PRAGMA application_id = {_APPLICATION}",
)

Check = Callable[["Reading"], Mapping[str, Any]]
"""Called inside the transaction: looks at the log, and returns the body to write, or raises."""


class Reading:
    """The rows of a log as one transaction sees them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, *kinds: str, reader: int | None = None) -> list[Row]:
        """All rows of some kinds (all kinds where none is named), in order; of one reader where given."""
        words = [f"kind IN ({', '.join('?' * len(kinds))})"] if kinds else []
        words += ["reader = ?"] if reader is not None else []
        where = f"WHERE {' AND '.join(words)}" if words else ""
        values = [*kinds, *([reader] if reader is not None else [])]
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM log {where} ORDER BY number", values)
        return [Row(*row) for row in found]

    def first(self) -> Row | None:
        """The row that says which study this is; found without an index, which may be damaged."""
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM log ORDER BY number LIMIT 1").fetchone()
        return Row(*found) if found else None

    def made_as_here(self) -> bool:
        """Whether the tables and triggers are those of `create_log`, no more and no fewer."""
        with closing(sqlite3.connect(":memory:")) as new:
            for statement in _SCHEMA:
                new.execute(statement)
            return _objects(self._connection) == _objects(new)

    def undamaged(self) -> bool:
        """Whether SQLite finds its pages and indexes in order; a damaged index would hide rows."""
        found = self._connection.execute("PRAGMA integrity_check(1)").fetchall()
        return found == [("ok",)]

    def head(self) -> Head:
        """The last row's number and mac; Head(0, "") of an empty log."""
        found = self._connection.execute(
            "SELECT number, mac FROM log ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return Head(*found) if found else Head(0, "")


def _objects(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Type, name and text of everything in a database but what ANALYZE keeps."""
    found = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'")
    return set(found)


class _Writing(Reading):
    def insert(self, row: Row) -> None:
        """Add a row that was made from the head that this transaction sees."""
        values = (row.number, row.kind, row.reader, row.session, row.seconds, row.body, row.mac)
        self._connection.execute(f"INSERT INTO log ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)


@dataclass(frozen=True)
class Entry:
    """What a row is made of. reader, session: numbers, 0 where there is none. seconds: since it began."""

    kind: str
    body: Mapping[str, Any]
    reader: int = 0
    session: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Log:
    """An open log. copy: what is looked at in place of a file that cannot be written."""

    path: Path
    study: str
    key: bytes = field(repr=False)
    copy: TemporaryDirectory[str] | None = field(default=None, repr=False)
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """The log as it is now, for several questions that must agree."""
        with _refusals(self.path):
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                yield Reading(connection)
            finally:
                connection.execute("ROLLBACK")

    def append(
        self,
        kind: str,
        body: Mapping[str, Any] | Check,
        *,
        reader: int = 0,
        session: int = 0,
        seconds: float = 0.0,
    ) -> Row:
        """Add a row and return it once it is on the disk. seconds: since the session began.

        body: what to write, or a function that decides inside the transaction. Raises what that function
        raises, and OutputError when the file cannot be written; then nothing was added.
        """
        with self._writing() as now:
            entry = Entry(kind, body(now) if callable(body) else body, reader, session, seconds)
            row = self._next(now.head(), entry)
            now.insert(row)
        return row

    def extend(self, entries: Iterable[Entry]) -> Head:
        """Add many rows in one transaction, all or none, and return the new head."""
        with self._writing() as now:
            head = now.head()
            for entry in entries:
                row = self._next(head, entry)
                now.insert(row)
                head = Head(row.number, row.mac)
        return head

    def close(self) -> None:
        """Close this thread's connection, so that the file is whole without its side files."""
        if (found := getattr(self._local, "connection", None)) is not None:
            found.close()
            self._local.connection = None

    @contextmanager
    def _writing(self) -> Iterator[_Writing]:
        with _refusals(self.path):
            if self.copy is not None:
                raise _unwritable(self.path, sqlite3.SQLITE_READONLY)
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Writing(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _next(self, head: Head, entry: Entry) -> Row:
        if not math.isfinite(entry.seconds):
            raise InputError(
                "seconds", expected="a finite number", got="none", fix="Measure it again.", argument=True
            )
        body, seconds = canonical(dict(entry.body)), float(entry.seconds)
        row = Row(head.count + 1, entry.kind, entry.reader, entry.session, seconds, body, "")
        before = head.mac if head.count else start_mac(self.key, self.study, row.data["database"])
        return replace(row, mac=row_mac(self.key, before, row))

    def _connection(self) -> sqlite3.Connection:
        """One for each thread: SQLite's must not be shared, and opening one for each answer is slow."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            path = self.path if self.copy is None else Path(self.copy.name) / self.path.name
            found = self._local.connection = _connect(path)
        return found


def create_log(path: Path, study: str, key: bytes, body: Mapping[str, Any]) -> Log:
    """A new database whose first row is `body` (with at least `database`, its random name)."""
    refuse_network(path)
    with _refusals(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if (
                connection.execute("PRAGMA application_id").fetchone()[0] == 0
            ):  # else another made it meanwhile
                for statement in _SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")
        finally:
            connection.close()
    log = Log(path, study, key)

    def first(now: Reading) -> Mapping[str, Any]:
        if now.head().count:
            raise _Begun
        return body

    with suppress(_Begun):
        log.append("study", first)
    return log


class _Begun(Exception):  # noqa: N818  not an error: another process wrote the first row
    pass


def open_log(path: Path, study: str, key: bytes) -> Log:
    """An existing database. Where it cannot be written, a copy is looked at, and nothing can be added."""
    refuse_network(path)
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        log = Log(path, study, key)
    else:
        log = Log(path, study, key, copy=_copied(path))
    with log.reading() as now:
        now.head()
    return log


def _copied(path: Path) -> TemporaryDirectory[str]:
    """A private copy of a database that cannot be written, with what a server may have left in its WAL.

    SQLite itself would need to write beside it, or would pass over the WAL and the answers in it.
    """
    regular_size(path)  # refuses one that may not even be read
    copy = TemporaryDirectory(prefix="medidiff-")
    for name in (path.name, f"{path.name}-wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(path.with_name(name), Path(copy.name) / name)
    return copy


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file() or path.is_symlink():
        raise InputError(
            path.name,
            expected="the database of the study",
            got="none",
            fix="Copy the study's folder again, with the database.",
        )
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        connection.close()
        raise _not_a_log(path)
    return connection


def _not_a_log(path: Path) -> InputError:
    return InputError(
        path.name,
        expected="the database of a study",
        got="a damaged file, or another kind",
        fix="Put back a copy, and check it with 'medidiff review verify --expect HEAD'.",
    )


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn what SQLite says into one of our errors."""
    try:
        yield
    except MedidiffError:
        raise
    except sqlite3.IntegrityError as error:
        raise InputError(
            "study", expected="a study that takes answers", got=str(error), fix="Start a new study."
        ) from None
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_ERROR:  # a table or column that is not there
            raise _not_a_log(path) from error
        raise _unwritable(path, code) from error
    except sqlite3.DatabaseError as error:
        raise _not_a_log(path) from error


def _unwritable(path: Path, code: int) -> OutputError:
    got = {
        sqlite3.SQLITE_FULL: "a full disk",
        sqlite3.SQLITE_IOERR: "one on a disk that is full, or fails",
        sqlite3.SQLITE_READONLY: "a read-only one",
        sqlite3.SQLITE_CANTOPEN: "one that cannot be opened",
        sqlite3.SQLITE_BUSY: "one that another program holds",
    }.get(code, "one that cannot be written")
    return OutputError(
        path.name,
        expected="a database that can be written",
        got=got,
        fix="Nothing that was saved is lost. Mend that, then go on.",
    )
