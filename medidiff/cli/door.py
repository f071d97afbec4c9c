"""The error door: whatever ends a command becomes one line on stderr and an exit code.

    0 done                               4 something needed is absent (extra, weights, memory)
    1 a bug; a log holds the traceback   5 the output could not be written
    2 an argument wrong by itself        6 ran, but a promised check failed
    3 bad input                          7 a cohort finished, some items failed
                                         130, 143 interrupted, terminated

The log of a bug names no person: it holds the kinds of the errors and the places in the code, never their
messages, which may quote a file. `--debug` shows everything.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import FrameType

from medidiff import __version__
from medidiff.cli.terminal import Terminal, one_line
from medidiff.errors import InputError, MedidiffError, MissingError, OutputError, places, recognised

DONE, BUG, ARGUMENT, INPUT, MISSING, OUTPUT, CHECK, SOME_FAILED = 0, 1, 2, 3, 4, 5, 6, 7
INTERRUPTED, TERMINATED = 130, 143


class _Terminated(BaseException):
    """SIGTERM came; unwinds like KeyboardInterrupt, so that nothing half-written stays."""


def guarded(action: Callable[[], int], terminal: Terminal, *, debug: bool) -> int:
    """Run `action`; return its code, or the code of what ended it, after one line on stderr."""
    try:
        with _sigterm_raises(), _quiet_libraries(debug), _warnings_shown(terminal), terminal:
            code = action()
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what is left in the buffer must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (Exception, KeyboardInterrupt, _Terminated) as error:  # noqa: BLE001  the one door
        if debug:
            traceback.print_exc(file=sys.stderr)
        code, line = _explain(error, terminal)
        with contextlib.suppress(OSError):  # stderr may be a file on the full disk that this tells of
            print(f"medidiff: {one_line(line)}", file=sys.stderr)
        return code


def _explain(error: BaseException, terminal: Terminal) -> tuple[int, str]:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, f"interrupted; {terminal.after_interrupt}"
    if isinstance(error, _Terminated):
        return TERMINATED, f"terminated; {terminal.after_interrupt}"
    if (found := recognised(error)) is not None:
        return _code(found), f"error: {found}"
    return BUG, _bug(error)


def _code(error: MedidiffError) -> int:
    if isinstance(error, InputError):
        return ARGUMENT if error.argument else INPUT
    return {MissingError: MISSING, OutputError: OUTPUT}.get(type(error), BUG)


def _bug(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        descriptor, path = tempfile.mkstemp(prefix="medidiff-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8") as log:
            log.write(_log(error))
    except OSError:
        return f"error: a bug ({kind}); no log could be written. Run it again with --debug."
    return f"error: a bug ({kind}); the log is {path}. --debug shows all of it."


def _log(error: BaseException) -> str:
    head = f"medidiff {__version__}, Python {platform.python_version()}, {platform.system()}"
    return "\n".join([head, *places(error)]) + "\n"


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _warnings_shown(terminal: Terminal) -> Iterator[None]:
    """Show what rooms without a terminal log as a warning."""
    handler, logger = logging.Handler(logging.WARNING), logging.getLogger("medidiff")
    handler.emit = lambda record: terminal.warn(record.getMessage())  # type: ignore[method-assign]  # one method
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextlib.contextmanager
def _quiet_libraries(debug: bool) -> Iterator[None]:
    """Keep the libraries' own warnings off a terminal that promises one clear line."""
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        yield
