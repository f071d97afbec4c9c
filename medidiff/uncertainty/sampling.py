"""Samples of a few parameters from a density known up to a factor.

    random walk    x' = x + e S z, accepted with probability min(1, p(x') / p(x))
                   (Metropolis et al. 1953, J Chem Phys 21:1087)
    Hamiltonian    leapfrog of H = -ln p(x) + |v|^2 / 2, accepted with probability min(1, exp(H - H'))
                   (Duane et al. 1987, Phys Lett B 195:216; Neal 2011, Handbook of MCMC, chapter 5)

Both work in u with x = S u, where S (n, n) is a factor of the expected covariance (S S' = C), so that the law
looks nearly round. While warming up, the step e follows a Robbins-Monro rule towards the
acceptance wanted; after that it is fixed, and only then are draws kept. Chain i draws from
SeedSequence((seed, purpose, i)) and knows nothing of the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError
from medidiff.uncertainty.convergence import effective_sample_size, split_rhat

Vector = NDArray[np.float64]
LogDensity = Callable[[Vector], float]
WithGradient = Callable[[Vector], tuple[float, Vector]]

_WALK, _HAMILTONIAN = zlib.crc32(b"uncertainty.walk"), zlib.crc32(b"uncertainty.hamiltonian")
_WANTED_WALK, _WANTED_HAMILTONIAN = 0.3, 0.8  # acceptance
_LONGEST = 8  # leapfrog steps; the number varies, or a round law's period could be met


@dataclass(frozen=True, eq=False)
class Chains:
    """samples: (chains, draws, n). acceptance: (chains,) share of proposals accepted after the warm-up.

    steps: (chains,) the step each used. evaluations: of the density, all chains together.
    """

    samples: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    steps: NDArray[np.float64]
    evaluations: int

    @property
    def rhat(self) -> NDArray[np.float64]:
        """(n,) split R-hat; above 1.01, sample longer."""
        return split_rhat(self.samples)

    @property
    def effective(self) -> NDArray[np.float64]:
        """(n,) effective sample size."""
        return effective_sample_size(self.samples)


def sample_random_walk(
    log_density: LogDensity,
    start: ArrayLike,
    scale: ArrayLike,
    *,
    draws: int,
    warm_up: int | None = None,
    seed: int = 0,
) -> Chains:
    """Random-walk samples; needs no gradient, and many draws.

    log_density: x (n,) -> ln p + constant; -inf outside of the law. start: (chains, n), each inside. scale:
    S, (n, n). draws: kept of each chain. warm_up: steps before (by default a quarter of the draws, at least
    200). Raises InputError for shapes that do not fit or a start outside.
    """
    begin, factor = _checked(start, scale, draws)
    law = _Counted(lambda x: (log_density(x), x))

    def move(u: Vector, value: tuple[float, Vector], e: float, rng: np.random.Generator) -> _Move:
        there = u + e * rng.standard_normal(u.size)
        found = law(factor @ there)
        return _Move(there, found, found[0] - value[0])

    first = 2.4 / np.sqrt(begin.shape[1])
    return _chains(move, law, begin, factor, draws, warm_up, first, _WANTED_WALK, (seed, _WALK))


def sample_hamiltonian(
    log_density: WithGradient,
    start: ArrayLike,
    scale: ArrayLike,
    *,
    draws: int,
    warm_up: int | None = None,
    seed: int = 0,
) -> Chains:
    """Hamiltonian samples; one draw costs up to eight densities with gradient, and is nearly independent.

    log_density: x (n,) -> (ln p + constant, its gradient (n,)); -inf outside of the law. The rest as in
    `sample_random_walk`; the warm-up is by default a fifth of the draws, at least 100.
    """
    begin, factor = _checked(start, scale, draws)
    law = _Counted(log_density)

    def move(u: Vector, value: tuple[float, Vector], e: float, rng: np.random.Generator) -> _Move:
        momentum = rng.standard_normal(u.size)
        energy = value[0] - 0.5 * float(momentum @ momentum)
        there, found = u, value
        for _ in range(int(rng.integers(1, _LONGEST + 1))):
            momentum = momentum + 0.5 * e * (factor.T @ found[1])
            there = there + e * momentum
            found = law(factor @ there)
            if not np.isfinite(found[0]):
                return _Move(there, found, -np.inf)
            momentum = momentum + 0.5 * e * (factor.T @ found[1])
        return _Move(there, found, found[0] - 0.5 * float(momentum @ momentum) - energy)

    warm_up = max(100, draws // 5) if warm_up is None else warm_up
    first = 0.8 / begin.shape[1] ** 0.25
    return _chains(move, law, begin, factor, draws, warm_up, first, _WANTED_HAMILTONIAN, (seed, _HAMILTONIAN))


@dataclass(frozen=True)
class _Move:
    place: Vector  # in u
    value: tuple[float, Vector]
    log_ratio: float


class _Counted:
    """The density, and how often it was asked."""

    def __init__(self, law: WithGradient) -> None:
        self._law, self.count = law, 0

    def __call__(self, x: Vector) -> tuple[float, Vector]:
        self.count += 1
        return self._law(x)


def _chains(
    move: Callable[[Vector, tuple[float, Vector], float, np.random.Generator], _Move],
    law: _Counted,
    begin: Vector,
    factor: Vector,
    draws: int,
    warm_up: int | None,
    first: float,
    wanted: float,
    key: tuple[int, int],
) -> Chains:
    warm_up = max(200, draws // 4) if warm_up is None else warm_up
    chains, n = begin.shape
    kept = np.empty((chains, draws, n))
    accepted, steps = np.zeros(chains), np.empty(chains)
    for index in range(chains):
        rng = np.random.default_rng(np.random.SeedSequence((*key, index)))
        u, value, log_step = np.linalg.solve(factor, begin[index]), law(begin[index]), float(np.log(first))
        if not np.isfinite(value[0]):
            got = f"a density of zero for chain {index + 1}"
            raise InputError("start", expected="a place inside the law", got=got, fix="Start nearer.")
        for turn in range(warm_up + draws):
            proposal = move(u, value, float(np.exp(log_step)), rng)
            chance = float(np.exp(min(0.0, proposal.log_ratio))) if not np.isnan(proposal.log_ratio) else 0.0
            if taken := rng.random() < chance:
                u, value = proposal.place, proposal.value
            if turn < warm_up:
                log_step += (chance - wanted) / (turn + 1) ** 0.6
            else:
                accepted[index] += taken
                kept[index, turn - warm_up] = factor @ u
        steps[index] = np.exp(log_step)
    return Chains(kept, accepted / draws, steps, law.count)


def _checked(start: ArrayLike, scale: ArrayLike, draws: int) -> tuple[Vector, Vector]:
    begin, factor = np.asarray(start, np.float64), np.asarray(scale, np.float64)
    if begin.ndim != 2 or factor.shape != (begin.shape[1],) * 2 or draws < 1:
        raise InputError(
            "start and scale",
            expected="(chains, n) and (n, n), and at least one draw",
            got=f"shapes {begin.shape} and {factor.shape}, {draws} draws",
            fix="Give one row a chain, and a factor of the covariance.",
        )
    if not (
        np.isfinite(begin).all()
        and np.isfinite(factor).all()
        and np.linalg.matrix_rank(factor) == len(factor)
    ):
        fix = "A Cholesky factor of the expected covariance is right."
        raise InputError("start and scale", expected="finite, scale regular", got="others", fix=fix)
    return begin, factor
