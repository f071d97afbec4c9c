"""HDF5 in a child process: right values, and every hostile file ends in one refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.io import Limits
from medidiff.io.hdf5 import is_hdf5, read_hdf5


def _write(path: Path, **attributes: Any) -> np.ndarray:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=values, compression="gzip", shuffle=True)
        file["list"] = [0.5, 1.5]
        file.attrs.update(attributes)
    return values


def _refusal(path: Path, dataset: str = "data", limits: Limits | None = None) -> InputError:
    with pytest.raises(InputError) as error:
        read_hdf5(path, dataset, vectors=("list",), attributes=("a",), limits=limits)
    assert error.value.what == path.name
    return error.value


def test_values_lists_and_attributes_come_back(tmp_path: Path) -> None:
    """Integers become float32; a list too long, an array as attribute, and what is absent are left out."""
    path = tmp_path / "a.h5"
    values = _write(path, number=np.float64(2.5), word="mm", raw=np.bytes_(b"unknown"), array=np.zeros(3))
    with h5py.File(path, "a") as file:
        file["long"] = np.zeros((1 << 16) + 1)
    names = ("number", "word", "raw", "array", "absent")
    found = read_hdf5(path, "data", vectors=("list", "long", "absent"), attributes=names)
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, values)
    assert found.vectors == {"list": (0.5, 1.5)}
    assert found.attributes == {"number": 2.5, "word": "mm", "raw": "unknown"}


def test_a_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    _write(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"CDF\x01" + bytes(40))
    assert is_hdf5(tmp_path / "a.h5")
    assert not is_hdf5(tmp_path / "b.h5")
    assert not is_hdf5(tmp_path)
    assert not is_hdf5(tmp_path / "absent.h5")
    assert _refusal(tmp_path / "b.h5").got == "another kind of file"


def _linked(path: Path) -> None:
    _write(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink("other.h5", "data")


def _soft(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["real"] = np.zeros((1, 2, 3))
        file["data"] = h5py.SoftLink("/real")


def _outside(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (1, 2, 3), "f4", external=[("/etc/passwd", 0, 24)])


def _virtual(path: Path) -> None:
    _write(path.with_name("other.h5"))
    layout = h5py.VirtualLayout((2, 3, 4), "i2")
    layout[...] = h5py.VirtualSource(str(path.with_name("other.h5")), "data", (2, 3, 4))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)


def _complex(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((1, 2, 3), np.complex64)


def _flat(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((2, 3))


def _huge(path: Path) -> None:
    """A header that claims 4 TB and stores nothing."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (1 << 10, 1 << 15, 1 << 15), "f4", chunks=(1, 64, 64), compression="gzip")


def _torn(path: Path) -> None:
    _write(path)
    path.write_bytes(path.read_bytes()[:-400])


def _scrambled(path: Path) -> None:
    _write(path)
    data = bytearray(path.read_bytes())
    data[100:2000:7] = bytes(len(data[100:2000:7]))
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (_linked, "none under that name"),
        (_soft, "none under that name"),
        (_outside, "none under that name"),
        (_virtual, "none under that name"),
        (_complex, "something else"),
        (_flat, "something else"),
        (_huge, "unpacks to more than allowed"),
        (_torn, "cannot be decoded"),
        (_scrambled, "o"),  # whichever of the refusals the damage leads to
    ],
)
def test_hostile_and_damaged_files_are_refused(make: Any, got: str, tmp_path: Path) -> None:
    make(tmp_path / "bad.h5")
    assert got in _refusal(tmp_path / "bad.h5").got


def test_limits_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    _write(path)
    assert "unpacks to more" in _refusal(path, limits=Limits(voxels=23)).got
    assert "at most 100 bytes" in _refusal(path, limits=Limits(file_bytes=100)).expected
    assert "stopped by its limits" in _refusal(path, limits=Limits(child_bytes=1 << 24, voxels=1 << 20)).got
