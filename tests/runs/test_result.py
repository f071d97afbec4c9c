"""A run folder: whole or absent, the same after loading, and closed to names that lead outside."""

import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import InputError, MissingError, OutputError
from medidiff.io.volume import Volume
from medidiff.runs import Result, SavedFile, Writable
from medidiff.runs.plain import read_json

Make = Callable[..., Result]


@dataclass(frozen=True)
class Text:
    """An output that is no image."""

    text: str

    def write(self, path: Path) -> None:
        path.write_text(self.text, encoding="ascii")


class Full:
    """An output that meets a full disk."""

    def write(self, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, os.strerror(28))


def edit(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_saved_and_loaded_is_the_same(make_result: Make, tmp_path: Path) -> None:
    result = make_result()
    result.outputs["note.csv"] = Text("time_s,signal\n")
    result.outputs["sample_000/field.nii.gz"] = result["fbp"]
    result.save(tmp_path / "run")
    loaded = Result.load(tmp_path / "run")
    assert list(loaded) == list(result)
    for name in ("fbp", "diffusion", "reference", "sample_000/field"):
        np.testing.assert_array_equal(loaded[name].array, result[name].array)
        np.testing.assert_allclose(loaded[name].affine, result[name].affine, atol=1e-6)
        assert loaded[name].units == "HU"
    assert {key: loaded.report[key] for key in result.report} == result.report
    assert loaded.provenance == {**result.provenance, "outputs": result.digests()}
    assert loaded._repr_png_() == result._repr_png_() == (tmp_path / "run" / "figure.png").read_bytes()
    assert isinstance(loaded.outputs["note.csv"], SavedFile)
    loaded.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "note.csv").read_text() == "time_s,signal\n"


def test_same_result_gives_the_same_bytes(make_result: Make, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        make_result().save(tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_images_are_found_by_method_and_by_file(make_result: Make) -> None:
    result = make_result()
    assert result["fbp"] is result["fbp.nii.gz"] is result.outputs["fbp.nii.gz"]
    assert "reference" in result
    assert "tv" not in result
    with pytest.raises(InputError) as error:
        result["tv"]
    assert error.value.argument
    assert "fbp, diffusion, reference" in error.value.expected


def test_warnings_are_the_report_s(make_result: Make) -> None:
    first = make_result()
    result = Result(first.outputs, {**first.report, "warnings": ["a", "b"]}, first.provenance, ["b", "c"])
    assert result.warnings == ["a", "b", "c"]
    result.warnings.append("d")
    assert result.report["warnings"] == ["a", "b", "c", "d"]


def test_nan_never_reaches_json(make_result: Make, tmp_path: Path) -> None:
    result = make_result()
    result.report["methods"]["fbp"]["seconds"] = np.float32("nan")
    result.report["extra"] = {"curve": (1.0, float("inf"))}
    result.save(tmp_path / "run")
    text = (tmp_path / "run" / "report.json").read_text()
    report = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert report["methods"]["fbp"]["seconds"] is None
    assert report["extra"]["curve"] == [1.0, None]
    assert "methods.fbp.seconds, extra.curve[1]" in report["warnings"][-1]
    assert '"shape": [3, 7, 5]' in text


def test_a_full_disk_leaves_nothing(make_result: Make, tmp_path: Path) -> None:
    result = make_result()
    result.outputs["full.nii.gz"] = Full()
    with pytest.raises(OutputError):
        result.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_is_refused_and_kept(make_result: Make, tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    before = (tmp_path / "run" / "report.json").read_bytes()
    with pytest.raises(OutputError):
        make_result(1).save(tmp_path / "run")
    assert (tmp_path / "run" / "report.json").read_bytes() == before
    make_result(1).save(tmp_path / "run", overwrite=True)
    assert Result.load(tmp_path / "run").report["seed"] == 1


BAD_NAMES = [
    "../x.nii.gz",
    "/etc/passwd",
    "a/../../x",
    ".hidden",
    "a/.b",
    "",
    "a//b",
    "C:x",
    "a\\b",
    "x\n",
    7,
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_elsewhere_are_refused(make_result: Make, tmp_path: Path, name: object) -> None:
    """In a report from elsewhere, in both places that name files, and when saving; before a file is read."""
    result = make_result()
    result.save(tmp_path / "run")
    report = tmp_path / "run" / "report.json"
    for changed in ({"outputs": [name]}, {"outputs": [], "methods": {"fbp": {"output": name}}}):
        edit(report, **changed)
        with pytest.raises(InputError, match="output names inside the folder"):
            Result.load(tmp_path / "run")
    with pytest.raises(InputError):
        Result({name: result["fbp"]}, result.report, result.provenance)  # type: ignore[dict-item]  # on purpose


@pytest.mark.parametrize("name", ["fbp.nii.gz", "figure.png", "report.json", "provenance.json"])
def test_links_are_not_followed(make_result: Make, tmp_path: Path, name: str) -> None:
    make_result().save(tmp_path / "run")
    target = tmp_path / "run" / name
    target.rename(tmp_path / "moved")
    target.symlink_to(tmp_path / "moved")
    with pytest.raises(InputError) as error:
        Result.load(tmp_path / "run")
    assert "link" in error.value.got


def test_a_linked_folder_inside_is_not_followed(make_result: Make, tmp_path: Path) -> None:
    result = make_result()
    result.outputs["sample_000/field.nii.gz"] = result["fbp"]
    result.save(tmp_path / "run")
    (tmp_path / "run" / "sample_000").rename(tmp_path / "elsewhere")
    (tmp_path / "run" / "sample_000").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        Result.load(tmp_path / "run")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": NaN}', "{" * 100_000, "[" * 100_000, '{"schema": "other/1"}']
)
def test_damaged_reports_are_refused(make_result: Make, tmp_path: Path, text: str) -> None:
    make_result().save(tmp_path / "run")
    (tmp_path / "run" / "report.json").write_text(text)
    with pytest.raises(InputError):
        Result.load(tmp_path / "run")


@pytest.mark.parametrize(
    "key", ["task", "seed", "input", "methods", "warnings", "wall_seconds", "peak_memory_mb"]
)
def test_required_keys(make_result: Make, key: str) -> None:
    result = make_result()
    del result.report[key]
    with pytest.raises(InputError) as error:
        Result(result.outputs, result.report, result.provenance)
    assert key in error.value.expected


def test_an_empty_folder_is_no_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError) as error:
            Result.load(folder)
        assert str(tmp_path) not in str(error.value)


def test_a_result_without_picture(make_result: Make, tmp_path: Path) -> None:
    result = make_result()
    bare = Result(result.outputs, result.report, result.provenance)
    assert bare._repr_png_() is None
    with pytest.raises(MissingError):
        bare.figure()
    bare.save(tmp_path / "run")
    assert not (tmp_path / "run" / "figure.png").exists()
    assert Result.load(tmp_path / "run")._repr_png_() is None


def test_a_loaded_picture_keeps_its_pixels(make_result: Make, tmp_path: Path) -> None:
    make_result().save(tmp_path / "run")
    figure = Result.load(tmp_path / "run").figure()
    assert figure.axes[0].images[0].get_array().shape[1] == figure.get_size_inches()[0] * figure.dpi


def test_writable_is_known_by_its_method() -> None:
    assert isinstance(Text(""), Writable)
    assert isinstance(Volume.from_array(np.zeros((1, 2, 2)), spacing_mm=(1, 1, 1)), Writable)
    assert not isinstance(b"", Writable)


@pytest.mark.parametrize(
    "text",
    ['{"a": NaN}', '{"a": -Infinity}', "[1]", "{", '"x"', '{"a": 1e400}', f'{{"a": 1{"0" * 400}}}'],
    ids=range(7),
)
def test_json_that_is_not_strict_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("metrics", [[1], "axial", 3])
def test_metrics_of_another_kind_are_refused(make_result: Make, metrics: object) -> None:
    result = make_result()
    result.report["methods"]["fbp"]["metrics"] = metrics
    with pytest.raises(InputError) as error:
        Result(result.outputs, result.report, result.provenance)
    assert error.value.expected == "methods.fbp.metrics (dict)"


def _png(width: int, height: int) -> bytes:
    """The header of a PNG of that size; no pixel follows."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize(
    ("png", "got"),
    [
        (_png(4096, 4097), "4096 x 4097"),
        (_png(2**31, 2**31), "2147483648 x 2147483648"),
        (_png(8, 8), "a damaged one"),
        (b"GIF89a" + bytes(99), "another kind of file"),
        (b"", "another kind of file"),
    ],
    ids=["too-large", "huge", "cut", "gif", "empty"],
)
def test_a_picture_from_elsewhere_is_judged_before_it_is_decoded(
    make_result: Make, tmp_path: Path, png: bytes, got: str
) -> None:
    make_result().save(tmp_path / "run")
    (tmp_path / "run" / "figure.png").write_bytes(png)
    with pytest.raises(InputError) as error:
        Result.load(tmp_path / "run").figure()
    assert error.value.got == got
