"""Reconstruction is exact for the polynomials that it should be exact for, and nothing grows."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.chromatography.engines.marching.finite_volumes import (
    SCHEMES,
    Scheme,
    build_cells,
    face_weights,
    layer_weights,
)


def test_the_weights_of_the_fifth_order_are_those_of_the_textbook() -> None:
    assert face_weights(range(5), 3) == pytest.approx(np.array([2, -13, 47, 27, -3]) / 60, abs=1e-14)
    assert face_weights(range(4), 2, 1) == pytest.approx(np.array([1, -15, 15, -1]) / 12, abs=1e-14)


def means(degree: int, cells: int) -> np.ndarray:
    """Cell means of X^degree on a column of length 1."""
    edges = np.linspace(0, 1, cells + 1) ** (degree + 1)
    return np.diff(edges) * cells / (degree + 1)


@pytest.mark.parametrize("degree", range(5))
def test_advection_of_a_polynomial_is_exact_where_the_stencil_is_whole(degree: int) -> None:
    """-d(X^n)/dX of cell means, away from the ends: five cells carry degree 4, in cells of any number."""
    cells = 17
    exact = -np.diff(np.linspace(0, 1, cells + 1) ** degree) * cells
    found = build_cells(cells, np.inf).matrix @ means(degree, cells)
    assert found[3:-2] == pytest.approx(exact[3:-2], abs=1e-12)


@pytest.mark.parametrize("cell_peclet", [1e-3, 0.3, 0.999, 1.0, 5.0, 125.0])
def test_the_outlet_value_has_no_slope_and_is_exact_for_a_layer(cell_peclet: float) -> None:
    """Means of 1 + 0.4 (x - e^(p x)/p) + x^2 - x^3/2 in cells of length 1 before the outlet at x = 0."""
    left, p = np.arange(-4.0, 0.0), cell_peclet
    right = left + 1
    exponential = (np.exp(p * right) - np.exp(p * left)) / p
    cell = 1 + 0.4 * ((right**2 - left**2) / 2 - exponential / p)
    cell += (right**3 - left**3) / 3 - (right**4 - left**4) / 8
    scale = 1 / p if p < 1 else 1.0  # the layer's own size
    assert layer_weights(p) @ cell == pytest.approx(1 - 0.4 / p, abs=1e-11 * scale)


def test_a_thick_layer_is_the_polynomial_without_slope_and_a_thin_one_the_outer_flux() -> None:
    no_slope = [(0, 1.0), (2, 0.0), (3, 0.0), (4, 0.0)]
    for power, value in no_slope:
        cell = np.diff(np.arange(-4.0, 1.0) ** (power + 1)) / (power + 1)
        assert layer_weights(1e-6) @ cell == pytest.approx(value, abs=1e-5)
    line = np.arange(-4.0, 0.0) + 0.5  # means of x: the flux x - 1/p at the outlet
    assert layer_weights(1e4) @ line == pytest.approx(-1e-4, abs=1e-7)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("peclet", [5.0, 500.0, 1e5, np.inf])
def test_no_mode_grows(scheme: Scheme, peclet: float) -> None:
    for cells in (8, 31, 100):
        matrix = build_cells(cells, peclet, scheme).matrix.toarray()
        assert np.linalg.eigvals(matrix).real.max() < 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_leaves_is_what_the_outlet_shows(scheme: Scheme) -> None:
    """The sum over the cells of any curve changes by the outlet's flux alone: mass is exact."""
    cells = build_cells(23, 40.0, scheme)
    c = np.random.default_rng(3).random(23)
    assert (cells.matrix @ c).sum() / 23 == pytest.approx(-cells.outlet @ c, abs=1e-13)
