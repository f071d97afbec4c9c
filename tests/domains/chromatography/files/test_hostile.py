"""Hostile input: files cut, flipped and spliced anywhere are read or refused, and nothing else happens."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatograms
from medidiff.domains.chromatography.files.andi.exporting import write_andi
from medidiff.domains.chromatography.files.stored import to_stored
from medidiff.errors import InputError

Save = Callable[..., Path]
_KINDS = ("andi", "andi_ms", "jcamp", "gaml", "mzml", "text", "hplc")
_COMPLETE = ("andi", "andi_ms", "gaml", "mzml")  # a text that ends early may be a whole shorter one
_SMALL = 400_000


def _read(path: Path) -> tuple[Chromatogram, ...] | None:
    """The traces, all finite and rising; None where the file was refused."""
    try:
        found = read_chromatograms(path)
    except InputError:
        return None
    assert all(np.isfinite(trace.signal).all() and (np.diff(trace.x) > 0).all() for trace in found)
    return found


def _contents(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size < _SMALL:
            data = path.read_bytes()
            yield data
            if data[:2] == b"\x1f\x8b" and len(data) < _SMALL // 4:
                yield gzip.decompress(data)


@pytest.mark.parametrize("kind", _KINDS)
def test_shared_files_cut_anywhere(chromatography_data: Path, tmp_path: Path, kind: str) -> None:
    """What a binary or XML file loses it misses, but for padding after its last value."""
    rng, path = random.Random(0), tmp_path / "cut"
    for data in _contents(chromatography_data / kind):
        for place in [0, 1, 3, *(rng.randrange(len(data)) for _ in range(5))]:
            path.write_bytes(data[:place])
            found = _read(path)
            if kind in _COMPLETE and place < 0.95 * len(data):
                assert found is None


@pytest.mark.parametrize("kind", _KINDS)
def test_shared_files_with_flipped_and_moved_bytes(
    chromatography_data: Path, tmp_path: Path, kind: str
) -> None:
    rng, path = random.Random(1), tmp_path / "flipped"
    for data in _contents(chromatography_data / kind):
        for turn in range(6):
            broken = bytearray(data)
            for _ in range(rng.choice((1, 3, 20))):
                place = rng.randrange(min(len(data), 2000) if turn % 2 else len(data))
                broken[place] ^= 1 << rng.randrange(8)
            if turn > 3:
                start, place = rng.randrange(len(data)), rng.randrange(len(data))
                broken[place:place] = broken[start : start + 50]
            path.write_bytes(broken)
            _read(path)


def _andi(trace: Chromatogram, folder: Path) -> bytes:
    write_andi(trace, folder / "made.cdf")
    return (folder / "made.cdf").read_bytes()


def test_a_made_andi_file_cut_everywhere(trace: Chromatogram, tmp_path: Path) -> None:
    """Every length from none to all but the last byte: refused."""
    data = _andi(trace, tmp_path)
    for length in range(0, len(data), 41):
        (tmp_path / "cut").write_bytes(data[:length])
        assert _read(tmp_path / "cut") is None


def test_made_json_cut_everywhere(trace: Chromatogram, tmp_path: Path) -> None:
    data = to_stored(trace).encode()
    for length in range(0, len(data) - 2, 397):
        (tmp_path / "cut").write_bytes(data[:length])
        assert _read(tmp_path / "cut") is None


_CELLS = st.sampled_from(
    ["0", "1.5", "-2,5", "1,234", "nan", "", '"', "x", "1e9", "1e999", "٣", "n.a.", "0x1", "1_0"]
)
_LINES = st.lists(_CELLS, max_size=4).flatmap(
    lambda cells: st.sampled_from([",", ";", "\t", " ", ", "]).map(lambda d: d.join(cells))
)
_HEADERS = ("time_s,signal", "time_s;V", "[Chromatogram (Ch1)]", "# of Points\t3", "R.Time (min)\tIntensity")
_HEADERS += (
    "Sampling Rate:\t1\tHz",
    "Total Data Points:\t3",
    "Y Axis Multiplier:\t1",
    "##TITLE=",
    "##END=",
    "{",
    "<GAML>",
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(_LINES, st.sampled_from(_HEADERS)), max_size=12))
def test_lines_of_anything(lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("\n".join(lines), encoding="utf-8")
    _read(tmp_path / "lines")


_RECORDS = (
    "##TITLE=a",
    "##END=",
    "##XYDATA=(X++(Y..Y))",
    "##XYDATA=(XY..XY)",
    "##PEAK TABLE=(XY..XY)",
    "##NPOINTS=3",
)
_RECORDS += (
    "##NPOINTS=1e300",
    "##FIRSTX=0",
    "##LASTX=2",
    "##YFACTOR=x",
    "##RETENTION_TIME=1",
    "##TIC=1",
    "$$",
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.one_of(st.sampled_from(_RECORDS), st.text("0123.+-eE@ABIabi%JRjrSZs?, ;", max_size=12)),
        max_size=14,
    )
)
def test_records_of_anything(lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "records").write_text("\n".join(["##TITLE=", *lines]), encoding="utf-8")
    _read(tmp_path / "records")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=200),
    start=st.sampled_from([b"", b"CDF\x01", b"CDF\x02", b"\x1f\x8b", b"<mzML ", b"{"]),
)
def test_bytes_of_anything(data: bytes, start: bytes, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(start + data)
    _read(tmp_path / "bytes")


@pytest.mark.parametrize("line", ["1" * 300_000 + "x", "1 " * 150_000 + "x", "," * 300_000, '"' * 200_001])
def test_long_lines_take_no_longer_than_they_are(save: Save, line: str) -> None:
    """Patterns that go back and forth over a line would take hours for these."""
    for text in (f"{line}\n{line}\n", f"##TITLE=\n##XYDATA=(X++(Y..Y))\n{line}\n##NPOINTS=9\n##END=\n"):
        _read(save(text))
    _read(save(f"##TITLE=\n##PEAK TABLE=(XY..XY)\n{line}\n##END=\n"))
