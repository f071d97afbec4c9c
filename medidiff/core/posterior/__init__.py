"""Corrections of the denoiser's estimate by a measurement, one file a method."""

from medidiff.core.posterior.proximal import ProximalData, ZTotalVariation

__all__ = ["ProximalData", "ZTotalVariation"]
