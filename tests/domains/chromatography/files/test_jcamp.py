"""JCAMP-DX: each form of ASDF on a series that is known, Y-checks, blocks, and the shared files."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.files import read_chromatogram, read_chromatograms
from medidiff.domains.chromatography.files.jcamp.asdf import decode_ordinates
from medidiff.errors import InputError

Save = Callable[..., Path]
_SERIES = [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0]
"""The example that the paper on ASDF writes in every form."""


def _file(data: str, *, points: int = 10, last: float = 9.0, units: str = "SECONDS", more: str = "") -> str:
    return (
        f"##TITLE= a run\n##JCAMP-DX= 4.24 $$ by hand\n##DATA TYPE= GAS CHROMATOGRAM\n##XUNITS= {units}\n"
        f"##YUNITS= MILLIVOLT\n##XFACTOR= 1\n##YFACTOR= 0.5\n##FIRSTX= 0\n##LASTX= {last}\n"
        f"##NPOINTS= {points}\n"
        f"{more}##XYDATA= (X++(Y..Y))\n{data}\n##END=\n"
    )


@pytest.mark.parametrize(
    "data",
    [
        "0 1 2 3 3 2\n5 1 0 -1 -2 -3",
        "0, 1, 2, 3, 3, 2\n5; 1; 0; -1; -2; -3",
        "0+1+2+3+3+2\n5+1+0-1-2-3",
        "0ABCCB\n5A@abc",
        "0ABCTB\n5A@abc",
        "0AJJ%jjjjjj",
        "0AJT%jX",
        "0AJJ%j\n4Bjjjjj\n9c",
        "0A1a9J%jjjjj\n",
    ],
    ids=["fixed", "commas", "pac", "sqz", "sqzdup", "dif", "difdup", "checks", "wrong"],
)
def test_every_form_of_asdf_gives_the_series(save: Save, data: str, request: pytest.FixtureRequest) -> None:
    path = save(_file(data))
    if request.node.callspec.id == "wrong":
        with pytest.raises(InputError):
            read_chromatogram(path)
        return
    found = read_chromatogram(path)
    assert found.signal.tolist() == [0.5 * y for y in _SERIES]
    assert found.time_s.tolist() == list(range(10))
    assert (found.signal_unit, found.detector) == ("MILLIVOLT", "gas chromatogram")


def test_a_repeat_after_a_difference_repeats_the_difference() -> None:
    """T is "twice in all": one more step of the same size; numbers of several digits keep their sign."""
    values, places = decode_ordinates([(1, "5A23K4T"), (2, "8A71a23")], 10)
    assert values.tolist() == [123, 147, 171, -123]
    assert places.tolist() == [[5, 0], [8, 2]]


def test_a_failed_check_names_its_line(save: Save) -> None:
    with pytest.raises(InputError) as error:
        read_chromatogram(save(_file("0AJJ%j\n4Cjjjjj\n9c")))
    assert "line 13" in error.value.what
    assert error.value.expected == "the ordinate 2 again (Y-check)"


@pytest.mark.parametrize(
    ("data", "got"),
    [
        ("0ABCCB\n5A@abc1 2 3", "more"),
        ("0ABCCB\n5A@ab", "9: truncated or damaged"),
        ("0ABCCB\n5A@a?c", "a missing one (?)"),
        ("0ABCCB\n5A@a!c", "something else at column 5"),
        ("0AS9999999999", "more"),
        ("0A" + "S9" * 400, "more"),
        ("S5", "none"),
        ("0S5", "a difference or a count"),
        ("", "0: truncated or damaged"),
    ],
)
def test_what_is_wrong_is_told(save: Save, data: str, got: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatogram(save(_file(data)))
    assert error.value.got == got


def test_labels_ends_of_line_and_comments(save: Save) -> None:
    """Blanks, hyphens, slashes, underscores and case of a label do not count; CR alone ends a line."""
    text = _file("0 1 2 3 3 2\n5 1 0 -1 -2 -3 $$ the end").replace("DATA TYPE", "data_Type")
    for end in ("\r\n", "\r"):
        assert read_chromatogram(save(text.replace("\n", end))).signal.tolist() == [0.5 * y for y in _SERIES]


def test_an_axis_that_falls_or_is_no_time(save: Save) -> None:
    text = _file("9 1 2 3 3 2\n4 1 0 -1 -2 -3", units="1/CM").replace("FIRSTX= 0", "FIRSTX= 9")
    found = read_chromatogram(save(text.replace("LASTX= 9.0", "LASTX= 0")))
    assert found.axis == "x_1_cm"
    assert found.signal[0] == -1.5
    assert any("turned" in note for note in found.notes)
    with pytest.raises(InputError, match="axis of time"):
        _ = found.time_s


def test_minutes_are_sixty_seconds(save: Save) -> None:
    assert read_chromatogram(save(_file("0ABCCB\n5A@abc", units="MINUTES"))).time_s[-1] == 540.0


def test_a_wrong_factor_is_noted(save: Save) -> None:
    found = read_chromatogram(save(_file("0ABCCB\n5A@abc", more="##FIRSTY= 0.501\n")))
    assert any("YFACTOR" in note for note in found.notes)
    assert not read_chromatogram(save(_file("0ABCCB\n5A@abc", more="##FIRSTY= 0.5001\n"))).notes


def test_blocks_in_a_link_and_truncation(save: Save) -> None:
    inner = _file("0ABCCB\n5A@abc")
    text = f"##TITLE= two\n##DATA TYPE= LINK\n##BLOCKS= 2\n{inner}{inner}##END=\n"
    assert len(read_chromatograms(save(text))) == 2
    for cut in (text[:-7], text[: len(text) // 2], inner[:-9], "##TITLE= only\n"):
        with pytest.raises(InputError):
            read_chromatograms(save(cut))


def test_a_peak_table_is_told_from_a_curve(save: Save) -> None:
    text = (
        "##TITLE= peaks\n##XUNITS= MINUTES\n##YUNITS= ARBITRARY\n##NPOINTS= 3\n"
        "##PEAK TABLE= (XY..XY)\n1,10 2.5,30; 4 20\n##END=\n"
    )
    found = read_chromatogram(save(text))
    assert found.time_s.tolist() == [60.0, 150.0, 240.0]
    assert [(p.retention_s, p.height) for p in found.vendor_peaks] == [
        (60.0, 10.0),
        (150.0, 30.0),
        (240.0, 20.0),
    ]
    assert any("no sampled curve" in note for note in found.notes)
    with pytest.raises(InputError, match="NPOINTS = 3 pairs"):
        read_chromatogram(save(text.replace("; 4 20", "")))


def test_the_scans_of_a_mass_spectrometer(save: Save) -> None:
    scans = "".join(
        f"##SCAN_NUMBER= {i}\n##RETENTION_TIME= {i}.5\n##TIC= {100 * i}\n##NPOINTS= 2\n"
        "##XYDATA= (XY..XY)\n 45.0, 1.0\n 46.0, 2.0\n"
        for i in range(1, 4)
    )
    found = read_chromatogram(save("##TITLE=\n" + scans))
    assert (found.time_s.tolist(), found.signal.tolist()) == ([1.5, 2.5, 3.5], [100.0, 200.0, 300.0])
    for cut in (scans[:-10], scans[: scans.rindex("##TIC")], "##RETENTION_TIME=\n"):
        with pytest.raises(InputError, match="truncated"):
            read_chromatogram(save("##TITLE=\n" + cut))


def test_the_shared_files_decode_as_their_table_says(chromatography_data: Path) -> None:
    """All but one: the table's decoder overlooked lines of `fixinc4.jdx` that begin with a point."""
    expected = defaultdict(list)
    with (chromatography_data / "expected" / "jcamp_xydata.csv").open() as file:
        for row in csv.DictReader(file):
            expected[row["file"]].append(row)
    assert len(expected) == 15
    for name, rows in expected.items():
        for found, row in zip(read_chromatograms(chromatography_data / name), rows, strict=True):
            turned = any("turned" in note for note in found.notes)
            y = found.signal[::-1] if turned else found.signal
            if name.endswith("fixinc4.jdx"):
                assert (y.size, y.max()) == (81, pytest.approx(1.0, abs=1e-4))  # its own NPOINTS and MAXY
                continue
            facts = {
                "n_decoded": y.size,
                "y_first": y[0],
                "y_last": y[-1],
                "y_min": y.min(),
                "y_max": y.max(),
                "y_sum": y.sum(),
            }
            wrong = {k: v for k, v in facts.items() if v != pytest.approx(float(row[k]), rel=1e-6, abs=1e-9)}
            assert not wrong, name


def test_four_encodings_of_one_spectrum(chromatography_data: Path) -> None:
    first, *others = (read_chromatogram(chromatography_data / "jcamp" / f"o0{i}.jdx") for i in range(1, 5))
    for other in others:
        assert np.array_equal(first.signal, other.signal)
        assert np.array_equal(first.x, other.x)


def test_the_shared_peak_tables_and_scans(chromatography_data: Path) -> None:
    folder = chromatography_data / "jcamp"
    for name, points in (("coffhd", 27), ("pktab1", 46), ("pktab2", 23), ("mactab1", 23)):
        assert read_chromatogram(folder / f"{name}.jdx").points == points
    scans = read_chromatogram(folder / "GECO_4_SUBTRACT.JDX.gz")
    assert (scans.points, scans.signal[0]) == (2103, 2334167.0)
    assert scans.time_s[-1] == pytest.approx(37.0127334595 * 60)  # ##LAST= is in minutes
