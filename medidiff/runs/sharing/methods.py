"""A paragraph for the methods section of a paper: what a report and a provenance say, and nothing else.

Each domain writes its own sentences (`methods_text`); here are its sources, numbered as they come, and what
is the same for all: programs, machine, limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medidiff.errors import InputError
from medidiff.runs.report import NOTICE

Plain = Mapping[str, Any]

_NAMES = {"python": "Python", "torch": "PyTorch", "numpy": "NumPy", "scipy": "SciPy"}


@dataclass(frozen=True)
class MethodsText:
    """A paragraph, with [1] where a source belongs, and the sources in that order."""

    paragraph: str
    citations: tuple[str, ...]

    def __str__(self) -> str:
        """As a text file: paragraph, numbered sources, and the notice."""
        listed = [f"[{number}] {source}" for number, source in enumerate(self.citations, 1)]
        return "\n".join([self.paragraph, "", *listed, "", f"{NOTICE}\n"])


@dataclass
class Sources:
    """Numbers sources in the order in which they are first cited."""

    known: Mapping[str, str]
    cited: list[str] = field(default_factory=list)

    def __call__(self, *keys: str) -> str:
        """[1, 2] for these keys of `known`."""
        self.cited += [key for key in keys if key not in self.cited]
        return f"[{', '.join(str(self.cited.index(key) + 1) for key in keys)}]"

    def listed(self) -> tuple[str, ...]:
        """The cited sources in their order."""
        return tuple(self.known[key] for key in self.cited)


def complete(write: Callable[[Plain, Plain], MethodsText], report: Plain, record: Plain) -> MethodsText:
    """What `write` makes of a report and a provenance; InputError where they lack what it tells of."""
    try:
        return write(report, record)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise InputError(
            "report",
            expected=f"what a report of {str(report.get('task'))[:40]} holds",
            got="one that lacks a part of it",
            fix="Run it again with this version.",
        ) from None


def program(record: Plain) -> str:
    """The program with its version: medidiff 0.1.0."""
    return f"medidiff {record['versions']['medidiff']}"


def machine_sentence(report: Plain, record: Plain, *packages: str) -> str:
    """Versions, device, threads, seed and time, as one sentence; `packages` beside Python, NumPy and SciPy.

    The provenance has the versions of all of them.
    """
    versions, cores = record["versions"], record["threads"]
    told = ", ".join(f"{_NAMES[name]} {versions[name]}" for name in ("python", *packages, "numpy", "scipy"))
    where = record["machine"].get("gpu") or record["machine"]["cpu"] or record["device"]
    return (
        f"Computed with {told} on {where} ({cores} thread{'s' * (cores != 1)}, {record['precision']}), "
        f"seed {record['seed']}, in {seconds(report['wall_seconds'])}."
    )


def limits_sentence(report: Plain, *limits: str) -> str:
    """What must not be forgotten: `limits` as clauses, and the report's own warnings."""
    said = [text.rstrip(".") for text in (*limits, *report["warnings"])]
    listed = "; ".join(text[:1].lower() + text[1:] if text[1:2].islower() else text for text in said)
    return f"Limits: {listed + '; ' if listed else ''}{NOTICE}."


def seconds(value: float) -> str:
    """A time in words: 0.22 s, 58 s, 12 min."""
    if value < 10:
        return f"{value:.2g} s"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def joined(words: list[str]) -> str:
    """The words as a list in a sentence: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def short(digest: str) -> str:
    """The first twelve digits of a digest, "sha256:" left out."""
    return digest.removeprefix("sha256:")[:12]
