"""Which promise applies to two runs, and whether it was kept."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medidiff.runs import Result, Verdict, compare_digests, compare_runs
from medidiff.runs.compare import DEVICE, FLOAT32, IDENTICAL, NOTHING, REDUCED, Promise

Make = Callable[..., Result]


def shifted(result: Result, hu: float, psnr: float = 0.0) -> Result:
    """The run with one image that is off by a constant, and one PSNR off by `psnr`."""
    volume = result["fbp"]
    result.outputs["fbp.nii.gz"] = replace(volume, array=volume.array + np.float32(hu))
    result.report["methods"]["fbp"]["metrics"]["axial"]["psnr_db"] += psnr
    return result


def test_the_same_run_is_identical(make_result: Make) -> None:
    verdict = compare_runs(make_result(), make_result())
    assert verdict.promise is IDENTICAL
    assert verdict.kept is True
    assert verdict.rms_share == 0
    assert "kept" in verdict.sentence()


def test_one_bit_breaks_identity(make_result: Make) -> None:
    """The smallest step of one float32 voxel; RMS rounds to nothing, the digest does not."""
    other = make_result()
    array = other["fbp"].array.copy()
    array[0, 0, 0] = np.nextafter(array[0, 0, 0], np.float32(np.inf))
    other.outputs["fbp.nii.gz"] = replace(other["fbp"], array=array)
    verdict = compare_runs(make_result(), other)
    assert verdict.kept is False
    assert [d.output for d in verdict.differences if not d.identical] == ["fbp.nii.gz"]


PROMISES: list[tuple[dict[str, Any], dict[str, Any], Promise]] = [
    ({}, {"threads": 64}, FLOAT32),
    ({}, {"chunk": 2}, FLOAT32),
    ({}, {"machine": {"cpu": "other"}}, FLOAT32),
    ({"precision": "float64"}, {"precision": "float64", "threads": 64}, FLOAT32),
    ({"precision": "float64"}, {}, REDUCED),
    ({}, {"precision": "bf16"}, REDUCED),
    ({"precision": "bf16"}, {"precision": "bf16", "threads": 64}, REDUCED),
    ({"precision": "bf16"}, {"precision": "bf16"}, IDENTICAL),
    ({}, {"device": "cuda", "precision": "bf16"}, DEVICE),
    ({"machine": {"gpu": "A"}, "device": "cuda"}, {"machine": {"gpu": "B"}, "device": "cuda"}, DEVICE),
    ({}, {"versions": {"numpy": "1"}, "threads": 64}, NOTHING),
    ({}, {"inputs": {}}, NOTHING),
    ({}, {"options": {"views": 25}}, NOTHING),
    ({}, {"code": "sha256:other"}, NOTHING),
]


@pytest.mark.parametrize(("one", "two", "promise"), PROMISES)
def test_promise_that_applies(
    make_result: Make, one: dict[str, Any], two: dict[str, Any], promise: Promise
) -> None:
    verdict = compare_runs(make_result(**one), make_result(**two))
    assert verdict.promise is promise
    assert verdict.kept is (None if promise is NOTHING else True)


@pytest.mark.parametrize(
    ("changed", "hu", "psnr", "kept"),
    [
        ({"threads": 64}, 1.9, 0.0, True),  # 0.1 % of a range of 2000 HU is 2 HU
        ({"threads": 64}, 2.1, 0.0, False),
        ({"precision": "bf16"}, 19.0, 0.09, True),
        ({"precision": "bf16"}, 21.0, 0.0, False),
        ({"precision": "bf16"}, 1.0, 0.11, False),
        ({"device": "cuda"}, 500.0, 0.09, True),
        ({"device": "cuda"}, 1.0, -0.11, False),
        ({"seed": 5}, 1.0, 0.0, None),
    ],
)
def test_bounds(
    make_result: Make, changed: dict[str, Any], hu: float, psnr: float, kept: bool | None
) -> None:
    verdict = compare_runs(make_result(), shifted(make_result(**changed), hu, psnr))
    assert verdict.kept is kept
    assert verdict.rms_share == pytest.approx(hu / 2000, rel=1e-4)
    assert verdict.psnr_db == pytest.approx(abs(psnr))


def test_a_promise_that_cannot_be_measured_is_not_called_kept(make_result: Make) -> None:
    """Another device promises PSNR; without a reference there is none."""
    runs = [make_result(), shifted(make_result(device="cuda"), 1.0)]
    for run in runs:
        run.report["methods"]["fbp"]["metrics"] = {}
    assert compare_runs(*runs).kept is None


def test_an_output_that_is_missing_is_a_difference(make_result: Make) -> None:
    other = make_result()
    del other.outputs["diffusion.nii.gz"]
    verdict = compare_runs(make_result(), other)
    assert verdict.kept is False
    assert "diffusion.nii.gz" in verdict.sentence()


def test_provenance_alone_tells_identity(make_result: Make) -> None:
    result = make_result()
    recorded = {**result.provenance, "outputs": result.digests()}

    def judged(other: Result) -> Verdict:
        return compare_digests(recorded, other)

    assert judged(make_result()).kept is True
    assert judged(shifted(make_result(), 1.0)).kept is False
    assert judged(shifted(make_result(threads=64), 1.0)).kept is None


@dataclass(frozen=True)
class Table:
    """An output that is no image."""

    text: str

    def write(self, path: Path) -> None:
        path.write_text(self.text)


def test_provenance_alone_tells_of_outputs_that_are_no_images(make_result: Make) -> None:
    """Without their digests nothing would be compared, and a run without images always be identical."""

    def with_table(text: str) -> Result:
        result = make_result()
        result.outputs = {"chromatogram.csv": Table(text)}
        return result

    first = with_table("time_s,signal\n0.0,1.0\n")
    recorded = {**first.provenance, "outputs": first.digests()}
    assert compare_digests(recorded, with_table("time_s,signal\n0.0,1.0\n")).kept is True
    assert compare_digests(recorded, with_table("time_s,signal\n0.0,1.5\n")).kept is False
