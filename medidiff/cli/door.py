"""The error door: whatever ends a command becomes one line on stderr and an exit code.

    0 done                               4 something needed is absent (extra, weights, memory)
    1 a bug; a log holds the traceback   5 the output could not be written
    2 an argument wrong by itself        6 ran, but a promised check failed
    3 bad input                          130, 143 interrupted, terminated

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
from pathlib import Path
from types import FrameType

from medidiff import __version__
from medidiff.atomic import ONLY_WRITING
from medidiff.cli.terminal import Terminal, one_line
from medidiff.errors import InputError, MedidiffError, MissingError, OutputError

DONE, BUG, ARGUMENT, INPUT, MISSING, OUTPUT, CHECK, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 5, 6, 130, 143

_NO_SPACE = "No space left on device"  # as safetensors and HDF5 put it, in errors of their own
_DISTRIBUTIONS = {"skimage": "scikit-image", "yaml": "PyYAML"}  # where pip knows a package by another name
_NO_MEMORY = ("can't allocate memory", "not enough memory", "CUDA out of memory")


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
        print(f"medidiff: {one_line(line)}", file=sys.stderr)
        return code


def missing_package(error: ImportError) -> MissingError | None:
    """The error that names the package to install; None where what is missing is ours or Python's own."""
    package = (error.name or "medidiff").partition(".")[0]
    if package == "medidiff" or package in sys.stdlib_module_names:
        return None
    name = _DISTRIBUTIONS.get(package, package)
    return MissingError(
        f"package {name}",
        expected="an installed package",
        got="none that can be imported",
        fix=f"Install it: pip install {name}",
    )


def _explain(error: BaseException, terminal: Terminal) -> tuple[int, str]:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, f"interrupted; {terminal.after_interrupt}"
    if isinstance(error, _Terminated):
        return TERMINATED, f"terminated; {terminal.after_interrupt}"
    if isinstance(error, ImportError):
        error = missing_package(error) or error
    if isinstance(error, MedidiffError):
        return _code(error), f"error: {error}"
    if _is_memory(error):
        return (
            MISSING,
            "error: memory: this needs more than is free. Take fewer --slices or a smaller --matrix.",
        )
    if _is_writing(error):
        reason = (
            os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "no space"
        )
        return (
            OUTPUT,
            f"error: output: expected a place that can be written, got: {reason}. Choose another --out.",
        )
    return BUG, _bug(error)


def _code(error: MedidiffError) -> int:
    if isinstance(error, InputError):
        return ARGUMENT if error.argument else INPUT
    return {MissingError: MISSING, OutputError: OUTPUT}.get(type(error), BUG)


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _is_writing(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in ONLY_WRITING) or _NO_SPACE in str(error)


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
    """Kinds and places of the error and its causes; neither messages nor folders outside the packages."""
    lines = [f"medidiff {__version__}, Python {platform.python_version()}, {platform.system()}"]
    seen: BaseException | None = error
    while seen is not None:
        lines.append(f"{type(seen).__module__}.{type(seen).__qualname__}")
        frames = traceback.extract_tb(seen.__traceback__)
        lines += [f"  {_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(lines) + "\n"


def _place(filename: str) -> str:
    """The path below site-packages or from `medidiff/` on, else the base name."""
    parts = Path(filename).parts
    for anchor, keep in (("site-packages", 1), ("medidiff", 0)):
        if anchor in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(anchor) + keep :])
    return parts[-1] if parts else "?"


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
