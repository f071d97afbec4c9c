"""Reconstruct: measure a CT in few views, reconstruct it, and look at what came back beside the truth."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from frame import attempt, downloads, empty, head, plain, pressed, split, table, warn
from serving.work import follow, remember, remembered
from settings import settings
from showing.arms import MOST_ARMS, arms_of, case_of, frame_of, images_of
from showing.asking import INPUT, Scan, in_file, network_seconds, words
from showing.looking import look
from showing.runs import PARAMETER, Run, open_run
from showing.scans import choose_scan
from showing.tables import METRICS_NOTE, method_label, metric_rows
from showing.takeaway import methods_of, run_files
from streamlit.delta_generator import DeltaGenerator
from viewer import Arm

from medidiff.io.orientation import to_canonical
from medidiff.io.volume import Volume
from medidiff.runs.jobs import Job, start_job

_METHODS = ("fbp", "sirt", "cgls", "tv", "diffusion")
_CHOSEN = ("fbp", "tv", "diffusion")
_VIEWS, _MIDDLE = 24, 8
_PHOTONS = {"no noise": None, "10⁶": 1e6, "3·10⁵": 3e5, "10⁵": 1e5, "3·10⁴": 3e4, "10⁴": 1e4}
_SLOW_SECONDS = 120


def main() -> None:
    """The form on the left, the scan or the result on the right."""
    controls, shown = split(below=True)
    job = remembered()
    with controls:
        volume = choose_scan(key="reconstruct")
        scan = None if volume is None else _form(volume)
        forecast = st.empty()
        if scan is not None and volume is not None:
            _start(scan, volume)
    with shown:
        if job is not None:
            attempt(follow, job.id)
        if job is not None and job.state == "done":
            _result(job)
        elif volume is None:
            empty("Choose a scan on the left: a NIfTI file, or a zip of a DICOM folder.")
        else:
            arm = Arm("Scan", volume, case_of(volume.origin or volume.digest()), frame_of(volume))
            look([arm], key="reconstruct-scan", layout="planes", height=620)
    # Beside a job it would measure a busy machine, and hold up the button that cancels the job.
    if scan is not None and volume is not None and (job is None or job.over):
        _forecast(scan, volume, forecast)


def _form(volume: Volume) -> Scan | None:
    """What to measure and how to reconstruct it; None while no method is chosen."""
    views = st.slider("Views", 6, 180, _VIEWS, help="Directions of measurement, evenly spaced.")
    arc = st.slider("Arc (degrees)", 60, 180, 180, 5, help="Of parallel rays; 180 is a full scan.")
    photons = st.selectbox(
        "Photons per detector bin",
        list(_PHOTONS),
        help="Before the body. Fewer photons: less dose and more noise.",
    )
    methods = st.pills(
        "Methods",
        _METHODS,
        selection_mode="multi",
        default=_CHOSEN,
        format_func=method_label,
        wrap=True,
        help="FBP: filtered back-projection. SIRT, CGLS: iterative, no model of the image. Total variation: "
        "iterative, prefers smooth regions. Diffusion: a trained network, held to the measurement.",
    )
    count = to_canonical(volume)[0].shape[0]
    first = max(0, count // 2 - _MIDDLE // 2)
    slices = (0, 1)
    if count > 1:
        a, b = st.slider(
            "Slices",
            1,
            count,
            (first + 1, min(count, first + _MIDDLE)),
            key=f"slices-{count}",
            help="Axial slices, counted as the viewer counts them. Fewer are faster.",
        )
        slices = (a - 1, b)
    if not methods:
        st.caption("Choose at least one method.")
        return None
    ordered = tuple(name for name in _METHODS if name in methods)
    return Scan(views, float(arc), _PHOTONS[photons], ordered, slices)


def _start(scan: Scan, volume: Volume) -> None:
    """The button, which leaves the work to a process of its own."""
    if not pressed("Reconstruct", key="begin", icon=":material/play_arrow:", type="primary", width="stretch"):
        return
    asked = words(replace(scan, slices=in_file(volume, scan.slices)))
    job = attempt(start_job, settings().jobs, asked, title=scan.title, inputs={INPUT: volume})
    if job is not None:
        remember(job)
        st.rerun()


def _forecast(scan: Scan, volume: Volume, place: DeltaGenerator) -> None:
    """How long it will take; measured last, when the page is there already."""
    if "diffusion" not in scan.methods:
        place.caption("A few seconds; iterative methods up to a minute more.")
        return
    with place, st.spinner("Measuring this machine's speed ..."):
        seconds = attempt(network_seconds, scan, volume.shape, volume.spacing_mm)
    if seconds is not None:
        said = f"{seconds:.0f} s" if seconds < _SLOW_SECONDS else f"{seconds / 60:.0f} min"
        place.caption(f"About {said} for the diffusion network here; total variation comes on top.")


def _result(job: Job) -> None:
    """The images beside the reference, their numbers, warnings, and the files."""
    run = Run(job.title, job.result, job)
    result = attempt(open_run, run)
    if result is None:
        return
    _next_steps(job)
    images = images_of(result)
    names = [*[name for name in images if name != "reference"][-(MOST_ARMS - 1) :]]
    names += ["reference"] if "reference" in images else []
    if names:
        look(arms_of(result, names), key=f"job-{job.id}", height=560)
    table(metric_rows(result.report), METRICS_NOTE)
    warn(result.warnings)
    downloads(run_files(run.folder, result, attempt(methods_of, result)), key=f"job-{job.id}")


def _next_steps(job: Job) -> None:
    """What was made, and where to go with it."""
    with st.container(horizontal=True, vertical_alignment="center", key="next-steps"):
        st.markdown(f"**Done:** {plain(job.title)}", width="content")
        if pressed(
            "Error maps", key="to-compare", icon=":material/compare:", help="In Compare, over each image."
        ):
            st.switch_page("screens/compare.py", query_params={PARAMETER: job.id})
        if pressed(
            "Methods and origin",
            key="to-results",
            icon=":material/folder_open:",
            help="In Results, with the figure.",
        ):
            st.switch_page("screens/results.py", query_params={PARAMETER: job.id})
        if pressed("Back to the scan", key="to-scan", icon=":material/arrow_back:"):
            st.query_params.clear()
            st.rerun()


head("Reconstruct", "A CT is measured in few views, reconstructed, and compared with itself.")
main()
