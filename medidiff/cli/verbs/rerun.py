"""`medidiff rerun provenance.json --input PATH`: do a run again and say whether it came out the same."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medidiff.cli.door import CHECK
from medidiff.cli.options import Parser, add_device, add_output, check_output
from medidiff.cli.terminal import Terminal
from medidiff.errors import InputError

if TYPE_CHECKING:
    from medidiff import CTMeasurement, Volume
    from medidiff.cli.recorded import Recorded
    from medidiff.runs import Result, Verdict


def add_arguments(parser: Parser) -> None:
    """The provenance, and the input that it names by digest."""
    parser.add_argument("provenance", type=Path, metavar="PROVENANCE", help="provenance.json of a run folder")
    parser.add_argument("--input", type=Path, metavar="PATH", help="the same input (the demo needs none)")
    add_output(parser, required=False, text="folder for the new run (default: it is only compared)")
    add_device(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    if arguments.out:
        inputs = (arguments.provenance, arguments.input)
        check_output(arguments.out, overwrite=arguments.overwrite, inputs=inputs)

    from medidiff.cli.recorded import recorded
    from medidiff.runs import read_provenance

    found = read_provenance(arguments.provenance)
    run = recorded(found)
    source = _input(run, arguments.input)
    _use_threads(run.threads)
    result = _again(run, source, arguments.device, terminal)
    result.provenance["reading"] = run.reading.model_dump(exclude_unset=True)
    verdict = _compare(arguments.provenance, found, result)
    if arguments.out:
        result.save(arguments.out, overwrite=arguments.overwrite)
    terminal.result(verdict.sentence(), _data(verdict))
    return CHECK if verdict.kept is False else 0


def _again(run: Recorded, source: Volume | CTMeasurement, device: str, terminal: Terminal) -> Result:
    import medidiff as md

    options = run.options.model_dump(exclude={"method"}, exclude_unset=True)
    ways: dict[str, Any] = {"seed": run.seed, "device": device, "progress": terminal.progress}
    if isinstance(options.get("geometry"), dict):
        from medidiff.domains.reconstruction.ct.scan.geometry import from_plain

        options["geometry"] = from_plain(options["geometry"])
    if isinstance(source, md.Volume):
        return md.retrospective_ct(source, **options, methods=run.options.method, **ways)
    return md.reconstruct_ct(source, **options, method=run.options.method, **ways)


def _input(run: Recorded, path: Path | None) -> Volume | CTMeasurement:
    """What the run was made from; InputError when the digest is another."""
    import medidiff as md

    reading = run.reading
    source: Volume | CTMeasurement
    if path is not None and reading.sinogram:
        source = md.read_sinogram(path, matrix=reading.matrix, slices=reading.block)
    elif path is not None:
        source = md.read_volume(path, series=reading.series, slices=reading.block, units=reading.units)
    elif reading.demo:
        source = md.demo_volume(reading.demo, slices=reading.block)
    else:
        fix = "Give the input of that run with --input PATH."
        raise InputError("input", expected="--input", got="none", fix=fix, argument=True)
    if source.origin not in run.inputs.values():
        raise InputError(
            path.name if path else "demo",
            expected="the input of that run",
            got="voxels or an affine with another digest",
            fix="Give the same file, unchanged.",
        )
    return source


def _use_threads(count: int) -> None:
    """As many threads as the run had, since sums depend on it; torch may have more than there are cores."""
    import torch

    torch.set_num_threads(count)


def _compare(path: Path, found: dict[str, Any], result: Result) -> Verdict:
    """Array by array where the old run folder is whole, else by digests."""
    from medidiff.runs import Result, compare_digests, compare_runs

    try:
        return compare_runs(Result.load(path.parent), result)
    except InputError:
        return compare_digests(found, result)


def _data(verdict: Verdict) -> dict[str, Any]:
    return {
        "promise": verdict.promise.name,
        "when": verdict.promise.when,
        "changed": list(verdict.changed),
        "identical": verdict.identical,
        "rms_share": verdict.rms_share,
        "psnr_db": verdict.psnr_db,
        "kept": verdict.kept,
    }
