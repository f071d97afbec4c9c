"""Arguments that mean the same in every verb, and the types that refuse a wrong value in one line."""

from __future__ import annotations

import argparse
import math
import os
import shutil
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from medidiff.atomic import rehearse_folder
from medidiff.cli.door import ARGUMENT
from medidiff.cli.terminal import one_line
from medidiff.errors import InputError, OutputError

MOST_VIEWS = 4096
LEAST_PHOTONS, MOST_PHOTONS = 10.0, 1e15  # per bin: below, there is no image; above, no noise
_LARGEST_ANGLES_FILE = 1 << 20


class Parser(argparse.ArgumentParser):
    """Refuses in one line, takes no abbreviations, and keeps its help within 80 columns."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", _Formatter)
        super().__init__(**options)

    def parse_known_args(  # type: ignore[override]  # argparse declares one overload a default
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        """Refuse unknown words here, where --help lists the known ones, and not in the parser above."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, []

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
    """Add --quiet, --json and --debug to the verb, or to each of its sub-verbs.

    And --job, which no help shows: this process does the job in that folder; `main` sees to it.
    """
    for leaf in leaves(parser):
        group = leaf.add_argument_group("everywhere")
        group.add_argument("--quiet", action="store_true", help="no progress, no notes (warnings stay)")
        group.add_argument("--json", action="store_true", help="a summary for programs on stdout")
        group.add_argument("--debug", action="store_true", help="show a traceback when something fails")
        group.add_argument("--job", type=Path, help=argparse.SUPPRESS)


def add_output(
    parser: argparse.ArgumentParser,
    *,
    required: bool = True,
    text: str = "folder to write",
    overwrite: str | None = "replace a folder that medidiff wrote",
) -> None:
    """Add --out DIR and, unless its help is None, --overwrite."""
    parser.add_argument("--out", type=Path, metavar="DIR", required=required, help=text)
    if overwrite is not None:
        parser.add_argument("--overwrite", action="store_true", help=overwrite)


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add --seed N."""
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, metavar="N", help="random seed (0)")


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add --device."""
    choices = ("auto", "cpu", "cuda")
    parser.add_argument("--device", choices=choices, default="auto", help="where networks run (auto)")


def add_prior(parser: argparse._ActionsContainer) -> None:
    """Add --prior NAME."""
    text = "a prior of 'medidiff models list' (default: the best that accepts the input)"
    parser.add_argument("--prior", metavar="NAME", help=text)


def check_output(path: Path, *, overwrite: bool, inputs: Sequence[Path | None] = ()) -> None:
    """Refuse an output folder that is occupied or cannot be written, before anything is computed."""
    check_output_apart(path, inputs)
    rehearse_folder(path, overwrite=overwrite)


def check_output_apart(path: Path, inputs: Sequence[Path | None]) -> None:
    """Refuse an output folder in which an input lies.

    Even a run's own image is not replaced while it is the input of another.
    """
    out = Path(os.path.realpath(path))
    if any(Path(os.path.realpath(given)).is_relative_to(out) for given in inputs if given is not None):
        raise OutputError(
            f"output {out.name or out}",
            expected="a folder apart from the input",
            got="the folder that holds it",
            fix="Choose another --out.",
        )


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


def photons(text: str) -> float:
    """Photons per detector bin."""
    value = positive("photons")(text)
    if not LEAST_PHOTONS <= value <= MOST_PHOTONS:
        bound = f"from {LEAST_PHOTONS:g} to {MOST_PHOTONS:g} (1e5 is a usual dose)"
        raise ArgumentTypeError(f"expected photons {bound}, got {value:g}")
    return value


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
    from medidiff.io.opening import regular_size

    size = regular_size(path)  # a pipe would never end
    if size > _LARGEST_ANGLES_FILE:
        raise _bad_angles(path, f"{size} bytes")
    try:
        angles = tuple(float(word) for word in path.read_text(encoding="utf-8").replace(",", " ").split())
    except (OSError, ValueError):
        raise _bad_angles(path, "something that is no number") from None
    if not 1 <= len(angles) <= MOST_VIEWS:
        raise _bad_angles(path, f"{len(angles)} numbers")
    wrong = [angle for angle in angles if not math.isfinite(angle) or abs(angle) > 360]
    if wrong:
        raise _bad_angles(path, f"{len(wrong)} outside, the first {wrong[0]:g}")
    return angles


def _bad_angles(path: Path, got: str) -> InputError:
    return InputError(
        f"angles file {path.name}",
        expected=f"1 to {MOST_VIEWS} view angles from -360 to 360 degrees",
        got=got,
        fix="Write one angle a line, for example 0, 7.5, 15.",
    )
