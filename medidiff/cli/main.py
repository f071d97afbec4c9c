"""`medidiff VERB ...`: finds the verb, builds its parser only, and runs it behind the error door."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from medidiff import __version__
from medidiff.cli.door import ARGUMENT, guarded
from medidiff.cli.options import Parser, add_everywhere, parse
from medidiff.cli.terminal import Terminal

VERBS = {
    "doctor": "look whether this machine and installation are ready",
    "demo": "a first look on shipped data (ct, chromatography)",
    "reconstruct": "reconstruct your own scan from fewer views (ct)",
    "chromatography": "simulate, fit and read gas chromatograms",
    "app": "the pages in a browser: reconstruct, look, compare, read",
    "models": "list, show and pack priors (list, show, pack)",
    "train": "train a prior from a configuration",
    "rerun": "do a run again and compare",
    "review": "blinded reader studies: protocol, answers, statistics",
    "bench": "measure: core, projector, ct, chromatography",
}
"""Name -> what it does; `medidiff.cli.verbs.NAME` holds it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (the table is in `medidiff.cli.door`)."""
    _prepare_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    leading = list(takewhile(lambda word: word.startswith("-"), words))
    if {"-h", "--help"} & set(leading) or words == []:
        print(_help())
        return 0
    if "--version" in leading:
        print(f"medidiff {__version__}")
        return 0
    rest = words[len(leading) :]
    if not rest or rest[0] not in VERBS:
        return _unknown(rest[0] if rest else leading[0])
    verb, words, terminal = rest[0], [*rest[1:], *leading], Terminal()
    if "--job" not in words[:-1]:
        return guarded(lambda: _run(verb, words, terminal), terminal, debug="--debug" in words)
    return _run_job(verb, words, terminal)


def _prepare_streams() -> None:
    """A stream that the caller closed leads nowhere; the name of a file may hold any character."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  stays open as the stream would
        # Also where the terminal has an old encoding.
        if hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _run(verb: str, words: list[str], terminal: Terminal) -> int:
    text = VERBS[verb]
    parser = Parser(prog=f"medidiff {verb}", description=f"{text[:1].upper()}{text[1:]}.")
    importlib.import_module(f"medidiff.cli.verbs.{verb}").add_arguments(parser)
    add_everywhere(parser)
    arguments = parse(parser, words)
    if isinstance(arguments, int):
        return arguments
    terminal.quiet, terminal.json = arguments.quiet, arguments.json
    code: int = arguments.run(arguments, terminal)
    return code


def _run_job(verb: str, words: list[str], terminal: Terminal) -> int:
    """As any command, and its folder is told how far it is and how it ended."""
    from medidiff.runs.jobs import Worker

    workers: list[Worker] = []

    def run() -> int:
        workers.append(Worker(Path(words[words.index("--job") + 1])))
        terminal.watcher = workers[0].progress
        return _run(verb, words, terminal)

    code = guarded(run, terminal, debug="--debug" in words)
    for worker in workers:
        worker.close(code)
    return code


def _help() -> str:
    verbs = "\n".join(f"  {name:<15} {text}" for name, text in VERBS.items())
    return (
        "usage: medidiff VERB [options]      (medidiff VERB --help for its options)\n\n"
        "Images and curves from measurements that are too few or too noisy.\n"
        "Research use only: not for diagnosis.\n"
        f"{verbs}\n\n"
        "everywhere:\n"
        "  --quiet      no progress          --json   a summary for programs on stdout\n"
        "  --debug      show a traceback     --version\n\n"
        "Start with: medidiff demo"
    )


def _unknown(word: str) -> int:
    near = difflib.get_close_matches(word, VERBS, 1)
    hint = f"Did you mean 'medidiff {near[0]}'?" if near else "See 'medidiff --help'."
    shown = os.path.basename(word) if word.isprintable() else repr(word)
    print(f"medidiff: error: no verb {shown!r}. {hint}", file=sys.stderr)
    return ARGUMENT
