"""NIfTI-1 and NIfTI-2, single files, plain or gzipped.

The header is parsed by nibabel and judged here before a voxel is read: what it asks for is compared
with the size of the file, and a gzipped file is unpacked only up to what its header asks for, so that
a file which claims or unpacks to terabytes is refused at once. Source: https://nifti.nimh.nih.gov.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medidiff.atomic import writing_file
from medidiff.errors import InputError
from medidiff.io.limits import MIB, Limits
from medidiff.io.opening import naming, not_an_image, regular_size
from medidiff.io.volume import NOTICE, UNITS, Units, Volume, checked_affine

_GZIP = b"\x1f\x8b"
_MOST_GZIP_RATIO = 1040  # deflate cannot pack better than 1032 to 1
_BOMB_BYTES = 256 * MIB
_HEADER_BYTES = (348, 540)  # of NIfTI-1 and NIfTI-2; a file begins with this number
_MM = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}  # xyzt_units: unknown, metre, millimetre, micrometre
_REAL = {2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280}  # datatype codes of integers and floats
_KINDS = {32: "complex", 128: "RGB colour", 1536: "128-bit float", 1792: "complex", 2304: "RGBA colour"}
_FORM_MM = 1e-3


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    units: Units | None
    notes: tuple[str, ...]

    @property
    def voxels(self) -> int:
        return math.prod(self.shape)

    @property
    def data_bytes(self) -> int:
        return self.voxels * self.dtype.itemsize


def read_nifti(path: Path, *, units: Units | None = None, limits: Limits | None = None) -> Volume:
    """A volume of a `.nii` or `.nii.gz`, values as they are, on the file's own grid.

    units: by default those that `write_nifti` noted, else "a.u.". Raises InputError for whatever is not
    one real 3-D image with a valid affine, and for what passes `limits`.
    """
    limits = limits or Limits()
    path = Path(path)
    with _open(path, limits) as (stream, size, packed):
        header = _read_header(stream, path.name)
        limits.check_voxels(path.name, header.voxels)
        _check_size(header, size, packed, path.name, limits)
        stored = _read_voxels(stream, header, path.name)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        array = np.ascontiguousarray(stored.transpose(2, 1, 0), dtype=np.float32)
    del stored
    if (header.slope, header.intercept) != (1.0, 0.0):
        array *= np.float32(header.slope)
        array += np.float32(header.intercept)
    with naming(path.name):
        return Volume(array, header.affine, units or header.units or "a.u.", notes=header.notes)


def write_nifti(volume: Volume, path: Path) -> None:
    """Write `.nii` or `.nii.gz`, whole or not at all: int16 for whole HU, else float32.

    sform and qform hold the affine; the units go into `intent_name`; the description is the notice, there
    is no extension, and the same volume gives the same bytes. Raises OutputError when it cannot be written.
    """
    import nibabel

    nib: Any = nibabel
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(
            path.name, expected="a name in .nii or .nii.gz", got="another", fix="Rename it.", argument=True
        )
    dtype = np.int16 if volume.units == "HU" and _whole(volume.array) else np.float32
    image = nib.Nifti1Image(volume.array.astype(dtype, copy=False).transpose(2, 1, 0), volume.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_intent("none", name=volume.units)
    image.header["descrip"] = NOTICE.encode()
    with writing_file(path) as temporary, temporary.open("wb") as file:
        if path.name.endswith(".gz"):
            with gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as packed:
                image.to_stream(packed)
        else:
            image.to_stream(file)


def is_nifti(path: Path) -> bool:
    """Whether a regular file begins as a NIfTI, an Analyze or a gzip file does."""
    regular_size(path)
    with path.open("rb") as file:
        start = file.read(4)
    return start[:2] == _GZIP or _header_size(start) is not None


@contextmanager
def _open(path: Path, limits: Limits) -> Iterator[tuple[BinaryIO, int, bool]]:
    """(stream of the unpacked bytes, size of the file on disk, whether it is gzipped)."""
    size = regular_size(path)
    limits.check_file_bytes(path.name, size)
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file) as stream:
                yield stream, size, True  # type: ignore[misc]  # GzipFile reads like a BinaryIO
        else:
            yield file, size, False


def _read(stream: BinaryIO, count: int, name: str) -> bytes:
    """Exactly `count` unpacked bytes; never more are unpacked than asked for."""
    try:
        data = stream.read(count)
    except (OSError, EOFError, zlib.error):
        data = b""
    if len(data) < count:
        raise InputError(
            name,
            expected="a complete NIfTI file",
            got="one that ends early or is damaged",
            fix="Copy or download it again.",
        )
    return data


def _header_size(start: bytes) -> int | None:
    """348 or 540 where the first four bytes say so in either byte order."""
    sizes = (int.from_bytes(start, "little"), int.from_bytes(start, "big"))
    return next((size for size in sizes if size in _HEADER_BYTES), None)


def _read_header(stream: BinaryIO, name: str) -> _Header:
    import nibabel

    nib: Any = nibabel
    start = _read(stream, 4, name)
    size = _header_size(start)
    if size is None:
        raise not_an_image(name, "another kind of file")
    block = start + _read(stream, size - 4, name)
    kind, magic = (nib.Nifti1Header, block[344:348]) if size == 348 else (nib.Nifti2Header, block[4:8])
    if magic[:3] not in (b"n+1", b"n+2"):
        raise not_an_image(name, "an Analyze file, or the header of a .hdr/.img pair")
    fields = kind(block, endianness="<" if start[0] else ">", check=False)
    return _judge(fields, name, size)


def _judge(fields: Any, name: str, size: int) -> _Header:
    """Everything that can be known to be wrong before a voxel is read."""
    code = int(fields["datatype"])
    if code not in _REAL:
        raise InputError(
            name,
            expected="one real value per voxel",
            got=_KINDS.get(code, f"datatype {code}"),
            fix="Give the CT itself, not a colour rendering of it.",
        )
    dtype = np.dtype(fields.get_data_dtype()).newbyteorder(fields.endianness)
    offset = float(fields["vox_offset"])
    if not size <= offset < size + 64 * MIB:
        raise InputError(
            name,
            expected="voxels right after the header",
            got=f"an offset of {offset:g}",
            fix="Convert it again.",
        )
    slope, intercept = _scaling(fields, name)
    spacing = _spacing(fields, name)
    affine, notes = _affine(fields, spacing, name)
    noted = bytes(fields["intent_name"]).rstrip(b"\0").decode("latin-1")
    units = next((unit for unit in UNITS if unit == noted), None)
    return _Header(_shape(fields, name), dtype, int(offset), slope, intercept, affine, units, notes)


def _shape(fields: Any, name: str) -> tuple[int, int, int]:
    axes = int(fields["dim"][0])
    sizes = [int(n) for n in fields["dim"][1 : 1 + axes]] if 1 <= axes <= 7 else []
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(
            name, expected="two or three axes of positive size", got=f"sizes {sizes}", fix="Convert it again."
        )
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) > 3:
        raise InputError(
            name,
            expected="one volume of three axes",
            got=f"{len(sizes)} axes ({' x '.join(map(str, sizes))})",
            fix="Save one time point or channel as a file of its own.",
        )
    sizes += [1] * (3 - len(sizes))
    return sizes[0], sizes[1], sizes[2]


def _scaling(fields: Any, name: str) -> tuple[float, float]:
    """(slope, intercept); a slope of 0 or NaN means none, as the standard says."""
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not math.isfinite(slope) or not math.isfinite(intercept):
        raise InputError(
            name, expected="a finite scaling", got=f"{slope:g}, {intercept:g}", fix="Convert it again."
        )
    return slope, intercept


def _spacing(fields: Any, name: str) -> list[float]:
    axes = max(2, min(3, int(fields["dim"][0])))
    spacing = [float(step) for step in fields["pixdim"][1 : 1 + axes]]
    if not all(0 < step < math.inf for step in spacing):
        raise InputError(
            name,
            expected="a positive voxel spacing",
            got=f"{', '.join(f'{step:g}' for step in spacing)} mm",
            fix="Export it again with its true spacing.",
        )
    return spacing


def _affine(fields: Any, spacing: list[float], name: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The sform, or else the qform, in mm, with notes on what was assumed."""
    notes: list[str] = []
    by_sform, by_qform = int(fields["sform_code"]) > 0, int(fields["qform_code"]) > 0
    if not by_sform and not by_qform:
        raise InputError(
            name,
            expected="a position and orientation (sform or qform)",
            got="neither",
            fix="Save it with its affine, or load the array and give it with spacing_mm.",
        )
    try:
        qform = fields.get_qform() if by_qform else None
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        qform = None
    raw = fields.get_sform() if by_sform else qform
    unit = int(fields["xyzt_units"]) & 7
    if raw is None or unit not in _MM:
        raise InputError(name, expected="a valid orientation", got="a damaged one", fix="Export it again.")
    with naming(name):
        affine = checked_affine(np.diag([_MM[unit]] * 3 + [1.0]) @ raw)
    if by_sform and qform is not None and _corner_distance(fields, raw, qform) * _MM[unit] > _FORM_MM:
        notes.append("sform and qform place the volume differently; the sform was used")
    if unit == 0:
        notes.append("the file names no unit of length; millimetres were assumed")
    return affine, tuple(notes)


def _corner_distance(fields: Any, first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    sizes = [max(1, int(n)) for n in fields["dim"][1:4]]
    corners = np.array([[i, j, k, 1] for i in (0, sizes[0]) for j in (0, sizes[1]) for k in (0, sizes[2])])
    return float(np.abs((first - second) @ corners.T)[:3].max())


def _check_size(header: _Header, size: int, packed: bool, name: str, limits: Limits) -> None:
    wanted = header.offset + header.data_bytes
    if wanted > size * (_MOST_GZIP_RATIO if packed else 1):
        raise InputError(
            name,
            expected="as many voxels as the header says",
            got=f"a file of {size} bytes for {wanted}",
            fix="Copy or download it again.",
        )
    if packed and wanted > _BOMB_BYTES and wanted > limits.ratio * size:
        raise InputError(
            name,
            expected=f"data that unpack to at most {limits.ratio:g} times the file",
            got=f"{wanted / size:.0f} times",
            fix="Unpack it first, with gunzip, if you trust the file.",
        )


def _read_voxels(stream: BinaryIO, header: _Header, name: str) -> NDArray[Any]:
    """The stored array (x, y, z), as the file has it."""
    position = stream.tell()
    _read(stream, header.offset - position, name)
    buffer = np.empty(header.data_bytes, np.uint8)
    for start in range(0, buffer.size, 16 * MIB):
        part = buffer[start : start + 16 * MIB]
        part[:] = np.frombuffer(_read(stream, part.size, name), np.uint8)
    return buffer.view(header.dtype).reshape(header.shape, order="F")


def _whole(array: NDArray[np.float32]) -> bool:
    """Whether int16 holds every value exactly."""
    limit = np.iinfo(np.int16)
    return all(
        bool(((plane == np.rint(plane)) & (plane >= limit.min) & (plane <= limit.max)).all())
        for plane in array
    )
