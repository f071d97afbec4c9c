"""Archives from elsewhere: what is unpacked, what is refused, and that nothing is left or named."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.io import archive as archive_module
from medidiff.io.archive import unpacked
from medidiff.io.limits import MIB, Limits
from medidiff.io.reading import read_volume

Pack = Callable[..., io.BytesIO]


@pytest.fixture
def pack() -> Pack:
    def make(files: dict[str, bytes], *, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as archive:
            for name, content in files.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr, entry.compress_type = mode << 16, method
                archive.writestr(entry, content)
        return packed

    return make


def refusal(content: io.BytesIO, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as error, unpacked(content, limits):
        pass
    return error.value.got


def test_a_series_comes_out_as_it_went_in(
    tmp_path: Path, write_series: Callable[..., Path], body_hu: np.ndarray, pack: Pack
) -> None:
    """Under numbers, whatever the files were called; and gone when it was read."""
    folder = write_series(tmp_path / "series")
    files = {f"CANARY^ZX81/{path.name}": path.read_bytes() for path in folder.iterdir()}
    with unpacked(pack({"CANARY^ZX81/": b"", **files})) as place:
        assert sorted(path.name for path in place.iterdir()) == [f"{n:06d}" for n in range(1, 7)]
        volume = read_volume(place)
    np.testing.assert_array_equal(volume.array, body_hu.astype(np.float32))
    assert not place.exists()
    assert "CANARY" not in str(place)


def test_what_is_no_archive_is_handed_on(pack: Pack) -> None:
    with unpacked(io.BytesIO(b"hello")) as path:
        assert path.read_bytes() == b"hello"
    with unpacked(pack({"one": b"hello"})) as path:
        assert path.read_bytes() == b"hello"


def test_memory_is_asked_for_what_a_zip_unpacks_to(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its packed bytes a small shared memory, as a container's, has room enough."""
    asked = []
    monkeypatch.setattr("medidiff.io.archive.memory_folder", asked.append)
    with unpacked(pack({"a": bytes(MIB), "b": bytes(MIB)})) as path:
        assert len(list(path.iterdir())) == 2
    assert asked == [2 * MIB]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "\\x", "C:\\x", "c:x", "..\\x", "a/.."])
def test_a_name_that_leads_out_is_refused(pack: Pack, name: str) -> None:
    assert refusal(pack({name: b"1", "b": b"2"})) == "a name that leads out of it"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(pack: Pack, kind: int) -> None:
    assert refusal(pack({"a": b"/etc/passwd"}, mode=kind | 0o777)) == "a link or a device"


def test_limits_on_count_total_and_time(pack: Pack) -> None:
    limits = Limits(files=3, file_bytes=MIB)
    assert refusal(pack({str(n): b"" for n in range(4)}), limits) == "4"
    assert "more than allowed" in refusal(pack({"a": b"\1" * (MIB + 1)}), limits)
    assert "more than allowed" in refusal(pack({str(n): b"\1" * (MIB // 2) for n in range(3)}), limits)
    assert "too long" in refusal(pack({"a": b"1"}), replace(limits, seconds=-1.0))
    assert "more than allowed" in refusal(pack({"a": b"\0" * (257 * MIB)}))


def test_a_table_of_a_million_files_is_refused_unread(pack: Pack) -> None:
    many = {f"{n:0100d}": b"" for n in range(2000)}
    assert "larger than allowed" in refusal(pack(many), Limits(files=100))


def test_a_header_that_lies_of_its_size_is_not_believed(pack: Pack) -> None:
    """It says 5 bytes and unpacks to 3 MB: no more than the budget is inflated, and the rest is damage."""
    packed = bytearray(pack({"a": b"\0" * (3 * MIB)}).getvalue())
    packed[22:26] = struct.pack("<I", 5)
    table = packed.index(b"PK\1\2")
    packed[table + 24 : table + 28] = struct.pack("<I", 5)
    assert refusal(io.BytesIO(bytes(packed))) == "a damaged one"


def test_bytes_are_counted_whatever_a_table_says(tmp_path: Path, pack: Pack) -> None:
    """Python's reader gives no more than the table's size, so nothing but the counter itself shows this.

    Without the counter all 3 MB would be written; with it, not one block beyond the budget.
    """
    with zipfile.ZipFile(pack({"a": b"\0" * (3 * MIB)})) as archive:
        (entry,) = archive.infolist()
        with pytest.raises(InputError) as error:
            archive_module._inflate(archive, entry, tmp_path / "a", MIB, time.monotonic() + 60)
    assert "more than allowed" in error.value.got
    assert (tmp_path / "a").stat().st_size <= MIB


def test_sizes_that_lie_in_every_place_are_not_believed(pack: Pack) -> None:
    """In the header, in the descriptor after the data and in the table: 5 bytes, and 3 MB come out."""

    class Stream(io.RawIOBase):  # without seek, so that the sizes follow the data
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, block: bytes) -> int:  # type: ignore[override]  # bytes are all that comes
            self.data += block
            return len(block)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]  # a raw stream does
        archive.writestr("a", b"\0" * (3 * MIB))
    packed, size, lie = stream.data, struct.pack("<I", 3 * MIB), struct.pack("<I", 5)
    assert packed.count(size) == 2  # descriptor and table
    assert struct.unpack_from("<H", packed, 6)[0] & 8
    assert refusal(io.BytesIO(bytes(packed.replace(size, lie)))) == "a damaged one"


def test_a_place_beyond_every_file_is_damage(pack: Pack) -> None:
    """Zip64 can name 2^64 - 1 as the place of a file, which no system's seek accepts."""
    packed = bytearray(pack({"a": b"x" * 10, "b": b"y"}).getvalue())
    table, end = packed.index(b"PK\1\2"), packed.index(b"PK\5\6")
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    struct.pack_into("<I", packed, end + 12, struct.unpack_from("<I", packed, end + 12)[0] + len(extra))
    struct.pack_into("<H", packed, table + 30, len(extra))
    struct.pack_into("<I", packed, table + 42, 0xFFFFFFFF)
    packed[table + 47 : table + 47] = extra  # after the name of one letter
    assert refusal(io.BytesIO(bytes(packed))) == "a damaged one"


def test_encrypted_and_odd_compression_are_refused(pack: Pack) -> None:
    packed = bytearray(pack({"a": b"1"}).getvalue())
    packed[6] |= 1
    packed[packed.index(b"PK\1\2") + 8] |= 1
    assert refusal(io.BytesIO(bytes(packed))) == "an encrypted one"
    assert refusal(pack({"a": b"1"}, method=zipfile.ZIP_LZMA)) == "another compression"


def test_empty_and_damaged_archives_are_refused(pack: Pack) -> None:
    assert refusal(pack({"folder/": b"", "__MACOSX/._a": b"x"})) == "an empty one"
    whole = pack({str(n): bytes(range(256)) * 40 for n in range(3)}).getvalue()
    assert refusal(io.BytesIO(whole[: len(whole) // 2])) == "a damaged one"


def test_whatever_is_broken_is_an_input_error(pack: Pack) -> None:
    """Two thousand archives with some bytes changed: unpacked or refused, and nothing else is raised."""
    whole = pack({str(n): bytes(range(64)) for n in range(3)}).getvalue()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        broken = bytearray(whole)
        for place in rng.integers(4, len(whole), 3):
            broken[place] = rng.integers(256)
        try:
            with unpacked(io.BytesIO(bytes(broken)), Limits(file_bytes=MIB)):
                pass
        except InputError:
            refused += 1
    assert 200 < refused < 2000
