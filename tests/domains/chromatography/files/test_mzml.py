"""mzML: units and types by accession, compressions, parameter groups, spectra only, and the shared files."""

from __future__ import annotations

import base64
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.files import read_chromatogram, read_chromatograms
from medidiff.errors import InputError

Save = Callable[..., Path]
_T, _Y = np.arange(6) * 0.5, np.array([0.0, 1.0, 5.0, 2.0, 1.0, 0.5])
_SECOND, _MINUTE = "UO:0000010", "UO:0000031"
_TIME, _INTENSITY = "MS:1000595", "MS:1000515"
_TYPES = {"<f4": "MS:1000521", "<f8": "MS:1000523", "<i4": "MS:1000519", "<i8": "MS:1000522"}
_NONE, _ZLIB, _NUMPRESS = "MS:1000576", "MS:1000574", "MS:1002312"


def _term(accession: str, *, value: str = "", unit: str = "", name: str = "") -> str:
    units = f' unitAccession="{unit}" unitName="{name}"' if unit else ""
    return f'<cvParam cvRef="MS" accession="{accession}" name="x" value="{value}"{units}/>'


def _array(
    values: np.ndarray,
    meaning: str,
    *,
    dtype: str = "<f8",
    compression: str = _NONE,
    unit: str = "",
    name: str = "",
    length: int | None = None,
    data: bytes | None = None,
) -> str:
    data = values.astype(dtype).tobytes() if data is None else data
    data = zlib.compress(data) if compression == _ZLIB else data
    count = "" if length is None else f' arrayLength="{length}"'
    terms = (
        _term(meaning, unit=unit, name=name)
        + _term(_TYPES[dtype])
        + (_term(compression) if compression else "")
    )
    return (
        f"<binaryDataArray{count}>{terms}<binary>{base64.b64encode(data).decode()}</binary></binaryDataArray>"
    )


def _time(**options: object) -> str:
    return _array(_T, _TIME, **{"unit": _SECOND, **options})  # type: ignore[arg-type]  # a test's shorthand


def _signal(**options: object) -> str:
    return _array(_Y, _INTENSITY, **{"unit": "MS:1000131", "name": "number of counts", **options})  # type: ignore[arg-type]  # likewise


def _chromatogram(time: str = "", signal: str = "", *, more: str = "", count: int = 6) -> str:
    arrays = (time or _time()) + (signal or _signal())
    return (
        f'<chromatogram id="Jane Doe" index="0" defaultArrayLength="{count}">{more}'
        f'<binaryDataArrayList count="2">{arrays}</binaryDataArrayList></chromatogram>'
    )


def _file(*inside: str, version: str = "1.1.0", groups: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<mzML version="{version}">'
        f"<referenceableParamGroupList>{groups}</referenceableParamGroupList>"
        f'<run id="of Jane Doe"><chromatogramList>{"".join(inside)}</chromatogramList></run></mzML>'
    )


@pytest.mark.parametrize(("unit", "seconds"), [(_SECOND, 1.0), (_MINUTE, 60.0), ("UO:0000028", 1e-3)])
def test_the_unit_of_time_is_read(save: Save, unit: str, seconds: float) -> None:
    found = read_chromatogram(save(_file(_chromatogram(_time(unit=unit)))))
    assert found.time_s.tolist() == (seconds * _T).tolist()
    assert found.signal_unit == "number of counts"


@pytest.mark.parametrize("dtype", list(_TYPES))
@pytest.mark.parametrize("compression", [_NONE, _ZLIB])
def test_each_array_has_its_own_type_and_compression(save: Save, dtype: str, compression: str) -> None:
    signal = _array(np.rint(_Y), _INTENSITY, dtype=dtype, compression=compression)
    found = read_chromatogram(save(_file(_chromatogram(_time(dtype="<f4"), signal))))
    assert found.signal.tolist() == np.rint(_Y).tolist()


def test_kind_and_masses_make_the_detector_and_the_name_is_dropped(save: Save) -> None:
    more = (
        _term("MS:1001473")
        + f"<precursor><isolationWindow>{_term('MS:1000827', value='808.4924')}</isolationWindow></precursor>"
        + f"<product><isolationWindow>{_term('MS:1000827', value='689.3478')}</isolationWindow></product>"
    )
    path = save(_file(_chromatogram(more=more)))
    found = read_chromatogram(path)
    assert found.detector == "selected reaction monitoring 808.492 > 689.348"
    assert "Jane" not in repr(found)
    assert read_chromatogram(path, keep_metadata=True).metadata["chromatogram"] == "Jane Doe"


def test_parameters_may_stand_in_a_group(save: Save) -> None:
    group = f'<referenceableParamGroup id="g">{_term(_TYPES["<f8"])}{_term(_NONE)}</referenceableParamGroup>'
    own = _term(_TYPES["<f8"]) + _term(_NONE)
    time = _time().replace(own, '<referenceableParamGroupRef ref="g"/>')
    assert read_chromatogram(save(_file(_chromatogram(time), groups=group))).points == 6


def test_empty_chromatograms_are_passed_over(save: Save) -> None:
    empty = _chromatogram(_array(_T[:0], _TIME, unit=_SECOND), _array(_Y[:0], _INTENSITY), count=0)
    assert len(read_chromatograms(save(_file(empty, _chromatogram())))) == 1
    with pytest.raises(InputError, match="none with points"):
        read_chromatograms(save(_file(empty)))


def _spectrum(at: float, level: int, counts: np.ndarray, *, compression: str = _ZLIB) -> str:
    scan = _term("MS:1000016", value=str(at), unit=_MINUTE)
    array = _array(counts, _INTENSITY, compression=compression)
    return (
        f'<spectrum id="s" defaultArrayLength="{counts.size}">{_term("MS:1000511", value=str(level))}'
        f"<scanList><scan>{scan}</scan></scanList><binaryDataArrayList>{array}</binaryDataArrayList></spectrum>"
    )


def test_a_total_ion_current_is_built_from_ms1_spectra(save: Save) -> None:
    """Only MS1 counts; a chromatogram that follows is used instead, even where spectra cannot be read."""
    spectra = [_spectrum(i, 1 + i % 2, np.full(3, 10.0 * i)) for i in range(5)]
    found = read_chromatogram(save(_file(*spectra)))
    assert (found.time_s.tolist(), found.signal.tolist()) == ([0.0, 120.0, 240.0], [0.0, 60.0, 120.0])
    assert any("3 MS1 spectra" in note for note in found.notes)
    packed = [_spectrum(i, 1, np.ones(3), compression=_NUMPRESS) for i in range(2)]
    with pytest.raises(InputError, match="MS-Numpress"):
        read_chromatogram(save(_file(*packed)))
    assert read_chromatogram(save(_file(*packed, _chromatogram()))).points == 6


@pytest.mark.parametrize(
    ("chromatogram", "got"),
    [
        (_chromatogram(_time(compression=_NUMPRESS)), "MS-Numpress linear prediction"),
        (_chromatogram(_time(compression="MS:9999999")), "an unknown compression"),
        (_chromatogram(_time(compression="")), "an unknown compression"),
        (_chromatogram(_time(unit="")), "no unit"),
        (_chromatogram(_time(unit="UO:0000012")), "UO:0000012"),
        (_chromatogram(count=7), "48 bytes"),
        (_chromatogram(_time(length=5)), "48 bytes"),
        (_chromatogram(_time(compression=_ZLIB, length=7)), "48, or a damaged stream"),
        (_chromatogram(_time(compression=_ZLIB, length=5)), "more"),
        (_chromatogram(signal=_array(_Y[:3], _INTENSITY, length=3)), "3"),
        (_chromatogram(_time() + _time()), "2"),
        (_chromatogram(signal=" "), "0"),
        (
            _chromatogram(_time(compression=_ZLIB, length=10**11)),
            "800000000000 bytes more, with 1073741824 left",
        ),
        (_chromatogram(_time(data=b"12345")), "5 bytes"),
        (_chromatogram(_time().replace("</binary>", "!</binary>")), "damaged or truncated text"),
    ],
)
def test_what_is_wrong_is_told(save: Save, chromatogram: str, got: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatogram(save(_file(chromatogram)))
    assert error.value.got == got


def test_drafts_of_the_format_are_refused(save: Save) -> None:
    for version in ("0.99.10", ""):
        with pytest.raises(InputError, match="draft"):
            read_chromatogram(save(_file(_chromatogram(), version=version)))


def test_a_zlib_bomb_in_an_array_is_stopped(save: Save) -> None:
    """64 MiB of zeros in 64 kB, declared as six values: refused before they fill the memory."""
    path = save(_file(_chromatogram(_time(compression=_ZLIB, data=b"\0" * (64 << 20)))))
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as error:
            read_chromatogram(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert error.value.got == "more"


def test_the_shared_files(chromatography_data: Path) -> None:
    folder = chromatography_data / "mzml"
    found = read_chromatograms(folder / "mini.chrom.mzML")
    assert [trace.points for trace in found] == [175, 176, 176]
    assert (found[0].time_s[0], found[0].signal[:3].tolist()) == (3449.8, [50.0, 90.0, 80.0])
    with pytest.raises(InputError, match="MS-Numpress"):
        read_chromatograms(folder / "mini_numpress.chrom.mzML")
    current = read_chromatogram(folder / "example_spectra_only.mzML.gz")
    # Its eleven spectra are the first of 2918; the first states 9.266164e7 as its total.
    assert (current.points, current.signal[0]) == (2918, 92661640.0)
