"""The decoding child: right values, nothing inherited, every way to fail ends in one refusal."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.io import Limits
from medidiff.io.child import decode_slices
from medidiff.io.dicom import read_dicom
from medidiff.io.dicom.headers import read_images

SHAPE = (1, 40, 30)
FakeChild = Callable[[str], None]


@pytest.fixture
def compressed(tmp_path: Path) -> Callable[[str], tuple[Path, np.ndarray]]:
    """Write a slice that SimpleITK compressed, with its HU."""
    import SimpleITK

    hu = (np.add.outer(np.arange(40) ** 2, 7 * np.arange(30)) % 2500 - 1000).astype(np.int16)

    def write(kind: str) -> tuple[Path, np.ndarray]:
        image = SimpleITK.GetImageFromArray(hu)
        image.SetSpacing((0.7, 0.9))
        for tag, value in {
            "0008|0060": "CT",
            "0008|0008": "ORIGINAL\\PRIMARY\\AXIAL",
            "0020|0032": "-10\\-20\\5",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0028|1052": "-1000",
            "0028|1053": "1",
        }.items():
            image.SetMetaData(tag, value)
        writer = SimpleITK.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "slice.dcm"))
        writer.UseCompressionOn()
        writer.SetCompressor(kind)
        writer.Execute(image)
        return tmp_path / "slice.dcm", hu

    return write


@pytest.fixture
def fake_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeChild:
    """Put a Python script in the place of the child."""

    def install(code: str) -> None:
        script = tmp_path / "fake-python"
        script.write_text(f"#!{sys.executable} -I\n" + textwrap.dedent(code))
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return install


def _refusal(limits: Limits | None = None, path: Path = Path("x.dcm")) -> InputError:
    with pytest.raises(InputError) as error:
        decode_slices([path], SHAPE, limits or Limits())
    assert "Limits" not in str(error.value)  # the command line has no way to raise one
    return error.value


# An answer that is believed where nothing else is wrong, and a link in the place of one of its files.
_ANSWERED = """
import os, numpy
open('reply.json', 'w').write('{{"ok": true}}')
numpy.save('values.npy', numpy.zeros({shape}, '{type}'))
"""
_LINKED = "os.rename('{0}', 'other'); os.symlink('other', '{0}')"


def test_a_whole_answer_is_believed(fake_child: FakeChild) -> None:
    """Each of those below lacks one thing only."""
    fake_child(_ANSWERED.format(shape=SHAPE, type="f4"))
    assert decode_slices([Path("x.dcm")], SHAPE, Limits()).shape == SHAPE


@pytest.mark.parametrize(
    ("kind", "syntax"), [("JPEG", "1.2.840.10008.1.2.4.70"), ("JPEG2000", "1.2.840.10008.1.2.4.90")]
)
def test_lossless_jpeg_comes_back_exactly(compressed: Callable, kind: str, syntax: str) -> None:
    path, hu = compressed(kind)

    assert read_images(path, Limits(), time.monotonic() + 60)[0].pixels.syntax == syntax
    volume = read_dicom(path)
    np.testing.assert_array_equal(volume.array[0], hu)
    assert volume.spacing_mm[1:] == pytest.approx((0.9, 0.7), rel=1e-6)


def test_files_that_cannot_be_decoded_are_named(compressed: Callable, tmp_path: Path) -> None:
    good, _ = compressed("JPEG")
    bad = tmp_path / "bad.dcm"
    data = bytearray(good.read_bytes())
    data[-len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    bad.write_bytes(data)
    with pytest.raises(InputError) as error:
        decode_slices([good, bad], (2, 40, 30), Limits())
    assert error.value.what == "bad.dcm"
    with pytest.raises(InputError) as error:
        decode_slices([good], (1, 20, 30), Limits())
    assert error.value.got == "an image of another size than its header says"


def test_memory_and_time_are_limited(compressed: Callable) -> None:
    """SimpleITK alone needs hundreds of MB of address space; the child cannot start within 20 ms."""
    path, _ = compressed("JPEG")

    assert "stopped by its limits" in _refusal(Limits(child_bytes=1 << 24), path).got
    assert _refusal(Limits(seconds=0.02), path).expected == "at most 0.02 s"


def test_a_child_that_hangs_is_ended_with_its_children(fake_child: FakeChild, tmp_path: Path) -> None:
    fake_child(f"""
        import os, time
        if os.fork() == 0:
            time.sleep(2)
            open({str(tmp_path / "alive")!r}, "w")
        time.sleep(60)
        """)
    start = time.monotonic()

    assert _refusal(Limits(seconds=0.5)).got == "more"
    assert time.monotonic() - start < 2
    time.sleep(2.2)
    assert not (tmp_path / "alive").exists()


def test_nothing_is_inherited(fake_child: FakeChild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    fake_child(f"""
        import json, os, sys
        seen = dict(env=sorted(os.environ), cwd=os.getcwd(), argv=sys.argv[1:])
        seen["own"] = os.getpgrp() == os.getpid()
        open({str(tmp_path / "seen")!r}, "w").write(json.dumps(seen))
        """)
    _refusal()
    seen = json.loads((tmp_path / "seen").read_text())

    assert "SECRET" not in seen["env"]
    assert "PATH" not in seen["env"]
    assert seen["own"]
    assert seen["argv"] == ["-I", "-m", "medidiff.io._child"]
    assert not Path(seen["cwd"]).exists()


@pytest.mark.parametrize(
    "code",
    [
        "",  # no answer at all
        "open('reply.json', 'w').write('{')",
        "open('reply.json', 'w').write('[1]')",
        "open('reply.json', 'w').write('{\"ok\": true}')",  # and no values
        "open('reply.json', 'w').write('{\"index\": 7, \"reason\": [1]}')",
        _ANSWERED.format(shape=SHAPE, type="f4") + "open('reply.json', 'a').write(' ' * 10**6)",
        _ANSWERED.format(shape=SHAPE, type="f4") + _LINKED.format("reply.json"),
        _ANSWERED.format(shape=SHAPE, type="f4") + _LINKED.format("values.npy"),
        _ANSWERED.format(shape=(1, 30, 40), type="f4"),
        _ANSWERED.format(shape=SHAPE, type="f8"),
        """
        import pickle
        open('reply.json', 'w').write('{"ok": true}')
        class Bomb:
            def __reduce__(self):
                return (open, (%r, 'w'))
        pickle.dump(Bomb(), open('values.npy', 'wb'))
        """,
        """
        open('reply.json', 'w').write('{"ok": true}')
        head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 40, 30), }\\n"
        open('values.npy', 'wb').write(b'\\x93NUMPY\\x01\\x00' + len(head).to_bytes(2, 'little') + head)
        """,
    ],
)
def test_what_a_captured_child_answers_is_not_believed(
    code: str, fake_child: FakeChild, tmp_path: Path
) -> None:
    """The child has parsed hostile bytes; unpickling its answer would undo the separation."""
    fake_child(code % str(tmp_path / "owned") if "%r" in code else code)

    assert "decoder" in _refusal().got
    assert not (tmp_path / "owned").exists()
