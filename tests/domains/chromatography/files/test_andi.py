"""ANDI: what vendors' files do, the shared ones against their table, damaged headers, NIST libraries."""

from __future__ import annotations

import csv
import struct
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import netcdf_file

from medidiff.domains.chromatography.chromatogram import Chromatogram, VendorPeak
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.files.andi.container import read_netcdf
from medidiff.domains.chromatography.files.andi.exporting import write_andi
from medidiff.errors import InputError

Save = Callable[..., Path]


def _write(path: Path, variables: dict[str, Any], attributes: dict[str, Any]) -> Path:
    """A netCDF file with one dimension a length, as a vendor might write it."""
    with netcdf_file(path, "w", mmap=False) as file:
        for name, values in variables.items():
            values = np.asarray(values)
            dimensions = tuple(f"n{size}" for size in values.shape)
            for dimension, size in zip(dimensions, values.shape, strict=True):
                if dimension not in file.dimensions:
                    file.createDimension(dimension, size)
            kind = "c" if values.dtype.kind == "S" else values.dtype.char
            file.createVariable(name, kind, dimensions)[...] = values
        file._attributes.update(attributes)
    return path


def _signal(**more: Any) -> dict[str, Any]:
    ramp = np.arange(10, dtype=np.float32)
    return {"ordinate_values": ramp, "actual_sampling_interval": np.float32(0.5)} | more


def test_every_shared_file_is_read_as_the_table_says(chromatography_data: Path) -> None:
    """Points, interval, delay, extremes and sum to 1e-6, for all 24 files."""
    with (chromatography_data / "expected" / "andi_signals.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    for row in rows:
        found = read_chromatogram(chromatography_data / row["file"])
        facts = {
            "n_points": found.points,
            "sampling_interval_s": found.interval,
            "delay_s": found.time_s[0],
            "y_min": found.signal.min(),
            "y_max": found.signal.max(),
            "y_sum": found.signal.sum(),
            "n_vendor_peaks": len(found.vendor_peaks),
        }
        wrong = {k: v for k, v in facts.items() if v != pytest.approx(float(row[k]), rel=1e-6)}
        assert not wrong, row["file"]


def test_vendors_peaks_of_the_shared_files(chromatography_data: Path) -> None:
    """Times in seconds, CLASS-VP's sample numbers converted; -1 and 0 are absent."""
    expected = defaultdict(list)
    with (chromatography_data / "expected" / "andi_vendor_peaks.csv").open() as file:
        for row in csv.DictReader(file):
            expected[row["file"]].append(row)
    columns = {
        "retention_s": "rt_s",
        "start_s": "start_s",
        "end_s": "end_s",
        "area": "area_vendor",
        "height": "height_vendor",
    }
    for name, rows in expected.items():
        peaks = read_chromatogram(chromatography_data / name).vendor_peaks
        for peak, row in zip(peaks, rows, strict=True):
            assert peak.name == row["name"]
            for field, column in columns.items():
                absent = row[column] in ("", "-1", "0")
                value = None if absent else pytest.approx(float(row[column]), rel=1e-6)
                assert getattr(peak, field) == value, (name, row["peak"], field)


def test_files_of_one_run_have_one_signal(chromatography_data: Path) -> None:
    """Two exports of the same run: equal signals, whatever their headers say."""
    pairs = [("EXAMPLE", "EXAMPLE1"), ("Shimadzu/SHIMADZU", "Shimadzu/SHMDZU1")]
    pairs += [("Varian/VARIAN1", "Varian/VARIAN3"), ("Varian/VARIAN2", "Varian/VARIAN4")]
    for pair in pairs:
        first, second = (read_chromatogram(chromatography_data / "andi" / f"{name}.CDF") for name in pair)
        assert np.array_equal(first.signal, second.signal)
        assert np.array_equal(first.time_s, second.time_s)


def test_mass_spectrometers_files_give_their_total_ion_current(chromatography_data: Path) -> None:
    found = read_chromatogram(chromatography_data / "andi_ms" / "HP_CENTSCNH.CDF")
    assert (found.points, found.time_s[0], found.signal[0]) == (621, 301.801, 100147.0)
    assert found.detector == "total ion current"
    for name, word in (("TEST_NIST_50", "library"), ("TEKNIVNT_CONTINUM", "zip archive")):
        with pytest.raises(InputError, match=word):
            read_chromatogram(chromatography_data / "andi_ms" / f"{name}.CDF")


def test_minutes_become_seconds_and_sample_numbers_times(tmp_path: Path) -> None:
    """CLASS-VP: interval and retention in minutes, starts and ends as whole sample numbers."""
    peaks = {
        "peak_retention_time": np.array([0.05], np.float32),
        "peak_start_time": np.array([4.0], np.float32),
        "peak_end_time": np.array([8.0], np.float32),
        "peak_area": np.array([7.5], np.float32),
        "peak_height": np.array([-1.0], np.float32),
        "peak_name": np.array([list("Benzol  ")], "S1"),
    }
    step = np.float32(1 / 120)
    path = _write(
        tmp_path / "a", _signal(actual_sampling_interval=step, **peaks), {"retention_unit": "Minutes"}
    )
    found = read_chromatogram(path)
    np.testing.assert_allclose(found.time_s, 0.5 * np.arange(10), atol=1e-6)
    (peak,) = found.vendor_peaks
    assert (peak.name, peak.area, peak.height) == ("Benzol", 7.5, None)
    assert (peak.retention_s, peak.start_s, peak.end_s) == pytest.approx((3.0, 2.0, 4.0), rel=1e-6)


def test_times_of_peaks_that_fit_the_run_are_times(tmp_path: Path) -> None:
    """Whole seconds inside the run are no sample numbers."""
    peaks = {
        "peak_retention_time": np.array([3.0], np.float32),
        "peak_start_time": np.array([2.0], np.float32),
        "peak_end_time": np.array([4.0], np.float32),
    }
    (peak,) = read_chromatogram(_write(tmp_path / "a", _signal(**peaks), {})).vendor_peaks
    assert (peak.start_s, peak.end_s) == (2.0, 4.0)


def test_an_absent_unit_is_seconds_with_a_note(tmp_path: Path) -> None:
    found = read_chromatogram(_write(tmp_path / "a", _signal(), {"detector_unit": "mV"}))
    assert found.time_s[-1] == 4.5
    assert any("seconds" in note for note in found.notes)
    with pytest.raises(InputError, match="retention unit"):
        read_chromatogram(_write(tmp_path / "b", _signal(), {"retention_unit": "metres"}))


def test_listed_times_count_more_than_the_interval(tmp_path: Path) -> None:
    times = np.cumsum(np.linspace(0.1, 0.3, 10)).astype(np.float32)
    found = read_chromatogram(_write(tmp_path / "a", _signal(raw_data_retention=times), {}))
    assert np.array_equal(found.time_s, times.astype(np.float64))


def test_falling_times_are_turned_round_and_others_named(tmp_path: Path) -> None:
    falling = np.arange(10, 0, -1).astype(np.float32)
    found = read_chromatogram(_write(tmp_path / "a", _signal(raw_data_retention=falling), {}))
    assert (found.time_s[0], found.signal[0]) == (1.0, 9.0)
    mixed = falling[::-1].copy()
    mixed[4] = mixed[3]
    with pytest.raises(InputError, match="repeated value at row 5"):
        read_chromatogram(_write(tmp_path / "b", _signal(raw_data_retention=mixed), {}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ordinate_values": np.array([1.0, np.nan, 2.0], np.float32)}, "a finite signal"),
        ({"ordinate_values": np.array([1.0], np.float32)}, "an axis of at least 2 points"),
        ({"ordinate_values": np.array(list("abcdef"), "S1")}, "ordinate_values, a list of numbers"),
        ({"actual_sampling_interval": np.float32(-1)}, "an actual_sampling_interval above 0"),
        ({"actual_sampling_interval": np.float32(np.inf)}, "an actual_sampling_interval above 0"),
        ({"raw_data_retention": np.arange(3, dtype=np.float32)}, "a signal of 3 points"),
    ],
)
def test_bad_values_are_refused(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatogram(_write(tmp_path / "a", _signal() | change, {}))
    assert error.value.expected == expected


def test_other_netcdf_libraries_and_missing_scans(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="netCDF of another kind"):
        read_chromatogram(_write(tmp_path / "a", {"temperature": np.arange(3.0)}, {}))
    scans = {"scan_acquisition_time": np.arange(3.0), "total_intensity": np.array([1.0, -9999.0, 2.0])}
    with pytest.raises(InputError, match="-9999"):
        read_chromatogram(_write(tmp_path / "b", scans, {}))
    library = {"experiment_type": "Library Mass Spectrum", "ms_template_revision": "1.0"}
    with pytest.raises(InputError, match="library of mass spectra"):
        read_chromatogram(_write(tmp_path / "c", scans, library))


def test_metadata_only_when_asked_for(tmp_path: Path) -> None:
    path = _write(tmp_path / "a", _signal(), {"operator_name": "Jane Doe", "sample_amount": np.float32(2.5)})
    assert read_chromatogram(path).metadata == {}
    kept = read_chromatogram(path, keep_metadata=True).metadata
    assert kept == {"operator_name": "Jane Doe", "sample_amount": "2.5"}


def test_sizes_that_a_header_declares_are_compared_with_the_file(
    save: Save, trace: Chromatogram, tmp_path: Path
) -> None:
    """Every word of the header set to huge, negative and odd values: an InputError or numbers."""
    write_andi(trace, tmp_path / "a.cdf")
    data = (tmp_path / "a.cdf").read_bytes()
    header = data.index(b"ordinate_values") + 64
    for place in range(4, header, 8):
        for value in (0x7FFFFFFF, -1, 0x00FFFFFF):
            broken = data[:place] + struct.pack(">i", value) + data[place + 4 :]
            try:
                read_netcdf(broken)
            except InputError:
                continue


def test_a_file_that_ends_within_its_first_word_is_truncated(save: Save) -> None:
    with pytest.raises(InputError) as error:
        read_chromatogram(save(b"CDF"))
    assert error.value.got == "one truncated after 3 bytes"


@pytest.mark.parametrize("magic", [b"CDF\x05", b"CDF\x00", b"CDF"])
def test_other_versions_of_netcdf_are_refused(save: Save, magic: bytes) -> None:
    with pytest.raises(InputError, match="classic format"):
        read_chromatogram(save(magic + b"\0" * 64))


def test_variables_that_share_bytes_are_refused() -> None:
    """A header may point a thousand variables at the same bytes: reading them would take a thousand files."""

    def name(text: bytes) -> bytes:
        return struct.pack(">i", len(text)) + text + b"\0" * (-len(text) % 4)

    count, length = 50, 4000
    head = b"CDF\x01" + struct.pack(">i", 0)
    head += struct.pack(">ii", 10, 1) + name(b"n") + struct.pack(">i", length) + b"\0" * 8
    head += struct.pack(">ii", 11, count)
    for i in range(count):
        head += name(b"v%02d" % i) + struct.pack(">iiiiiii", 1, 0, 0, 0, 5, 4 * length, 0)
    with pytest.raises(InputError, match="bytes for"):
        read_netcdf(head + b"\0" * 4 * length)


def test_vendor_peaks_of_a_written_file(trace: Chromatogram, tmp_path: Path) -> None:
    write_andi(trace, tmp_path / "a.cdf")
    found = read_chromatogram(tmp_path / "a.cdf").vendor_peaks
    assert found[0] == VendorPeak(12.0, 9.5, 14.5, 177245.0, 1e5, "Toluol µ")
    assert found[1] == VendorPeak(25.0, None, None, None, 3e4)
