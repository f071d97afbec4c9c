"""The documents of the house agree with the code and with the data that is shipped."""

import re
from pathlib import Path

import yaml

import medidiff

ROOT = Path(__file__).resolve().parents[1]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_citation_is_complete_and_of_this_version() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    assert citation["version"] == medidiff.__version__
    assert f'version = "{medidiff.__version__}"' in read("pyproject.toml")


def test_licence_is_apache_2_whole() -> None:
    text = read("LICENSE")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_notice_names_every_source_of_what_is_shipped() -> None:
    """Each DOI of a collection in the demo's card and in the cards of the priors."""
    notice = read("NOTICE")
    cards = [path.read_text(encoding="utf-8") for path in (ROOT / "medidiff" / "assets").rglob("*.json")]
    assert cards
    named = {doi.rstrip(".,") for card in cards for doi in re.findall(r"10\.7937/[\w./-]+", card)}
    assert named
    assert {doi for doi in named if doi not in notice} == set()


def test_changelog_has_a_place_for_the_next_line() -> None:
    assert "## [Unreleased]" in read("CHANGELOG.md")


def test_contributors_are_told_of_files_that_exist() -> None:
    """Paths in backquotes that begin with medidiff/ or tests/; nothing is promised that is not there."""
    named = re.findall(r"`((?:medidiff|tests|benchmarks)/[\w./]*)`", read("CONTRIBUTING.md"))
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists()] == []
