"""Panels and pages for figures: drawn without pyplot, the same bytes every time."""

from medidiff.runs.figures.page import Cell, Page, Row, picture_figure, png_bytes
from medidiff.runs.figures.panels import Box, colour_bar, curve, error_panel, image_panel, outline, zoom
from medidiff.runs.figures.planes import Planes, Zoom, planes_figure, planes_page

__all__ = [
    "Box",
    "Cell",
    "Page",
    "Planes",
    "Row",
    "Zoom",
    "colour_bar",
    "curve",
    "error_panel",
    "image_panel",
    "outline",
    "picture_figure",
    "planes_figure",
    "planes_page",
    "png_bytes",
    "zoom",
]
