"""`medidiff reconstruct ct INPUT --views N --out DIR`: fewer views of your own scan, and how well they do.

With `--cohort FOLDER|LIST` in place of INPUT, of many scans.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Literal, get_args

from medidiff.cli import cohort
from medidiff.cli.options import (
    MOST_VIEWS,
    Parser,
    add_device,
    add_output,
    add_prior,
    add_seed,
    block,
    check_output,
    listed,
    photons,
    positive,
    read_angles,
    whole,
)
from medidiff.cli.summary import show
from medidiff.cli.terminal import Terminal
from medidiff.errors import InputError

ARC_DEG = 180.0
Method = Literal["fbp", "tv", "diffusion"]
Coupling = Literal["none", "tv", "noise", "both"]
METHODS: tuple[str, ...] = get_args(Method)
COUPLINGS: tuple[str, ...] = get_args(Coupling)


def add_arguments(parser: Parser) -> None:
    """The one modality so far: ct."""
    modalities = parser.add_subparsers(metavar="ct", required=True, dest="modality", parser_class=Parser)
    ct = modalities.add_parser(
        "ct",
        help="sparse-view, limited-arc or low-dose CT",
        description="Simulate a parallel-beam scan of a CT volume, reconstruct it, compare with the volume.",
    )
    what = ct.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "input", type=Path, metavar="INPUT", nargs="?", help="NIfTI file, or a DICOM file or folder"
    )
    what.add_argument(
        "--cohort", type=Path, metavar="FOLDER|LIST", help="or many: a folder of them, or a list of paths"
    )
    _add_scan(ct)
    _add_method(ct)
    add_output(ct, text="folder for images, figure.png, report.json, provenance.json")
    add_seed(ct)
    add_device(ct)
    add_prior(ct)
    cohort.add_cohort(ct)
    ct.set_defaults(run=_run_ct)


def _add_scan(parser: ArgumentParser) -> None:
    scan = parser.add_argument_group("scan")
    angles = scan.add_mutually_exclusive_group(required=True)
    angles.add_argument("--views", type=whole(1, MOST_VIEWS), metavar="N", help="views, evenly over the arc")
    angles.add_argument("--angles-file", type=Path, metavar="F", help="or a text file of angles in degrees")
    scan.add_argument(
        "--arc-deg",
        type=positive("degrees", most=360),
        metavar="D",
        help="arc of --views (180)",
    )
    scan.add_argument(
        "--photons",
        type=photons,
        metavar="P",
        help="photons per detector bin (default: no noise)",
    )
    scan.add_argument(
        "--matrix",
        type=whole(1),
        metavar="N",
        help="longer side in pixels (default: the input's, halved while above 256)",
    )
    scan.add_argument("--slices", type=block, metavar="A:B", help="axial slices A to B-1, counted from 0")
    scan.add_argument("--series", type=whole(1), metavar="N", help="which series of a DICOM folder")
    scan.add_argument("--units", choices=("hu", "1/mm"), default="hu", help="what the values are (hu)")


def _add_method(parser: ArgumentParser) -> None:
    method = parser.add_argument_group("method")
    method.add_argument(
        "--method",
        type=listed(METHODS),
        default=("diffusion",),
        metavar="M[,M]",
        help=f"{', '.join(METHODS)} or all (diffusion)",
    )
    method.add_argument("--mode", choices=("fast",), default="fast", help="how diffusion samples (fast)")
    method.add_argument("--coupling", choices=COUPLINGS, default="none", help="between slices (none)")


def _run_ct(arguments: Namespace, terminal: Terminal) -> int:
    if arguments.angles_file and arguments.arc_deg is not None:
        raise InputError(
            "--arc-deg",
            expected="--views beside it",
            got="--angles-file, which names every angle",
            fix="Leave one of the two out.",
            argument=True,
        )
    cohort.check_cohort(arguments)
    if arguments.cohort is not None:
        return _run_cohort(arguments, terminal)
    inputs = (arguments.input, arguments.angles_file)
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=inputs)
    angles = read_angles(arguments.angles_file) if arguments.angles_file else None

    import medidiff as md

    reading = reading_options(arguments)
    volume = md.read_volume(arguments.input, **reading)
    result = md.retrospective_ct(volume, **scan_options(arguments, angles), progress=terminal.progress)
    # How the file was read, for `rerun`: the domain saw only the volume.
    result.provenance["reading"] = reading
    show(result, result.save(arguments.out, overwrite=arguments.overwrite), terminal)
    return 0


def _run_cohort(arguments: Namespace, terminal: Terminal) -> int:
    scans = cohort.scans_of(arguments)
    angles = read_angles(arguments.angles_file) if arguments.angles_file else None

    import medidiff as md
    from medidiff.core.device import choose_device
    from medidiff.priors import find
    from medidiff.runs.cohort import Work

    # What is wrong for every scan is said once, before any worker starts.
    choose_device(arguments.device)
    if arguments.prior is not None:
        find(arguments.prior)
    options = scan_options(arguments, angles)
    work = Work("reconstruct ct", md.read_volume, reading_options(arguments), md.retrospective_ct, options)
    return cohort.run(arguments, work, scans, terminal)


def reading_options(arguments: Namespace) -> dict[str, Any]:
    """The arguments of `read_volume` that the command line named."""
    return {name: getattr(arguments, name) for name in ("series", "slices", "units")}


def scan_options(arguments: Namespace, angles: tuple[float, ...] | None) -> dict[str, Any]:
    """The arguments of `retrospective_ct` that the command line named."""
    views = {"views": arguments.views, "arc_deg": arguments.arc_deg or ARC_DEG}
    return {
        **({"angles_deg": angles} if angles else views),
        "photons": arguments.photons,
        "matrix": arguments.matrix,
        "methods": arguments.method,
        "mode": arguments.mode,
        "coupling": arguments.coupling,
        "prior": arguments.prior,
        "seed": arguments.seed,
        "device": arguments.device,
    }
