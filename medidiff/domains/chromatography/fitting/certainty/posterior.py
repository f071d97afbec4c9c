"""Posterior samples of k, kd, the shared parameters and the areas.

With flat priors on the logarithms, on areas and on the baseline, and 1/sigma on the noise, areas, baseline
and sigma integrate out exactly:

    ln p(x | y) = -(n - L)/(2 f) ln RSS(x) - ln det(Phi Phi')/2 + constant

n points, L linear parameters, f the inflation by correlated noise. The gradient of ln RSS is 2 J r/RSS, exact
by variable projection; that of the determinant is the diagonal of Phi^+ dPhi. Given x, the areas are normal.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medidiff.domains.chromatography.fitting.certainty.intervals import Covariance
from medidiff.domains.chromatography.fitting.solving.descent import Bounds, Descent
from medidiff.domains.chromatography.fitting.solving.projection import Problem
from medidiff.domains.chromatography.fitting.solving.shapes import Array
from medidiff.errors import InputError
from medidiff.uncertainty import Chains, sample_hamiltonian

Sampler = Literal["hamiltonian", "gaussian"]
_CHAINS = 4
_STARTS, _AREAS, _GAUSSIAN = (zlib.crc32(f"fit.{what}".encode()) for what in ("starts", "areas", "gaussian"))


@dataclass(frozen=True, eq=False)
class Posterior:
    """samples: (draws, nonlinear parameters + areas), areas last. rhat, effective: of the nonlinear ones,
    (m,).

    sampler: how they were drawn. acceptance: the mean share of proposals accepted; None of independent draws.
    """

    samples: Array
    sampler: Sampler
    rhat: Array | None = None
    effective: Array | None = None
    acceptance: float | None = None


def sample_posterior(
    problem: Problem,
    best: Descent,
    bounds: Bounds,
    covariance: Covariance,
    *,
    draws: int,
    sampler: Sampler = "hamiltonian",
    seed: int = 0,
) -> Posterior:
    """At least `draws` samples around a finished fit, of four chains; or independent ones of its normal law.

    Raises InputError where the covariance is singular or a parameter lies at its limit: then no proper law is
    left to sample from.
    """
    count, n = len(best.p), problem.model.analytes
    if not np.isfinite(covariance.matrix[: count + n, : count + n]).all():
        raise InputError(
            "samples",
            expected="a fit that determines all its parameters",
            got="a singular one, or one with an area of 0 or a parameter at its limit",
            fix="Fit fewer analytes, or look at the profile intervals.",
        )
    if sampler == "gaussian":
        rng = np.random.default_rng(np.random.SeedSequence((seed, _GAUSSIAN, 0)))
        centre = np.concatenate([best.p, best.place.areas])
        matrix = covariance.matrix[: count + n, : count + n]
        return Posterior(rng.multivariate_normal(centre, matrix, draws, method="cholesky"), sampler)
    chains = _chains(problem, best, bounds, covariance, draws, seed)
    flat = chains.samples.reshape(-1, count)
    areas = _areas(problem, flat, covariance, seed)
    return Posterior(
        np.concatenate([flat, areas], axis=1),
        sampler,
        chains.rhat,
        chains.effective,
        float(chains.acceptance.mean()),
    )


def _chains(
    problem: Problem, best: Descent, bounds: Bounds, covariance: Covariance, draws: int, seed: int
) -> Chains:
    count = len(best.p)
    power = (problem.signal.size - len(best.place.design)) / (2 * covariance.inflation)

    def law(p: Array) -> tuple[float, Array]:
        if (p <= bounds.low).any() or (p >= bounds.high).any():
            return -np.inf, np.zeros(count)
        place, logdet, slope = problem.projected_logdet(p)
        gradient = -2 * power * (place.jacobian @ place.residual) / place.rss - slope
        return -power * float(np.log(place.rss / best.place.rss)) - logdet, gradient

    factor = np.linalg.cholesky(covariance.matrix[:count, :count])
    rng = np.random.default_rng(np.random.SeedSequence((seed, _STARTS, 0)))
    starts = best.p + rng.standard_normal((_CHAINS, count)) @ factor.T
    inside = np.clip(starts, np.nextafter(bounds.low, np.inf), np.nextafter(bounds.high, -np.inf))
    each = max(-(-draws // _CHAINS), 8)
    return sample_hamiltonian(law, inside, factor, draws=each, seed=seed)


def _areas(problem: Problem, flat: Array, covariance: Covariance, seed: int) -> Array:
    """Areas given the others, (draws, n): normal around their least squares, with the inflated noise."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, _AREAS, 0)))
    n = problem.model.analytes
    sigma = covariance.sigma * np.sqrt(covariance.inflation)
    rows = np.empty((len(flat), n))
    for index, p in enumerate(flat):
        place = problem.project(p)
        r = np.linalg.qr(place.design.T, mode="r")
        rows[index] = place.areas + sigma * np.linalg.solve(r, rng.standard_normal(len(r)))[:n]
    return rows
