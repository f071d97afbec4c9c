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
    from medidiff.runs import Result, Verdict


def add_arguments(parser: Parser) -> None:
    """The provenance, and the input that it names by digest."""
    parser.add_argument(
        "provenance", type=Path, metavar="PROVENANCE", help="a run folder, or its provenance.json"
    )
    text = "the same input (a demo and a simulation need none; a run with a blank, two)"
    parser.add_argument("--input", type=Path, action="append", default=[], metavar="PATH", help=text)
    add_output(parser, required=False, text="folder for the new run (default: it is only compared)")
    add_device(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    if arguments.out:
        inputs = (arguments.provenance, *arguments.input)
        check_output(arguments.out, overwrite=arguments.overwrite, inputs=inputs)

    from medidiff.cli.reruns import recorded
    from medidiff.cli.reruns.run import Ways
    from medidiff.runs import read_provenance
    from medidiff.runs.result import PROVENANCE

    given: Path = arguments.provenance
    provenance = given / PROVENANCE if given.is_dir() else given
    found = read_provenance(provenance)
    run, home = recorded(found)
    result: Result = home.again(run, arguments.input, Ways(arguments.device, terminal.progress))
    result.provenance["reading"] = run.reading.model_dump(exclude_unset=True)
    verdict = _compare(provenance, found, result)
    if arguments.out:
        result.save(arguments.out, overwrite=arguments.overwrite)
    terminal.result(verdict.sentence(), _data(verdict))
    return CHECK if verdict.kept is False else 0


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
