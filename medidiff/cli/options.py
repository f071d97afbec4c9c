"""Arguments that mean the same in every verb, and the types that refuse a wrong value in one line."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from medidiff.atomic import refuse_occupied, writable
from medidiff.cli.door import ARGUMENT, one_line
from medidiff.errors import InputError

_LARGEST_ANGLES_FILE = 1 << 20


class Parser(argparse.ArgumentParser):
    """Refuses in one line, takes no abbreviations, and keeps its help within 80 columns."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", _Formatter)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(ARGUMENT, f"medidiff: error: {one_line(message)}. See '{self.prog} --help'.\n")


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, 80)
        super().__init__(prog, max_help_position=24, width=max(width - 1, 40))


def parse(parser: Parser, words: Sequence[str]) -> Namespace | int:
    """The arguments, or the exit code of help and usage errors."""
    try:
        return parser.parse_args(words)
    except SystemExit as stop:
        return int(stop.code or 0)


def leaves(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers at the ends: the parser itself, or those of its sub-verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return list(action.choices.values())
    return [parser]


def add_everywhere(parser: Parser) -> None:
    """Add --quiet, --json and --debug to the verb, or to each of its sub-verbs."""
    for leaf in leaves(parser):
        group = leaf.add_argument_group("everywhere")
        group.add_argument("--quiet", action="store_true", help="no progress, no notes")
        group.add_argument("--json", action="store_true", help="a summary for programs on stdout")
        group.add_argument("--debug", action="store_true", help="show a traceback when something fails")


def add_output(
    parser: argparse.ArgumentParser, *, required: bool = True, text: str = "folder to write"
) -> None:
    """Add --out DIR and --overwrite."""
    parser.add_argument("--out", type=Path, metavar="DIR", required=required, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that is not empty")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add --seed N."""
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, metavar="N", help="random seed (0)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    choices = ("auto", "cpu", "cuda")
    parser.add_argument("--device", choices=choices, default="auto", help="where networks run (auto)")


def add_prior(parser: argparse.ArgumentParser) -> None:
    """Add --prior NAME."""
    text = "a prior of 'medidiff models list' (default: the newest that accepts the input)"
    parser.add_argument("--prior", metavar="NAME", help=text)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse an output folder that is occupied or cannot be written, before anything is computed."""
    path = Path(os.path.abspath(path))
    refuse_occupied(path, overwrite=overwrite)
    parent = next(p for p in path.parents if p.exists())
    with writable(path), tempfile.TemporaryDirectory(dir=parent, prefix=".medidiff-"):
        pass


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """The type of a whole number from `low` to `high`."""

    def convert(text: str) -> int:
        bound = f"of at least {low}" if high is None else f"from {low} to {high}"
        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(f"expected a whole number {bound}, got {text!r}") from None
        if value < low or (high is not None and value > high):
            raise ArgumentTypeError(f"expected a whole number {bound}, got {value}")
        return value

    return convert


def positive(unit: str, *, most: float = float("inf")) -> Callable[[str], float]:
    """The type of a finite number above 0, at most `most`."""

    def convert(text: str) -> float:
        bound = f"above 0 and at most {most:g}" if most < float("inf") else "above 0"
        try:
            value = float(text)
        except ValueError:
            raise ArgumentTypeError(f"expected {unit} {bound}, got {text!r}") from None
        if not 0 < value < float("inf") or value > most:
            raise ArgumentTypeError(f"expected {unit} {bound}, got {value:g}")
        return value

    return convert


def block(text: str) -> tuple[int, int]:
    """A block A:B of slices, A <= k < B, counted from 0."""
    start, colon, stop = text.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise ArgumentTypeError(f"expected A:B with 0 <= A < B, got {text!r}")
    return int(start), int(stop)


def listed(allowed: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """The type of a comma-separated choice of `allowed`, or "all"."""

    def convert(text: str) -> tuple[str, ...]:
        names = tuple(allowed) if text == "all" else tuple(name.strip() for name in text.split(","))
        unknown = [name for name in names if name not in allowed]
        if unknown or len(set(names)) != len(names):
            raise ArgumentTypeError(f"expected all, or some of {', '.join(allowed)}, each once; got {text!r}")
        return names

    return convert


def read_angles(path: Path) -> tuple[float, ...]:
    """Angles in degrees from a text file, separated by spaces, commas or lines; InputError for another."""
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8") if size <= _LARGEST_ANGLES_FILE else ""
        angles = tuple(float(word) for word in text.replace(",", " ").split())
    except OSError:
        raise _bad_angles(path, "no file that can be read") from None
    except ValueError:
        raise _bad_angles(path, "something that is no number") from None
    if not angles:
        raise _bad_angles(path, "no number" if size <= _LARGEST_ANGLES_FILE else f"{size} bytes")
    return angles


def _bad_angles(path: Path, got: str) -> InputError:
    fix = "Write one angle a line, for example 0, 7.5, 15."
    return InputError(f"angles file {path.name}", expected="view angles in degrees", got=got, fix=fix)
