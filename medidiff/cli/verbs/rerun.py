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
    from medidiff.io.volume import Volume
    from medidiff.runs import Result, Verdict


ASKED = ("views", "arc_deg", "angles_deg", "photons", "matrix", "prior", "mode", "coupling", "float32")


def add_arguments(parser: Parser) -> None:
    """The provenance, and the input that it names by digest."""
    parser.add_argument("provenance", type=Path, metavar="PROVENANCE", help="provenance.json of a run folder")
    parser.add_argument("--input", type=Path, metavar="PATH", help="the same input (the demo needs none)")
    add_output(parser, required=False, text="folder for the new run (default: it is only compared)")
    add_device(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    if arguments.out:
        check_output(arguments.out, overwrite=arguments.overwrite)

    import medidiff as md
    from medidiff.runs import read_provenance

    recorded = read_provenance(arguments.provenance)
    volume = _input(recorded, arguments.input)
    _use_threads(recorded["threads"])
    options = _options(recorded, arguments.device)
    result = md.retrospective_ct(volume, **options, progress=terminal.progress)
    result.provenance["reading"] = recorded.get("reading", {})
    verdict = _compare(arguments.provenance, recorded, result)
    if arguments.out:
        result.save(arguments.out, overwrite=arguments.overwrite)
    terminal.result(verdict.sentence(), _data(verdict))
    return CHECK if verdict.kept is False else 0


def _options(recorded: dict[str, Any], device: str) -> dict[str, Any]:
    """The arguments of `retrospective_ct`; what it resolved by itself (weights, levels) it resolves again."""
    if recorded["verb"] != "reconstruct ct":
        raise InputError(
            "provenance",
            expected="verb 'reconstruct ct'",
            got=repr(recorded["verb"]),
            fix="Choose another run.",
        )
    options = recorded["options"]
    asked = {name: options[name] for name in ASKED if name in options}
    return {**asked, "methods": options["method"], "seed": recorded["seed"], "device": device}


def _input(recorded: dict[str, Any], path: Path | None) -> Volume:
    """The volume that the run was made from; InputError when the digest is another."""
    import medidiff as md

    reading = recorded.get("reading", {})
    slices = tuple(reading["slices"]) if reading.get("slices") else None
    if path is not None:
        volume = md.read_volume(
            path, series=reading.get("series"), slices=slices, units=reading.get("units", "hu")
        )
    elif "demo" in reading:
        volume = md.demo_volume(reading["demo"], slices=slices)
    else:
        fix = "Give the input of that run with --input PATH."
        raise InputError("input", expected="--input", got="none", fix=fix, argument=True)
    if volume.origin not in recorded["inputs"].values():
        raise InputError(
            path.name if path else "demo",
            expected="the input of that run",
            got="voxels or an affine with another digest",
            fix="Give the same file, unchanged.",
        )
    return volume


def _use_threads(count: int) -> None:
    """As many threads as the run had, since sums depend on it; torch may have more than there are cores."""
    import torch

    torch.set_num_threads(max(1, count))


def _compare(path: Path, recorded: dict[str, Any], result: Result) -> Verdict:
    """Array by array where the old run folder is whole, else by digests."""
    from medidiff.runs import Result, compare_digests, compare_runs

    try:
        return compare_runs(Result.load(path.parent), result)
    except InputError:
        return compare_digests(recorded, result)


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
