"""`medidiff reconstruct ct INPUT --out DIR`: a sinogram as it was measured, or fewer views of a volume.

A volume (`--views N`) is measured, reconstructed and compared with itself; of a sinogram there is no truth.
With `--cohort FOLDER|LIST` in place of INPUT, of many volumes.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

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

if TYPE_CHECKING:
    from medidiff.runs.result import Result

Method = Literal["fbp", "sirt", "cgls", "tv", "diffusion"]
GeometryName = Literal["parallel", "fan-flat", "fan-curved"]
Coupling = Literal["none", "tv", "noise", "both"]
METHODS: tuple[str, ...] = get_args(Method)
GEOMETRIES: tuple[str, ...] = get_args(GeometryName)
COUPLINGS: tuple[str, ...] = get_args(Coupling)
_OF_VOLUMES = ("views", "angles_file", "arc_deg", "geometry", "photons", "series", "units")


def add_arguments(parser: Parser) -> None:
    """The one modality so far: ct."""
    modalities = parser.add_subparsers(metavar="ct", required=True, dest="modality", parser_class=Parser)
    ct = modalities.add_parser(
        "ct",
        help="sparse-view, limited-arc or low-dose CT",
        description="Reconstruct a measured sinogram; or measure a CT volume in few views, reconstruct it "
        "and compare with the volume.",
    )
    what = ct.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "input",
        type=Path,
        metavar="INPUT",
        nargs="?",
        help="NIfTI, a DICOM file or folder, or a sinogram (HDF5)",
    )
    what.add_argument(
        "--cohort", type=Path, metavar="FOLDER|LIST", help="or many volumes: a folder, or a list of paths"
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
    angles = scan.add_mutually_exclusive_group()
    angles.add_argument(
        "--views",
        type=whole(1, MOST_VIEWS),
        metavar="N",
        help="views, evenly over the arc (a volume needs them)",
    )
    angles.add_argument("--angles-file", type=Path, metavar="F", help="or a text file of angles in degrees")
    scan.add_argument(
        "--arc-deg",
        type=positive("degrees", most=360),
        metavar="D",
        help="arc of --views (a full scan: 180 parallel, 360 fan)",
    )
    scan.add_argument(
        "--geometry", choices=GEOMETRIES, help="of the rays (parallel; a fan is a usual clinical gantry)"
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
    scan.add_argument("--units", choices=("hu", "1/mm"), help="what the values of a volume are (hu)")


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
    sinogram = arguments.cohort is None and _is_sinogram(arguments.input)
    _check_scan(arguments, sinogram=sinogram)
    if arguments.cohort is not None:
        return _run_cohort(arguments, terminal)
    inputs = (arguments.input, arguments.angles_file)
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=inputs)
    angles = read_angles(arguments.angles_file) if arguments.angles_file else None

    result = _measured(arguments, terminal) if sinogram else _retrospective(arguments, angles, terminal)
    show(result, result.save(arguments.out, overwrite=arguments.overwrite), terminal)
    return 0


def _is_sinogram(path: Path) -> bool:
    """Whether INPUT is a sinogram, or is named like one, which reading then refuses."""
    from medidiff.io.hdf5 import is_hdf5

    return is_hdf5(path) or path.suffix.lower() in (".h5", ".hdf5")


def _check_scan(arguments: Namespace, *, sinogram: bool) -> None:
    """A volume needs views; a sinogram has its own scan, so that no option may name another."""
    given = [f"--{name.replace('_', '-')}" for name in _OF_VOLUMES if getattr(arguments, name) is not None]
    if sinogram and given:
        raise InputError(
            ", ".join(given),
            expected="a volume as INPUT",
            got="a sinogram, which says itself how it was measured",
            fix="Leave it out.",
            argument=True,
        )
    if not sinogram and arguments.views is None and arguments.angles_file is None:
        raise InputError(
            "scan",
            expected="--views or --angles-file, which a volume needs",
            got="neither",
            fix="24 views are usual.",
            argument=True,
        )


def _measured(arguments: Namespace, terminal: Terminal) -> Result:
    """What a sinogram's rays say."""
    import medidiff as md

    reading = {"matrix": arguments.matrix, "slices": arguments.slices}
    measurement = md.read_sinogram(arguments.input, **reading)
    result = md.reconstruct_ct(
        measurement, method=arguments.method, **method_options(arguments), progress=terminal.progress
    )
    result.provenance["reading"] = {"sinogram": True, **reading}
    return result


def _retrospective(arguments: Namespace, angles: tuple[float, ...] | None, terminal: Terminal) -> Result:
    """What few views of a volume say of it."""
    import medidiff as md

    reading = reading_options(arguments)
    volume = md.read_volume(arguments.input, **reading)
    result = md.retrospective_ct(volume, **scan_options(arguments, angles), progress=terminal.progress)
    # How the file was read, for `rerun`: the domain saw only the volume.
    result.provenance["reading"] = reading
    return result


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
    return {"series": arguments.series, "slices": arguments.slices, "units": arguments.units or "hu"}


def scan_options(arguments: Namespace, angles: tuple[float, ...] | None) -> dict[str, Any]:
    """The arguments of `retrospective_ct` that the command line named."""
    views = {"views": arguments.views, "arc_deg": arguments.arc_deg}
    return {
        **({"angles_deg": angles} if angles else views),
        "geometry": arguments.geometry or GEOMETRIES[0],
        "photons": arguments.photons,
        "matrix": arguments.matrix,
        "methods": arguments.method,
        **method_options(arguments),
    }


def method_options(arguments: Namespace) -> dict[str, Any]:
    """The arguments of `reconstruct_ct` that the command line named, without the methods."""
    return {name: getattr(arguments, name) for name in ("mode", "coupling", "prior", "seed", "device")}
