"""Chromatogram: a trace, a column whose numbers are turned until the model lies on it, and the fit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import streamlit as st
from frame import Download, attempt, downloads, empty, head, plain, pressed, split, table, warn
from showing import charts
from showing.tables import fit_rows, peak_rows
from showing.takeaway import chromatogram_files, curve_csv
from showing.traces import fit_of, peaks_of, shipped_system, shipped_trace, system_of, traces_of

from medidiff.domains.chromatography.analysis.chromatogram import Analysed
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files.reading import describe_trace
from medidiff.domains.chromatography.fitting.document import FitDocument
from medidiff.domains.chromatography.fitting.result import FIT
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.overlay import CARRIERS, Knobs, Overlay, knobs_of, overlay, turned

_SHIPPED, _OWN = "Shipped example", "My file"
_NEAR = 3.0  # standard deviations: a peak so near to an analyte's is called by its name


@st.fragment
def main() -> None:
    """Knobs beside the overlay; a turned knob draws this part of the page alone."""
    controls, shown = split()
    with controls:
        trace, system = _trace(), _system()
        knobs = None if trace is None or system is None else _knobs(system)
    with shown:
        if trace is None or system is None:
            empty("Choose a file on the left to begin.")
        elif knobs is not None:
            _shown(trace, system, knobs)


def _shown(trace: Chromatogram, system: System, knobs: Knobs) -> None:
    """The overlay, and below it peaks, fit and files."""
    digest = trace.digest()
    used, found = attempt(turned, system, knobs), attempt(peaks_of, digest, trace)
    over = None if used is None or found is None else attempt(overlay, trace, used, found.peaks)
    if used is None or found is None or over is None:
        return
    _overlay(over, trace.signal_unit)
    peaks, fit, files = st.tabs(["Peaks", "Fit", "Downloads"])
    with peaks:
        _peaks(found, over)
    with fit:
        _fit(digest, trace, used)
    with files:
        downloads(
            [Download("Data and model (CSV)", "overlay.csv", curve_csv(over), "text/csv")], key="overlay"
        )


def _trace() -> Chromatogram | None:
    """The shipped trace, or one of an upload."""
    if (
        st.segmented_control("Trace", (_SHIPPED, _OWN), default=_SHIPPED, wrap=True, key="trace-source")
        != _OWN
    ):
        return shipped_trace()
    upload = st.file_uploader(
        "ANDI, GAML, mzML, JCAMP-DX, CSV or text",
        key="trace-upload",
        help="At most 64 MB; kept in memory only.",
    )
    traces = None if upload is None else attempt(traces_of, upload)
    if not traces:
        return None
    if len(traces) == 1:
        return traces[0]
    number = st.selectbox(
        "Trace of the file", range(len(traces)), format_func=lambda i: f"{i + 1}: {describe_trace(traces[i])}"
    )
    return traces[number]


def _system() -> System | None:
    """The shipped column, or the one that a YAML file describes."""
    own = st.toggle(
        "My own column (YAML)",
        key="system-own",
        help="Column, gas, temperature and analytes in one file, as `medidiff chromatography` takes it.",
    )
    if not own:
        return shipped_system()
    upload = st.file_uploader("System file", type=["yaml", "yml"], key="system-upload")
    return None if upload is None else attempt(system_of, upload)


def _knobs(system: System) -> Knobs | None:
    """Sliders around the system's own numbers; `key` holds the system, so that another one starts anew."""
    own, key = attempt(knobs_of, system), system.digest[7:19]
    if own is None:
        return None
    label, unit = CARRIERS[type(system.flow)]

    def slider(what: str, value: float, low: float, high: float, step: float, name: str) -> float:
        low, high = min(low, value), max(high, value)
        digits = max(0, math.ceil(-math.log10(step)))
        return float(st.slider(what, low, high, value, step, f"%.{digits}f", key=f"{name}-{key}"))

    length = slider("Length (m)", own.length_m, 5.0, 60.0, 0.05, "length")
    diameter = slider("Inner diameter (mm)", own.diameter_mm, 0.1, 0.53, 0.001, "diameter")
    film = slider("Film (µm)", own.film_um, 0.05, 1.0, 0.001, "film")
    celsius = slider("Temperature (°C)", own.temperature_c, 30.0, 150.0, 0.1, "temperature")
    carrier = slider(
        f"{label} ({unit})", own.carrier, 0.5 * own.carrier, 2 * own.carrier, own.carrier / 1000, "carrier"
    )
    width = slider("Injection width (s)", own.injection_width_s, 0.0, 5.0, 0.01, "width")
    knobs = replace(
        own,
        length_m=length,
        diameter_mm=diameter,
        film_um=film,
        temperature_c=celsius,
        carrier=carrier,
        injection_width_s=width,
    )
    if not st.toggle(
        "Set k by hand",
        key=f"by-hand-{key}",
        help="k: retention factor. Otherwise it follows from temperature and film.",
    ):
        return knobs
    at = turned(system, own).transport()
    k = {
        name: slider(
            f"k of {name}",
            round(float(value), 3),
            0.0 + 0.05,
            max(10.0, 2 * float(value)),
            0.001,
            f"k-{name}",
        )
        for name, value in zip(at.names, at.k, strict=True)
    }
    return replace(knobs, k=k)


def _overlay(over: Overlay, unit: str) -> None:
    """Data and model, the residual below, and how well they agree."""
    height = over.components + over.baseline
    at = over.peaks.apex_s / 60
    inside = (over.peaks.apex_s > over.time_s[0]) & (over.peaks.apex_s < over.time_s[-1])
    tops = [
        (float(minutes), float(row.max()), name)
        for minutes, row, name, seen in zip(at, height, over.names, inside, strict=True)
        if seen
    ]
    curves = charts.frame(over.time_s, [over.signal, over.model, *height], by=over.signal)
    low, high = over.span
    chart = charts.overlay_chart(over.names, tops, unit, (low, high), over.time_s)
    st.vega_lite_chart(curves, chart, theme=None, width="stretch")
    rest = charts.frame(over.time_s, [over.residual], by=over.residual)
    tallest = float(over.signal.max())
    cut = tallest > high
    most = float(np.abs(over.residual[over.near]).max()) if cut else np.inf
    beside = charts.residual_chart("residual", over.time_s, over.residual, most=most)
    st.vega_lite_chart(rest, beside, theme=None, width="stretch")
    if cut:
        reached = f"{tallest:.3g} {plain(unit)}".rstrip()
        st.caption(f"Cut off above: far from the analytes the trace reaches {reached}.")
    least = min((value for *_, value in over.peaks.neighbours), default=None)
    tiles = st.columns(3)
    tiles[0].metric("Residual, of the signal's range", f"{100 * over.rms:.2f} %")
    tiles[1].metric("Last peak", f"{over.peaks.apex_s.max() / 60:.2f} min")
    tiles[2].metric("Least resolution", "-" if least is None else f"{least:.2f}")


def _peaks(found: Analysed, over: Overlay) -> None:
    """The peaks of the data, called by the analyte that the model has there."""
    names = [_named(peak.retention_time_s, over) for peak in found.peaks]
    if not names:
        empty("No peak stands out from the noise.")
        return
    table(peak_rows(found.peaks, names))
    st.caption("Measured on the data alone (baseline by arPLS); the names are the model's nearest peaks.")
    warn(found.warnings)


def _named(retention_s: float, over: Overlay) -> str:
    away = np.abs(over.peaks.apex_s - retention_s) / over.peaks.sigma_s
    nearest = int(away.argmin())
    return over.names[nearest] if away[nearest] < _NEAR else ""


def _fit(digest: str, trace: Chromatogram, system: System) -> None:
    """The fit from the knobs' present place, when asked for."""
    st.write("k, kd and area of every analyte at once, with 95 % intervals, starting from the sliders.")
    asked: set[tuple[str, str]] = st.session_state.setdefault("fits", set())
    this = (digest, system.digest)
    if pressed("Fit", key="fit", type="primary"):
        asked.clear()
        asked.add(this)
    if this not in asked:
        return
    with st.spinner("Fitting"):
        result = attempt(fit_of, digest, system.digest, trace, system)
    if result is None:
        return
    document = result.outputs[FIT]
    assert isinstance(document, FitDocument)  # just fitted, not loaded
    table(fit_rows(document.plain))
    _residuals(document)
    warn(result.warnings)
    downloads(chromatogram_files(result), key="fit")


def _residuals(document: FitDocument) -> None:
    fit = document.fit
    noise = fit.covariance.sigma or 1.0
    curves = charts.frame(fit.trace.time_s, [fit.residual / noise], by=fit.residual)
    st.vega_lite_chart(
        curves,
        charts.residual_chart("residual / σ", fit.trace.time_s, fit.residual / noise),
        theme=None,
        width="stretch",
    )


head("Chromatogram", "A gas chromatograph's model over a recorded trace: set the column, then fit.")
main()
