"""Bradley and Terry's strengths of arms, with Davidson's ties.

    P(i wins) = pi_i / D,   P(tie) = nu sqrt(pi_i pi_j) / D,   D = pi_i + pi_j + nu sqrt(pi_i pi_j)

(Davidson 1970, J Am Stat Assoc 65:317; without ties nu = 0: Bradley and Terry 1952, Biometrika 39:324.) In
log pi and log nu the likelihood is concave, and its maximum is found by Newton's steps. Strengths are given
as logarithms whose sum is zero.

Where an arm always wins, always loses, or every pair is a tie, the likelihood has no maximum (Albert and
Anderson 1984, Biometrika 71:1). Then the likelihood times the root of the information's determinant is
maximised (Jeffreys' prior, as Firth 1993, Biometrika 80:27), and intervals are those of its profile (Heinze
and Schemper 2002, Stat Med 21:2409): finite, and `separated` says so. Otherwise intervals are Wald's with a
covariance by clusters of readers and of cases, V = V_readers + V_cases - V_cells (Cameron, Gelbach and Miller
2011, J Bus Econ Stat 29:238), because answers of one reader, or to one case, are not independent; below five
readers, of cases alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from medidiff.errors import InputError
from medidiff.review.statistics.crossed import FEWEST_READERS
from medidiff.review.statistics.table import Whole

Floats = NDArray[np.float64]

_NO_SPREAD = 1e-14

CLUSTERED = "Wald interval, covariance by clusters of readers and cases"
CLUSTERED_CASES = "Wald interval, covariance by clusters of cases, readers fixed"
INDEPENDENT = "Wald interval, answers taken as independent"
PROFILE = "separated: profile of the likelihood with Jeffreys' prior, answers taken as independent"


@dataclass(frozen=True)
class Difference:
    """The difference log pi_first - log pi_second with its interval (NaN where no spread was seen)."""

    first: int
    second: int
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Strengths:
    """log_strengths: (arms,), sum zero. covariance: (arms, arms), of answers taken as independent.

    nu: 0 where no tie was given. differences: of every pair of arms.
    """

    log_strengths: Floats
    nu: float
    covariance: Floats
    log_likelihood: float
    differences: tuple[Difference, ...]
    separated: bool
    method: str

    def preferred(self, first: int, second: int) -> float:
        """The model's share of preferences for `first`, a tie counting half."""
        p = np.exp(self.log_strengths[[first, second]])
        tie = self.nu * np.sqrt(p[0] * p[1])
        return float((p[0] + tie / 2) / (p.sum() + tie))


@dataclass(frozen=True)
class _Model:
    """Every pair as a choice of three: x (pairs, 3, parameters), observed counts (pairs, 3).

    Parameters are log pi of all arms but `base`, then log nu where ties were given; without ties the third
    choice is shut.
    """

    x: Floats
    counts: Floats
    ties: bool

    def probabilities(self, beta: Floats) -> Floats:
        """(pairs, 3)."""
        logits = self.x @ beta
        if not self.ties:
            logits[:, 2] = -np.inf
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: Floats = p / p.sum(axis=1, keepdims=True)
        return shares

    def log_likelihood(self, beta: Floats) -> float:
        """Without the constant of the counts."""
        p = self.probabilities(beta)
        return float(np.sum(self.counts * np.log(np.where(self.counts > 0, p, 1))))

    def gradient(self, beta: Floats) -> Floats:
        """Of the log-likelihood."""
        n = self.counts.sum(axis=1, keepdims=True)
        found: Floats = np.einsum("po,pok->k", self.counts - n * self.probabilities(beta), self.x)
        return found

    def information(self, beta: Floats) -> Floats:
        """Fisher's; observed and expected are the same here."""
        p = self.probabilities(beta)
        centred = self.x - np.einsum("po,pok->pk", p, self.x)[:, None]
        n = self.counts.sum(axis=1)
        found: Floats = np.einsum("p,po,pok,pol->kl", n, p, centred, centred)
        return found

    def penalised(self, beta: Floats) -> float:
        """Minus the log-likelihood with Jeffreys' prior."""
        sign, log_determinant = np.linalg.slogdet(self.information(beta))
        return float("inf") if sign <= 0 else -self.log_likelihood(beta) - 0.5 * float(log_determinant)


def bradley_terry(
    first: Whole,
    second: Whole,
    outcome: Floats,
    *,
    arms: int,
    reader: NDArray[np.generic] | None = None,
    case: NDArray[np.generic] | None = None,
    level: float = 0.95,
) -> Strengths:
    """Fit n answers: arms `first` and `second`, outcome 1 (first preferred), 0.5 (tie) or 0; all (n,).

    reader and case, (n,), are the clusters; without them answers are taken as independent. Raises InputError
    where arms were never compared, not even by way of others.
    """
    _check_connected(first, second, arms)
    if _separated(_model(first, second, outcome, arms, base=0)):
        return _fit_separated(first, second, outcome, arms, level)
    model = _model(first, second, outcome, arms, base=0)
    beta = _newton(model)
    inverse = _inverse(model, beta)
    spreads, df, method = [inverse], np.inf, INDEPENDENT
    if reader is not None and case is not None:
        pushes = _pushes(model, beta, first, second, outcome, arms) @ inverse
        spreads, df, method = _clusters(pushes, reader, case)
    q = float(stats.t.ppf((1 + level) / 2, df))
    differences = []
    for i, j in _pairs(arms):
        c = _contrast(i, j, arms, len(beta))
        variance = _variance(c, spreads)
        # One case, or cases that all balance: no spread was seen, so none is known.
        reach = q * float(np.sqrt(variance)) if variance > _NO_SPREAD else np.nan
        estimate = float(c @ beta)
        differences.append(Difference(i, j, estimate, estimate - reach, estimate + reach))
    return _strengths(model, beta, inverse, arms, tuple(differences), separated=False, method=method)


def _fit_separated(first: Whole, second: Whole, outcome: Floats, arms: int, level: float) -> Strengths:
    model = _model(first, second, outcome, arms, base=0)
    beta = _least(model.penalised, np.zeros(model.x.shape[2]))
    differences = []
    for i, j in _pairs(arms):
        turned = _model(first, second, outcome, arms, base=j)  # so that log pi_i is the difference itself
        place = i - (i > j)
        low, high = _profile(turned, place, level)
        estimate = float(_contrast(i, j, arms, len(beta)) @ beta)
        differences.append(Difference(i, j, estimate, low, high))
    inverse = _inverse(model, beta)
    return _strengths(model, beta, inverse, arms, tuple(differences), separated=True, method=PROFILE)


def _strengths(
    model: _Model,
    beta: Floats,
    inverse: Floats,
    arms: int,
    differences: tuple[Difference, ...],
    *,
    separated: bool,
    method: str,
) -> Strengths:
    spread = np.zeros((arms, len(beta)))
    spread[1:, : arms - 1] = np.eye(arms - 1)
    centred = spread - spread.mean(axis=0)
    nu = float(np.exp(beta[-1])) if model.ties else 0.0
    likelihood = model.log_likelihood(beta)
    covariance = centred @ inverse @ centred.T
    return Strengths(centred @ beta, nu, covariance, likelihood, differences, separated, method)


def _inverse(model: _Model, beta: Floats) -> Floats:
    found: Floats = np.asarray(np.linalg.inv(model.information(beta)), dtype=np.float64)
    return found


def _pairs(arms: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(arms) for j in range(i + 1, arms)]


def _contrast(i: int, j: int, arms: int, parameters: int) -> Floats:
    """The difference log pi_i - log pi_j in parameters whose base is arm 0."""
    c = np.zeros(parameters)
    c[: arms - 1] = np.eye(arms)[i, 1:] - np.eye(arms)[j, 1:]
    return c


def _rows(i: Whole, j: Whole, arms: int, base: int, ties: bool) -> Floats:
    """(n, 3, parameters): what each choice adds up: first wins, second wins, a tie."""
    one = np.delete(np.eye(arms), base, axis=1)
    x = np.stack([one[i], one[j], (one[i] + one[j]) / 2], axis=1)
    if not ties:
        return x
    return np.concatenate([x, np.broadcast_to([[[0.0], [0.0], [1.0]]], (len(i), 3, 1))], axis=2)


def _model(first: Whole, second: Whole, outcome: Floats, arms: int, *, base: int) -> _Model:
    ties = bool((outcome == 0.5).any())
    pairs = np.array(_pairs(arms))
    swapped = first > second
    i, j = np.where(swapped, second, first), np.where(swapped, first, second)
    kind = np.select([outcome == 0.5, (outcome == 1) != swapped], [2, 0], 1)
    counts = np.zeros((arms, arms, 3))
    np.add.at(counts, (i, j, kind), 1)
    seen = counts[pairs[:, 0], pairs[:, 1]]
    kept = seen.sum(axis=1) > 0
    x = _rows(pairs[kept, 0], pairs[kept, 1], arms, base, ties)
    return _Model(x, seen[kept], ties)


def _separated(model: _Model) -> bool:
    """Whether a direction exists along which no observed choice ever loses: then no maximum exists."""
    observed, other, choices = [], [], 3 if model.ties else 2
    for x, count in zip(model.x, model.counts, strict=True):
        for o in np.nonzero(count[:choices])[0]:
            observed += [x[o]] * (choices - 1)
            other += [x[p] for p in range(choices) if p != o]
    gains = np.array(observed) - np.array(other)
    found = optimize.linprog(-gains.sum(axis=0), A_ub=-gains, b_ub=np.zeros(len(gains)), bounds=(-1, 1))
    return bool(-found.fun > 1e-9)


def _newton(model: _Model) -> Floats:
    """The maximum of the likelihood, to the last digits; halves a step that does not climb."""
    beta = np.zeros(model.x.shape[2])
    for _ in range(100):
        step = np.linalg.solve(model.information(beta), model.gradient(beta))
        before = model.log_likelihood(beta)
        while model.log_likelihood(beta + step) < before - 1e-12 * abs(before):
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    return beta


def _least(cost: Any, start: Floats) -> Floats:
    """Where the penalised likelihood is highest; its gradient is taken by differences."""
    if not len(start):
        return start
    found: Floats = optimize.minimize(cost, start, method="BFGS", jac="3-point", options={"gtol": 1e-8}).x
    return found


def _profile(model: _Model, place: int, level: float) -> tuple[float, float]:
    """Where twice the loss of penalised likelihood reaches the quantile of chi squared, on both sides."""
    best = _least(model.penalised, np.zeros(model.x.shape[2]))
    others = np.delete(np.arange(len(best)), place)
    allowed = model.penalised(best) + float(stats.chi2.ppf(level, 1)) / 2

    def excess(value: float) -> float:
        def cost(rest: Floats) -> float:
            beta = np.empty(len(best))
            beta[place], beta[others] = value, rest
            return model.penalised(beta)

        return cost(_least(cost, best[others])) - allowed

    def root(side: int) -> float:
        reach = 1.0
        while excess(best[place] + side * reach) < 0:
            reach *= 2
        ends = sorted((best[place], best[place] + side * reach))
        return float(optimize.brentq(excess, *ends, xtol=1e-7))

    return root(-1), root(1)


def _pushes(model: _Model, beta: Floats, first: Whole, second: Whole, outcome: Floats, arms: int) -> Floats:
    """(n, parameters): each answer's part of the gradient."""
    x = _rows(first, second, arms, 0, model.ties)
    kind = np.select([outcome == 0.5, outcome == 1], [2, 0], 1)
    p = _Model(x, np.zeros((len(x), 3)), model.ties).probabilities(beta)
    found: Floats = x[np.arange(len(x)), kind] - np.einsum("no,nok->nk", p, x)
    return found


def _clusters(
    pushes: Floats, reader: NDArray[np.generic], case: NDArray[np.generic]
) -> tuple[list[Floats], float, str]:
    """The covariances of readers, cases and cells (or of cases alone), degrees of freedom, and the words."""
    _, i = np.unique(reader, return_inverse=True)
    _, j = np.unique(case, return_inverse=True)
    by_case = _summed(pushes, j)
    readers, cases = int(i.max()) + 1, int(j.max()) + 1
    if readers < FEWEST_READERS:
        return [by_case], max(cases - 1, 1), CLUSTERED_CASES
    cells = _summed(pushes, i * cases + j)
    return [_summed(pushes, i), by_case, cells], max(min(readers, cases) - 1, 1), CLUSTERED


def _summed(pushes: Floats, group: NDArray[np.intp]) -> Floats:
    _, group = np.unique(group, return_inverse=True)
    size = int(group.max()) + 1
    sums = np.zeros((size, pushes.shape[1]))
    np.add.at(sums, group, pushes)
    return sums.T @ sums * size / max(size - 1, 1)


def _variance(c: Floats, spreads: list[Floats]) -> float:
    """Of one contrast; no component below zero, as in `crossed`."""
    found = [float(c @ spread @ c) for spread in spreads]
    if len(found) == 1:
        return found[0]
    by_reader, by_case, by_cell = found
    return max(by_reader, by_cell) + max(by_case, by_cell) - by_cell


def _check_connected(first: Whole, second: Whole, arms: int) -> None:
    linked = np.eye(arms, dtype=bool)
    linked[first, second] = linked[second, first] = True
    for _ in range(arms):
        linked = linked @ linked
    if not linked.all():
        raise InputError(
            "comparisons",
            expected="arms that are all compared, directly or by way of others",
            got="arms that stand alone",
            fix="Add pairs to the protocol, or wait for more answers.",
        )
