"""Results: every job and run with its state, and one of them opened: numbers, figure, origin, files."""

from __future__ import annotations

import streamlit as st
from frame import attempt, downloads, empty, head, plain, pressed, table, warn
from serving.work import follow
from settings import settings
from showing.runs import Run, asked_for, figure_of, open_run, runs
from showing.tables import METRICS_NOTE, fact_rows, fit_rows, metric_rows, option_rows
from showing.takeaway import methods_of, run_files

from medidiff.runs.jobs import forget_job
from medidiff.runs.plain import read_json
from medidiff.runs.result import Result

_FIT = "fit.json"


def main() -> None:
    """The list, and below it the run that is chosen."""
    listed = attempt(runs) or []
    if not listed:
        empty("Nothing yet. Start a reconstruction.")
        return
    st.dataframe(
        [{"Run": run.label, "State": run.state} for run in listed], hide_index=True, height="content"
    )
    run = st.selectbox(
        "Open",
        listed,
        index=asked_for(listed),
        format_func=lambda it: f"{it.label} ({it.state})",
        key="results-run",
    )
    if run.job is not None and run.state != "done":
        attempt(follow, run.job.id)
    elif run.state == "done":
        _opened(run)
    if run.job is not None and run.job.over:
        _remove(run)


def _opened(run: Run) -> None:
    """A finished run."""
    result = attempt(open_run, run)
    if result is None:
        return
    text = attempt(methods_of, result)
    downloads(run_files(run.folder, result, text), key="results")
    numbers, figure, methods, origin = st.tabs(["Numbers", "Figure", "Methods paragraph", "Provenance"])
    with numbers:
        _numbers(run, result)
    with figure:
        picture = figure_of(run.folder)
        if picture is None:
            empty("This run has no figure.")
        else:
            st.image(picture, width="stretch")
    with methods:
        if text is not None:
            st.markdown(plain(text.paragraph))
            st.markdown("\n".join(f"{i}. {plain(source)}" for i, source in enumerate(text.citations, 1)))
    with origin:
        table(fact_rows(result.provenance))
        with st.expander("Every option"):
            table(option_rows(result.provenance))


def _numbers(run: Run, result: Result) -> None:
    """What the report says, as tables."""
    report = result.report
    if _FIT in result:
        fit = attempt(read_json, run.folder / _FIT)
        if fit is not None:
            table(fit_rows(fit))
    else:
        table(metric_rows(report), METRICS_NOTE)
    facts = {**report["input"], **report.get("measurement", {})}
    rows = [{"What": name, "Value": str(value)} for name, value in facts.items() if value not in (None, "")]
    warn(result.warnings)
    with st.expander("Input and measurement"):
        table(rows)


def _remove(run: Run) -> None:
    """A job's folder, result and all, after a second word."""
    assert run.job is not None  # asked for by the caller
    with st.popover("Remove this job", icon=":material/delete:"):
        st.write("Its result is removed too.")
        if pressed("Remove", key=f"remove-{run.job.id}"):
            attempt(forget_job, settings().jobs, run.job.id)
            st.rerun()


head("Results", "Jobs and runs: numbers, figure, where they came from, and files to take away.")
main()
