"""Do intervals of a reader study cover? Simulated studies whose true preference is known.

Answers follow logits eta = b + r_i + c_j, reader i, case j, standard deviations 0.5 and 0.8:

    P(arm 1) = sigma(eta - t),   P(arm 2) = sigma(-eta - t),   the rest are ties

The truth is the mean preference of all readers and cases, E[P(arm 1) + P(tie) / 2], by Gauss-Hermite
quadrature; b is chosen so that it is as stated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from medidiff.bench.report import BenchResult, Row
from medidiff.progress import Progress, Report, silent
from medidiff.review.statistics.bootstrap import bootstrap_two_way
from medidiff.review.statistics.crossed import FEWEST_READERS, components

Floats = NDArray[np.float64]

READER_SD, CASE_SD = 0.5, 0.8
LOWEST, HIGHEST = 93.0, 97.0
"""Per cent of intervals at 95 % that must hold the truth."""

_LEVEL = 0.95
_CHUNK = 250


@dataclass(frozen=True)
class Study:
    """One kind of study: true preference, half-width t of the ties' range, repeats, share of empty cells."""

    readers: int = 8
    cases: int = 30
    preference: float = 0.6
    ties: float = 0.0
    repeats: int = 0
    empty: float = 0.0
    gated: bool = False

    @property
    def name(self) -> str:
        """For people: "8 readers x 30 cases, preference 0.6, ties"."""
        extra = [
            "ties" * (self.ties > 0),
            f"{self.repeats} cases twice" * (self.repeats > 0),
            f"{self.empty:.0%} of cells empty" * (self.empty > 0),
        ]
        parts = [f"{self.readers} readers x {self.cases} cases", f"preference {self.preference:g}", *extra]
        return ", ".join(part for part in parts if part)


STUDIES = (
    Study(preference=0.4),
    Study(preference=0.5, gated=True),
    Study(preference=0.6, gated=True),
    Study(preference=0.7, gated=True),
    Study(preference=0.85),
    Study(preference=0.6, ties=0.5),
    Study(preference=0.6, repeats=10),
    Study(preference=0.6, empty=0.2),
    Study(readers=5, cases=20),
    Study(readers=5, cases=20, preference=0.85),
    Study(readers=5, cases=100),
    Study(readers=12, cases=12),
    Study(readers=4, cases=30),
)


def run(
    *, studies: int = 2000, resamples: int = 1000, seed: int = 0, progress: Report = silent
) -> BenchResult:
    """Simulate `studies` of each kind; half a minute on one core."""
    rows: list[Row] = []
    for done, study in enumerate(STUDIES):
        progress(Progress("review", done, len(STUDIES), study.name))
        rows += _measured(study, studies, resamples, np.random.default_rng([seed, done]))
    progress(Progress("review", len(STUDIES), len(STUDIES)))
    error = 100 * (_LEVEL * (1 - _LEVEL) / studies) ** 0.5
    return BenchResult(
        "review",
        tuple(rows),
        remarks=(
            *_REMARKS,
            f"Standard error of a coverage of 95 % by {studies} studies: {error:.2f} points.",
        ),
        notes={"studies": studies, "resamples": resamples, "seed": seed},
    )


_REMARKS = (
    "Intervals at 95 %; logits with a standard deviation of 0.5 between readers and 0.8 between cases; "
    "the truth is the mean preference of all readers and cases.",
    "components: variance components with Satterthwaite's degrees of freedom, what `review stats` reports. "
    f"Each gate has two rows: not below {LOWEST:g} %, not above {HIGHEST:g} %.",
    "bootstrap: percentiles, readers and cases drawn together; bootstrap_readers: readers alone, which "
    "forgets that other cases would give another answer.",
    "lower_end_above_truth: how often the lower end, which decides on non-inferiority and superiority, lies "
    "above the truth; nominal 2.5 %. With a margin of 0.1 the study of 0.4 stands at the limit of "
    "non-inferiority, that of 0.5 at the limit of superiority. Far from 0.5 the two ends are not alike.",
    "With four readers the readers are fixed; the truth is then the mean preference of these four.",
)


def _measured(study: Study, count: int, resamples: int, rng: np.random.Generator) -> Iterator[Row]:
    b = _offset(study)
    hits: dict[str, list[NDArray[np.bool_]]] = {"components": [], "bootstrap": [], "bootstrap_readers": []}
    widths: list[Floats] = []
    above: list[NDArray[np.bool_]] = []
    for start in range(0, count, _CHUNK):
        cells, truth = _simulated(study, b, min(_CHUNK, count - start), rng)
        interval = component_intervals(cells)
        widths.append(np.diff(interval)[:, 0])
        above.append(interval[:, 0] > truth)
        hits["components"].append(_holds(interval, truth))
        for name, cases in (("bootstrap", True), ("bootstrap_readers", False)):
            readers = not _fixed(study) or name == "bootstrap_readers"
            found = bootstrap_two_way(cells, resamples=resamples, readers=readers, cases=cases)
            hits[name].append(_holds(found, truth))
    coverage = {name: 100 * float(np.concatenate(held).mean()) for name, held in hits.items()}
    gates = (LOWEST, HIGHEST) if study.gated else (None, None)
    aims = (None, None) if study.gated else (LOWEST, HIGHEST)
    yield Row(study.name, "coverage.components", coverage["components"], "%", gates[0], aims[0], "higher")
    yield Row(study.name, "coverage.components.most", coverage["components"], "%", gates[1], aims[1], "lower")
    for name in ("bootstrap", "bootstrap_readers"):
        yield Row(study.name, f"coverage.{name}", coverage[name], "%", better=None)
    wrong = 100 * float(np.concatenate(above).mean())
    yield Row(study.name, "lower_end_above_truth.components", wrong, "%", better="lower")
    width = float(np.concatenate(widths).mean())
    yield Row(study.name, "width.components", width, "", better=None)


def component_intervals(cells: Floats) -> Floats:
    """(studies, 2): the intervals of `preference` for cells (studies, readers, cases), all at once.

    Where nothing varies they have no width and count as missed; `preference` has an exact interval there.
    """
    found = components(cells)
    fixed = cells.shape[1] < FEWEST_READERS
    spread = np.sqrt(found.variance(readers_fixed=fixed))
    reach = stats.t.ppf((1 + _LEVEL) / 2, found.df(readers_fixed=fixed)) * spread
    bounds: Floats = np.clip(np.stack([found.mean - reach, found.mean + reach], axis=-1), 0, 1)
    return bounds


def _holds(interval: Floats, truth: Floats) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (interval[:, 0] <= truth) & (truth <= interval[:, 1])
    return inside


def _fixed(study: Study) -> bool:
    return study.readers < FEWEST_READERS


def _offset(study: Study) -> float:
    """The b for which the mean preference is the study's."""
    spread = float(np.hypot(READER_SD, CASE_SD))
    return float(
        optimize.brentq(
            lambda b: float(_mean(np.array([b]), spread, study.ties)[0]) - study.preference, -12, 12
        )
    )


def _mean(b: Floats, spread: float, ties: float) -> Floats:
    """E[P(arm 1) + P(tie) / 2] of logits b + spread z, z standard normal."""
    z, weights = np.polynomial.hermite_e.hermegauss(60)
    eta = b[..., None] + spread * z
    wins, losses = special.expit(eta - ties), special.expit(-eta - ties)
    found: Floats = (wins + (1 - wins - losses) / 2) @ (weights / weights.sum())
    return found


def _simulated(study: Study, b: float, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Cells (count, readers, cases), NaN where empty, and each study's truth (count,)."""
    readers = b + READER_SD * rng.standard_normal((count, study.readers, 1))
    eta = readers + CASE_SD * rng.standard_normal((count, 1, study.cases))
    cells = _answered(eta, study.ties, rng)
    if study.repeats:
        again = _answered(eta[..., : study.repeats], study.ties, rng)
        cells[..., : study.repeats] = (cells[..., : study.repeats] + again) / 2
    if study.empty:
        cells[rng.random(cells.shape) < study.empty] = np.nan
    if _fixed(study):
        return cells, _mean(readers[..., 0], CASE_SD, study.ties).mean(axis=1)
    return cells, np.full(count, study.preference)


def _answered(eta: Floats, ties: float, rng: np.random.Generator) -> Floats:
    u = rng.random(eta.shape)
    return np.select([u < special.expit(eta - ties), u > special.expit(eta + ties)], [1.0, 0.0], 0.5)
