"""Engines against each other and against mpmath; orders of convergence; mass and moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from medidiff.bench.chromatography import oracle
from medidiff.bench.chromatography.cases import (
    C1,
    C2,
    C3,
    C3_PE,
    C3_SLOW,
    C4,
    C5,
    ONE_SECOND,
    SHORT,
    Case,
    Measured,
    Options,
    btex_five,
    off_by,
)
from medidiff.bench.report import Row
from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.langmuir import LEVELS, richardson
from medidiff.domains.chromatography.engines.marching.box import march
from medidiff.domains.chromatography.engines.marching.finite_volumes import SCHEMES
from medidiff.domains.chromatography.engines.pde import pde_curves
from medidiff.domains.chromatography.engines.transport import Curves
from medidiff.domains.chromatography.model.injection import GaussianInjection, Rectangle

Array = NDArray[np.float64]

EXACT, PDE = 1e-12, 1e-4
MASS, MOMENT = 1e-12, 1e-10
PDE_MOMENTS = (1e-9, 1e-4, 1e-2)
_CELLS = (800, 1600)
_NAMES = ("mean", "variance", "third")
_MP_POINTS = 9
_GRIDS = (400, 800)  # cells of a smooth problem, on which orders are read
_ORDER = 3.0
_ORDER_SLACK = 0.3
_PAIR = "coupled pair: N 50 and 40, b c 0.5 and 0.4, rectangle 4 s"
_UNITS, _KD, _B, _INLET = (np.array(pair) for pair in ((50.0, 40.0), (1.0, 1.2), (0.5, 0.8), (1.0, 0.5)))
_WIDTH_S, _END_S = 4.0, 240.0
_CELLS_X, _STEPS = 60, 600  # the first grid, on which the smallest error is well above rounding


def agreement(_: Options) -> Measured:
    """closed_vs_fft, closed_vs_mpmath, fft_vs_mpmath."""
    return Measured(tuple(_agreement()))


def against_pde(_: Options) -> Measured:
    """fft_vs_pde, order.pde, and what the paper's kind of scheme leaves."""
    return Measured((*_against_pde(), *_order_of_pde(), *_stand_ins()), remarks=_REMARKS)


def conservation(_: Options) -> Measured:
    """mass_error and moment_error of every engine, order.nonlinear."""
    return Measured((*_moments(), *_nonlinear()))


_REMARKS = (
    "order.pde: a smooth inlet (Gaussian), cells and steps refined together. finite_differences_error: "
    "first-order upwind with backward Euler and central with Crank-Nicolson, stand-ins for the finite "
    "differences of arXiv:2501.00001, whose scheme is not known.",
)


def _agreement() -> Iterator[Row]:
    for case in (C2, C3, C4, C5):
        t = case.times()
        closed, fft = (run(t, case.transport, ONE_SECOND).c for run in (closed_curves, fft_curves))
        yield _lower(f"{case.words}, rectangle 1 s", "closed_vs_fft", off_by(closed, fft), EXACT)
    system, t = btex_five()
    transport = system.transport("none")
    closed, fft = (run(t, transport, ONE_SECOND).c for run in (closed_curves, fft_curves))
    yield _lower("btex, five analytes, no dispersion", "closed_vs_fft", off_by(closed, fft), EXACT)
    for case in (C1, C2, C3, C4, C5, Case("C6", 1e8, 1e5, 85.75)):
        t = case.times(5.0, _MP_POINTS)[1:]
        found = closed_curves(t, case.transport, Rectangle(0.0)).c
        yield _lower(
            f"{case.words}, impulse",
            "closed_vs_mpmath",
            off_by(found, oracle.impulse_response(case, t)),
            EXACT,
        )
    for case in (C3, C3_PE, C3_SLOW, SHORT, *_btex_cases()):
        fine = case.times(4.0, 8 * _MP_POINTS + 1)
        found = fft_curves(fine, case.transport, ONE_SECOND).c[:, ::8]
        truth = oracle.outlet(case, 1.0, fine[::8])
        yield _lower(f"{case.words}, rectangle 1 s", "fft_vs_mpmath", off_by(found, truth), EXACT)


def _btex_cases() -> list[Case]:
    """The first and the last of the five analytes, each a column of its own."""
    transport = btex_five()[0].transport()
    return [
        Case(
            f"btex {transport.names[row]}",
            float(transport.transfer_units[row]),
            float(transport.kd_per_s[row]),
            transport.t0_s,
            float(transport.peclet[row]),
        )
        for row in (0, -1)
    ]


def _against_pde() -> Iterator[Row]:
    for cells in (None, *_CELLS):
        t = C3_PE.times(8.0, 1401)
        found = pde_curves(t, C3_PE.transport, ONE_SECOND, cells=cells).c
        truth = fft_curves(t, C3_PE.transport, ONE_SECOND).c
        words = f"{C3_PE.words}, rectangle 1 s, {'cells by itself' if cells is None else f'{cells} cells'}"
        gate = None if cells == _CELLS[0] else PDE
        yield Row(words, "fft_vs_pde", off_by(found, truth), "of the peak", gate, better="lower")


def _order_of_pde() -> Iterator[Row]:
    """The slope of the last two errors of a smooth problem, for each scheme."""
    case, injection = C3_PE, GaussianInjection(40.0, 6.0)
    t = case.times(8.0, 801)
    truth = fft_curves(t, case.transport, injection).c
    for scheme in SCHEMES:
        errors = [
            off_by(
                pde_curves(t, case.transport, injection, cells=n, step_s=160.0 / n, scheme=scheme).c, truth
            )
            for n in _GRIDS
        ]
        slope = float(np.log2(errors[0] / errors[1]))
        words = f"{case.words}, Gaussian inlet, {_GRIDS[0]} and {_GRIDS[1]} cells"
        ours = scheme == SCHEMES[0]
        yield Row(words, "order.pde" if ours else f"order.pde_{scheme}", slope, "", _ORDER if ours else None)


def _stand_ins() -> Iterator[Row]:
    truth = closed_curves(t := C3.times(8.0, 801), C3.transport, ONE_SECOND).c
    for scheme in SCHEMES[1:]:
        for cells in (*_CELLS, 6400):
            found = pde_curves(t, C3.transport, ONE_SECOND, cells=cells, step_s=0.1, scheme=scheme).c
            words = f"{C3.words}, rectangle 1 s, {cells} cells, steps of 0.1 s"
            yield Row(
                words,
                f"finite_differences_error.{scheme}",
                off_by(found, truth),
                "of the peak",
                better="lower",
            )


def _moments() -> Iterator[Row]:
    engines: dict[str, tuple[Callable[..., Curves], tuple[Case, ...]]] = {
        "closed": (closed_curves, (C2, C3, C4, C5)),
        "fft": (fft_curves, (C2, C3, C3_PE, C4, C5, C3_SLOW)),
    }
    for engine, (run, cases) in engines.items():
        for case in cases:
            yield from _moments_of(engine, run, case, (MOMENT,) * 3)
    for cells in _CELLS:
        gates: tuple[float | None, ...] = PDE_MOMENTS if cells == _CELLS[-1] else (None,) * 3

        yield from _moments_of("pde", partial(pde_curves, cells=cells), C3_PE, gates, f", {cells} cells")


def _moments_of(
    engine: str, run: Callable[..., Curves], case: Case, gates: tuple[float | None, ...], note: str = ""
) -> Iterator[Row]:
    """Sums over an axis on which the curve is smooth are integrals to all its digits."""
    t = case.times(14.0, 1201)
    curves = run(t, case.transport, ONE_SECOND)
    c, step = curves.c[0], (t[-1] - t[0]) / (len(t) - 1)
    area = float(c.sum() * step)
    mean, variance, third = oracle.cumulants(case, 1.0)
    late = t - mean
    middle = float((c * late).sum() * step) / area
    spread = float((c * (late - middle) ** 2).sum() * step) / area
    skew = float((c * (late - middle) ** 3).sum() * step) / area
    errors = (abs(middle) / mean, abs(spread / variance - 1), abs(skew - third) / variance**1.5)
    words = f"{case.words}, rectangle 1 s{note}"
    yield _lower(words, f"mass_error.{engine}", abs(area + float(curves.spike[0]) - 1), MASS)
    for name, error, gate in zip(_NAMES, errors, gates, strict=True):
        unit = "of sigma cubed" if name == "third" else ""
        yield Row(f"{words}, {name}", f"moment_error.{engine}", error, unit, gate, better="lower")


def _nonlinear() -> Iterator[Row]:
    """Mass, and the orders of one, two and three grids: errors of a set and of one twice as fine."""
    truth = richardson([_boxes(4 * factor) for factor in LEVELS])[0]
    found = {factor: _boxes(factor) for factor in sorted({*LEVELS, *(2 * factor for factor in LEVELS)})}
    step = _END_S / _STEPS
    mass = np.abs(found[1].sum(axis=1) * step / (_B * _INLET * _WIDTH_S) - 1)
    yield _lower(_PAIR, "mass_error.nonlinear", float(mass.max()), MASS)
    for grids in range(1, len(LEVELS) + 1):
        errors = [
            off_by(richardson([found[scale * f] for f in LEVELS[:grids]], LEVELS[:grids])[0], truth)
            for scale in (1, 2)
        ]
        slope, words = float(np.log2(errors[0] / errors[1])), f"{_PAIR}, {grids} grid{'s' * (grids > 1)}"
        yield Row(words, "order.nonlinear", slope, "", 2 * grids - _ORDER_SLACK)


def _boxes(factor: int) -> Array:
    """Means of b c at the outlet over the coarsest steps, (2, steps)."""
    steps = factor * _STEPS
    length = _END_S / steps
    inflow = np.zeros((len(_UNITS), steps))
    inflow[:, : round(_WIDTH_S / length)] = (_B * _INLET)[:, None]
    out = march(inflow, _KD, _UNITS, np.full(steps, length), factor * _CELLS_X)
    return np.asarray(out.reshape(len(_UNITS), _STEPS, factor).mean(axis=2))


def _lower(case: str, metric: str, value: float, gate: float) -> Row:
    return Row(case, metric, value, "", gate, better="lower")
