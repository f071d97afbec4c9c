"""The panel of a job: how far it is, how long it takes, and a button that ends it.

Its id stands in the address (`?job=<id>`), so that a page that is loaded again, or a server that was started
again, shows the same job.
"""

from __future__ import annotations

import re

import streamlit as st
from frame import complain, plain, pressed
from settings import settings

from medidiff.errors import InputError, MedidiffError
from medidiff.runs.jobs import Job, cancel_job, read_job

PARAMETER = "job"
LOOK_EVERY_SECONDS = 0.5
_STAGES = {
    "simulate": "measuring, view",
    "fbp": "FBP",
    "sirt": "SIRT, iteration",
    "cgls": "CGLS, iteration",
    "tv": "total variation, iteration",
    "diffusion": "diffusion, step",
    "score": "comparing with the reference",
}
"""What a reader is told of a stage; another one has its own name."""
_BLOCK = re.compile(r"slab \d+ of \d+")
_UP_TO = ("sirt", "cgls", "tv")  # they stop by themselves once nothing changes


def remember(job: Job) -> None:
    """Put the job into the address."""
    st.query_params[PARAMETER] = job.id


def remembered() -> Job | None:
    """The job that the address names; None where it names none, or one that was removed."""
    id = st.query_params.get(PARAMETER)
    if id is None:
        return None
    try:
        return read_job(settings().jobs, id)
    except InputError:
        del st.query_params[PARAMETER]
        return None


def follow(job_id: str) -> Job:
    """Show a job until it is over, and then run the page again; the job as it stands now.

    Raises InputError for an unknown id.
    """
    job = read_job(settings().jobs, job_id)
    if job.over:
        _show(job)
    else:
        _watch(job_id)
    return job


@st.fragment(run_every=LOOK_EVERY_SECONDS)
def _watch(job_id: str) -> None:
    try:
        job = read_job(settings().jobs, job_id)
    except InputError:  # removed meanwhile, in another window
        st.rerun()
    if job.over:
        st.rerun()
    _show(job)
    if job.cancelling:
        st.caption("Ending ...")
    elif pressed("Cancel", key=f"cancel-{job_id}", icon=":material/stop_circle:"):
        try:
            cancel_job(settings().jobs, job_id)
        except MedidiffError as error:
            complain(error)
        else:
            st.rerun(scope="fragment")


def _show(job: Job) -> None:
    if job.state == "waiting":
        st.info(f"{job.title}: waits until the job before it is over.", icon=":material/hourglass_empty:")
    elif job.state == "running":
        st.progress(min(1.0, job.done / job.total) if job.total else 0.0, text=_line(job))
    elif job.state == "cancelled":
        st.info(f"{job.title}: cancelled. Nothing half-written stayed.", icon=":material/block:")
    elif job.state in ("failed", "lost"):
        st.error(plain(f"{job.title}: {job.message}"), icon=":material/error:")


def _line(job: Job) -> str:
    """For instance "CT, 24 views · total variation, iteration 340 of at most 1000 · about 10 s left"."""
    if not job.total:
        return f"{job.title} · starting"
    stage, most = _STAGES.get(job.stage, job.stage), "at most " * (job.stage in _UP_TO)
    count = f" {job.done} of {most}{job.total}" if job.total > 1 else ""
    left = _left(job.seconds_left)
    block = _BLOCK.search(job.note)  # the rest of a note is for the log
    parts = [job.title, block[0] if block else "", f"{stage}{count}", f"{left} in this step" if left else ""]
    return " · ".join(part for part in parts if part)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < 120 else f"about {seconds / 60:.0f} min left"
