"""Sinogram -> image: `reconstruct_ct` by one method, on the grid of the image that was measured."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from monai.data.meta_tensor import MetaTensor

from medidiff.domains.reconstruction.ct.reconstruct import check_options, reconstruct_ct
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.priors import find
from medidiff.runs.result import Result
from medidiff.transforms.ct.sinogram import on_image_grid, read_scan, warned
from medidiff.transforms.pattern import OfArray, OfKeys, Operation


class _Reconstruction(Operation):
    """An image in HU of a sinogram; what a reader must know of it is in meta["medidiff_warnings"]."""

    def apply(self, tensor: Any) -> MetaTensor:
        """The image (1, X, Y, Z) of a sinogram (1, slices, views, detectors)."""
        scan = read_scan(tensor)
        result = self.reconstruct(scan.measurement)
        (method,) = result.report["methods"]
        return warned(on_image_grid(result[method], scan, tensor), result.warnings)

    @abstractmethod
    def reconstruct(self, measurement: CTMeasurement) -> Result:
        """By one method."""


@dataclass(kw_only=True)
class _FBP(_Reconstruction):
    def reconstruct(self, measurement: CTMeasurement) -> Result:
        return reconstruct_ct(measurement, method="fbp")


@dataclass(kw_only=True)
class _TV(_Reconstruction):
    def reconstruct(self, measurement: CTMeasurement) -> Result:
        return reconstruct_ct(measurement, method="tv")


@dataclass(kw_only=True)
class _Diffusion(_Reconstruction):
    prior: str | None = None
    coupling: str = "none"
    seed: int = 0
    device: str = "auto"
    float32: bool = False

    def check(self) -> None:
        """Raise InputError for options, MissingError for a device or a prior, that do not exist."""
        check_options("diffusion", "fast", self.coupling, self.device, self.seed)
        if self.prior is not None:
            find(self.prior)

    def reconstruct(self, measurement: CTMeasurement) -> Result:
        return reconstruct_ct(
            measurement,
            method="diffusion",
            prior=self.prior,
            coupling=self.coupling,
            seed=self.seed,
            device=self.device,
            float32=self.float32,
        )


@dataclass(kw_only=True)
class FBP(_FBP, OfArray):
    """Filtered back-projection: sinogram (1, slices, views, detectors) -> image (1, X, Y, Z) in HU."""


@dataclass
class FBPd(_FBP, OfKeys):
    """`FBP` of the sinograms under `keys`."""


@dataclass(kw_only=True)
class TVReconstruct(_TV, OfArray):
    """3D total variation, its weight tuned by views, arc and dose: sinogram -> image in HU."""


@dataclass
class TVReconstructd(_TV, OfKeys):
    """`TVReconstruct` of the sinograms under `keys`."""


@dataclass(kw_only=True)
class DiffusionReconstruct(_Diffusion, OfArray):
    """Reconstruction with a diffusion prior: sinogram (1, slices, views, detectors) -> image in HU.

    prior: its name (default: the best that accepts the pixels); the weights are loaded once a process.
    coupling: of slices, "none", "tv", "noise" or "both". device: "auto", "cpu" or "cuda", where the network
    runs; a forked DataLoader worker has no GPU, so that it needs "cpu", or the spawn method.
    float32: keep the network out of bf16. The image is on the device of the sinogram.
    """


@dataclass
class DiffusionReconstructd(_Diffusion, OfKeys):
    """`DiffusionReconstruct` of the sinograms under `keys`."""
