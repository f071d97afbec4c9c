"""The closed form: no dispersion, any injection, gradients exact.

    c(t) = integral g(s) h(t - t0 - s) ds          h: `kernel.Kernel`;   g: the injection's rate

by Gauss-Legendre quadrature over each stretch on which g is smooth, clipped to where h is not 0, so that
neither a jump of h at t0 nor a step of g lies inside. No difference of step responses is formed: that would
lose the digits of a narrow pulse. An impulse is h itself. A derivative by time or by a parameter of the
injection is the same integral of g's derivative, and h times g's steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.domains.chromatography.engines.kernel import Kernel
from medidiff.domains.chromatography.engines.transport import (
    Curves,
    Transport,
    check_gradients,
    check_times,
)
from medidiff.domains.chromatography.model.injection import Injection, Rectangle
from medidiff.errors import InputError

Array = NDArray[np.float64]

COLUMN = ("ln_k", "ln_kd", "t0_s")
"""Parameters of the column by which a gradient can be asked; each with the other two fixed."""

_PANEL = 8.0  # scales in one panel of the quadrature at most
_BLOCK = 1 << 20  # nodes that are evaluated at once


def closed_curves(
    t: ArrayLike, transport: Transport, injection: Injection, *, gradients: Sequence[str] = ()
) -> Curves:
    """Outlet of each analyte at times `t` (points,) in s, rising, any spacing.

    gradients: of "ln_k", "ln_kd", "t0_s" and the injection's parameters. Raises InputError where the
    transport has dispersion, and for unknown names.
    """
    if np.isfinite(transport.peclet).any():
        raise InputError(
            "engine closed",
            expected="a column without dispersion",
            got=f"Peclet number {transport.peclet.min():.4g}",
            fix="Take engine fft, or dispersion none.",
            argument=True,
        )
    times = check_times(t)
    asked = tuple(gradients)
    check_gradients(asked, (*COLUMN, *injection.parameters))
    units = transport.transfer_units
    out = np.zeros((1 + len(asked), len(units), times.size))
    for row, (N, kd) in enumerate(zip(units.tolist(), transport.kd_per_s.tolist(), strict=True)):
        tau = times - transport.t0_s
        add_row(out[:, row], tau, Kernel(N, kd), injection, asked, transport.t0_s)
    slopes = {name: out[1 + index] for index, name in enumerate(asked)}
    return Curves(out[0], slopes, np.exp(-units), "closed")


def add_row(
    out: Array, tau: Array, kernel: Kernel, injection: Injection, asked: tuple[str, ...], t0_s: float
) -> None:
    """Add c and gradients of one analyte to `out` (1 + asked, points); tau = t - t0, (points,), rising."""
    begin, end = kernel.window_s
    first, last = np.searchsorted(tau, (begin + injection.begin_s, end + injection.end_s))
    inside = slice(int(first), min(int(last) + 1, tau.size))
    tau, out = tau[inside], out[:, inside]
    if isinstance(injection, Rectangle) and not injection.width_s:
        _impulse(out, tau - injection.start_s, kernel, asked, t0_s)
        return
    column = tuple(dict.fromkeys("ln_k" if name == "t0_s" else name for name in asked if name in COLUMN))
    own = tuple(dict.fromkeys("time" if name == "t0_s" else name for name in asked if name not in COLUMN[:2]))
    values = _integrals(tau, kernel, injection, column, own)
    for name in own:
        for moment, weight in injection.edges(name):
            values[name] += weight * kernel(tau - moment)
    out[0] += values[""]
    for row, name in zip(out[1:], asked, strict=True):
        row += values["ln_k"] / t0_s - values["time"] if name == "t0_s" else values[name]


def _impulse(out: Array, tau: Array, kernel: Kernel, asked: tuple[str, ...], t0_s: float) -> None:
    h, by_k, by_kd, by_time = kernel.gradients(tau, ("ln_k", "ln_kd", "time") if asked else ()) + (
        [] if asked else [tau, tau, tau]
    )
    known = {
        "ln_k": by_k,
        "ln_kd": by_kd,
        "t0_s": by_k / t0_s - by_time,
        "start_s": -by_time,
        "width_s": -by_time / 2,  # a rectangle grows from its start: its middle moves by half
    }
    out[0] += h
    for row, name in zip(out[1:], asked, strict=True):
        row += known[name]


def _integrals(
    tau: Array, kernel: Kernel, injection: Injection, column: tuple[str, ...], own: tuple[str, ...]
) -> dict[str, Array]:
    """Integrals of g h (""), g dh/d(column) and dg/d(own) h; name -> (points,)."""
    names = ("", *column, *own)
    sums = np.zeros((len(names), tau.size))
    begin, end = kernel.window_s
    scale = 1 / np.hypot(1 / kernel.scale_s, 1 / injection.scale_s)  # of a product
    for left, right in injection.pieces:
        low, high = np.maximum(left, tau - end), np.minimum(right, tau - begin)
        used = np.flatnonzero(high > low)
        if not used.size:
            continue
        nodes, weights = _rule(float((high - low)[used].max()) / scale)
        for part in np.array_split(used, -(-used.size * nodes.size // _BLOCK)):
            span = (high - low)[part, None]
            s = low[part, None] + span * nodes
            h, *slopes = kernel.gradients(tau[part, None] - s, column)
            rate = injection.rate(s)
            integrands = [rate * h, *(rate * slope for slope in slopes)]
            integrands += [injection.rate_gradient(name, s) * h for name in own]
            for total, integrand in zip(sums, integrands, strict=True):
                total[part] += span[:, 0] * (integrand @ weights)
    return dict(zip(names, sums, strict=True))


def _rule(scales: float) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1] for a smooth integrand over so many of its scales."""
    panels = max(1, int(np.ceil(scales / _PANEL)))
    return _composite(panels, 6 + int(np.ceil(2.5 * scales / panels)))


@lru_cache(maxsize=256)
def _composite(panels: int, order: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(order)
    nodes = (np.arange(panels)[:, None] + (x + 1) / 2) / panels
    return nodes.ravel(), np.tile(w / (2 * panels), panels)
