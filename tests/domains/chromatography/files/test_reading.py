"""The door: kinds by content, gzip by its first bytes, several traces, and what stands in no error."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatogram, read_chromatograms
from medidiff.domains.chromatography.files.andi.exporting import write_andi
from medidiff.domains.chromatography.files.content import LIMITS
from medidiff.domains.chromatography.files.stored import to_stored
from medidiff.errors import InputError
from medidiff.io.limits import Limits

Save = Callable[..., Path]
_CSV = "time_s,signal\n0.0,1.0\n0.5,2.0\n1.0,1.5\n"
_TWO = "Time (min),FID (pA),TCD (mV)\n0.0,1,5\n0.1,2,6\n0.2,3,7\n"


@pytest.mark.parametrize("name", ["run.csv", "run.cdf", "run.gaml", "run", "run.csv.gz"])
def test_the_name_of_a_file_says_nothing(save: Save, name: str) -> None:
    assert read_chromatogram(save(_CSV, name)).signal.tolist() == [1.0, 2.0, 1.5]


@pytest.mark.parametrize("name", ["run.csv.gz", "run.csv"])
def test_gzip_is_known_by_its_first_bytes(save: Save, name: str) -> None:
    """The packed copy has the digest of the plain one: the content is the same."""
    packed = read_chromatogram(save(gzip.compress(_CSV.encode()), name))
    assert packed.x.tolist() == [0.0, 0.5, 1.0]
    assert packed.origin == read_chromatogram(save(_CSV, "plain")).origin


def test_gzip_of_two_members_is_one_file(save: Save) -> None:
    parts = gzip.compress(_CSV[:30].encode()) + gzip.compress(_CSV[30:].encode()) + b"\0" * 8
    assert read_chromatogram(save(parts)).points == 3


def test_gzipped_andi_and_json(save: Save, trace: Chromatogram, tmp_path: Path) -> None:
    write_andi(trace, tmp_path / "a.cdf")
    for content in ((tmp_path / "a.cdf").read_bytes(), to_stored(trace).encode()):
        found = read_chromatogram(save(gzip.compress(content)))
        np.testing.assert_allclose(found.signal, trace.signal, rtol=1e-7)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "0 bytes"),
        (gzip.compress(b""), "0 bytes"),
        (gzip.compress(gzip.compress(_CSV.encode())), "gzip inside gzip"),
        (gzip.compress(_CSV.encode())[:-9], "one that ends early"),
        (gzip.compress(_CSV.encode())[:-8] + b"\1" * 8, "a damaged one"),
        (gzip.compress(_CSV.encode()) + b"more", "one with other bytes after its end"),
        (b"PK\x03\x04 and more", "a zip archive"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 (netCDF-4)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE compound file of a vendor"),
        (b"\x00\x01\x02\x03\x04\x05\xff\xfe" * 20, "a binary file of another kind"),
        (b"<html><body>not found</body></html>", "a web page"),
        (b"<?xml version='1.0'?><mzXML/>", "mzXML"),
        (b"words and nothing else", "none"),
    ],
)
def test_other_files_are_refused_by_their_word(save: Save, content: bytes, got: str) -> None:
    with pytest.raises(InputError) as error:
        read_chromatograms(save(content, "Jane Doe.cdf"))
    assert error.value.got == got
    assert error.value.what.startswith("Jane Doe.cdf")


def test_a_zip_renamed_cdf_is_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "run.CDF"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("run.csv", _CSV)
    with pytest.raises(InputError, match="zip archive"):
        read_chromatograms(path)


def test_a_file_that_unpacks_without_end_is_stopped(save: Save) -> None:
    """64 MiB of zeros pack to 64 kB; the budget of the caller ends it first."""
    bomb = save(gzip.compress(b"0" * (64 << 20)))
    with pytest.raises(InputError, match="unpacks to at most 1048576 bytes"):
        read_chromatograms(bomb, limits=Limits(file_bytes=1 << 20))
    assert LIMITS.file_bytes == 1 << 30


def test_a_file_above_the_limit_is_refused_unread(save: Save) -> None:
    with pytest.raises(InputError, match="at most 10 bytes"):
        read_chromatograms(save(_CSV), limits=Limits(file_bytes=10))


def test_absent_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError) as error:
            read_chromatograms(path)
        assert str(tmp_path.parent) not in str(error.value)


def test_several_traces_want_a_number_and_say_which_there_are(save: Save) -> None:
    path = save(_TWO)
    with pytest.raises(InputError) as error:
        read_chromatogram(path)
    assert error.value.got == "2 traces"
    assert "1 FID, pA (3 points, 0 to 12 s); 2 TCD, mV (3 points, 0 to 12 s)" in error.value.fix
    assert read_chromatogram(path, 2).signal.tolist() == [5.0, 6.0, 7.0]
    with pytest.raises(InputError) as beyond:
        read_chromatogram(path, 3)
    assert not beyond.value.argument
    with pytest.raises(InputError) as nothing:
        read_chromatogram(path, 0)
    assert nothing.value.argument


def test_names_are_dropped_unless_asked_for(save: Save) -> None:
    """A name in the header of a text stands neither in the trace nor in an error about it."""
    header = "Operator\tJane Doe\nSample\tJane's blood\n\nTime (min)\tValue (mV)\n"
    path = save(header + "0.0\t1\n0.1\t2\n0.2\t3\n")
    found = read_chromatogram(path)
    assert "Jane" not in repr((found.detector, found.notes, found.metadata, found.signal_unit))
    assert read_chromatogram(path, keep_metadata=True).metadata["Operator"] == "Jane Doe"
    with pytest.raises(InputError) as error:
        read_chromatogram(save(header + "0.0\t1\n0.1\tJane\n0.2\t3\n"))
    assert "Jane" not in str(error.value)
    assert "line 6" in error.value.what
