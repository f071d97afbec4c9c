"""The frozen images of a study: the same for all arms of a case but for the voxels.

Each arm of each case is one file `images/<32 random hex digits>.bin`: little-endian int16, (z, y, x) in the
canonical orientation, no header. value = slope * stored + intercept, with one slope and intercept for all
arms of a case, so that neither rounding, nor length, nor time, nor name, nor order of writing tells the
arms apart. The grid keeps spacing and direction, and loses its place: position 0 is its first voxel's.
`frozen.json` (the manifest) is the operator's: it maps names to arms, and holds each file's SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medidiff.atomic import writable, writing_folder
from medidiff.errors import InputError, OutputError
from medidiff.io.limits import Limits
from medidiff.io.nifti import is_nifti, read_nifti
from medidiff.io.opening import is_folder, naming
from medidiff.io.orientation import to_canonical
from medidiff.io.reading import read_volume
from medidiff.io.volume import Units, Volume
from medidiff.progress import Progress, Report, silent
from medidiff.review.design.protocol import Case, Protocol
from medidiff.runs.plain import check_regular, read_json

MANIFEST, IMAGES = "frozen.json", "images"
_FILE = r"^[0-9a-f]{32}\.bin$"
_FILE_TIME = 946_684_800  # of every image: 2000-01-01
_SAME_MM = 1e-3
_LOWEST, _HIGHEST = -32768, 32767

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class FrozenImage(_Part):
    """One file: its random name and the SHA-256 of its bytes."""

    file: Annotated[str, Field(pattern=_FILE)]
    sha256: Digest


class FrozenCase(_Part):
    """The grid and the quantisation that the arms of a case share, and their files by arm."""

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, float, float, float], ...]
    units: Units
    slope: Annotated[float, Field(gt=0)]
    intercept: float
    arms: dict[str, FrozenImage]

    @property
    def length(self) -> int:
        """Bytes of each file."""
        return 2 * int(np.prod(self.shape))


class Manifest(_Part):
    """What was frozen. study: a random number that names the key. protocol: SHA-256 of protocol.yaml.

    seal: of all the rest, by the study's key.
    """

    schema_: Literal["medidiff.review.frozen/1"] = Field(alias="schema")
    notice: str
    study: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    protocol: Digest
    cases: dict[str, FrozenCase]
    seal: Digest = "0" * 64


@dataclass(frozen=True)
class _Quantised:
    """The arms of a case on their common grid."""

    volumes: dict[str, Volume]
    slope: float
    intercept: float

    def stored(self, arm: str) -> NDArray[np.int16]:
        values = (self.volumes[arm].array.astype(np.float64) - self.intercept) / self.slope
        return np.clip(np.rint(values), _LOWEST, _HIGHEST).astype("<i2")


def freeze_images(
    folder: Path,
    protocol: Protocol,
    *,
    base: Path | None = None,
    limits: Limits | None = None,
    progress: Report = silent,
) -> dict[str, FrozenCase]:
    """Write `images/` of a study and return what goes into its manifest.

    base: what the protocol's relative places start from (default: the study's folder). Raises InputError
    for an image that is none, for arms of a case on different grids, frames or units, and for a block of
    slices that is not there; OutputError when the place cannot be written, or `images/` holds other files.
    Nothing half-written stays.
    """
    base, limits = base or folder, limits or Limits()
    found: dict[str, FrozenCase] = {}
    with writing_folder(_emptied(folder / IMAGES)) as partial:
        for done, case in enumerate(protocol.cases):
            quantised = _read_case(base, protocol, case, limits)
            found[case.id] = _write_case(partial, quantised)
            progress(Progress("freezing", done + 1, len(protocol.cases)))
    return found


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a frozen study and the SHA-256 (hex) of its bytes."""
    path = folder / MANIFEST
    if not is_folder(folder) or not path.exists():
        raise InputError(
            "study",
            expected=f"a frozen study ({MANIFEST} in its folder)",
            got="a folder without it",
            fix="Freeze it first: medidiff review freeze DIR",
        )
    try:
        manifest = Manifest.model_validate(read_json(path))
    except (InputError, ValidationError) as error:
        got = error.got if isinstance(error, InputError) else f"{error.error_count()} wrong or missing keys"
        raise InputError(MANIFEST, expected="the manifest of a study", got=got, fix=_COPY_AGAIN) from None
    return manifest, hashlib.sha256(path.read_bytes()).hexdigest()


def check_images(folder: Path, manifest: Manifest) -> None:
    """Raise InputError when a frozen image is missing, is a link, or is not what was frozen."""
    for name, case in manifest.cases.items():
        for image in case.arms.values():
            _content(folder, name, case, image)


def open_image(folder: Path, manifest: Manifest, case: str, arm: str) -> Volume:
    """The frozen image of an arm, checked against its digest: nothing but the voxels differs between arms."""
    facts = manifest.cases[case]
    content = _content(folder, case, facts, facts.arms[arm])
    stored = np.frombuffer(content, "<i2").reshape(facts.shape)
    array = stored.astype(np.float32) * np.float32(facts.slope) + np.float32(facts.intercept)
    return Volume(array, np.array(facts.affine), facts.units)


def _content(folder: Path, name: str, case: FrozenCase, image: FrozenImage) -> bytes:
    path = folder / IMAGES / image.file
    try:
        check_regular(path, case.length)
        content = path.read_bytes()
    except (InputError, OSError):
        raise _damaged(name, "none that can be read") from None
    if len(content) != case.length or hashlib.sha256(content).hexdigest() != image.sha256:
        raise _damaged(name, "a changed one")
    return content


def _damaged(case: str, got: str) -> InputError:
    return InputError(f"case {case}", expected="each image as it was frozen", got=got, fix=_COPY_AGAIN)


_COPY_AGAIN = "Copy the study's folder again from where it was frozen."


def _emptied(folder: Path) -> Path:
    """The place of the images, without those that an interrupted freeze may have left.

    OutputError for anything else in it: that is somebody's.
    """
    left = list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    if not all(re.fullmatch(_FILE, path.name) for path in left):
        raise OutputError(
            f"output {folder.name}",
            expected="a folder that is absent, or holds frozen images alone",
            got="other files",
            fix="Move them elsewhere: the frozen images go there.",
        )
    with writable(folder):
        for path in left:
            path.unlink()
    return folder


def _read_case(base: Path, protocol: Protocol, case: Case, limits: Limits) -> _Quantised:
    volumes: dict[str, Volume] = {}
    for arm in protocol.arms:
        with naming(f"case {case.id}, arm {arm.name}"):
            volumes[arm.name] = _read_image(base / case.place(arm), case, limits)
    first, *others = volumes.values()
    for other in others:
        _check_together(case.id, first, other)
    low = min(float(volume.array.min()) for volume in volumes.values())
    high = max(float(volume.array.max()) for volume in volumes.values())
    if first.units == "HU" and low >= _LOWEST and high <= _HIGHEST:  # whole HU, as scanners write them
        return _Quantised(volumes, 1.0, 0.0)
    slope = max(high - low, 1e-12) / (_HIGHEST - _LOWEST)
    return _Quantised(volumes, slope, low - slope * _LOWEST)


def _read_image(path: Path, case: Case, limits: Limits) -> Volume:
    """The image in the canonical orientation, without its place in the scanner's frame (checked before)."""
    if not is_folder(path) and is_nifti(path):
        volume = read_nifti(path, limits=limits)
    else:
        volume = read_volume(path, limits=limits)
    volume, _ = to_canonical(volume)
    if case.slices is None:
        return volume
    start, stop = case.slices
    if stop > volume.shape[0]:
        raise InputError(
            "slices",
            expected=f"a block within the {volume.shape[0]} slices",
            got=f"{start}:{stop}",
            fix="Change `slices` of this case in the protocol.",
        )
    affine = volume.affine.copy()
    affine[:3, 3] += start * affine[:3, 2]
    return replace(volume, array=volume.array[start:stop].copy(), affine=affine)


def _check_together(case: str, first: Volume, other: Volume) -> None:
    same = first.shape == other.shape and np.allclose(first.affine, other.affine, rtol=0, atol=_SAME_MM)
    if not same or first.units != other.units:
        got = "two units" if same else "two grids (size, spacing or place)"
        raise InputError(
            f"case {case}",
            expected="arms on one grid, in one frame and in one unit",
            got=got,
            fix="Resample them to one grid first; arms of one run always fit.",
        )


def _write_case(partial: Path, case: _Quantised) -> FrozenCase:
    first = next(iter(case.volumes.values()))
    affine = first.affine.copy()
    affine[:3, 3] = 0.0
    # Written in the order of the names, which are random, so that not even the inode tells the arm.
    named = sorted((f"{secrets.token_hex(16)}.bin", arm) for arm in case.volumes)
    images: dict[str, FrozenImage] = {}
    for name, arm in named:
        content = case.stored(arm).tobytes()
        (partial / name).write_bytes(content)
        os.utime(partial / name, (_FILE_TIME, _FILE_TIME))
        images[arm] = FrozenImage(file=name, sha256=hashlib.sha256(content).hexdigest())
    rows = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in affine)
    return FrozenCase(
        shape=first.shape,
        affine=rows,
        units=first.units,
        slope=case.slope,
        intercept=case.intercept,
        arms={arm: images[arm] for arm in case.volumes},
    )


def plain_manifest(manifest: Manifest) -> dict[str, object]:
    """The manifest as `frozen.json` holds it."""
    plain: dict[str, object] = json.loads(manifest.model_dump_json(by_alias=True))
    return plain
