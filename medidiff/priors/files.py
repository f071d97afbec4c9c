"""Where priors are: in the package, in the folder $MEDIDIFF_PRIORS, and in the user's data folder.

A prior is two files, NAME.safetensors and NAME.json (its card). A name found in an earlier place hides the
same name in a later one.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medidiff.errors import InputError, MissingError
from medidiff.runs.home import home_folder
from medidiff.specs.card import PriorCard, read_card

_log = logging.getLogger(__name__)
Place = Literal["shipped", "$MEDIDIFF_PRIORS", "user"]


@dataclass(frozen=True)
class PriorFile:
    """A prior on disk, its card read but its weights not."""

    name: str
    card: PriorCard
    weights: Path
    place: Place


def available() -> list[PriorFile]:
    """All priors that can be found, shipped ones first, each place in the order of names.

    A pair of files whose card cannot be read is passed over with a warning; `find` of its name says why.
    """
    found = []
    for name, (weights, place) in _listed().items():
        try:
            found.append(_read(name, weights, place))
        except InputError as error:
            _log.warning("passed over a file among the priors: %s", error)
    return found


def find(name: str) -> PriorFile:
    """The prior of that name, no other card being read; MissingError with the names when there is none.

    Raises InputError for a damaged card.
    """
    listed = _listed()
    if name in listed:
        return _read(name, *listed[name])
    raise MissingError(
        "prior",
        expected=", ".join(listed) or "a prior",
        got=repr(name),
        fix="See medidiff models list, or put its two files into $MEDIDIFF_PRIORS.",
    )


def choose(
    name: str | None,
    *,
    modality: str,
    spacing_mm: tuple[float, float, float],
    value_range: tuple[float, float],
) -> PriorFile:
    """The prior called `name`, or the best that accepts the image: tuned before white, then the newest.

    Raises InputError when the named one, or every one, refuses the image, MissingError when none exists.
    """
    candidates = [find(name)] if name is not None else _ranked(modality)
    if not candidates:
        raise MissingError(
            "prior",
            expected=f"a prior for {modality}",
            got="none",
            fix="Reinstall medidiff, or name one with --prior.",
        )
    for candidate in candidates[:-1]:
        if _accepts(candidate.card, modality, spacing_mm, value_range):
            return candidate
    candidates[-1].card.accepts_volume(modality=modality, spacing_mm=spacing_mm, value_range=value_range)
    return candidates[-1]


def _accepts(
    card: PriorCard, modality: str, spacing_mm: tuple[float, float, float], value_range: tuple[float, float]
) -> bool:
    try:
        card.accepts_volume(modality=modality, spacing_mm=spacing_mm, value_range=value_range)
    except InputError:
        return False
    return True


def _ranked(modality: str) -> list[PriorFile]:
    priors = [prior for prior in available() if prior.card.accepts.modality == modality]
    newest_first = sorted(priors, key=lambda prior: _numbers(prior.card.version), reverse=True)
    return sorted(newest_first, key=lambda prior: prior.card.role != "tuned")


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare by: 0.10 is newer than 0.9."""
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version))


def _listed() -> dict[str, tuple[Path, Place]]:
    """Name -> weights and place of every prior that has both files; the first place of a name counts."""
    found: dict[str, tuple[Path, Place]] = {}
    for place, folder in _places():
        for path in sorted(folder.glob("*.safetensors")):
            if path.with_suffix(".json").is_file():
                found.setdefault(path.stem, (path, place))
    return found


def _read(name: str, weights: Path, place: Place) -> PriorFile:
    return PriorFile(name, read_card(weights.with_suffix(".json")), weights, place)


def _places() -> list[tuple[Place, Path]]:
    places: list[tuple[Place, Path]] = [("shipped", Path(__file__).resolve().parent.parent / "assets")]
    if folder := os.environ.get("MEDIDIFF_PRIORS"):
        places.append(("$MEDIDIFF_PRIORS", Path(folder)))
    return [*places, ("user", home_folder("priors"))]
