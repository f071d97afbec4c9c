"""What a fit writes: fit.json, chromatogram.csv (data, model and its parts), samples.csv."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.fitting.certainty.intervals import Estimate
from medidiff.domains.chromatography.fitting.conditions import KD_MEANING
from medidiff.domains.chromatography.fitting.estimates import Analyte
from medidiff.domains.chromatography.fitting.fit import Fit
from medidiff.domains.chromatography.fitting.remarks import flags_of, remarks
from medidiff.domains.chromatography.fitting.solving.shapes import Array
from medidiff.domains.chromatography.tables import write_csv
from medidiff.runs.plain import to_plain, write_json
from medidiff.uncertainty import correlation_of, summarise


@dataclass(frozen=True, eq=False)
class FitDocument:
    """fit.json: `plain` is its content, `fit` what it tells of."""

    plain: dict[str, Any]
    fit: Fit

    def write(self, path: Path) -> None:
        """Write it; what is not determined is null."""
        write_json(path, to_plain(self.plain))


@dataclass(frozen=True, eq=False)
class Samples:
    """samples.csv: one column a parameter, one row a draw. rows: (draws, columns)."""

    columns: tuple[str, ...]
    rows: Array

    def write(self, path: Path) -> None:
        """Write CSV, every number to its last bit."""
        write_csv(path, self.columns, ([repr(value) for value in row] for row in self.rows.tolist()))


def fit_document(fit: Fit) -> FitDocument:
    """The numbers of a fit.

    Under each analyte: k, kd_per_s and area, then retention_s, sigma_s and plates of the recorded peak, each
    with `value`, `low`, `high`; resolution to the nearest neighbour, kinetic_share of the variance,
    points_across and flags. `correlation` is that of `parameters`, in their order.
    """
    plain: dict[str, Any] = {
        "analytes": {a.name: _analyte(fit, i, a) for i, a in enumerate(fit.analytes)},
        "converged": fit.converged,
        "t0_s": fit.model.values(fit.minimum.best.p)[2]["t0_s"],
        "injection": _injection(fit),
        "dispersion": fit.conditions.dispersion,
        "interval": fit.ways.interval,
        "level": fit.ways.level,
        "noise_sigma": fit.covariance.sigma,
        "correlation": fit.correlation,
        "warnings": remarks(fit),
        "reason": fit.minimum.best.reason,
        "parameters": fit.model.labels,
        "kd_meaning": KD_MEANING[fit.conditions.dispersion],
        "detector_s": fit.model.values(fit.minimum.best.p)[2]["detector_s"],
        "shared": {name: asdict(estimate) for name, estimate in fit.shared.items()},
        "baseline": fit.minimum.best.place.baseline,
        "points": fit.trace.time_s.size,
        "degrees_of_freedom": fit.covariance.degrees,
        "evaluations": fit.minimum.best.evaluations,
        "residuals": {
            "ar1": fit.covariance.correlation,
            "variance_inflation": fit.covariance.inflation,
            "runs_z": fit.runs[0],
            "runs_probability": fit.runs[1],
        },
        "families": [asdict(family) for family in fit.families],
    }
    if fit.posterior is not None:
        plain["posterior"] = _posterior(fit)
    return FitDocument(plain, fit)


def fitted_chromatogram(fit: Fit) -> Chromatogram:
    """Data as `signal`; model, baseline, residual (data - model) and each analyte as columns."""
    residual, baseline = fit.residual, fit.baseline
    parts = {"model": fit.trace.signal - residual, "baseline": baseline, "residual": residual}
    return Chromatogram(fit.trace.time_s, fit.trace.signal, components={**parts, **fit.components})


def posterior_samples(fit: Fit) -> Samples | None:
    """k, kd, the shared parameters and the areas of every draw; None where none were drawn."""
    if fit.posterior is None:
        return None
    count, n = len(fit.minimum.best.p), len(fit.analytes)
    draws = fit.posterior.samples
    rows = np.concatenate([np.exp(draws[:, :count]), draws[:, count:]], axis=1)
    own = [f"{kind}_{name}" for kind in ("k", "kd_per_s") for name in fit.model.names]
    names = (*own, *fit.model.shared, *(f"area_{name}" for name in fit.model.names[:n]))
    return Samples(names, rows)


def _analyte(fit: Fit, index: int, analyte: Analyte) -> dict[str, Any]:
    names = ("k", "kd_per_s", "area", "retention_s", "sigma_s", "plates")
    numbers: dict[str, Estimate] = {name: getattr(analyte, name) for name in names}
    return {
        **{name: asdict(estimate) for name, estimate in numbers.items()},
        "resolution": analyte.resolution if np.isfinite(analyte.resolution) else None,
        "kinetic_share": analyte.kinetic_share,
        "points_across": analyte.points,
        "flags": flags_of(fit, index),
    }


def _injection(fit: Fit) -> dict[str, Any]:
    """Kind and numbers of the injection, as fitted."""
    injection = fit.model.injected(fit.minimum.best.p)
    numbers = {name: getattr(injection, name) for name in injection.parameters if hasattr(injection, name)}
    return {"kind": type(injection).__name__, **numbers}


def _posterior(fit: Fit) -> dict[str, Any]:
    posterior, table = fit.posterior, posterior_samples(fit)
    assert posterior is not None  # asked for by the caller
    assert table is not None
    tails = ((1 - fit.ways.level) / 2, (1 + fit.ways.level) / 2)
    summary = summarise(table.rows, table.columns, levels=(tails[0], 0.5, tails[1]))
    low, median, high = summary.quantiles
    return {
        "sampler": posterior.sampler,
        "draws": summary.draws,
        "seed": fit.ways.seed,
        "acceptance": posterior.acceptance,
        "rhat": posterior.rhat,
        "effective_draws": posterior.effective,
        "parameters": {
            name: {
                "mean": summary.mean[i],
                "sd": summary.sd[i],
                "median": median[i],
                "low": low[i],
                "high": high[i],
            }
            for i, name in enumerate(table.columns)
        },
        "correlation": correlation_of(np.cov(table.rows, rowvar=False)),
    }
