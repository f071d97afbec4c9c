"""README, CONTRIBUTING and .ci/run say the same; README's commands, names and numbers are true.

A number that a benchmark gave is followed by a comment, which readers do not see, that names its row:

    **+4.6 dB**<!-- benchmarks/results/ct/bench.json; T1 to T4; diffusion_minus_best_tv_db.axial -->

The number is the row's value, rounded to the decimals that are printed.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import medidiff
from medidiff.cli.main import VERBS
from medidiff.cli.options import Parser, add_everywhere

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

_CITED = re.compile(r"([+\-−]?\d[\d,]*(?:\.\d+)?)[^\d<|\n]*<!--\s*(\S+\.json);\s*(.*?);\s*(\S+?)\s*-->")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines()]


def test_two_lines_set_everything_up() -> None:
    """One installs and runs the demo, one installs and passes the tests; each makes its own environment."""
    lines = [line for line in commands() if line.startswith("python3 -m venv .venv && ")]
    assert [line.rpartition(" && ")[2] for line in lines] == [".venv/bin/medidiff demo", ".venv/bin/pytest"]
    assert all("-c constraints.txt" in line for line in lines)


def test_ci_does_what_the_readme_says() -> None:
    """Same environment, same install, same tests; CI only adds switches that keep pip quiet."""
    line = next(line for line in commands() if line.endswith("/pytest"))
    ours = [shlex.split(part) for part in line.replace(".venv", "VENV").split(" && ")]
    steps = re.findall(r"^step \w+ (.*)$", CI, re.M)
    theirs = [
        [
            w
            for w in shlex.split(s.replace("$venv", "VENV"))
            if w not in {"--quiet", "--disable-pip-version-check"}
        ]
        for s in steps
    ]
    assert [words for words in ours if words not in theirs] == []
    for tool in (
        ["VENV/bin/ruff", "check", "."],
        ["VENV/bin/ruff", "format", "--check", "."],
        ["VENV/bin/mypy"],
    ):
        assert tool in theirs


def test_contributing_has_the_same_set_up() -> None:
    line = next(line for line in commands() if line.endswith("/pytest")).rpartition(" && ")[0]
    assert line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def _parses(line: str) -> None:
    verb, *words = shlex.split(line)[1:]
    parser = Parser(prog=verb)
    importlib.import_module(f"medidiff.cli.verbs.{verb}").add_arguments(parser)
    add_everywhere(parser)
    parser.parse_args(words)


@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("medidiff ")])
def test_each_command_is_one_that_the_command_line_takes(line: str) -> None:
    _parses(line)


def test_a_command_that_does_not_exist_would_be_found(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parses("medidiff reconstruct ct chest.nii.gz --views 24 --vues 24 --out o")
    assert "--vues" in capsys.readouterr().err


def test_each_verb_is_shown() -> None:
    assert [verb for verb in VERBS if f"medidiff {verb}" not in README] == []


def test_python_blocks_use_public_names() -> None:
    """`md.NAME`, and what is imported from `medidiff.transforms`, which that module's `__all__` lists."""
    tree = ast.parse((ROOT / "medidiff" / "transforms" / "__init__.py").read_text(encoding="utf-8"))
    (listed,) = (node.value for node in tree.body if ast.unparse(node).startswith("__all__"))
    for block in blocks("python"):
        nodes = list(ast.walk(ast.parse(block)))
        used = {
            node.attr
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "md"
        }
        froms = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module == "medidiff.transforms"]
        imported = {alias.name for node in froms for alias in node.names}
        assert used | imported
        assert used <= set(medidiff.__all__)
        assert imported <= set(ast.literal_eval(listed))


def test_a_method_that_is_shown_is_one_that_is_read(tmp_path: Path) -> None:
    from medidiff.domains.chromatography.analysis.method_file import read_method

    (shown,) = blocks("yaml")
    (tmp_path / "method.yaml").write_text(shown, encoding="utf-8")
    assert [peak.name for peak in read_method(tmp_path / "method.yaml").peaks] == ["benzene", "toluene"]


def test_a_pipeline_that_is_shown_is_the_one_that_runs() -> None:
    """`tests/transforms` and `tests/test_wheel.py` run the lines of the module's docstring."""
    tree = ast.parse((ROOT / "medidiff" / "transforms" / "__init__.py").read_text(encoding="utf-8"))
    runs = re.findall(r"^ {4}(.*)$", ast.get_docstring(tree, clean=False) or "", re.M)
    for block in blocks("python"):
        if "medidiff.transforms" in block:
            assert [line for line in block.splitlines() if line] == [line for line in runs if line]


def cited(text: str) -> Iterator[tuple[str, str, str, str]]:
    """(number, file, case, metric) of each citation."""
    return (match.groups() for match in _CITED.finditer(text))


def disagreement(number: str, row_file: Path, case: str, metric: str) -> str:
    """What differs, where the number is not the row's value rounded to the decimals printed; else nothing."""
    rows = json.loads(row_file.read_text(encoding="utf-8"))["rows"]
    values = [row["value"] for row in rows if (row["case"], row["metric"]) == (case, metric)]
    if len(values) != 1:
        return f"{len(values)} rows {case!r} {metric}"
    plain = number.replace(",", "").replace("−", "-")
    decimals = len(plain.partition(".")[2])
    same = f"{abs(values[0]):.{decimals}f}" == plain.lstrip("+-") and (values[0] < 0) == plain.startswith("-")
    return "" if same else f"{number} is {values[0]} in {row_file.name}"


def test_each_cited_number_equals_its_benchmark() -> None:
    found = [disagreement(n, ROOT / file, case, metric) for n, file, case, metric in cited(README)]
    assert [what for what in found if what] == []


def test_each_citation_is_read() -> None:
    """A comment that names a benchmark but does not have the form above would go unchecked."""
    assert len(re.findall(r"<!--[^>]*\.json", README)) == len(list(cited(README)))


def test_a_number_that_differs_would_be_found(tmp_path: Path) -> None:
    rows = [{"case": "T1 to T4", "metric": "gain.axial", "value": 4.56}]
    file = tmp_path / "bench.json"
    file.write_text(json.dumps({"rows": rows}))
    text = "by **{} dB**<!-- bench.json; T1 to T4; gain.axial -->"
    for printed, right in (("+4.6", True), ("4.56", True), ("5", True), ("+4.5", False), ("-4.6", False)):
        ((number, _, case, metric),) = cited(text.format(printed))
        assert (disagreement(number, file, case, metric) == "") is right, printed
    assert "0 rows" in disagreement("4.6", file, "T1", "gain.axial")


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_files_that_are_named_exist(name: str) -> None:
    """Paths in backquotes that lie in this repository."""
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:medidiff|tests|benchmarks|notebooks|\.ci)/[\w./-]*|[A-Z]+(?:\.\w+)?)`", text)
    assert len(named) > 2
    assert [path for path in named if not (ROOT / path).exists() and path not in {"A", "DIR"}] == []


def test_architecture_names_only_rooms_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^ \d  .{9}(.{43})", text, re.M)
    rooms = {word for line in drawn for word in re.findall(r"[a-z/]+", line)} - {"one"}
    assert {"cli", "apps", "bench", "priors", "metrics", "specs", "io", "runs", "core", "errors"} <= rooms
    package = ROOT / "medidiff"
    places = {room: ROOT / room if room == "apps" else package / room for room in rooms}
    assert [r for r, p in places.items() if not p.is_dir() and not p.with_suffix(".py").is_file()] == []
