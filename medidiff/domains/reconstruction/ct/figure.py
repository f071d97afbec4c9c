"""The picture of a CT reconstruction: three planes, error maps, and two details that few views lose first.

The planes cross in a lung vessel; the details are that vessel and an edge of bone, both chosen from the
reference by contrast, never from a method's result. A result without a reference shows its images alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medidiff.io.orientation import to_canonical
from medidiff.io.volume import Volume
from medidiff.metrics import body_mask
from medidiff.runs.figures import Planes, Zoom, planes_figure
from medidiff.runs.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = {"fbp": "FBP", "sirt": "SIRT", "cgls": "CGLS", "tv": "total variation", "diffusion": "diffusion"}
_LUNG_HU, _VESSEL_HU, _BONE_HU = (-950.0, -600.0), -300.0, 300.0
_HU_WINDOW, _NEARLY_ALL = (-1000.0, 1000.0), 99.5
_MOSTLY = 0.95  # of a detail's field
_DETAIL_MM, _MARGIN_MM = 40.0, 12.0
_SKIN_MM, _BONE_DEPTH_MM, _VESSEL_MM = 25.0, 40.0, 5.0


def draw(result: Result) -> Figure:
    """The figure of a CT result, fresh or loaded."""
    images = {name: _canonical(result[name]) for name in result.report["methods"]}
    reference = _canonical(result["reference"]) if "reference" in result else None
    shown = reference if reference is not None else next(iter(images.values()))
    spacing = shown.spacing_mm
    known = shown.units == "HU"
    zooms, at = _details(shown.array, spacing) if known else ((), None)
    planes = Planes(
        methods={LABELS[name]: image.array for name, image in images.items()},
        spacing_mm=spacing,
        reference=None if reference is None else reference.array,
        metrics={LABELS[name]: row["metrics"] for name, row in result.report["methods"].items()},
        at=at,
        crop=_crop(shown.array, spacing) if known else None,
        zooms=zooms,
        window=_HU_WINDOW if known else _window([image.array for image in images.values()]),
        units="HU" if known else "attenuation per unit of length",
        located=known,
    )
    return planes_figure(planes, title=_title(result.report), note=_note(result.report))


def _canonical(volume: Volume) -> Volume:
    return to_canonical(volume)[0]


def _window(images: list[NDArray[np.float32]]) -> tuple[float, float]:
    """From 0 to a little above nearly all values: nobody knows what they should be."""
    highest = 1.2 * max(float(np.percentile(image, _NEARLY_ALL)) for image in images)
    return 0.0, float(f"{highest:.2g}") or 1.0


def _title(report: dict[str, Any]) -> str:
    scan = report["measurement"]
    views = f"CT from {scan['views']} view{'s' * (scan['views'] > 1)}"
    arc = "" if scan["arc_deg"] is None else f" over {scan['arc_deg']:g} degrees"
    if scan["photons"] is not None:
        return f"{views}{arc}, {scan['photons']:g} photons per bin"
    # Without a reference it may be a real scan, of which nobody told the dose.
    return f"{views}{arc}, without noise" if report.get("protocol") else f"{views}{arc}"


def _note(report: dict[str, Any]) -> str:
    if not report.get("protocol"):
        return "Measured data: there is no reference to compare with."
    return "Numbers under a picture are means over the volume's slices in that plane, inside the body."


def _crop(image: NDArray[np.floating], spacing: tuple[float, float, float]) -> Any:
    """The body's box with a margin, ((y0, y1), (x0, x1))."""
    body = body_mask(image)
    rows, columns = (np.asarray(body.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if not rows.any():
        return None
    box = []
    for used, step in ((rows, spacing[1]), (columns, spacing[2])):
        where, margin = np.flatnonzero(used), round(_MARGIN_MM / step)
        box.append((max(int(where[0]) - margin, 0), min(int(where[-1]) + margin + 1, len(used))))
    return tuple(box)


def _details(
    image: NDArray[np.floating], spacing: tuple[float, float, float]
) -> tuple[tuple[Zoom, ...], tuple[int, int, int]]:
    """Zooms on a lung vessel and on a bone edge of one slice, and the voxel that the planes cross in."""
    z = len(image) // 2
    slice_ = image[z]
    body = ndimage.binary_fill_holes(body_mask(image[z : z + 1])[0])
    depth_mm = ndimage.distance_transform_edt(body, sampling=spacing[1:])
    window = max(3, round(_DETAIL_MM / spacing[1]))
    air = (depth_mm > _SKIN_MM) & (slice_ > _LUNG_HU[0]) & (slice_ < _LUNG_HU[1])
    # Closed, so that vessels count as lung; where all of a field is lung, structure is vessels.
    lung = ndimage.binary_closing(air, iterations=max(1, round(_VESSEL_MM / spacing[1])))
    inside = _share(lung, window) > _MOSTLY
    vessel = _busiest(np.clip(slice_, -1000.0, _VESSEL_HU), window, inside)
    # Ribs and the breast bone lie under the skin; a heart full of contrast does not.
    shallow = (slice_ > _BONE_HU) & (depth_mm > 0) & (depth_mm < _BONE_DEPTH_MM)
    bone = _busiest(slice_, window, shallow)
    places = [place for place in (vessel, bone) if place is not None]
    zooms = tuple(Zoom(y=y, x=x, side_mm=_DETAIL_MM) for y, x in places)
    middle = (slice_.shape[0] // 2, slice_.shape[1] // 2)
    return zooms, (z, *(places[0] if places else middle))


def _share(where: NDArray[np.bool_], window: int) -> NDArray[np.float32]:
    share: NDArray[np.float32] = ndimage.uniform_filter(where.astype(np.float32), window)
    return share


def _busiest(image: NDArray[np.floating], window: int, where: NDArray[np.bool_]) -> tuple[int, int] | None:
    """The pixel of `where` whose neighbourhood varies most; None when there is none."""
    if not where.any():
        return None
    mean = ndimage.uniform_filter(image, window)
    variance = ndimage.uniform_filter(np.square(image), window) - mean**2
    row, column = np.unravel_index(np.argmax(np.where(where, variance, -np.inf)), image.shape)
    return int(row), int(column)
