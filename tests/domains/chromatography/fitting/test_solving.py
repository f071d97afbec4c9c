"""Shapes and their slopes against differences; the minimum of a problem whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.chromatography.fitting.solving.descent import Bounds, descend
from medidiff.domains.chromatography.fitting.solving.empirical import Gaussian, ModifiedGaussian
from medidiff.domains.chromatography.fitting.solving.minimum import minimise
from medidiff.domains.chromatography.fitting.solving.projection import Problem, polynomial
from medidiff.domains.chromatography.fitting.solving.shapes import KineticModel, PeakModel
from medidiff.domains.chromatography.model.injection import GaussianInjection, Rectangle, TailedRectangle
from medidiff.domains.chromatography.model.system import System
from medidiff.errors import InputError

_TIME = 150 + 0.05 * np.arange(1401)
_SHARED = ("t0_s", "injection_width_s", "injection_tail_s", "detector_s")


def _kinetic(**options: object) -> KineticModel:
    settings = {"injection": TailedRectangle(1.0, 0.4), "detector_s": 0.3, "shared": _SHARED} | options
    return KineticModel(("a", "b"), _TIME, 85.75, **settings)


def _models() -> list[tuple[PeakModel, np.ndarray]]:
    own = np.log([1.05, 1.25, 30.0, 26.0])
    width = np.array([2.4, 2.9])
    place = np.array([176.0, 193.0]) / width
    return [
        (_kinetic(), np.concatenate([own, np.log([85.75, 1.0, 0.4, 0.3])])),
        (_kinetic(peclet=lambda k: np.full(2, 3e3)), np.concatenate([own, np.log([85.75, 1.0, 0.4, 0.3])])),
        (_kinetic(injection=Rectangle(1.0), detector_s=0.0, shared=()), own),
        (Gaussian(_TIME, width), np.concatenate([place, np.log([2.3, 3.0])])),
        # One tail so short that its Gaussian side needs the far branch, one longer than the peak is wide.
        (ModifiedGaussian(_TIME, width), np.concatenate([place, np.log([2.3, 3.0, 0.08, 4.0])])),
    ]


@pytest.mark.parametrize("case", range(5))
def test_slopes_are_those_of_the_columns(case: int) -> None:
    """Central differences of 1e-5 err by about 1e-10 of a third derivative, rounding by 1e-11."""
    model, p = _models()[case]
    shapes = model.shapes(p)
    n = model.analytes
    # A peak moves by its whole width for 0.01 of ln t0: there the differences are the coarser ones.
    step = 1e-6 if isinstance(model, KineticModel) else 1e-5
    for index in range(len(p)):
        d = np.zeros(len(p))
        d[index] = step
        change = (model.shapes(p + d).columns - model.shapes(p - d).columns) / (2 * step)
        kind, column = divmod(index, n)
        if kind < len(shapes.own):
            expected = np.zeros_like(change)
            expected[column] = shapes.own[kind, column]
        else:
            expected = shapes.shared[index - n * len(shapes.own)]
        if model.labels[index] == "ln t0_s" and model.peclet is not None:
            assert np.abs(change - expected).max() < 1e-4 * np.abs(change).max()
        else:
            assert np.abs(change - expected).max() < 2e-6 * np.abs(change).max(), model.labels[index]


def test_modified_gaussians_of_any_tail_have_unit_area_and_their_moments() -> None:
    """Mean m + tau, variance s^2 + tau^2; with a tail of a hundredth it is a Gaussian to 1e-4."""
    time = np.arange(0.0, 400.0, 0.01)
    width = np.ones(3)
    p = np.concatenate([[100.0, 100.0, 100.0], np.log([1.0, 1.0, 1.0]), np.log([0.01, 1.0, 20.0])])
    f = ModifiedGaussian(time, width).shapes(p).columns
    area = f.sum(axis=1) * 0.01
    mean = (f * time).sum(axis=1) * 0.01
    variance = (f * time**2).sum(axis=1) * 0.01 - mean**2
    assert np.isfinite(f).all()
    assert area == pytest.approx(1, abs=1e-6)
    assert mean == pytest.approx([100.01, 101, 120], abs=1e-3)
    assert variance == pytest.approx([1.0001, 2, 401], rel=1e-3)


def test_uneven_samples_are_modelled_as_even_ones_are() -> None:
    p = np.log([1.05, 1.25, 30.0, 26.0])
    uneven = np.sort(np.random.default_rng(0).uniform(151, 219, 900))
    for peclet, tolerance in ((None, 1e-10), (lambda k: np.full(2, 3e3), 1e-5)):
        options = {"injection": Rectangle(1.0), "peclet": peclet}
        fine = KineticModel(("a", "b"), _TIME, 85.75, **options)
        other = KineticModel(("a", "b"), uneven, 85.75, uniform=False, **options)
        from scipy.interpolate import CubicSpline

        expected = CubicSpline(_TIME, fine.shapes(p).columns, axis=1)(uneven)
        found = other.shapes(p).columns
        # The spline over steps of 0.05 s, sigma/50, is itself good to 3e-8.
        assert np.abs(found - expected).max() < max(tolerance, 1e-7) * expected.max()


def test_variable_projection_has_the_gradient_of_the_sum_of_squares() -> None:
    """Exact with Kaufman's Jacobian too: J r = dRSS/dp / 2, here far from the minimum."""
    model, p = _models()[2]
    rng = np.random.default_rng(1)
    signal = np.array([10.0, 6.0]) @ model.shapes(p).columns + 0.3 + 0.1 * rng.standard_normal(_TIME.size)
    problem = Problem(signal, model, polynomial(_TIME, 2))
    at = p + np.array([0.004, -0.003, 0.2, -0.1])
    place = problem.project(at)
    for index in range(4):
        d = np.eye(4)[index] * 1e-6
        slope = (problem.project(at + d).rss - problem.project(at - d).rss) / 2e-6
        assert 2 * place.jacobian[index] @ place.residual == pytest.approx(slope, rel=1e-5)


def test_determinant_and_its_gradient() -> None:
    model, p = _models()[2]
    problem = Problem(np.array([10.0, 6.0]) @ model.shapes(p).columns, model, polynomial(_TIME, 1))
    _, _, gradient = problem.projected_logdet(p)
    for index in range(4):
        d = np.eye(4)[index] * 1e-5
        slope = (problem.projected_logdet(p + d)[1] - problem.projected_logdet(p - d)[1]) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_without_noise_the_truth_comes_back() -> None:
    """To rounding, from a start half a width and a factor 1.6 away."""
    model, p = _models()[2]
    signal = np.array([10.0, 6.0]) @ model.shapes(p).columns + 0.3 + 0.1 * np.linspace(-1, 1, _TIME.size)
    problem = Problem(signal, model, polynomial(_TIME, 1))
    found = minimise(problem, [p + np.array([0.012, -0.012, 0.5, -0.5])])
    assert found.best.converged
    assert np.abs(found.best.p - p).max() < 1e-11
    assert found.best.place.areas == pytest.approx([10, 6], abs=1e-10)
    assert found.best.place.baseline == pytest.approx([0.3, 0.1], abs=1e-10)


def test_a_parameter_stops_at_its_limit_and_the_rest_goes_on() -> None:
    model, p = _models()[2]
    signal = np.array([10.0, 6.0]) @ model.shapes(p).columns
    problem = Problem(signal, model, polynomial(_TIME, 1))
    low, high = model.limits(p)
    high[2] = p[2] - 0.1  # the first rate may not reach its truth
    found = descend(problem.project, p - [0, 0, 0.3, 0.3], Bounds(low, high, model.longest(p)), linear=4)
    assert found.converged
    assert found.p[2] == high[2]
    assert np.abs(found.p[3] - p[3]) < 0.02


def test_what_does_not_converge_says_so() -> None:
    model, p = _models()[2]
    problem = Problem(np.array([10.0, 6.0]) @ model.shapes(p).columns, model, polynomial(_TIME, 1))
    low, high = model.limits(p)
    start = p + np.array([0.01, -0.01, 0.5, -0.5])
    found = descend(problem.project, start, Bounds(low, high, model.longest(p)), linear=4, most=2)
    assert not found.converged
    assert found.reason == "2 steps were not enough"


def test_a_negative_area_is_set_to_zero_and_the_rest_fitted_without_it() -> None:
    """The second peak points down; the first comes back as if it were alone."""
    model, p = _models()[2]
    signal = np.array([10.0, -1.0]) @ model.shapes(p).columns + 0.3
    found = minimise(Problem(signal, model, polynomial(_TIME, 1)), [p])
    assert found.problem.absent == {1}
    assert found.best.place.areas[1] == 0
    assert found.best.place.areas[0] == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"shared": ("width",)}, "among t0_s"),
        ({"injection": GaussianInjection(1.0, 0.5)}, "a rectangular injection"),
    ],
)
def test_shared_parameters_that_are_none_are_refused(options: dict, expected: str) -> None:
    with pytest.raises(InputError) as error:
        _kinetic(**options)
    assert error.value.expected.startswith(expected)
    assert error.value.argument


def test_golay_follows_k(btex: System) -> None:
    """At the system's k as the system has them; molecular ones halve with the gas's speed."""
    from medidiff.domains.chromatography.fitting.conditions import gather_conditions

    settings = {"injection_width_s": None, "injection": None, "detector_s": None, "system": btex}
    names = btex.names
    for kind in ("molecular", "golay"):
        column = btex.transport(kind)
        peclet = gather_conditions(t0_s=None, dispersion=kind, **settings).peclet(names)
        assert peclet is not None
        assert peclet(column.k) == pytest.approx(column.peclet, rel=1e-12)
    slow = gather_conditions(t0_s=2 * column.t0_s, dispersion="molecular", **settings)
    assert slow.peclet(names)(column.k) == pytest.approx(btex.transport("molecular").peclet / 2)
    assert any("is not the system's" in note for note in slow.notes)


def test_a_peak_may_not_leave_the_trace() -> None:
    """Outside, its column is nothing but a tail, which an area of any size fits."""
    model = _kinetic(injection=Rectangle(1.0), detector_s=0.0, shared=())
    low, high = model.limits(np.log([1.05, 1.25, 30.0, 26.0]))
    assert 85.75 * (1 + np.exp(low[:2])) == pytest.approx([_TIME[0]] * 2)
    assert 85.75 * (1 + np.exp(high[:2])) == pytest.approx([_TIME[-1]] * 2)
