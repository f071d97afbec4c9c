"""GAML: arrays of either type and order, selection by technique, peaks, bombs, and the shared files."""

from __future__ import annotations

import base64
import csv
import textwrap
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.files import read_chromatogram, read_chromatograms
from medidiff.errors import InputError

Save = Callable[..., Path]
_X, _Y = np.arange(5) * 0.25, np.array([1.0, 4.0, 9.0, 4.0, 1.0])
_PEAK = (
    '<peaktable><peak name="Propan" number="1"><parameter name="PK_AREA">12.5</parameter>'
    '<parameter name="PK_HEIGHT">9</parameter><peakXvalue>0.5</peakXvalue><peakYvalue>9</peakYvalue>'
    "<baseline><startXvalue>0.25</startXvalue><endXvalue>0.75</endXvalue></baseline></peak></peaktable>"
)


def _values(array: np.ndarray, dtype: str, count: int | None = None) -> str:
    order = "MOTOROLA" if dtype.startswith(">") else "INTEL"
    text = "\n".join(textwrap.wrap(base64.b64encode(array.astype(dtype).tobytes()).decode(), 12))
    kind = f"FLOAT{8 * np.dtype(dtype).itemsize}"
    return f'<values byteorder="{order}" format="{kind}" numvalues="{count or array.size}">{text}</values>'


def _trace(
    x: str = "", y: str = "", *, technique: str = "CHROM", units: str = "MINUTES", peaks: str = ""
) -> str:
    x, y = x or _values(_X, "<f8"), y or _values(_Y, "<f4")
    return (
        f'<trace name="Jane Doe" technique="{technique}"><Xdata units="{units}">{x}'
        f'<Ydata units="MILLIVOLTS">{y}{peaks}</Ydata></Xdata></trace>'
    )


def _file(*traces: str) -> str:
    body = "".join(traces)
    return f'<?xml version="1.0"?>\n<GAML version="1.20"><experiment>{body}</experiment></GAML>'


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
def test_arrays_of_either_type_and_order(save: Save, dtype: str) -> None:
    found = read_chromatogram(save(_file(_trace(y=_values(_Y, dtype)))))
    assert found.time_s.tolist() == (60 * _X).tolist()
    assert found.signal.tolist() == _Y.tolist()
    assert (found.signal_unit, found.metadata, found.detector) == ("MILLIVOLTS", {}, "")


def test_the_peaks_of_the_file_are_in_seconds(save: Save) -> None:
    (peak,) = read_chromatogram(save(_file(_trace(peaks=_PEAK)))).vendor_peaks
    assert (peak.retention_s, peak.start_s, peak.end_s) == (30.0, 15.0, 45.0)
    assert (peak.area, peak.height, peak.name) == (12.5, 9.0, "Propan")


def test_only_chromatograms_are_taken(save: Save) -> None:
    assert len(read_chromatograms(save(_file(_trace(technique="MS"), _trace(), _trace())))) == 2
    with pytest.raises(InputError) as error:
        read_chromatograms(
            save(_file(_trace(technique="MS"), _trace(technique="MS"), _trace(technique="IR")))
        )
    assert error.value.got == "2 of MS, 1 of IR"


def test_an_axis_of_wavelengths_keeps_its_unit(save: Save) -> None:
    assert read_chromatogram(save(_file(_trace(units="NANOMETERS")))).axis == "x_nanometers"


def test_names_only_when_asked_for(save: Save) -> None:
    path = save(_file(_trace()))
    assert read_chromatogram(path, keep_metadata=True).metadata == {"name": "Jane Doe"}
    assert "Jane" not in repr(read_chromatogram(path))


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (_trace(y=_values(_Y, "<f4", 6)), "6 values in 24 bytes"),
        (_trace(y=_values(_Y, "<f4", 10**11)), "100000000000 values in 400000000000 bytes"),
        (_trace(y=_values(_Y[:3], "<f4")), "5 ordinates"),
        (_trace(y=_values(_Y, "<f4").replace("=</values>", "</values>")), "base64"),
        (_trace(y=_values(_Y, "<f4").replace("AA", "A!", 1)), "base64"),
        (_trace(y=_values(_Y, "<f4").replace("FLOAT32", "INT9")), "FLOAT32 or FLOAT64, INTEL or MOTOROLA"),
        (_trace(y=_values(_Y, "<f4").replace('"5"', '"-5"')), "a declared number of values"),
        (_trace(y=_values(np.array([1.0, np.inf, 1, 1, 1]), "<f4")), "a finite signal"),
        (_trace(x=_values(_X[::-1] * [1, 1, 1, 0, 1], "<f8")), "a rising axis"),
        (_trace(y="<none/>"), "values"),
        (_trace(x=_values(_X[:1], "<f8"), y=_values(_Y[:1], "<f8")), "an axis of at least 2 points"),
    ],
)
def test_what_is_wrong_is_told(save: Save, trace: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatograms(save(_file(trace)))
    assert error.value.expected == expected


_BOMB = (
    '<?xml version="1.0"?>\n'
    '<!DOCTYPE GAML [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
    "<GAML><experiment>&b;</experiment></GAML>"
)


@pytest.mark.parametrize(
    "document",
    [
        _BOMB,
        _BOMB.replace("GAML", "mzML"),
        '<!DOCTYPE GAML SYSTEM "http://127.0.0.1/x.dtd"><GAML/>',
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>',
        _BOMB.encode("utf-16").decode("latin-1"),
    ],
    ids=["gaml", "mzml", "external", "file", "utf-16"],
)
def test_a_document_type_is_refused_by_the_parser(save: Save, document: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatograms(save(document.encode("latin-1")))
    assert error.value.got == "a DOCTYPE, which may hold an entity bomb"


@pytest.mark.parametrize(
    ("document", "got"),
    [
        (_file(_trace())[:-9], "damaged or truncated at line 8"),
        (_file(_trace("<a>" * 100 + "</a>" * 100)), "more"),
        ("<GAML>&undefined;</GAML>", "damaged or truncated at line 1"),
        ('<?xml version="1.0" encoding="EBCDIC-XX"?><GAML/>', "another"),
    ],
)
def test_damaged_xml_names_the_place(save: Save, document: str, got: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatograms(save(document))
    assert error.value.got.startswith(got)


def test_the_shared_files_are_read_as_their_table_says(chromatography_data: Path) -> None:
    expected, peaks = defaultdict(list), defaultdict(list)
    with (chromatography_data / "expected" / "gaml_signals.csv").open() as file:
        for row in csv.DictReader(file):
            expected[row["file"]].append(row)
    with (chromatography_data / "expected" / "gaml_vendor_peaks.csv").open() as file:
        for row in csv.DictReader(file):
            peaks[row["file"], row["trace"]].append(row)
    for name, rows in expected.items():
        for found, row in zip(read_chromatograms(chromatography_data / name), rows, strict=True):
            facts = {
                "n_points": found.points,
                "x_first_s": found.time_s[0],
                "x_last_s": found.time_s[-1],
                "y_min": found.signal.min(),
                "y_max": found.signal.max(),
                "y_sum": found.signal.sum(),
            }
            wrong = {k: v for k, v in facts.items() if v != pytest.approx(float(row[k]), rel=1e-6)}
            assert not wrong, name
            table = peaks[name, row["trace"]]
            assert [p.name for p in found.vendor_peaks] == [p["name"] for p in table]
            for column, field in (("rt_s", "retention_s"), ("area", "area")):
                values = [getattr(peak, field) for peak in found.vendor_peaks]
                assert values == pytest.approx([float(peak[column]) for peak in table], rel=1e-6)


def test_gaml_and_andi_of_one_run_have_equal_ordinates_each_with_its_axis(chromatography_data: Path) -> None:
    """The gasoline run of 1989 in two exports: 2912 equal ordinates, steps of 2.5146 s and 2.5 s as written.

    The vendor's peaks lie on the axis of the GAML file, on a sample each.
    """
    gaml = read_chromatogram(chromatography_data / "gaml" / "PE_Turbochrom_GC.gaml")
    andi = read_chromatogram(chromatography_data / "andi" / "Thru-Put_Systems" / "tgntpe41.cdf")
    assert np.array_equal(gaml.signal, andi.signal)
    assert gaml.interval == pytest.approx(7320 / 2911)
    assert (andi.time_s[0], andi.interval) == (-2.5, 2.5)
    assert np.abs(gaml.time_s - andi.time_s).max() == pytest.approx(45.0)
    near = [float(np.abs(gaml.time_s - peak.retention_s).min()) for peak in gaml.vendor_peaks]
    assert np.median(near) < 1e-9
