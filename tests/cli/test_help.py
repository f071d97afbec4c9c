"""Help fits a terminal of 80 columns, is quick, and loads nothing heavy."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from medidiff.cli.main import VERBS, main
from medidiff.cli.options import Parser, add_everywhere, leaves

_HEAVY = ("torch", "monai", "numpy", "pydantic", "nibabel", "matplotlib", "rich")


def _leaf_parsers() -> list[Parser]:
    found: list[Parser] = []
    for name in VERBS:
        parser = Parser(prog=f"medidiff {name}", description=".")
        importlib.import_module(f"medidiff.cli.verbs.{name}").add_arguments(parser)
        add_everywhere(parser)
        found += [parser, *leaves(parser)]
    return found


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_help_fits_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert all(any(line.split()[:1] == [verb] for line in lines) for verb in VERBS)


@pytest.mark.parametrize("parser", _leaf_parsers(), ids=lambda parser: parser.prog)
def test_help_of_each_verb_fits_80_columns(parser: Parser) -> None:
    assert max(map(len, parser.format_help().splitlines())) <= 80


@pytest.mark.parametrize("parser", _leaf_parsers(), ids=lambda parser: parser.prog)
def test_options_mean_the_same_everywhere(parser: Parser) -> None:
    """One help text and one default for each shared option, in every verb that has it.

    --overwrite says in the verb's own words what it replaces: a folder, or a prior.
    """
    shared = {"--quiet", "--json", "--debug", "--seed", "--device", "--prior"}
    reference = {
        option: (action.help, action.default)
        for other in _leaf_parsers()
        for action in other._actions
        for option in shared.intersection(action.option_strings)
    }
    for action in parser._actions:
        for option in shared.intersection(action.option_strings):
            assert (action.help, action.default) == reference[option]


def test_no_help_promises_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A run with checkpoints is resumed, not replaced; no image has a spread yet; CT keeps its capitals."""
    helps = {parser.prog: parser.format_help() for parser in _leaf_parsers()}
    assert "--overwrite" not in helps["medidiff train"]
    assert "replace a prior of the same name" in helps["medidiff models pack"]
    assert main(["demo", "--help"]) == main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "A first look on shipped data (ct, chromatography)." in shown
    assert "how sure" not in shown


@pytest.mark.parametrize("words", [["--help"], ["reconstruct", "ct", "--help"], ["train", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from medidiff.cli.main import main; code = main(sys.argv[1:]);"
        f"loaded = sorted(set({_HEAVY!r}) & set(sys.modules)); sys.exit(code or str(loaded or '') or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_everywhere_options_may_stand_before_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "models", "list"]) == 0
    assert capsys.readouterr().out.startswith("[")


def test_python_m_medidiff_is_the_command_line() -> None:
    command = [sys.executable, "-m", "medidiff", "--version"]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert run.stdout.startswith("medidiff 0.")


def test_the_command_line_and_the_domain_allow_the_same_photons() -> None:
    """The command line keeps its own copy: importing the domain would slow every verb."""
    from medidiff.cli import options
    from medidiff.domains.reconstruction.ct.scan import measurement

    assert options.LEAST_PHOTONS == measurement.FEWEST_PHOTONS
    assert options.MOST_PHOTONS == measurement.MOST_PHOTONS
