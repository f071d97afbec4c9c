"""From a DICOM file to one `Image` record a slice, reading the header only.

The file meta is parsed here, so that a deflated file is never inflated further than `Limits` allows;
pydicom parses the rest from a stream that counts bytes and time. Enhanced multi-frame files give one
record a frame (PS3.3 C.7.6.16). No value that names a person is read; of those that messages print, a record
keeps only what the standard allows, since any field may hold a name all the same.
"""

from __future__ import annotations

import io
import re
import struct
import time
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from medidiff.errors import InputError
from medidiff.io.limits import Limits
from medidiff.io.opening import regular_size

IMPLICIT, DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_META_BYTES = 1 << 16
_LONG_VR = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_NO_PICTURE = {"SR", "PR", "KO", "SEG", "REG", "DOC", "AU", "ECG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD"}
_RESCALE_TYPES = {"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}  # PS3.3 C.11.1.1.2
_SPLITS = ("AcquisitionNumber", "TemporalPositionIdentifier", "EchoNumbers", "DiffusionBValue")
_TAGS = (
    "ImageType",
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "FrameOfReferenceUID",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    *_SPLITS,
)

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Pixels:
    """Where the stored values of one slice lie and how they are kept.

    offset: of this frame in the file (of the inflated bytes where the syntax is deflated).
    compressed: encapsulated (JPEG ...), then offset and length are those of the whole element.
    padding: (lowest, highest) stored value that means "outside the field of view".
    """

    syntax: str
    offset: int
    length: int
    compressed: bool
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    slope: float
    intercept: float
    rescale_type: str
    lookup_table: bool
    padding: tuple[int, int] | None


@dataclass(frozen=True)
class Image:
    """One slice in the patient's LPS frame, in mm. `spacing` is (between rows, between columns)."""

    path: Path
    modality: str
    series: tuple[int, str, str]
    splits: tuple[str, ...]
    localizer: bool
    rows: int
    columns: int
    spacing: tuple[float, float]
    thickness: float | None
    position: Triple
    row_direction: Triple
    column_direction: Triple
    pixels: Pixels


class Ignored(Exception):  # noqa: N818  not an error: the file is passed over and counted
    """A file that is not a slice; the argument says why."""


def read_images(path: Path, limits: Limits, deadline: float) -> list[Image]:
    """The slices of one DICOM file, without their pixels.

    Raises Ignored for a file that holds no slice, InputError for a damaged one or one beyond `limits`;
    deadline is in time.monotonic() seconds.
    """
    size = regular_size(path)
    limits.check_file_bytes(path.name, size)
    with path.open("rb") as file:
        syntax = _transfer_syntax(file, path.name)
        stream: BinaryIO = io.BytesIO(inflate(file, path.name, limits)) if syntax == DEFLATED else file
        metered = _Metered(stream, limits.header_bytes, deadline)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's warnings quote values
                return _images(path, metered, syntax)
        except (Ignored, InputError):
            raise
        except _Exhausted:
            raise InputError(
                path.name,
                expected=f"a header of at most {limits.header_bytes} bytes, read in {limits.seconds:g} s",
                got="more",
                fix="Copy the folder to a local disk, or convert it, for example with dcm2niix.",
            ) from None
        except Exception:  # noqa: BLE001  a hostile header may raise anything in pydicom
            raise damaged(path.name, "a damaged header") from None


def inflate(file: BinaryIO, name: str, limits: Limits) -> bytes:
    """The deflated data set that begins where `file` stands, at most limits.header_bytes long."""
    packed = file.read(limits.header_bytes + 1)
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(packed, limits.header_bytes)
    except zlib.error:
        raise damaged(name, "a damaged deflated file") from None
    if engine.unconsumed_tail.strip(b"\0"):
        raise InputError(
            name,
            expected=f"at most {limits.header_bytes} bytes after inflating",
            got="more",
            fix="Inflate it first, for example with dcmconv +te, if you trust the file.",
        )
    return data


def skip_meta(file: BinaryIO, name: str) -> None:
    """Leave `file` where its data set begins."""
    file.seek(0)
    _transfer_syntax(file, name)


def damaged(name: str, got: str) -> InputError:
    """The error for a DICOM file that cannot be parsed."""
    return InputError(
        name, expected="an intact DICOM file", got=got, fix="Copy it again, or take it out of the folder."
    )


class _Exhausted(Exception):  # noqa: N818  internal signal, never shown
    pass


class _Metered:
    """A seekable stream that stops at its end, and when it has given more bytes or time than allowed."""

    def __init__(self, stream: BinaryIO, budget: int, deadline: float) -> None:
        self._stream, self._left, self._deadline = stream, budget, deadline
        self.tell, self.seek = stream.tell, stream.seek

    def read(self, count: int = -1) -> bytes:
        if count < 0 or count > self._left or time.monotonic() > self._deadline:
            raise _Exhausted
        self._left -= count
        data = self._stream.read(count)
        if 0 < len(data) < count:
            raise ValueError("the file ends inside an element")  # pydicom would swallow an EOFError
        return data


def _transfer_syntax(file: BinaryIO, name: str) -> str:
    """Parse the file meta group (PS3.10 7.1), which is explicit little-endian, and stop after it."""
    if file.read(132)[128:] != b"DICM":
        raise Ignored("not DICOM")
    syntax = ""
    for _ in range(64):
        start = file.tell()
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            file.seek(start)
            break
        length = struct.unpack("<H", head[6:])[0]
        if head[4:6] in _LONG_VR:
            length = int.from_bytes(file.read(4), "little")
        if length > _META_BYTES:
            raise damaged(name, "a damaged file meta group")
        value = file.read(length)
        if head[2:4] == b"\x10\x00":
            syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
    if not re.fullmatch(r"[0-9.]{1,64}", syntax):
        raise damaged(name, "no transfer syntax")
    return syntax


def _images(path: Path, stream: _Metered, syntax: str) -> list[Image]:
    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag

    element: list[int] = []

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        if int(tag) in _PIXELS:
            element.extend((int(tag), stream.tell(), length))
        return bool(element)

    header: Any = read_dataset(
        stream,  # type: ignore[arg-type]  # read, seek and tell are all that is used
        is_implicit_VR=syntax == IMPLICIT,
        is_little_endian=syntax != BIG_ENDIAN,
        stop_when=at_pixels,
        specific_tags=[Tag(tag) for tag in _TAGS],
    )
    end = stream.tell()
    if stream.seek(0, io.SEEK_END) < end:
        raise damaged(path.name, "a header that ends early")
    modality = str(header.get("Modality", ""))
    if modality in _NO_PICTURE or "Rows" not in header:
        raise Ignored("not an image")
    if not element:
        raise damaged(path.name, "an image without pixels")
    if element[0] != 0x7FE00010 or int(header.get("SamplesPerPixel", 1)) != 1:
        raise Ignored("in colour or floating point")
    if "PerFrameFunctionalGroupsSequence" in header:
        return _enhanced(path, header, syntax, element)
    if int(header.get("NumberOfFrames") or 1) > 1 or not _placed([header]):
        raise Ignored("without a position")
    return [_image(path, header, [header], _pixels(header, [header], syntax, element, 0), _splits([header]))]


def _enhanced(path: Path, header: Any, syntax: str, element: list[int]) -> list[Image]:
    """One record a frame; a frame's own groups come before the shared ones."""
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])[:1]
    frames = list(header.PerFrameFunctionalGroupsSequence)
    if len(frames) != int(header.get("NumberOfFrames") or 1):
        raise damaged(path.name, "a multi-frame file whose frames and positions differ in number")
    images = []
    for index, frame in enumerate(frames):
        groups = [header, *(item for group in (frame, *shared) for item in _items(group))]
        if not _placed(groups):
            raise Ignored("without a position")
        splits = tuple(str(_first(groups, name)) for name in ("StackID", "TemporalPositionIndex"))
        pixels = _pixels(header, groups, syntax, element, index)
        images.append(_image(path, header, groups, pixels, splits))
    return images


def _items(group: Any) -> Iterable[Any]:
    """The first item of each macro of one functional group."""
    return (macro.value[0] for macro in group if macro.VR == "SQ" and len(macro.value))


def _first(groups: list[Any], name: str) -> Any:
    return next(
        (group[name].value for group in groups if name in group and group[name].value is not None), None
    )


def _placed(groups: list[Any]) -> bool:
    names = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    return all(_first(groups, name) for name in names)


def _splits(groups: list[Any]) -> tuple[str, ...]:
    return tuple(str(_first(groups, name)) for name in _SPLITS)


def _image(path: Path, header: Any, groups: list[Any], pixels: Pixels, splits: tuple[str, ...]) -> Image:
    row_spacing, column_spacing = _numbers(groups, "PixelSpacing", 2)
    x, y, z = _numbers(groups, "ImagePositionPatient", 3)
    a, b, c, d, e, f = _numbers(groups, "ImageOrientationPatient", 6)
    thickness = _first(groups, "SpacingBetweenSlices") or _first(groups, "SliceThickness")
    kind = header.get("ImageType") or ()
    return Image(
        path=path,
        modality=_modality(header),
        series=(
            int(header.get("SeriesNumber") or 0),
            str(header.get("SeriesInstanceUID", "")),
            str(header.get("FrameOfReferenceUID", "")),
        ),
        splits=splits,
        localizer="LOCALIZER" in (kind if not isinstance(kind, str) else [kind]),
        rows=int(header.Rows),
        columns=int(header.Columns),
        spacing=(row_spacing, column_spacing),
        thickness=abs(float(thickness)) if thickness is not None else None,
        position=(x, y, z),
        row_direction=(a, b, c),
        column_direction=(d, e, f),
        pixels=pixels,
    )


def _numbers(groups: list[Any], name: str, count: int) -> tuple[float, ...]:
    values = tuple(float(value) for value in _first(groups, name))
    if len(values) != count or not all(abs(value) < 1e6 for value in values):
        raise ValueError(name)
    return values


def _pixels(header: Any, groups: list[Any], syntax: str, element: list[int], frame: int) -> Pixels:
    _, offset, length = element
    bits = int(header.BitsAllocated)
    compressed = length == 0xFFFFFFFF
    frame_bytes = int(header.Rows) * int(header.Columns) * bits // 8
    stored = int(header.get("BitsStored") or bits)
    signed = int(header.get("PixelRepresentation") or 0) == 1
    return Pixels(
        syntax=syntax,
        offset=offset if compressed else offset + frame * frame_bytes,
        length=length if compressed else min(frame_bytes, length - frame * frame_bytes),
        compressed=compressed,
        frames=int(header.get("NumberOfFrames") or 1),
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=int(header.get("HighBit") or stored - 1),
        signed=signed,
        slope=_number(groups, "RescaleSlope", 1.0),
        intercept=_number(groups, "RescaleIntercept", 0.0),
        rescale_type=_rescale_type(groups),
        lookup_table="ModalityLUTSequence" in header,
        padding=_padding(header, bits, signed, syntax),
    )


def _modality(header: Any) -> str:
    found = str(header.get("Modality", ""))
    return found if re.fullmatch(r"[A-Z]{2,16}", found) else "unknown"


def _rescale_type(groups: list[Any]) -> str:
    found = str(_first(groups, "RescaleType") or "").strip().upper()
    return found if found in _RESCALE_TYPES or not found else "another unit"


def _number(groups: list[Any], name: str, default: float) -> float:
    value = _first(groups, name)
    return default if value in (None, "") else float(value)


def _padding(header: Any, bits: int, signed: bool, syntax: str) -> tuple[int, int] | None:
    """Writers declare these as US or SS whatever the pixels are, so the sign is taken from the pixels."""
    ends = []
    for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = header.get(name)
        if isinstance(value, bytes):
            value = int.from_bytes(value[:2], "big" if syntax == BIG_ENDIAN else "little")
        if isinstance(value, int):
            half = 1 << (bits - 1)
            ends.append((value + half) % (2 * half) - half if signed else value % (2 * half))
    return (min(ends), max(ends)) if ends else None


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICOM preamble (PS3.10 7.1)."""
    regular_size(path)
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
