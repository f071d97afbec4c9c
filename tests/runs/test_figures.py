"""Figures: proportions in millimetres, the same bytes every time, no global state."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from medidiff.errors import InputError
from medidiff.runs.figures import (
    Box,
    Planes,
    Zoom,
    curve,
    error_panel,
    image_panel,
    picture_figure,
    planes_figure,
    png_bytes,
    zoom,
)

SPACING = (4.0, 1.0, 2.0)
SHAPE = (5, 30, 21)


def example(**changed: object) -> Planes:
    rng = np.random.default_rng(0)
    reference = rng.normal(0, 300, SHAPE)
    methods = {"FBP": reference + 100, "TV": reference - 50}
    metrics = {
        "FBP": {"axial": {"psnr_db": 26.02, "ssim": 0.9}, "coronal": {}},
        "TV": {"axial": {"psnr_db": 32.04, "ssim": 0.95}, "coronal": {}},
    }
    whole = {"reference": reference, "metrics": metrics, "zooms": (Zoom(10, 8, 12),), **changed}
    return Planes(methods, SPACING, **whole)  # type: ignore[arg-type]  # keywords by name


def axes() -> object:
    return Figure((3, 3)).add_axes((0, 0, 1, 1))


def texts(figure: Figure) -> dict[str, object]:
    found = [*figure.texts, *(text for a in figure.axes for text in a.texts)]
    return {text.get_text(): text for text in found}


def test_where_lengths_and_sides_are_unknown_neither_is_drawn() -> None:
    located, lost = (set(texts(planes_figure(example(zooms=(), located=known)))) for known in (True, False))
    assert located - lost == {"10 mm", "5 mm", "R", "L", "A", "P"}
    assert lost <= located


def test_every_panel_has_the_proportions_of_the_patient() -> None:
    """Height over width of each image in inches is that of its plane in millimetres."""
    figure = planes_figure(example(zooms=()))
    planes = {(30, 21): 30 / 42, (5, 21): 20 / 42, (5, 30): 20 / 30}
    seen = set()
    for panel in figure.axes:
        shape = panel.images[0].get_array().shape[:2]
        if shape not in planes:
            continue
        box = panel.get_position()
        width, height = figure.get_size_inches() * (box.width, box.height)
        assert height / width == pytest.approx(planes[shape], rel=1e-3)
        left, right = panel.get_xlim()
        assert abs(np.ptp(panel.get_ylim())) / (right - left) == pytest.approx(planes[shape])
        seen.add(shape)
    assert seen == set(planes)


def test_columns_rows_and_numbers() -> None:
    """3 planes and a row of zooms in 5 columns, and 2 bars; the better method stands in bold."""
    figure = planes_figure(example(), title="A title", foot="a source")
    assert len(figure.axes) == 4 * 5 + 2
    found = texts(figure)
    assert found["26.0 dB · 0.900"].get_weight() == "normal"
    assert found["32.0 dB · 0.950"].get_weight() == "bold"
    assert {"A title", "research use only · a source", "reference", "|error|, TV", "sagittal"} <= set(found)


def test_planes_show_the_right_voxels_head_up() -> None:
    """Coronal and sagittal planes cross at the point; their first row is the last slice (z to the head)."""
    planes = example(at=(1, 7, 3), zooms=(), metrics=None)
    figure = planes_figure(planes)
    shown = [a.images[0].get_array() for a in figure.axes]
    reference = planes.reference
    np.testing.assert_array_equal(shown[0], reference[1])
    np.testing.assert_array_equal(shown[5], reference[::-1, 7])
    np.testing.assert_array_equal(shown[10], reference[::-1, :, 3])
    np.testing.assert_allclose(shown[3], 100)
    np.testing.assert_allclose(shown[4], 50)


def test_crop_moves_the_zoom_with_it() -> None:
    """The zoom stays around the same voxel: its centre in millimetres is counted from the crop's corner."""
    figure = planes_figure(example(crop=((4, 26), (2, 18))))
    panel = figure.axes[5]
    assert np.mean(panel.get_xlim()) == pytest.approx((8 - 2) * 2.0)
    assert np.mean(panel.get_ylim()) == pytest.approx((10 - 4) * 1.0)


def test_a_single_slice_and_a_measurement_without_truth() -> None:
    """One row, no error maps, no error scale: two images and the grey bar."""
    methods = {"FBP": np.zeros((1, 20, 20)), "TV": np.zeros((1, 20, 20))}
    figure = planes_figure(Planes(methods, (1, 1, 1)))
    assert len(figure.axes) == 3


def test_same_figure_same_bytes_without_date() -> None:
    one, two = (png_bytes(planes_figure(example())) for _ in range(2))
    assert one == two
    assert b"tEXt" not in one
    assert b"matplotlib" not in one.lower()


def test_a_picture_that_is_too_large_is_drawn_smaller() -> None:
    figure = planes_figure(example())
    whole = png_bytes(figure)
    smaller = png_bytes(figure, largest=len(whole) - 1)
    assert len(smaller) < len(whole)


def test_a_saved_picture_comes_back_pixel_by_pixel() -> None:
    """Drawn again at its own size, every pixel is the same."""
    from io import BytesIO

    from matplotlib.image import imread

    png = png_bytes(planes_figure(example(), width=6))
    again = png_bytes(picture_figure(png))
    np.testing.assert_array_equal(imread(BytesIO(png)), imread(BytesIO(again)))


def test_pyplot_is_never_loaded_and_settings_stay() -> None:
    code = (
        "import sys, matplotlib, numpy as np; before = matplotlib.rcParams.copy()\n"
        "from medidiff.runs.figures import Planes, planes_figure, png_bytes\n"
        "assert 'matplotlib.figure' not in sys.modules\n"
        "png_bytes(planes_figure(Planes({'a': np.zeros((2, 8, 8))}, (1, 1, 1)), width=3))\n"
        "assert 'matplotlib.pyplot' not in sys.modules and matplotlib.rcParams.copy() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_panels() -> None:
    image, reference = np.full((4, 6), 30.0), np.zeros((4, 6))
    panel = axes()
    image_panel(panel, image, (2.0, 1.0), window=(-5, 5), letters={"left": "R"}, scale_bar=True)
    assert panel.images[0].get_clim() == (-5, 5)
    panel = axes()
    error_panel(panel, image, -reference, (2.0, 1.0), limit=40)
    np.testing.assert_array_equal(panel.images[0].get_array(), image)
    assert panel.images[0].get_clim() == (0, 40)
    panel = axes()
    zoom(panel, image, (2.0, 1.0), Box(2, 3, 4.0))
    assert panel.get_xlim() == (1, 5)
    assert panel.get_ylim() == (6, 2)


@pytest.mark.parametrize(("width_mm", "length"), [(42.0, 10), (300.0, 50), (9.0, 2)])
def test_scale_bar_is_as_long_as_it_says(width_mm: float, length: int) -> None:
    panel = axes()
    image_panel(panel, np.zeros((21, 21)), (width_mm / 21, width_mm / 21), scale_bar=True)
    start, end = panel.lines[0].get_xdata()
    assert (end - start) * width_mm == pytest.approx(length)
    assert panel.texts[-1].get_text() == f"{length} mm"


def test_curve_names_each_line_at_its_end() -> None:
    panel = axes()
    lines = {f"line {i}": [i, i + 1] for i in range(9)}
    curve(panel, [1, 10], lines, x_label="views", y_label="PSNR (dB)", log_x=True, marks=True)
    assert len(panel.lines) == 9
    assert [text.get_text() for text in panel.texts] == list(lines)
    assert panel.texts[2].xy == (10, 3)


@pytest.mark.parametrize(
    "changed",
    [
        {"at": (5, 0, 0)},
        {"crop": ((0, 31), (0, 21))},
        {"crop": ((4, 4), (0, 21))},
        {"reference": np.zeros((5, 30, 20))},
    ],
)
def test_what_lies_outside_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(InputError):
        planes_figure(example(**changed))
