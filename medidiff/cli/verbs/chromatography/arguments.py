"""Arguments that peaks, calibrate and index share: a method, and a blank to subtract."""

from __future__ import annotations

from argparse import Namespace, _ActionsContainer
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.cli.options import check_output

if TYPE_CHECKING:
    from medidiff.domains.chromatography.chromatogram import Chromatogram

METHODS = ("btex",)  # as in analysis.method_file, which would load pydantic before --help


def add_method(parser: _ActionsContainer, text: str) -> None:
    """Add --method and --blank; `text` says what the method is for."""
    shipped = "|".join(METHODS)
    parser.add_argument("--method", type=_method, metavar=f"{shipped}|FILE", help=text)
    text = "a run without sample, to subtract"
    parser.add_argument("--blank", type=Path, metavar="FILE", help=text)


def _method(text: str) -> str | Path:
    return text if text in METHODS else Path(text)


def check_apart(arguments: Namespace) -> None:
    """Refuse an output folder that is occupied, cannot be written, or holds one of the inputs."""
    method = arguments.method if isinstance(arguments.method, Path) else None
    inputs = (arguments.input, method, arguments.blank)
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=inputs)


def blank_of(arguments: Namespace) -> Chromatogram | None:
    """The blank, where one was given."""
    if arguments.blank is None:
        return None
    from medidiff.domains.chromatography.analysis.blank import read_blank

    return read_blank(arguments.blank, getattr(arguments, "trace", None))
