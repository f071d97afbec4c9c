"""Sinogram files: a round trip, counts, the default grid, and what does not fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from medidiff.domains.reconstruction.ct.files import _measurement, read_sinogram, write_sinogram
from medidiff.domains.reconstruction.ct.reconstruct import reconstruct_ct
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, ParallelBeam
from medidiff.domains.reconstruction.ct.simulate import simulate_ct
from medidiff.errors import InputError
from medidiff.io.hdf5 import Hdf5
from medidiff.io.volume import Volume

TOOTH = Path(__file__).resolve().parents[5] / "shared" / "data" / "ct" / "measured" / "tooth_parallel.h5"
Body = Callable[..., Volume]


@pytest.mark.parametrize("geometry", ["parallel", "fan-flat", "fan-curved"])
def test_what_is_written_is_read(geometry: str, body: Body, tmp_path: Path) -> None:
    """Rays, geometry, grid, place, dose and therefore weights; a block of slices too."""
    measured, _ = simulate_ct(body(3, 32, 32), views=5, geometry=geometry, photons=1e5)
    found = read_sinogram(write_sinogram(measured, tmp_path / "s.h5"))
    np.testing.assert_array_equal(found.sinogram, measured.sinogram)
    assert (found.geometry, found.grid, found.photons) == (measured.geometry, measured.grid, 1e5)
    np.testing.assert_allclose(found.affine, measured.affine)
    np.testing.assert_array_equal(found.weights, measured.weights)
    assert found.origin == found.digest()
    part = read_sinogram(tmp_path / "s.h5", slices=(1, 3))
    np.testing.assert_array_equal(part.sinogram, measured.sinogram[1:])
    assert part.affine[2, 3] == pytest.approx(measured.affine[2, 3] + 2.5)
    assert part.origin != found.origin


def test_attributes_may_stand_on_the_dataset(body: Body, tmp_path: Path) -> None:
    measured, _ = simulate_ct(body(1, 32, 32), views=5, photons=1e5)
    path = write_sinogram(measured, tmp_path / "s.h5")
    with h5py.File(path, "r+") as file:
        for name in ("kind", "geometry", "photons"):
            file["sinogram"].attrs[name] = file.attrs[name]
            del file.attrs[name]
        file["sinogram"].attrs["slice_spacing_mm"] = 99.0
    found = read_sinogram(path)
    assert (found.photons, found.slice_spacing_mm) == (1e5, measured.slice_spacing_mm)


def content(values: np.ndarray | None = None, **entries: Any) -> Hdf5:
    """A parallel scan of 3 views and 64 bins as a file has it; None leaves an entry out."""
    sinogram = np.zeros((2, 3, 64), np.float32)
    sinogram[..., 20:44] = 1
    attributes: dict[str, Any] = {
        "kind": "line_integrals",
        "geometry": "parallel",
        "length_unit": "mm",
        "detector_spacing_mm": 1.5,
        "detector_offset_mm": 0.0,
        "slice_spacing_mm": 2.0,
        **{name: value for name, value in entries.items() if name not in ("angles_deg", "grid", "affine")},
    }
    vectors = {name: entries[name] for name in ("grid", "affine") if name in entries}
    vectors["angles_deg"] = entries.get("angles_deg", (0.0, 60.0, 120.0))
    return Hdf5(
        sinogram if values is None else values.astype(np.float32),
        vectors,
        {name: value for name, value in attributes.items() if value is not None},
    )


def test_counts_become_line_integrals_with_weights() -> None:
    """Y = -ln(N / I0); rays of fewer than 5 counts have no weight."""
    counts = np.full((2, 3, 64), 1e4)
    counts[..., 30], counts[..., 31] = 1000, 0
    found = _measurement(content(counts, kind="counts", photons=1e4), None)
    assert found.sinogram[0, 0, 30] == pytest.approx(np.log(10))
    assert found.weights is not None
    assert found.weights[0, 0, 31] == 0 < found.weights[0, 0, 30]


def test_the_default_grid_covers_what_every_view_sees() -> None:
    """64 bins of 1.5 mm, 6 mm off centre, are a circle of 84 mm; a fan's circle is 2 R sin(edge)."""
    assert _measurement(content(), None).grid.shape == (64, 64)
    off = _measurement(content(detector_offset_mm=6.0), None).grid
    assert (off.ny, off.ny * off.dy_mm) == (56, pytest.approx(84))
    own = _measurement(content(detector_offset_mm=6.0), 40).grid
    assert (own.nx, own.dx_mm) == (40, pytest.approx(2.1))
    fan = {"geometry": "fan-flat", "source_to_isocentre_mm": 100.0, "source_to_detector_mm": 200.0}
    grid = _measurement(content(**fan), None).grid
    edge = np.arctan(48 / 200)
    assert grid.nx * grid.dx_mm == pytest.approx(200 * np.sin(edge))
    wide = np.zeros((1, 3, 736))
    assert _measurement(content(wide, detector_spacing_mm=0.7), None).grid.shape == (368, 368)


IDENTITY = tuple(np.eye(4).ravel())
WRONG = {
    "no geometry": ({"geometry": None}, "geometry"),
    "another geometry": ({"geometry": "cone"}, "parallel or fan-flat"),
    "no source": ({"geometry": "fan-flat"}, "source_to_isocentre_mm"),
    "no unit": ({"length_unit": None}, "mm or unknown"),
    "no kind": ({"kind": "pixels"}, "line_integrals or counts"),
    "no photons": ({"kind": "counts"}, "photons"),
    "angles": ({"angles_deg": (0.0, 1.0)}, "3 angles"),
    "axis unseen": ({"detector_offset_mm": 80.0}, "rotation axis"),
    "spacing": ({"slice_spacing_mm": 0.0}, "slice_spacing_mm"),
    "grid": ({"grid": (1e9, 3.0, 1.0, 1.0)}, "ny, nx"),
    "half a pixel": ({"grid": (16.4, 16.0, 1.0, 1.0)}, "whole numbers"),
    "affine of other slices": ({"grid": (16.0, 16.0, 1.0, 1.0), "affine": IDENTITY}, "slices 1 mm apart"),
    "affine of other pixels": (
        {"grid": (16.0, 16.0, 1.4, 1.4), "affine": IDENTITY, "slice_spacing_mm": 1.0},
        "pixels of 1.4 x 1.4 mm",
    ),
    "nan": ({"detector_spacing_mm": float("nan")}, "detector_spacing_mm"),
    "text": ({"photons": "many", "kind": "counts"}, "a text"),
    "affine": ({"grid": (16.0, 16.0, 1.0, 1.0), "affine": (0.0,) * 16}, "affine"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused(case: str) -> None:
    entries, match = WRONG[case]
    with pytest.raises(InputError, match=match):
        _measurement(content(**entries), None)


def test_rays_without_weight_keep_none(body: Body, tmp_path: Path) -> None:
    """Also beside electronic noise; weights that the photons give back are not stored."""
    measured, _ = simulate_ct(body(2, 32, 32), views=5, photons=1e5)
    assert measured.weights is not None
    weights = measured.weights.copy()
    weights[:, :, 20:24] = 0
    own = replace(measured, weights=weights)
    found = read_sinogram(write_sinogram(own, tmp_path / "own.h5"), slices=(1, 2))
    np.testing.assert_array_equal(found.weights, weights[1:])
    alike = replace(measured, weights=np.ones_like(weights), photons=None)
    assert read_sinogram(write_sinogram(alike, tmp_path / "alike.h5")).weights is None
    with h5py.File(tmp_path / "own.h5", "r+") as file:
        del file["weights"]
    with pytest.raises(InputError):
        read_sinogram(tmp_path / "own.h5")


@pytest.mark.parametrize(
    ("values", "entries", "match"),
    [
        (np.full((1, 3, 64), 5e4), {}, "Counts must be said to be counts"),
        (np.linspace(0, 5, 192).reshape(1, 3, 64), {"kind": "counts", "photons": 1e5}, "say so"),
        (np.zeros((1, 3, 64)), {"kind": "counts", "photons": 1e5}, "from 0 to 0"),
        (np.full((1, 3, 64), np.nan), {}, "NaN"),
    ],
)
def test_values_of_another_kind_are_refused(values: np.ndarray, entries: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        _measurement(content(values, **entries), None)


def test_the_name_of_the_file_stands_before_what_is_wrong(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["sinogram"] = np.zeros((1, 2, 3))
    with pytest.raises(InputError) as error:
        read_sinogram(tmp_path / "s.h5")
    assert error.value.what.startswith("s.h5, ")
    assert not error.value.argument


def test_an_unknown_unit_has_values_per_unit_and_no_prior() -> None:
    """A disc of radius 12 and density 0.05 per unit: SIRT and TV give that, whatever the unit is."""
    beam = ParallelBeam(tuple(np.arange(0, 180, 5.0)), 64, 1.5)
    chord = 2 * 0.05 * np.sqrt(np.maximum(12.0**2 - beam.bins_mm() ** 2, 0))
    values = np.broadcast_to(chord, (1, 36, 64))
    found = _measurement(content(values, angles_deg=beam.angles_deg, length_unit="unknown"), None)
    result = reconstruct_ct(found, method=("fbp", "sirt", "cgls", "tv"))
    for name in ("fbp", "sirt", "cgls", "tv"):
        image = result[name]
        assert image.units == "a.u."
        assert image.array[0, 30:34, 30:34].mean() == pytest.approx(0.05, rel=0.03)
    assert result.report["input"]["units"] == "a.u."
    assert result.report["measurement"]["length_unit"] == "unknown"
    rows = result.report["methods"]
    assert rows["sirt"]["metrics"] == {}
    assert len(rows["sirt"]["residuals"]) == rows["sirt"]["iterations"] + 1 == 201
    assert rows["cgls"]["residuals"][-1] < 0.1 * rows["cgls"]["residuals"][0]
    assert result.figure()
    with pytest.raises(InputError) as error:
        reconstruct_ct(found, method="diffusion")
    assert "fbp, sirt, cgls, tv" in error.value.fix


@pytest.mark.skipif(not TOOTH.is_file(), reason="the measured sinogram is not beside the checkout")
def test_the_measured_tooth_is_read() -> None:
    found = read_sinogram(TOOTH)
    assert isinstance(found.geometry, ParallelBeam)
    assert not isinstance(found.geometry, FanBeam)
    assert (found.geometry.views, found.geometry.detectors, found.length_unit) == (181, 640, "unknown")
    assert found.grid.shape == (297, 297)


@pytest.mark.skipif(not TOOTH.is_file(), reason="the measured sinogram is not beside the checkout")
def test_the_measured_tooth_is_reconstructed_per_pixel() -> None:
    """Three methods that share no code agree on what was measured; no prior is tried in an unknown unit."""
    measured = read_sinogram(TOOTH, matrix=99, slices=(0, 1))
    result = reconstruct_ct(measured, method=("fbp", "sirt", "tv"))
    images = [result[name].array.ravel() for name in ("fbp", "sirt", "tv")]
    assert {result[name].units for name in ("fbp", "sirt", "tv")} == {"a.u."}
    assert np.corrcoef(images).min() > 0.9
    with pytest.raises(InputError, match="length"):
        reconstruct_ct(measured, method="diffusion")
