"""Text: delimiters, decimal marks, encodings, units, broken rows, and three vendors' exports."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.files import read_chromatogram, read_chromatograms
from medidiff.errors import InputError

Save = Callable[..., Path]
_TIMES, _SIGNALS = [0.0, 0.5, 1.0, 1.5], [1.25, 1000.5, 2.0, -3.0]
_ROWS = list(zip(_TIMES, _SIGNALS, strict=True))


def _table(delimiter: str, decimal: str = ".", header: str = "time_min{}signal_mV", end: str = "\n") -> str:
    rows = [f"{t}{delimiter}{y}".replace(".", decimal) for t, y in _ROWS]
    return end.join([header.format(delimiter), *rows, ""])


@pytest.mark.parametrize(
    ("delimiter", "decimal"),
    [
        (",", "."),
        (";", "."),
        ("\t", "."),
        (" ", "."),
        ("   ", "."),
        (", ", "."),
        (";", ","),
        ("\t", ","),
        (" ", ","),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_delimiters_decimal_marks_and_ends_of_line(
    save: Save, delimiter: str, decimal: str, end: str
) -> None:
    found = read_chromatogram(save(_table(delimiter, decimal, end=end)))
    assert found.time_s.tolist() == [60 * t for t in _TIMES]
    assert found.signal.tolist() == _SIGNALS
    assert found.signal_unit == "mV"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_encodings(save: Save, encoding: str) -> None:
    text = "Volume\t5 µl\n" + _table("\t", header="Zeit (min){}Signal (µV)")
    found = read_chromatogram(save(text.encode(encoding)))
    assert (found.signal_unit, found.time_s[-1], found.signal.tolist()) == ("µV", 90.0, _SIGNALS)


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        ("0.0\t1,234\n0.5\t12,345\n1.0\t1,234,567\n", [1234.0, 12345.0, 1234567.0]),
        ("0.0\t1,234.5\n0.5\t2.5\n1.0\t3.5\n", [1234.5, 2.5, 3.5]),
        ("0,0\t1.234,5\n0,5\t2,5\n1,0\t3,5\n", [1234.5, 2.5, 3.5]),
        ("0,0;1'234,5\n0,5;2,5\n1,0;3,5\n", [1234.5, 2.5, 3.5]),
        ("0,000\t1,234\n0,500\t2,345\n1,000\t3,456\n", [1.234, 2.345, 3.456]),
        ('"0,0","1,5"\n"0,5","2,5"\n"1,0","3,5"\n', [1.5, 2.5, 3.5]),
        ("0;1e3\n0.5;2.5E+2\n1;.5\n", [1000.0, 250.0, 0.5]),
    ],
)
def test_marks_of_thousands(save: Save, rows: str, values: list[float]) -> None:
    assert read_chromatogram(save("time_s\tsignal_V\n" + rows)).signal.tolist() == values


@pytest.mark.parametrize(
    ("rows", "got"),
    [
        ("1,234\t5,678\n2,345\t6,789\n", "commas before three digits in every number that has one"),
        ("0.5\t1,5\n1.0\t2,5\n", "points and commas mixed"),
        ("0.5\t1.234,5\n1.0\t2.234,5\n", "points and commas mixed"),
    ],
)
def test_a_mark_that_could_be_either_is_refused(save: Save, rows: str, got: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatogram(save(rows))
    assert error.value.got == got


@pytest.mark.parametrize(
    ("header", "end", "last"),
    [
        ("time_s,signal_V", 20.0, 20.0),
        ("Time [min],V", 2.0, 120.0),
        ("RT(min),V", 2.0, 120.0),
        ("Retention time (seconds),V", 20.0, 20.0),
        ("time_h,V", 2.0, 7200.0),
        ("time_ms,V", 20000.0, 20.0),
        ("time,V", 20.0, 1200.0),
        ("time,V", 600.0, 600.0),
        ("", 20.0, 1200.0),
    ],
)
def test_the_unit_of_time_is_in_the_header_or_by_size(
    save: Save, header: str, end: float, last: float
) -> None:
    rows = "\n".join(f"{t:g},1.5" for t in np.linspace(0, end, 5))
    found = read_chromatogram(save(f"{header}\n{rows}\n"))
    assert found.time_s[-1] == last
    assert bool(found.notes) == (header in ("time,V", ""))


@pytest.mark.parametrize(
    ("header", "end", "likely"), [("time_s", 3, "minutes"), ("time_min", 2000, "seconds")]
)
def test_a_header_that_makes_a_run_too_short_or_long_is_doubted(
    save: Save, header: str, end: float, likely: str
) -> None:
    found = read_chromatogram(save(f"{header};V\n" + "".join(f"{t};1\n" for t in np.linspace(0, end, 5))))
    assert len(found.notes) == 1
    assert likely in found.notes[0]


def test_an_axis_of_wavelengths(save: Save) -> None:
    found = read_chromatogram(save("Wavelength (nm);Absorbance (AU)\n190;0.5\n191;0.6\n192;0.7\n"))
    assert (found.axis, found.signal_unit) == ("x_nm", "AU")


def test_columns_are_traces_and_counters_are_none(save: Save) -> None:
    text = "Index;Time (s);A (mV);B (pA)\n1;0.5;1;5\n2;1.0;2;6\n3;1.5;3;7\n"
    first, second = read_chromatograms(save(text))
    assert (first.detector, first.signal_unit, first.time_s.tolist()) == ("A", "mV", [0.5, 1.0, 1.5])
    assert (second.detector, second.signal_unit, second.signal.tolist()) == ("B", "pA", [5.0, 6.0, 7.0])


def test_each_signal_has_the_time_before_it(save: Save) -> None:
    first, second = read_chromatograms(save("Time A (s);A;Time B (s);B\n0;1;5;4\n10;2;15;5\n20;3;25;6\n"))
    assert (first.time_s.tolist(), first.signal.tolist()) == ([0.0, 10.0, 20.0], [1.0, 2.0, 3.0])
    assert (second.time_s.tolist(), second.signal.tolist()) == ([5.0, 15.0, 25.0], [4.0, 5.0, 6.0])


@pytest.mark.parametrize("header", ["time_s;time_min", "time_s;step", "step;index"])
def test_a_table_always_has_a_signal(save: Save, header: str) -> None:
    found = read_chromatogram(save(header + "\n0;1\n10;2\n20;3\n"))
    assert found.signal.tolist() == [1.0, 2.0, 3.0]


def test_a_short_table_is_passed_over_with_a_note(save: Save) -> None:
    rows = "".join(f"{t};1.5\n" for t in range(200))
    found = read_chromatogram(save(f"Limits\n0;100\nTime (s);mV\n{rows}"))
    assert (found.points, found.notes) == (200, ("Passed over: 1 short table of numbers.",))


def test_blocks_below_one_another(save: Save) -> None:
    """As in a MassHunter export: a path in the title gives its kind and last part only."""
    block = '"Path","File","Date","Sample","Misc"\n"C:\\Jane\\","x.D","04 Sep","Jane"," "\n'
    rows = "".join(f"{t:.1f},{t + 5:.3f}\n" for t in np.arange(0, 3, 0.1))
    text = f'{block}"TIC: Jane.D\\data.ms"\n{rows}"Signal: Jane.D\\FID2B.ch"\n{rows}'
    found = read_chromatograms(save(text))
    assert [trace.detector for trace in found] == ["TIC data.ms", "Signal FID2B.ch"]
    assert [trace.points for trace in found] == [30, 30]


def test_runs_that_a_column_counts(save: Save) -> None:
    rows = "".join(f"{t},{10 * run + t},{run}\n" for run in range(3) for t in (0.0, 0.5, 1.0))
    found = read_chromatograms(save("x,y,iter\n" + rows))
    assert [trace.signal.tolist() for trace in found] == [
        [10.0 * r, 10.0 * r + 0.5, 10.0 * r + 1] for r in range(3)
    ]
    with pytest.raises(InputError, match="line 5"):
        read_chromatograms(
            save("x,y\n" + "".join(line.rpartition(",")[0] + "\n" for line in rows.splitlines()))
        )


def test_the_table_that_medidiff_writes(save: Save) -> None:
    text = "time_s,signal,toluene,o-xylene\n0.1,3.0,1.0,2.0\n0.30000000000000004,5.0,2.0,3.0\n"
    found = read_chromatogram(save(text))
    assert found.x.tolist() == [0.1, 0.30000000000000004]
    assert {name: values.tolist() for name, values in found.components.items()} == {
        "toluene": [1.0, 2.0],
        "o-xylene": [2.0, 3.0],
    }
    with pytest.raises(InputError, match="different names"):
        read_chromatogram(save(text.replace("o-xylene", "toluene")))
    spectrum = read_chromatogram(save("x_nm,signal\n190.0,0.5\n191.0,0.6\n"))
    assert (spectrum.axis, spectrum.points) == ("x_nm", 2)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("0.0,1\n0.5,2\n0.5,3\n1.0,4\n", 4),
        ("0.0,1\n0.5,2\n0.4,3\n1.0,4\n", 4),
        ("0.0,1\n0.5,nan\n1.0,3\n", 3),
        ("0.0,1\n0.5,inf\n1.0,3\n", 3),
        ("0.0,1\n0.5,1e999\n1.0,3\n", 3),
        ("0.0,1\n0.5,\n1.0,3\n", 3),
        ("0.0,1\n0.5,x\n1.0,3\n", 3),
        ("0.0,1\n0.5\n1.0,3\n1.5,3\n", 3),
        ("0.0,1\n0.5,2,3\n1.0,3\n", 3),
        ("0.0,1\n0.5,2\nbroken\n1.0,3\n1.5,4\n", 4),
        ("0.0,1\n0.5,2\nnan,4\n1.0,3\n1.5,4\n", 4),
        ("0.0,1\n", 2),
    ],
)
def test_a_broken_row_is_named(save: Save, rows: str, line: int) -> None:
    with pytest.raises(InputError) as error:
        read_chromatograms(save("time_s,signal_V\n" + rows))
    named = f"line {line}" in error.value.what
    assert named or error.value.expected == "an axis of at least 2 points"


def test_times_that_fall_all_the_way_are_turned_round(save: Save) -> None:
    found = read_chromatogram(save("time_s;V\n2.0;1\n1.0;2\n0.0;3\n"))
    assert (found.time_s.tolist(), found.signal.tolist()) == ([0.0, 1.0, 2.0], [3.0, 2.0, 1.0])
    assert found.notes


def test_tables_of_peaks_are_no_traces(save: Save) -> None:
    for header in ("retention_time_s,height,area", "Peak#,R.Time,Area", "RT,Area,Height"):
        with pytest.raises(InputError, match="table of peaks"):
            read_chromatograms(save(header + "\n1,2.5,3.5\n2,3.5,4.5\n"))


def _labsolutions(rows: int = 4, decimals: int = 5, table: str = "") -> str:
    lines = "".join(f"{(0.5 + i) * 0.04 / 60:.{decimals}f}\t{100 * i}\n" for i in range(rows))
    return (
        "[Header]\nApplication Name\tLabSolutions\n\n[Sample Information]\nOperator Name\tJane Doe\n\n"
        "[Peak Table(Detector A-Ch1)]\n# of Peaks\t1\nPeak#\tR.Time\tI.Time\tF.Time\tArea\tHeight\tName\n"
        f"1\t0.100\t0.050\t0.200\t1234\t56\tToluol\n\n{table}[LC Chromatogram(Detector A-Ch1)]\n"
        "Interval(msec)\t40\n"
        f"# of Points\t4\nIntensity Units\tmV\nIntensity Multiplier\t0.001\n"
        f"R.Time (min)\tIntensity\n{lines}\n"
        "[LC Status Trace(Pump A Pressure)]\n# of Points\t2\nIntensity Units\tbar\nR.Time (min)\tIntensity\n"
        "0.0\t31.5\n1.0\t32.5\n"
    )


def test_labsolutions_sections(save: Save) -> None:
    """Times by the interval in the header (the printed ones are rounded); counts times multiplier."""
    path = save(_labsolutions())
    first, second = read_chromatograms(path)
    np.testing.assert_allclose(first.time_s, [0.02, 0.06, 0.10, 0.14], atol=2e-4)
    np.testing.assert_allclose(np.diff(first.time_s), 0.04, rtol=1e-12)
    assert (first.detector, first.signal_unit, first.signal[-1]) == (
        "Detector A-Ch1",
        "mV",
        pytest.approx(0.3),
    )
    (peak,) = first.vendor_peaks
    assert (peak.retention_s, peak.start_s, peak.end_s) == pytest.approx((6.0, 3.0, 12.0))
    assert (peak.area, peak.height, peak.name) == (1234.0, 56.0, "Toluol")
    assert (second.detector, second.time_s.tolist(), second.vendor_peaks) == (
        "Pump A Pressure",
        [0.0, 60.0],
        (),
    )
    assert "Jane" not in repr((first, second))
    assert read_chromatograms(path, keep_metadata=True)[0].metadata["Operator Name"] == "Jane Doe"


def test_labsolutions_with_decimal_commas_is_the_same(save: Save) -> None:
    comma = save(
        _labsolutions()
        .replace(".", ",")
        .replace("R,Time", "R.Time")
        .replace("I,T", "I.T")
        .replace("F,T", "F.T")
    )
    plain = read_chromatograms(save(_labsolutions(), "plain"))
    for a, b in zip(read_chromatograms(comma), plain, strict=True):
        assert np.array_equal(a.signal, b.signal)
        assert np.array_equal(a.time_s, b.time_s)
        assert a.vendor_peaks == b.vendor_peaks


def test_labsolutions_times_that_do_not_fit_the_interval_stay(save: Save) -> None:
    found = read_chromatograms(save(_labsolutions().replace("Interval(msec)\t40", "Interval(msec)\t50")))[0]
    np.testing.assert_allclose(found.time_s, 60 * np.array([0.00033, 0.001, 0.00167, 0.00233]))
    assert any("as printed" in note for note in found.notes)


def test_labsolutions_that_ends_early_is_refused(save: Save) -> None:
    for text in (_labsolutions(rows=3), _labsolutions()[:-9], _labsolutions()[:-25], _labsolutions()[:-60]):
        with pytest.raises(InputError):
            read_chromatograms(save(text))


def _ezchrom(values: list[int]) -> str:
    head = (
        "Version:\t3\nUser Name:\tJane Doe\nSampling Rate:\t10.0\t5.0\tHz\nTotal Data Points:\t3\t2\tPts.\n"
    )
    head += "Y Axis Title:\tpA\t25 µV\nX Axis Multiplier:\t0.0167\t0.0167\nY Axis Multiplier:\t0.5\t0.25\n"
    return head + "".join(f"{value}\n" for value in values)


def test_ezchrom_channels_follow_one_another(save: Save) -> None:
    first, second = read_chromatograms(save(_ezchrom([2, 4, 6, 8, 12]).encode("latin-1")))
    assert (first.time_s.tolist(), first.signal.tolist()) == ([0.0, 0.1, 0.2], [1.0, 2.0, 3.0])
    assert (second.time_s.tolist(), second.signal.tolist()) == ([0.0, 0.2], [2.0, 3.0])
    assert (first.signal_unit, second.signal_unit) == ("pA", "25 µV")
    for values in ([2, 4, 6, 8], [2, 4, 6, 8, 12, 1]):
        with pytest.raises(InputError, match="5 values"):
            read_chromatograms(save(_ezchrom(values)))
    with pytest.raises(InputError, match="line 9"):
        read_chromatograms(save(_ezchrom([2, 4, 6, 8, 12]).replace("\n4\n", "\nfour\n")))
    with pytest.raises(InputError, match="sampling rate in Hz"):
        read_chromatograms(save(_ezchrom([2, 4, 6, 8, 12]).replace("Hz", "Pts/min")))


def test_chromeleon_with_comma_is_chromeleon_with_point(chromatography_data: Path) -> None:
    folder = chromatography_data / "text"
    comma, point = (read_chromatogram(folder / f"chromeleon_{name}.txt") for name in ("comma", "period"))
    assert comma.points == 3241
    assert np.array_equal(comma.signal[: point.points], point.signal)
    assert np.array_equal(comma.time_s[: point.points], point.time_s)
    assert (comma.signal_unit, comma.detector) == ("nC", "ED_1")
    assert any("3241" in note for note in point.notes)  # that file is a stub


def test_the_other_shared_texts(chromatography_data: Path) -> None:
    folder = chromatography_data / "text"
    found = {path.name: read_chromatograms(path) for path in folder.iterdir()}
    assert [trace.points for trace in found["waters.arw"]] == [6601]
    assert found["waters.arw"][0].detector == "2475ChA ex280/em350"
    assert [t.points for t in found["ezchrom_2023-06-29-007.dat.asc"]] == [6781, 6781]
    assert len(found["masshunter_CHROMTAB.CSV.gz"]) == 9
    assert len(found["shimadzu_multichannel.txt"]) == 9
    (ladder,) = found["shimadzu_ladder.txt.gz"]
    assert (ladder.points, ladder.uniform, len(ladder.vendor_peaks)) == (66255, True, 83)
    assert (ladder.time_s[0], ladder.interval) == pytest.approx((0.02, 0.04), rel=1e-4)
    with (chromatography_data / "expected" / "shimadzu_ladder_peaks.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [p.height for p in ladder.vendor_peaks] == [float(row["Height"]) for row in rows]
    assert [p.retention_s for p in ladder.vendor_peaks] == pytest.approx(
        [60 * float(r["R.Time"]) for r in rows]
    )


def test_tables_of_hplc_runs(chromatography_data: Path) -> None:
    points = {
        "sample_chromatogram.txt": 4801,
        "example_overlap.txt": 2500,
        "test_assessment_chrom.csv.gz": 15000,
    }
    for name, count in points.items():
        assert read_chromatogram(chromatography_data / "hplc" / name).points == count
    assert len(read_chromatograms(chromatography_data / "hplc" / "bounding_example.csv")) == 3
    runs = read_chromatograms(chromatography_data / "hplc" / "test_unmix_chrom.csv.gz")
    assert {run.points for run in runs} == {2500}
    for path in (chromatography_data / "calibration").iterdir():
        found = read_chromatogram(path)
        assert found.time_s[np.argmax(found.signal)] == pytest.approx(13.717 * 60, abs=1.0)


@pytest.mark.parametrize(
    ("unit", "said"), [("(parsec)", "not known, parsec: taken"), ("", "no unit of time")]
)
def test_a_unit_that_nobody_knows_is_named(save: Save, unit: str, said: str) -> None:
    found = read_chromatogram(save(_table(",", header=f"time {unit}{{}}signal")))
    assert said in found.notes[0]
