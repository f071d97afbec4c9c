"""Image -> sinogram: what a scanner would measure, without the inverse crime (`simulate_ct`).

Three scans that differ in what is missing: views, an arc, or photons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai.data.meta_tensor import MetaTensor

from medidiff.domains.reconstruction.ct.scan.geometry import SMALLEST_SIDE, Grid, default_geometry
from medidiff.domains.reconstruction.ct.simulate import check_matrix, check_noise, simulate_ct
from medidiff.errors import InputError
from medidiff.transforms.ct.sinogram import to_sinogram
from medidiff.transforms.images import to_volume
from medidiff.transforms.pattern import OfArray, OfKeys, Operation

_ANY_GRID = Grid(SMALLEST_SIDE, SMALLEST_SIDE, 1.0, 1.0)  # views and arc are checked before a grid is known


@dataclass(kw_only=True)
class _Scan(Operation):
    """A scan of an image in HU.

    views: over `arc_deg` (None: a full scan), its end excluded. geometry: parallel, fan-flat or fan-curved.
    photons: per detector bin, None for no noise. matrix: the longer side of what will be reconstructed; by
    default the image's, halved while it is above 256. seed: of the noise.
    """

    views: int
    arc_deg: float | None = None
    geometry: str = "parallel"
    photons: float | None = None
    matrix: int | None = None
    seed: int = 0

    def check(self) -> None:
        """Raise InputError for a scan that cannot be, whatever the image."""
        check_noise(self.photons, 0.0, self.seed)
        check_matrix(self.matrix)
        default_geometry(self.geometry, _ANY_GRID, views=self.views, arc_deg=self.arc_deg)

    def apply(self, tensor: Any) -> MetaTensor:
        """The sinogram (1, slices, views, detectors) of an image (1, X, Y, Z) in HU."""
        measurement, _ = simulate_ct(
            to_volume(tensor),
            views=self.views,
            arc_deg=self.arc_deg,
            geometry=self.geometry,
            photons=self.photons,
            matrix=self.matrix,
            seed=self.seed,
        )
        return to_sinogram(measurement, tensor)


@dataclass(kw_only=True)
class _SparseView(_Scan):
    views: int = 24


@dataclass(kw_only=True)
class _LimitedAngle(_Scan):
    views: int = 60
    arc_deg: float | None = 120.0

    def check(self) -> None:
        """As of every scan, and an arc."""
        _needed("arc_deg", self.arc_deg, "degrees; SparseViewCT takes a full scan")
        super().check()


@dataclass(kw_only=True)
class _LowDose(_Scan):
    views: int = 180
    photons: float | None = 1e4

    def check(self) -> None:
        """As of every scan, and a dose."""
        _needed("photons", self.photons, "photons per bin; SparseViewCT takes no noise")
        super().check()


def _needed(name: str, value: float | None, what: str) -> None:
    if value is None:
        raise InputError(name, expected=what, got="None", fix="Leave it out for the default.", argument=True)


@dataclass(kw_only=True)
class SparseViewCT(_SparseView, OfArray):
    """A CT scan of few views: image (1, X, Y, Z) in HU -> sinogram (1, slices, views, detectors).

    views: over `arc_deg` (None: a full scan), its end excluded. geometry: parallel, fan-flat or fan-curved.
    photons: per detector bin, None for no noise. matrix: the longer side of what will be reconstructed; by
    default the image's, halved while it is above 256. seed: of the noise, which is drawn alike for every
    image. The image is a MetaTensor of any orientation and spacing.
    Raises InputError for a scan or an image that cannot be.
    """


@dataclass
class SparseViewCTd(_SparseView, OfKeys):
    """`SparseViewCT` of the images under `keys`."""


@dataclass(kw_only=True)
class LimitedAngleCT(_LimitedAngle, OfArray):
    """A CT scan over an arc below 180 degrees, which leaves directions unmeasured; else as `SparseViewCT`."""


@dataclass
class LimitedAngleCTd(_LimitedAngle, OfKeys):
    """`LimitedAngleCT` of the images under `keys`."""


@dataclass(kw_only=True)
class LowDoseCT(_LowDose, OfArray):
    """A CT scan of many views and few photons; else as `SparseViewCT`."""


@dataclass
class LowDoseCTd(_LowDose, OfKeys):
    """`LowDoseCT` of the images under `keys`."""
