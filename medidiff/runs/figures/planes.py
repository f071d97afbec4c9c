"""The picture of a reconstruction: three planes, each method beside the reference, and what it got wrong.

Rows are the axial, coronal and sagittal planes through one point, under the axial one its zooms; columns
are the reference and the methods, then their error maps. One window, one error scale, one scale bar a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.runs.figures.page import Cell, Draw, Page, Row
from medidiff.runs.figures.panels import ERROR_COLOURS, MARKS, Box, colour_bar, image_panel, zoom

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.floating]
Spacing3 = tuple[float, float, float]

_LETTERS = {
    "axial": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
    "coronal": {"left": "R", "right": "L"},
    "sagittal": {"left": "A", "right": "P"},
}
_LEFT, _RIGHT, _GUTTER, _GROUP, _CAPTION = 0.5, 0.3, 0.07, 0.22, 0.24
"""Inches: margins, between columns, between images and error maps, for the numbers under a row."""

_ROOMY = 0.3  # inches: a lower picture has no room for a scale bar and letters


@dataclass(frozen=True, slots=True)
class Zoom:
    """A square of `side_mm` around the voxel (y, x) of the axial slice shown."""

    y: int
    x: int
    side_mm: float = 50.0


@dataclass(frozen=True)
class Planes:
    """What `planes_figure` draws.

    reference: (z, y, x) in the canonical orientation (z to the head, y to the back, x to the left), or None
    for a real measurement (then there are no error maps). methods: label -> array on the same grid.
    metrics: label -> {"axial": {"psnr_db", "ssim"}, ...}. at: voxel (z, y, x) that the planes cross in; by
    default the middle. crop: ((y0, y1), (x0, x1)) in voxels, the part shown. located: False where nobody
    knows the unit of length and the sides of the patient, so that neither is drawn.
    """

    methods: Mapping[str, Array]
    spacing_mm: Spacing3
    reference: Array | None = None
    metrics: Mapping[str, Mapping[str, Any]] | None = None
    at: tuple[int, int, int] | None = None
    crop: tuple[tuple[int, int], tuple[int, int]] | None = None
    zooms: Sequence[Zoom] = ()
    window: tuple[float, float] = (-1000.0, 1000.0)
    error_limit: float = 200.0
    units: str = "HU"
    located: bool = True

    def __post_init__(self) -> None:
        arrays = {**({} if self.reference is None else {"reference": self.reference}), **self.methods}
        shapes = {name: array.shape for name, array in arrays.items()}
        if not shapes or len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) != 3:
            raise InputError(
                "figure",
                expected="at least one volume, all (z, y, x) on one grid",
                got=", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none",
                fix="Resample them to the reference's grid.",
            )


def planes_figure(
    planes: Planes, *, title: str = "", note: str = "", foot: str = "", width: float = 14.0
) -> Figure:
    """Draw the page, `width` inches wide. Raises InputError when a point or crop lies outside the volume."""
    return planes_page(planes, title=title, note=note, foot=foot, width=width).draw()


def planes_page(planes: Planes, *, title: str, note: str, foot: str, width: float) -> Page:
    """The page of `planes_figure` before it is drawn, for a domain that adds rows of its own."""
    layout = _Layout.of(planes, width)
    rows: list[Row] = []
    for view in _views(planes):
        rows.append(layout.image_row(view, headed=not rows))
        if view.name == "axial" and planes.zooms:
            rows.append(layout.zoom_row(view))
    rows.append(layout.bar_row())
    return Page(layout.page_width, rows, title=title, note=note, foot=foot, margin=_LEFT)


@dataclass(frozen=True)
class _View:
    """One plane of every volume, cropped, rows from top to bottom as a reader looks at it."""

    name: str
    reference: Array | None
    methods: dict[str, Array]
    spacing: tuple[float, float]
    boxes: tuple[Box, ...] = ()

    @property
    def images(self) -> dict[str, Array]:
        """The reference, where there is one, and each method."""
        return self.methods if self.reference is None else {"reference": self.reference, **self.methods}

    def error(self, method: str) -> Array:
        """|method - reference|; 0 without a reference."""
        image = self.methods[method]
        return np.abs(image - (image if self.reference is None else self.reference))

    @property
    def proportion(self) -> float:
        """Height over width in millimetres."""
        rows, columns = next(iter(self.methods.values())).shape
        return float(rows * self.spacing[0] / (columns * self.spacing[1]))


@dataclass(frozen=True)
class _Layout:
    """Where the columns stand, in inches: images, then after a wider gutter their error maps."""

    planes: Planes
    images: tuple[float, ...]
    errors: tuple[float, ...]
    column: float
    page_width: float

    @classmethod
    def of(cls, planes: Planes, width: float) -> _Layout:
        has_reference = planes.reference is not None
        images = len(planes.methods) + has_reference
        errors = len(planes.methods) if has_reference else 0
        gutters = _GUTTER * (images + errors - 1) + (_GROUP - _GUTTER) * (errors > 0)
        column = min(3.4, (width - _LEFT - _RIGHT - gutters) / (images + errors))
        step = column + _GUTTER
        first_error = _LEFT + images * step + _GROUP - _GUTTER
        return cls(
            planes,
            tuple(_LEFT + i * step for i in range(images)),
            tuple(first_error + i * step for i in range(errors)),
            column,
            _LEFT + column * (images + errors) + gutters + _RIGHT,
        )

    def image_row(self, view: _View, *, headed: bool) -> Row:
        """The plane in every column, with headings on the page's first row and numbers below."""
        captions, best = self._captions(view.name)
        draws: list[Draw] = []
        height = self.column * view.proportion
        for name, image in view.images.items():
            marked = not draws and self.planes.located and height > _ROOMY
            draws.append(
                partial(
                    image_panel,
                    image=image,
                    spacing=view.spacing,
                    window=self.planes.window,
                    title=name if headed else "",
                    caption=captions.get(name, ""),
                    strong=name == best,
                    boxes=view.boxes,
                    scale_bar=marked,
                    letters=_LETTERS[view.name] if marked else None,
                )
            )
        draws += [self._error(view, name, headed) for name in view.methods if self.errors]
        lefts = (*self.images, *self.errors)
        cells = [Cell(left, self.column, draw) for left, draw in zip(lefts, draws, strict=True)]
        return Row(height, cells, view.name, _CAPTION if captions else 0.08)

    def _error(self, view: _View, name: str, headed: bool) -> Draw:
        return partial(
            image_panel,
            image=view.error(name),
            spacing=view.spacing,
            window=(0.0, self.planes.error_limit),
            title=f"|error|, {name}" if headed else "",
            colours=ERROR_COLOURS,
        )

    def _captions(self, plane: str) -> tuple[dict[str, str], str]:
        """Each method's numbers in a plane, and the method with the highest PSNR."""
        found = {
            name: scores[plane]
            for name, scores in (self.planes.metrics or {}).items()
            if name in self.planes.methods and scores.get(plane)
        }
        texts = {name: f"{s['psnr_db']:.1f} dB · {s['ssim']:.3f}" for name, s in found.items()}
        best = max(found, key=lambda name: float(found[name]["psnr_db"]), default="")
        return texts, best if len(found) > 1 else ""

    def zoom_row(self, view: _View) -> Row:
        """Under each axial image and error map, its zooms side by side."""
        count = len(view.boxes)
        side = (self.column - _GUTTER * (count - 1)) / count
        grey = partial(zoom, spacing=view.spacing, window=self.planes.window)
        hot = partial(
            zoom, spacing=view.spacing, window=(0.0, self.planes.error_limit), colours=ERROR_COLOURS
        )
        shown = list(zip(self.images, view.images.values(), [grey] * len(self.images), strict=True))
        if self.errors:
            errors = [view.error(name) for name in view.methods]
            shown += zip(self.errors, errors, [hot] * len(errors), strict=True)
        cells = [
            Cell(
                left + i * (side + _GUTTER),
                side,
                partial(draw, image=image, box=box, scale_bar=left == self.images[0] and i == 0),
            )
            for left, image, draw in shown
            for i, box in enumerate(view.boxes)
        ]
        return Row(side, cells, gap=0.16)

    def bar_row(self) -> Row:
        """What the greys and the colours of the error maps mean."""
        planes = self.planes
        width, indent = min(1.3, 0.5 * self.column), 0.45
        grey = partial(colour_bar, low=planes.window[0], high=planes.window[1], label=planes.units)
        cells = [Cell(self.images[0] + indent, width, grey)]
        if self.errors:
            label = f"{planes.units}, absolute error"
            hot = partial(colour_bar, low=0, high=planes.error_limit, label=label, colours=ERROR_COLOURS)
            cells.append(Cell(self.errors[0] + indent, width, hot))
        return Row(0.09, cells, gap=0.06)


def _views(planes: Planes) -> list[_View]:
    """The planes that can be shown: of a single slice only the axial one."""
    dz, dy, dx = planes.spacing_mm
    z, y, x = _point(planes)
    (y0, y1), (x0, x1) = _crop(planes)
    rows, columns = slice(y0, y1), slice(x0, x1)
    zooms = enumerate(planes.zooms)
    boxes = tuple(Box(at.y - y0, at.x - x0, at.side_mm, MARKS[i % len(MARKS)]) for i, at in zooms)

    def view(name: str, index: Any, spacing: tuple[float, float], boxes: tuple[Box, ...] = ()) -> _View:
        methods = {label: array[index] for label, array in planes.methods.items()}
        reference = None if planes.reference is None else planes.reference[index]
        return _View(name, reference, methods, spacing, boxes)

    axial = view("axial", (z, rows, columns), (dy, dx), boxes)
    if next(iter(planes.methods.values())).shape[0] == 1:
        return [axial]
    head_up = slice(None, None, -1)
    coronal = view("coronal", (head_up, y, columns), (dz, dx))
    return [axial, coronal, view("sagittal", (head_up, rows, x), (dz, dy))]


def _point(planes: Planes) -> tuple[int, int, int]:
    z, y, x = next(iter(planes.methods.values())).shape
    at = planes.at or (z // 2, y // 2, x // 2)
    if not all(0 <= index < size for index, size in zip(at, (z, y, x), strict=True)):
        raise _outside("at", f"a voxel of {(z, y, x)}", at)
    return at


def _crop(planes: Planes) -> tuple[tuple[int, int], tuple[int, int]]:
    _, y, x = next(iter(planes.methods.values())).shape
    (y0, y1), (x0, x1) = crop = planes.crop or ((0, y), (0, x))
    if not (0 <= y0 < y1 <= y and 0 <= x0 < x1 <= x):
        raise _outside("crop", f"a part of {(y, x)}", crop)
    return crop


def _outside(what: str, expected: str, got: object) -> InputError:
    return InputError(what, expected=expected, got=str(got), fix="Choose one inside.", argument=True)
