"""`medidiff review new | freeze | status | verify | merge | unblind | export | stats`: reader studies.

Reading itself is done in the app (`medidiff app --study DIR`) or from Python.
"""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.cli.door import CHECK, DONE
from medidiff.cli.options import Parser, add_output, whole
from medidiff.cli.terminal import Terminal

if TYPE_CHECKING:
    from medidiff.review import Study

_WINDOWS = {"lung": (-600.0, 1500.0), "soft": (40.0, 400.0), "bone": (400.0, 1800.0)}


def add_arguments(parser: Parser) -> None:
    """Eight sub-verbs, in the order in which a study needs them."""
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="review_verb", parser_class=Parser)

    def verb(name: str, text: str) -> Parser:
        sentence = f"{text[:1].upper()}{text[1:]}."
        found: Parser = verbs.add_parser(name, help=text, description=sentence)
        return found

    _add_new(verb("new", "draft the protocol of a study out of run folders"))
    freeze = verb("freeze", "fix protocol and images by their hashes")
    freeze.add_argument(
        "--images", type=Path, metavar="DIR", help="where the protocol's places start (the study's folder)"
    )
    status = verb("status", "how far each reader is, without results")
    verify = verb("verify", "find changed, removed, added or cut-off rows")
    verify.add_argument("--expect", metavar="HEAD", help="a head that was printed earlier: shows a cut end")
    _add_merge(verb("merge", "join the databases of several workstations"))
    unblind = verb("unblind", "open the results and close the study for good")
    unblind.add_argument("--reason", metavar="TEXT", required=True, help="why now; goes into the log")
    export = verb("export", "write the answers as a table (arms hidden until unblinded)")
    stats = verb("stats", "write what the answers mean, once unblinded")
    for found, run in (
        (freeze, _freeze),
        (status, _status),
        (verify, _verify),
        (export, _export),
        (stats, _stats),
        (unblind, _unblind),
    ):
        found.add_argument("study", type=Path, metavar="DIR", help="folder of the study")
        found.set_defaults(run=run)
    for found in (export, stats):
        add_output(found, required=False, text="folder to write (the study's)", overwrite=None)


def _add_merge(parser: Parser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder for the joined study")
    parser.add_argument("studies", type=Path, nargs="+", metavar="DIR", help="copies of one frozen study")
    parser.add_argument("--separate", action="store_true", help="one code in two copies is two readers")
    parser.set_defaults(run=_merge)


def _add_new(parser: Parser) -> None:
    parser.add_argument("study", type=Path, metavar="DIR", help="new folder for the study")
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        action="extend",
        required=True,
        dest="runs",
        metavar="RUN",
        help="run folders with the images; may be given again",
    )
    parser.add_argument(
        "--arms", type=_names, required=True, metavar="A,B", help="methods to compare, as tv,diffusion"
    )
    parser.add_argument(
        "--kind",
        choices=("pairs", "likert"),
        default="pairs",
        help="two images side by side, or one image on a scale (pairs)",
    )
    parser.add_argument("--cases", type=whole(6, 2000), default=6, metavar="N", help="cases that count (6)")
    parser.add_argument(
        "--training",
        type=whole(0, 100),
        default=1,
        metavar="N",
        help="cases to practise on first, not counted (1)",
    )
    parser.add_argument("--window", choices=tuple(_WINDOWS), help="grey range to open with (lung for HU)")
    parser.set_defaults(run=_new)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or len(set(names)) != len(names) or not all(names):
        raise ArgumentTypeError(f"expected two or more different names, as tv,diffusion; got {text!r}")
    return names


def _new(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review import new_study

    path = new_study(
        arguments.study,
        arguments.runs,
        arguments.arms,
        kind=arguments.kind,
        cases=arguments.cases,
        training=arguments.training,
        window=_WINDOWS.get(arguments.window),
    )
    wanted, given = arguments.cases + arguments.training, len(arguments.runs)
    if given > wanted:
        terminal.warn(f"the first {wanted} of {given} runs are in it: more --cases take more")
    if given < wanted:
        terminal.warn("several cases are blocks of one scan: they are not independent, intervals too narrow")
    text = f"{path}\nDecide what it asks, then: medidiff review freeze {arguments.study}"
    terminal.result(text, {"protocol": str(path)})
    return DONE


def _freeze(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review import freeze_study, state_of
    from medidiff.review.store import key_path

    study = freeze_study(arguments.study, images=arguments.images, progress=terminal.progress)
    state, key = state_of(study), key_path(study.manifest.study)
    text = (
        f"frozen: protocol {study.digest}\n"
        f"key of the study: {key}\n"
        "Keep a copy of that key apart from the study; other workstations need it in the same place.\n"
        f"head {state.head}\n"
        f"To read: medidiff app --study {arguments.study}  (research use only)"
    )
    terminal.result(text, {"protocol_sha256": study.digest, "key": str(key), "head": str(state.head)})
    return DONE


def _status(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review import state_of

    state = state_of(_opened(arguments.study, terminal))
    terminal.result("\n".join(state.lines()), {**asdict(state), "head": str(state.head)})
    return DONE


def _verify(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review import Head, verify_study

    expect = None if arguments.expect is None else Head.parse(arguments.expect)
    verdict = verify_study(arguments.study, expect=expect)
    if expect is None:
        terminal.note("without --expect HEAD, rows cut from the end do not show")
    facts = {"whole": verdict.whole, "head": str(verdict.head), "faults": [asdict(f) for f in verdict.faults]}
    terminal.result(verdict.sentence(), facts)
    return DONE if verdict.whole else CHECK


def _export(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review import export_study

    found = export_study(_opened(arguments.study, terminal), arguments.out)
    state = "arms hidden" if found.blinded else "unblinded"
    text = "\n".join([*map(str, found.files), f"{found.answers} answers, {state} (research use only)"])
    facts = {"files": [str(f) for f in found.files], "answers": found.answers, "blinded": found.blinded}
    terminal.result(f"{text}\nhead {found.head}", {**facts, "head": str(found.head)})
    return DONE


def _stats(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review.report import statistics_text, write_statistics

    found = write_statistics(_opened(arguments.study, terminal), arguments.out)
    terminal.result("\n".join(statistics_text(found)), found)
    return DONE


def _merge(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review import merge_studies, state_of

    state = state_of(merge_studies(arguments.out, arguments.studies, separate=arguments.separate))
    terminal.result("\n".join(state.lines()), {**asdict(state), "head": str(state.head)})
    return DONE


def _unblind(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.review import state_of

    study = _opened(arguments.study, terminal)
    head = study.unblind(arguments.reason)
    state = state_of(study)
    if len(state.readers) < state.planned_readers:
        terminal.warn(f"closed with {len(state.readers)} of {state.planned_readers} planned readers")
    for one in state.readers:
        if one.answered < one.total:
            terminal.warn(f"reader {one.number} was closed out after {one.answered} of {one.total}")
    text = f"unblinded and closed with {state.answers} answers of {len(state.readers)} readers\nhead {head}"
    terminal.result(text, {"answers": state.answers, "head": str(head)})
    return DONE


def _opened(folder: Path, terminal: Terminal) -> Study:
    from medidiff.review import open_study

    study = open_study(folder)
    for notice in study.notices:
        terminal.note(notice)
    return study
