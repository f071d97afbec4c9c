"""From the records of a stack to its values: stored -> slope * stored + intercept, slice by slice.

Uncompressed values are read straight into the volume. Compressed ones go through SimpleITK in the
child process (`medidiff.io.child`), because decoders are native code. VOI windows are never applied;
MONOCHROME1 changes the display, not the value.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.io.child import decode_slices
from medidiff.io.dicom.headers import (
    BIG_ENDIAN,
    DEFLATED,
    IMPLICIT,
    Image,
    Pixels,
    damaged,
    inflate,
    skip_meta,
)
from medidiff.io.hounsfield import AIR_HU
from medidiff.io.limits import Limits

_RAW = {IMPLICIT, "1.2.840.10008.1.2.1", DEFLATED, BIG_ENDIAN}
_DECODED = {
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS
    "1.2.840.10008.1.2.4.81",  # JPEG-LS, near lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000, lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
}
_LOSSY = {f"1.2.840.10008.1.2.4.{code}" for code in (50, 51, 81, 91)}
_LEAST_TISSUE_HU = -900.0  # a padding value above it could be the patient
_MOST_TISSUE_HU = 3071.0


def read_values(images: list[Image], limits: Limits) -> tuple[NDArray[np.float32], int, tuple[str, ...]]:
    """(values (z, y, x) in HU, voxels of padding that were set to air, notes).

    Raises InputError for what cannot be decoded.
    """
    for image in images:
        _check_decodable(image)
    shape = (len(images), images[0].rows, images[0].columns)
    compressed = [image.pixels.compressed for image in images]
    if any(compressed) and not all(compressed):
        raise _undecodable(images[0].path.name, "a mixture of compressed and plain files")
    if compressed[0]:
        values = decode_slices([image.path for image in images], shape, limits)
    else:
        values = np.empty(shape, np.float32)
        for image, plane in zip(images, values, strict=True):
            np.multiply(_stored(image, limits), np.float32(image.pixels.slope), out=plane, dtype=np.float32)
            plane += np.float32(image.pixels.intercept)
    filled, kept = 0, False
    for image, plane in zip(images, values, strict=True):
        count, ambiguous = _fill_declared_padding(image.pixels, plane)
        filled, kept = filled + count, kept or ambiguous
    notes = ["the file declares a padding value that lies among tissue; it was left as it is"] if kept else []
    if any(image.pixels.syntax in _LOSSY for image in images):
        notes.append("the slices were compressed with loss")
    return values, filled, tuple(notes)


def same_pixels(one: Image, other: Image) -> bool:
    """Whether two slices hold the same bytes and mean the same values by them."""
    first, second = one.pixels, other.pixels
    if (first.slope, first.intercept, first.signed) != (second.slope, second.intercept, second.signed):
        return False
    return _tail(one) == _tail(other)


def _tail(image: Image) -> bytes:
    """The pixel element; of a compressed file, all that follows its beginning."""
    with image.path.open("rb") as file:
        file.seek(0 if image.pixels.syntax == DEFLATED else image.pixels.offset)
        return file.read(
            -1 if image.pixels.compressed or image.pixels.syntax == DEFLATED else image.pixels.length
        )


def _check_decodable(image: Image) -> None:
    pixels, name = image.pixels, image.path.name
    if pixels.syntax not in (_DECODED if pixels.compressed else _RAW):
        raise _undecodable(name, f"transfer syntax {pixels.syntax}")
    if pixels.compressed and pixels.frames > 1:
        raise _undecodable(name, "a compressed multi-frame file")
    if pixels.lookup_table:
        raise _undecodable(name, "values behind a look-up table")
    stored_ok = 1 <= pixels.bits_stored <= pixels.bits_allocated and pixels.high_bit < pixels.bits_allocated
    if pixels.bits_allocated not in (8, 16, 32) or not stored_ok or pixels.high_bit < pixels.bits_stored - 1:
        raise _undecodable(name, f"{pixels.bits_stored} of {pixels.bits_allocated} bits")
    wanted = image.rows * image.columns * pixels.bits_allocated // 8
    if not pixels.compressed and pixels.length < wanted:
        raise damaged(name, "fewer pixels than its header says")
    if not np.isfinite([pixels.slope, pixels.intercept]).all() or pixels.slope == 0:
        raise damaged(name, "a rescale slope of zero or NaN")


def _undecodable(name: str, got: str) -> InputError:
    return InputError(
        name,
        expected="pixels that are uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000",
        got=got,
        fix="Convert it first, for example with dcmdjpeg, gdcmconv --raw or dcm2niix.",
    )


def _stored(image: Image, limits: Limits) -> NDArray[np.integer]:
    """Stored values (y, x), with overlay and other foreign bits removed."""
    pixels = image.pixels
    order = ">" if pixels.syntax == BIG_ENDIAN else "<"
    dtype = np.dtype(f"{order}{'i' if pixels.signed else 'u'}{pixels.bits_allocated // 8}")
    data = _raw_bytes(image.path, pixels, limits)
    if len(data) < image.rows * image.columns * dtype.itemsize:
        raise damaged(image.path.name, "fewer pixels than its header says")
    values = np.frombuffer(data, dtype).reshape(image.rows, image.columns)
    if pixels.bits_stored == pixels.bits_allocated:
        return values
    # Shift the stored bits to the top and back: the foreign ones fall out and the sign is extended.
    values = values << (pixels.bits_allocated - 1 - pixels.high_bit)
    return np.asarray(values >> (pixels.bits_allocated - pixels.bits_stored))


def _raw_bytes(path: Path, pixels: Pixels, limits: Limits) -> bytes:
    if pixels.syntax == DEFLATED:
        with path.open("rb") as file:
            skip_meta(file, path.name)
            stream = io.BytesIO(inflate(file, path.name, limits))
            stream.seek(pixels.offset)
            return stream.read(max(pixels.length, 0))
    with path.open("rb", buffering=0) as file:
        if pixels.length <= 0 or pixels.offset + pixels.length > os.fstat(file.fileno()).st_size:
            raise damaged(path.name, "fewer pixels than its header says")
        file.seek(pixels.offset)
        return file.read(pixels.length)


def _fill_declared_padding(pixels: Pixels, plane: NDArray[np.float32]) -> tuple[int, bool]:
    """(voxels set to air, whether a declared value was left alone because it could be tissue)."""
    if pixels.padding is None:
        return 0, False
    ends = sorted(pixels.slope * stored + pixels.intercept for stored in pixels.padding)
    if ends[1] > _LEAST_TISSUE_HU and ends[0] <= _MOST_TISSUE_HU:
        return 0, bool(((plane >= ends[0]) & (plane <= ends[1])).any())
    margin = abs(pixels.slope) / 2
    outside = (plane > ends[0] - margin) & (plane < ends[1] + margin)
    plane[outside] = AIR_HU
    return int(np.count_nonzero(outside)), False
