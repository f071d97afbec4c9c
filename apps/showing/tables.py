"""Rows for the pages' tables, from a report or a fit: names and units as a reader says them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medidiff.domains.chromatography.peaks.table import Peak

Row = dict[str, Any]
Plain = Mapping[str, Any]

PLANES = {"Axial": "axial", "Coronal": "coronal", "Sagittal": "sagittal"}
METRICS_NOTE = (
    "dB: PSNR. PSNR and SSIM inside the body, window -1000 to 1000 HU. Lung, fat, soft, bone: mean error by "
    "reference tissue. Misfit: what the image leaves unexplained of the measurement (weighted rms)."
)
METHODS = {
    "fbp": "FBP",
    "sirt": "SIRT",
    "cgls": "CGLS",
    "tv": "Total variation",
    "diffusion": "Diffusion",
    "reference": "Reference",
}
_TISSUES = ("Lung", "Fat", "Soft", "Bone")


def method_label(name: str) -> str:
    """What a reader calls a method: "Total variation" for "tv"; an unknown name as it is."""
    return METHODS.get(name, name)


def metric_rows(report: Plain) -> list[Row]:
    """A row a method: PSNR and SSIM by plane, HU bias by tissue; without a truth the misfit; seconds."""
    rows = []
    for name, facts in report["methods"].items():
        metrics = facts.get("metrics") or {}
        row: Row = {"Method": method_label(name)}
        for plane, key in PLANES.items():
            found = metrics.get(key) or {}
            row |= {f"{plane} dB": found.get("psnr_db"), f"{plane} SSIM": found.get("ssim")}
        bias = metrics.get("hu_bias") or {}
        row |= {f"{tissue} HU": bias.get(tissue.lower()) for tissue in _TISSUES}
        row |= {"Misfit": facts.get("data_residual"), "Time (s)": facts.get("seconds")}
        rows.append(row)
    return without_empty(rows)


def peak_rows(peaks: Sequence[Peak], names: Sequence[str]) -> list[Row]:
    """A row a peak, times in minutes, widths in seconds; `names` are those that the model says."""
    return without_empty(
        [
            {
                "Peak": number,
                "Analyte": name,
                "Retention (min)": peak.retention_time_s / 60,
                "Height": peak.height,
                "Area": peak.area,
                "Width at half height (s)": _known(peak.fwhm_s),
                "Plates": _known(peak.plates_half),
                "Tailing (USP)": _known(peak.tailing_usp),
                "Resolution": _known(peak.resolution),
                "S/N": _known(peak.snr),
                "Remarks": ", ".join(peak.flags),
            }
            for number, (peak, name) in enumerate(zip(peaks, names, strict=True), 1)
        ]
    )


def fit_rows(document: Plain) -> list[Row]:
    """A row an analyte of fit.json: each number with its interval."""
    rows = []
    for name, found in document["analytes"].items():
        row: Row = {"Analyte": name}
        for key, label in _FITTED.items():
            value, interval = _estimate(found[key])
            row |= {label: value, f"{label}: {100 * document['level']:g} %": interval}
        row |= {"Resolution": found["resolution"], "Remarks": ", ".join(found["flags"])}
        rows.append(row)
    return without_empty(rows)


def _estimate(found: Plain) -> tuple[str, str]:
    """A value and its interval, with two digits of the interval's width; "" where not determined."""
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "", ""
    if low is None or high is None or not high > low:
        return f"{value:.5g}", ""
    digits = max(0, 1 - math.floor(math.log10(high - low)))
    return f"{value:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}"


_FITTED = {"k": "k", "kd_per_s": "kd (1/s)", "area": "Area"}


def fact_rows(record: Plain) -> list[Row]:
    """What made a run, in words: versions, seed, device, digests."""
    machine = record["machine"]
    facts: dict[str, Any] = {
        "Command": f"medidiff {record['verb']}",
        "Seed": record["seed"],
        "Device": f"{machine.get('gpu') or machine.get('cpu') or record['device']} "
        f"({record['device']}, {record['threads']} threads, {record['precision']})",
        **{f"Input: {name}": digest for name, digest in record["inputs"].items()},
        **{f"Weights: {name}": digest for name, digest in record["weights"].items()},
        "Code": record.get("code", ""),
        **{f"Version of {name}": version for name, version in record["versions"].items()},
    }
    return [{"What": name, "Value": str(value)} for name, value in facts.items() if value != ""]


def option_rows(record: Plain) -> list[Row]:
    """Every option with its resolved value; nested ones by their path."""
    return [{"Option": name, "Value": value} for name, value in _flat(record["options"])]


def without_empty(rows: list[Row]) -> list[Row]:
    """The same rows without columns that are empty in all of them."""
    used = [name for name in (rows[0] if rows else ()) if any(row[name] not in (None, "") for row in rows)]
    return [{name: row[name] for name in used} for row in rows]


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, item in value.items() for pair in _flat(item, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return [pair for i, item in enumerate(value, 1) for pair in _flat(item, f"{path} {i}")]
    return [(path, "-" if value is None else str(value))]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
