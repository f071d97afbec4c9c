"""What Reconstruct asks for: the words of the verb, and how long it will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from medidiff.io.orientation import permutation
from medidiff.io.volume import Volume

INPUT = "volume.nii.gz"
"""The job's own name for what it reads."""


@dataclass(frozen=True)
class Scan:
    """A scan to simulate and reconstruct: parallel rays. slices: (a, b), a <= k < b, from the feet."""

    views: int
    arc_deg: float
    photons: float | None
    methods: tuple[str, ...]
    slices: tuple[int, int]

    @property
    def title(self) -> str:
        """What the list of jobs calls it; slices counted from 1, as the viewer does."""
        a, b = self.slices
        dose = "" if self.photons is None else f", {self.photons:.0e} photons".replace("e+0", "e")
        return f"CT, {self.views} views over {self.arc_deg:g}°{dose}, slices {a + 1} to {b}"


def in_file(volume: Volume, slices: tuple[int, int]) -> tuple[int, int]:
    """The block (a, b) as the command counts it: in the order of the file, which may begin at the head."""
    how = permutation(volume.affine, volume.shape)
    count = volume.shape[2 - how.axes[2]]
    a, b = slices
    return (count - b, count - a) if how.flips[2] else (a, b)


def words(scan: Scan) -> list[str]:
    """`medidiff reconstruct ct` with every option that differs from none."""
    a, b = scan.slices
    asked = [
        "reconstruct",
        "ct",
        f"input/{INPUT}",
        "--views",
        str(scan.views),
        "--arc-deg",
        f"{scan.arc_deg:g}",
    ]
    asked += ["--photons", f"{scan.photons:g}"] if scan.photons is not None else []
    return [*asked, "--slices", f"{a}:{b}", "--method", ",".join(scan.methods)]


def network_seconds(scan: Scan, shape: Sequence[int], spacing_mm: tuple[float, float, float]) -> float:
    """Seconds of the network's share of diffusion on this machine; shape (z, y, x) of the input.

    The network is measured once for a size of slice (some seconds); afterwards this is arithmetic. Raises
    MissingError where no prior accepts the scan.
    """
    from medidiff.domains.reconstruction.ct.methods.defaults import defaults_for
    from medidiff.domains.reconstruction.ct.simulate import reduction

    y, x = int(shape[1]), int(shape[2])
    factor = reduction((y, x))
    spacing = (spacing_mm[0], factor * spacing_mm[1], factor * spacing_mm[2])
    ((role, seconds),) = _slice_seconds((y // factor, x // factor), spacing).items()
    passes = defaults_for(scan.views, scan.arc_deg, scan.photons, role).fast.passes
    return seconds * (scan.slices[1] - scan.slices[0]) * passes


@st.cache_resource(show_spinner=False)
def _slice_seconds(size: tuple[int, int], spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    from medidiff.domains.reconstruction.ct.forecast import slice_seconds

    return slice_seconds(size, spacing_mm)
