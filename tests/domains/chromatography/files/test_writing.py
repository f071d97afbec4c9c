"""What is written re-opens: CSV and JSON to the bit, ANDI after rounding to 32 bits; and convert."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.io import netcdf_file

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatogram, read_chromatograms
from medidiff.domains.chromatography.files.andi.exporting import write_andi
from medidiff.domains.chromatography.files.content import Content
from medidiff.domains.chromatography.files.convert import convert_chromatograms
from medidiff.domains.chromatography.files.stored import read_stored, to_stored
from medidiff.domains.chromatography.files.writing import trace_outputs
from medidiff.errors import InputError
from medidiff.runs.result import Result

Save = Callable[..., Path]
_NUMBERS = st.floats(-1e300, 1e300, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(
    steps=arrays(np.float64, st.integers(1, 20), elements=st.floats(1e-9, 1e9)),
    data=st.data(),
)
def test_json_holds_every_bit(steps: np.ndarray, data: st.DataObject) -> None:
    x = np.concatenate([[data.draw(st.floats(-1e3, 1e3))], steps]).cumsum()
    if not (np.diff(x) > 0).all():
        return
    signal = data.draw(arrays(np.float64, x.size, elements=_NUMBERS))
    trace = Chromatogram(x, signal, signal_unit="µV", detector='A "B"', components={"a\n": -signal})
    found = read_stored(Content("a.json", to_stored(trace).encode()), keep_metadata=False)
    assert found.x.tobytes() == trace.x.tobytes()
    assert found.signal.tobytes() == trace.signal.tobytes()
    assert found.components["a\n"].tobytes() == (-signal).tobytes()
    assert (found.signal_unit, found.detector) == (trace.signal_unit, trace.detector)


def test_csv_holds_every_bit(trace: Chromatogram, tmp_path: Path) -> None:
    odd = np.nextafter(trace.signal, np.inf) * 1e-290
    whole = replace(trace, components={"toluene": odd, "-": -odd})
    whole.write(tmp_path / "a.csv")
    found = read_chromatogram(tmp_path / "a.csv")
    assert found.x.tobytes() == trace.x.tobytes()
    assert found.signal.tobytes() == trace.signal.tobytes()
    assert {name: v.tobytes() for name, v in found.components.items()} == {
        "toluene": odd.tobytes(),
        "-": (-odd).tobytes(),
    }


def test_json_keeps_peaks_notes_and_metadata(trace: Chromatogram, save: Save) -> None:
    whole = replace(trace, notes=("A note.",), metadata={"operator": "Jane Doe"})
    path = save(to_stored(whole))
    found = read_chromatogram(path, keep_metadata=True)
    assert (found.vendor_peaks, found.notes) == (trace.vendor_peaks, ("A note.",))
    assert found.metadata == {"operator": "Jane Doe"}
    assert read_chromatogram(path).metadata == {}
    assert "metadata" not in json.loads(to_stored(trace))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other"},
        {"x": [0.0, float("nan")]},
        {"x": [0.0, "1"]},
        {"x": [0.0, True]},
        {"x": {"0": 1}},
        {"x": [0.0, 10**400]},
        {"x": [0.0], "signal": [1.0]},
        {"signal": [1.0]},
        {"axis": "../x"},
        {"axis": 3},
        {"components": [1]},
        {"components": {"a": [1.0]}},
        {"vendor_peaks": [{"area": 1.0}]},
        {"vendor_peaks": [{"retention_s": "1"}]},
        {"vendor_peaks": [{"retention_s": 1.0, "name": 3}]},
        {"vendor_peaks": [3]},
        {"notes": "none"},
    ],
)
def test_other_json_is_refused(change: dict[str, object], save: Save) -> None:
    plain = {"schema": "medidiff.chromatogram/1", "x": [0.0, 1.0], "signal": [1.0, 2.0]}
    assert read_chromatogram(save(json.dumps(plain))).points == 2
    with pytest.raises(InputError):
        read_chromatogram(save(json.dumps(plain | change)))


@pytest.mark.parametrize("text", ["{", '{"a": ' * 100_000, "{" + "1" * 10_000, '{"schema": 1' + "e" * 99])
def test_damaged_json_is_refused(text: str, save: Save) -> None:
    with pytest.raises(InputError, match="complete JSON"):
        read_chromatogram(save(text))


def test_andi_is_the_same_after_rounding(trace: Chromatogram, tmp_path: Path) -> None:
    """0.1 s is no 32-bit float: the exact interval beside it brings the axis back; the signal has 24 bits."""
    write_andi(trace, tmp_path / "a.cdf")
    found = read_chromatogram(tmp_path / "a.cdf")
    assert np.array_equal(found.signal, trace.signal.astype(np.float32))
    assert np.array_equal(found.x.astype(np.float32), trace.x.astype(np.float32))
    assert np.abs(found.x - trace.x).max() < 1e-12
    assert (found.signal_unit, found.detector, found.uniform) == ("µV", "FID", True)
    write_andi(found, tmp_path / "b.cdf")
    again = read_chromatogram(tmp_path / "b.cdf")
    assert np.array_equal(again.signal, found.signal)
    assert np.abs(again.x - found.x).max() < 1e-12


def test_andi_lists_the_times_of_an_axis_that_is_not_uniform(trace: Chromatogram, tmp_path: Path) -> None:
    x = np.cumsum(np.linspace(0.1, 0.2, trace.points))
    write_andi(replace(trace, x=x), tmp_path / "a.cdf")
    found = read_chromatogram(tmp_path / "a.cdf")
    assert np.array_equal(found.x, x.astype(np.float32))
    assert not found.uniform


def test_an_interval_changed_by_another_program_counts(trace: Chromatogram, tmp_path: Path) -> None:
    """The double beside the float is believed only where it is what was rounded."""
    write_andi(trace, tmp_path / "a.cdf")
    with netcdf_file(tmp_path / "a.cdf", "a", mmap=False) as file:
        file.variables["actual_sampling_interval"][...] = np.float32(0.25)
    assert read_chromatogram(tmp_path / "a.cdf").interval == 0.25


def test_andi_has_the_attributes_of_its_template_without_metadata(
    trace: Chromatogram, tmp_path: Path
) -> None:
    """C1 and C2 by ASTM E1947; with metadata kept, theirs."""
    bare = replace(trace, vendor_peaks=(), signal_unit="", detector="")
    for name, one in (("a", bare), ("b", replace(trace, metadata={"operator_name": "Jane", "other": "x"}))):
        write_andi(one, tmp_path / name)
        with netcdf_file(tmp_path / name, mmap=False) as file:
            attributes = file._attributes
            needed = {"dataset_completeness", "aia_template_revision", "netcdf_revision", "languages"}
            needed |= {"injection_date_time_stamp", "detector_unit", "retention_unit", "detector_name"}
            assert needed <= set(attributes)
            assert attributes["operator_name"] == (b"none" if name == "a" else b"Jane")
            assert "other" not in attributes
            assert all(value for value in attributes.values())
            assert file.variables["ordinate_values"].typecode() == "f"
    found = read_chromatogram(tmp_path / "a")
    assert (found.vendor_peaks, found.signal_unit, found.detector) == ((), "", "")


def test_what_andi_cannot_hold_is_refused_before_anything_is_written(
    trace: Chromatogram, tmp_path: Path
) -> None:
    spectrum = replace(trace, axis="x_nm", vendor_peaks=())
    large = replace(trace, signal=trace.signal * 1e40)
    for one in (spectrum, large):
        with pytest.raises(InputError):
            write_andi(one, tmp_path / "a.cdf")
        with pytest.raises(InputError):
            trace_outputs([trace, one], "andi")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError) as error:
        trace_outputs([trace], "xls")  # type: ignore[arg-type]  # wrong on purpose
    assert error.value.argument


def test_a_run_folder_of_one_trace(trace: Chromatogram, save: Save, tmp_path: Path) -> None:
    """Each format's file re-opens; the report names the input by digest and points."""
    path = save(to_stored(trace), "Jane Doe.json")
    for to, name in (
        ("csv", "chromatogram.csv"),
        ("andi", "chromatogram.cdf"),
        ("json", "chromatogram.json"),
    ):
        result = convert_chromatograms(path, to=to)  # type: ignore[arg-type]  # a literal of the list
        folder = result.save(tmp_path / to)
        names = {file.name for file in folder.iterdir()}
        assert names == {name, "figure.png", "report.json", "provenance.json"}
        found = read_chromatogram(folder / name)
        np.testing.assert_allclose(found.signal, trace.signal, rtol=1e-7 if to == "andi" else 0)
        report = json.loads((folder / "report.json").read_text())
        assert report["task"] == "chromatography.convert"
        assert (report["input"]["points"], report["input"]["units"]) == (400, "µV")
        assert report["input"]["interval_s"] == pytest.approx(0.1)
        assert "Jane" not in "".join(f.read_text(errors="ignore") for f in folder.glob("*.json"))
        assert list(Result.load(folder)) == [name]
    assert any("32-bit" in warning for warning in convert_chromatograms(path, to="andi").warnings)
    assert any("2 peaks" in warning for warning in convert_chromatograms(path).warnings)


def test_several_traces_and_spectra_are_numbered_and_listed(save: Save, tmp_path: Path) -> None:
    path = save("Time (min),A (mV),B (pA)\n0.0,1,5\n0.1,2,6\n0.2,3,7\n")
    folder = convert_chromatograms(path).save(tmp_path / "out")
    listed = json.loads((folder / "traces.json").read_text())["traces"]
    assert [row["file"] for row in listed] == ["chromatogram.csv", "chromatogram_002.csv"]
    assert [(row["detector"], row["units"]) for row in listed] == [("A", "mV"), ("B", "pA")]
    assert read_chromatogram(folder / "chromatogram_002.csv").signal.tolist() == [5.0, 6.0, 7.0]
    second = convert_chromatograms(path, trace=2)
    assert list(second) == ["chromatogram.csv"]
    spectrum = convert_chromatograms(save("Wavelength (nm);AU\n190;0.5\n191;0.6\n"))
    assert list(spectrum) == ["spectrum.csv"]
    assert any("no time" in warning for warning in spectrum.warnings)
    spectrum.save(tmp_path / "spectrum")
    assert (tmp_path / "spectrum" / "spectrum.csv").read_text().startswith("x_nm,signal\n190.0,0.5\n")


def test_metadata_travel_only_when_asked_for(save: Save) -> None:
    path = save("Operator\tJane Doe\nTime (min)\tmV\n0.0\t1\n0.1\t2\n")
    assert "metadata" not in convert_chromatograms(path).report["traces"][0]
    kept = convert_chromatograms(path, keep_metadata=True)
    assert kept.report["traces"][0]["metadata"] == {"Operator": "Jane Doe"}


def test_shared_andi_files_come_back_to_the_bit(chromatography_data: Path, tmp_path: Path) -> None:
    """Their numbers are 32-bit floats already: writing rounds nothing, peaks included."""
    for path in sorted((chromatography_data / "andi").rglob("*.[cC][dD][fF]")):
        first = read_chromatogram(path)
        write_andi(first, tmp_path / "a.cdf")
        second = read_chromatogram(tmp_path / "a.cdf")
        assert np.array_equal(first.signal, second.signal), path.name
        assert np.array_equal(first.x, second.x), path.name
        assert (first.signal_unit, first.detector) == (second.signal_unit, second.detector)
        for a, b in zip(first.vendor_peaks, second.vendor_peaks, strict=True):
            assert (a.name, a.area, a.height) == (b.name, b.area, b.height)
            assert b.retention_s == pytest.approx(a.retention_s, rel=1e-7)


@pytest.mark.parametrize("place", [54_321, 100_010])
def test_the_longest_traces_are_drawn_with_their_peaks(place: int) -> None:
    """The picture keeps the extremes of each stretch: a single sample above the rest stays visible."""
    from medidiff.domains.chromatography.figures.traces import envelope

    signal = np.zeros(100_030)
    signal[place] = 7.0
    x, drawn = envelope(np.arange(100_030.0), signal)
    assert drawn.max() == 7.0
    assert x.size < 6000
    assert (np.diff(x) > 0).all()


def test_many_traces_of_one_file(save: Save) -> None:
    """A picture of eight panels for twelve traces; all twelve are written."""
    header = "time_s," + ",".join(f"d{i}_mV" for i in range(12))
    rows = "".join(f"{t}," + ",".join(str(t * i) for i in range(12)) + "\n" for t in range(5))
    result = convert_chromatograms(save(f"{header}\n{rows}"))
    assert len(read_chromatograms(save(f"{header}\n{rows}"))) == 12
    assert len(result.outputs) == 13
    assert len(result.figure().axes) == 8
