"""Slices of chest and abdomen for training a CT prior: read once, drawn as augmented patches.

The folder holds `manifest.csv` (columns file, person, split, weights_may_ship, dx_mm ...) and the NIfTI files
that it names. Only rows of one split whose licence lets weights ship are read. A person is drawn with weight
(number of slices)^person_exponent, then a slice of that person, so that a few long series do not fill the
prior; a slice of 512 pixels serves at its native size and as its 2x2 mean.

Slices are turned, scaled and bent (`warp`), so that a few hundred of them are not learned by heart. HU are
not clipped to a window; a warped slice keeps within its own range, because interpolation overshoots.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from medidiff.domains.reconstruction.ct.training.warp import WarpSettings, warp
from medidiff.errors import InputError
from medidiff.io import read_volume

COLLECTION_DOI = {
    "TCGA-LUAD": "10.7937/k9/tcia.2016.jgnihep5",
    "TCGA-LUSC": "10.7937/k9/tcia.2016.tygkkfmq",
    "TCGA-LIHC": "10.7937/k9/tcia.2016.immqw8uq",
    "COVID-19-NY-SBU": "10.7937/tcia.bbag-2923",
    "LIDC-IDRI": "10.7937/k9/tcia.2015.lo9ql9sx",
    "ACRIN-FLT-Breast": "10.7937/k9/tcia.2017.ol20zmxg",
    "Lung-PET-CT-Dx": "10.7937/tcia.2020.nnc2-0461",
    "C4KC-KiTS": "10.7937/tcia.2019.ix49e8nx",
    "Lung-Fused-CT-Pathology": "10.7937/k9/tcia.2018.smt36lpn",
    "CMB-CRC": "10.7937/djg7-gz87",
    "LungCT-Diagnosis": "10.7937/k9/tcia.2015.a6v7jiwx",
    "CT COLONOGRAPHY": "10.7937/k9/tcia.2015.nwtesay1",
}


class PatchSettings(BaseModel):
    """How patches are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    patch: int = Field(96, ge=32)
    person_exponent: float = Field(0.3, ge=0, le=1)
    warp: WarpSettings = WarpSettings()
    air_hu: float = Field(
        -900.0, description="a patch with less than a tenth above this is mostly drawn again"
    )


@dataclass(frozen=True)
class Person:
    """The slices of one person in HU, float32; `spacing_mm[i]` is the pixel size of `slices[i]`."""

    slices: tuple[Tensor, ...]
    spacing_mm: tuple[float, ...]


@dataclass(frozen=True)
class Dataset:
    """The people of a split, without names; `digest` identifies the files, `sources` the collections."""

    people: tuple[Person, ...]
    digest: str
    sources: list[dict[str, Any]]


def read_split(folder: Path, split: str, *, must_ship: bool = True) -> Dataset:
    """Read the files of `split` in `folder`; those alone that the manifest allows for weights that ship.

    Raises InputError when the manifest is absent or lists nothing usable.
    """
    rows = [
        row
        for row in _manifest(folder)
        if row["split"] == split and (not must_ship or row["weights_may_ship"] == "yes")
    ]
    if not rows:
        raise InputError(
            f"data {folder.name}",
            expected=f"files of split {split} whose weights may ship",
            got="none",
            fix="See the manifest.",
        )
    people: dict[str, list[tuple[Tensor, float]]] = {}
    for row in rows:
        volume = read_volume(_unchanged(_inside(folder, row["file"]), row["sha256"]))
        slices = [(torch.from_numpy(np.ascontiguousarray(s)), volume.spacing_mm[2]) for s in volume.array]
        people.setdefault(row["person"], []).extend(slices)
    digest = hashlib.sha256("".join(sorted(row["sha256"] for row in rows)).encode()).hexdigest()
    grouped = tuple(Person(*map(tuple, zip(*slices, strict=True))) for slices in people.values())
    return Dataset(grouped, digest, _sources(rows))


def _inside(folder: Path, name: str) -> Path:
    """A file that the manifest names; refused when it leads out of the folder."""
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise InputError(
            "manifest.csv",
            expected="files below its folder",
            got="a path out of it",
            fix="Mend the manifest.",
        )
    return file


def _unchanged(file: Path, sha256: str) -> Path:
    """The file, if it is the one that the manifest lists: a card's digest of the data must be true."""
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"data {file.name}", expected="a file", got=str(error.strerror).lower(), fix="Get the data again."
        ) from error
    if found != sha256:
        raise InputError(
            f"data {file.name}",
            expected="the file of manifest.csv",
            got="another digest",
            fix="Get the data again, or write the manifest anew.",
        )
    return file


def _sources(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Collections with their DOI, licence, people and slices, in the order of the manifest."""
    out = []
    for collection in dict.fromkeys(row["collection"] for row in rows):
        own = [row for row in rows if row["collection"] == collection]
        out.append(
            {
                "collection": collection,
                "doi": COLLECTION_DOI.get(collection),
                "licence": own[0]["licence"],
                "people": len({row["person"] for row in own}),
                "slices": sum(int(row["slices"]) for row in own),
            }
        )
    return out


@dataclass(frozen=True)
class Patches:
    """Augmented patches of a data set, scaled to u = (HU - offset)/scale; a pure function of the step."""

    dataset: Dataset
    settings: PatchSettings
    batch: int
    offset: float
    scale: float
    seed: int

    def __call__(self, step: int) -> Tensor:
        """The batch of one step: (batch, 1, patch, patch) float32."""
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, step)))
        patches = torch.stack([self._patch(rng) for _ in range(self.batch)])[:, None]
        return (patches - self.offset) / self.scale

    def _patch(self, rng: np.random.Generator) -> Tensor:
        s = self.settings
        image = draw_slice(self.dataset, s.person_exponent, rng)
        middle = [max(n - s.patch, 0) / 2 for n in image.shape]
        for _ in range(8):
            row, column = ((n - 1) / 2 + rng.uniform(-m, m) for n, m in zip(image.shape, middle, strict=True))
            piece = warp(image, s.patch, (row, column), s.warp, rng)
            if float((piece > s.air_hu).float().mean()) > 0.1 or rng.random() < 0.03:
                break
        return piece


def draw_slice(dataset: Dataset, exponent: float, rng: np.random.Generator) -> Tensor:
    """One slice in HU: a person, then a slice, then (of 512 pixels) the native size or its 2x2 mean."""
    weights = np.array([len(person.slices) for person in dataset.people], float) ** exponent
    person = dataset.people[rng.choice(len(weights), p=weights / weights.sum())]
    image = person.slices[rng.integers(len(person.slices))]
    return halve(image) if min(image.shape) >= 512 and rng.random() < 0.5 else image


def halve(image: Tensor) -> Tensor:
    """The 2x2 block mean of a slice (H, W); an odd last row or column is dropped."""
    return functional.avg_pool2d(image[None, None], 2)[0, 0]


def _manifest(folder: Path) -> list[dict[str, str]]:
    needed = {"file", "person", "split", "collection", "licence", "slices", "weights_may_ship", "sha256"}
    try:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"data {folder.name}",
            expected="manifest.csv, a table in UTF-8",
            got=str(error.strerror).lower() if isinstance(error, OSError) else "something else",
            fix="Give the folder that holds it.",
        ) from error
    if not rows or not needed <= set(rows[0]) or not all(str(row["slices"]).isdigit() for row in rows):
        raise InputError(
            "manifest.csv",
            expected=f"rows with columns {', '.join(sorted(needed))}, slices a whole number",
            got="others",
            fix="Write one row a file, with at least these columns.",
        )
    _check_people(rows)
    return rows


def _check_people(rows: list[dict[str, str]]) -> None:
    """Raise InputError for a person of two splits: validation would be on who was trained on."""
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["person"], set()).add(row["split"])
    torn = sum(len(found) > 1 for found in splits.values())
    if torn:
        raise InputError(
            "manifest.csv",
            expected="each person in one split",
            got=f"{torn} in several",
            fix="Put all files of a person into one split.",
        )
