"""Compare: the images of a run, or two to three volumes of one's own, side by side on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from frame import attempt, empty, head, table, warn
from showing.arms import MOST_ARMS, arms_of, case_of, error_maps, frame_of, images_of, scores
from showing.looking import look
from showing.runs import Run, asked_for, done, open_run, runs
from showing.scans import upload
from showing.tables import METRICS_NOTE, method_label, metric_rows
from viewer import Arm

from medidiff.io.volume import Volume
from medidiff.runs.result import Result

_RUN, _OWN = "A run", "My volumes"
_HEIGHT = 580
_FIRST = ("diffusion", "tv", "fbp")


def main() -> None:
    """Where the images come from, and then they."""
    where, which, what = st.columns([1, 1.7, 2], vertical_alignment="bottom")
    with where:
        source = st.segmented_control("Compare", (_RUN, _OWN), default=_RUN, key="compare-source")
    if source == _OWN:
        _own()
        return
    with which:
        listed = done(attempt(runs) or [])
        run = st.selectbox(
            "Run",
            listed,
            index=asked_for(listed),
            format_func=lambda it: it.label,
            key="compare-run",
            help="The shipped example, and your own reconstructions, newest first.",
        )
    result = None if run is None else attempt(open_run, run)
    if run is None or result is None:
        return
    images = images_of(result)
    if not images:
        empty("This run holds no images. Choose another one, or open it in Results.")
        return
    with what:
        names = st.multiselect(
            "Arms",
            list(images),
            _first(images),
            max_selections=MOST_ARMS,
            format_func=method_label,
            help=f'One to {MOST_ARMS}. Their error maps are chosen under "no overlay" in the viewer.',
            key=f"arms-{run.label}",
        )
    if not names:
        empty(f"Choose one to {MOST_ARMS} arms.")
        return
    _of_run(run, result, names)


def _of_run(run: Run, result: Result, names: list[str]) -> None:
    """Arms of a run, with the error map where it has a reference, and its numbers."""
    reference = images_of(result).get("reference")
    _show(arms_of(result, names), reference, key=f"{run.label}-{'-'.join(names)}")
    table(metric_rows(result.report), METRICS_NOTE)
    warn(result.warnings)


def _first(images: dict[str, Volume]) -> list[str]:
    """The two best-known methods and the reference, as far as they are there."""
    last = ["reference"] if "reference" in images else []
    known = [name for name in _FIRST if name in images] or [name for name in images if name != "reference"]
    chosen = [*known[: MOST_ARMS - len(last)], *last]
    return [name for name in images if name in chosen]


def _own() -> None:
    """Two to three uploads; one may be the reference of the others."""
    places = st.columns(MOST_ARMS)
    volumes: list[Volume] = []
    for number, place in enumerate(places, 1):
        with place:
            found = upload(
                f"Volume {number}" + ("" if number < MOST_ARMS else " (optional)"), key=f"own-{number}"
            )
        volumes += [found] if found is not None else []
    if len(volumes) < 2:
        empty("Give two volumes of one grid: NIfTI, or a zip of a DICOM folder.")
        return
    labels = [f"Volume {number}" for number in range(1, len(volumes) + 1)]
    truth = st.selectbox(
        "Reference",
        ["none", *labels],
        index=0,
        key="own-reference",
        help="The volume taken as the truth: the others get an error map and, in HU, their numbers.",
    )
    reference = volumes[labels.index(truth)] if truth in labels else None
    arms = [
        Arm(label, volume, case_of(volume.digest()), frame_of(volume))
        for label, volume in zip(labels, volumes, strict=True)
    ]
    if not _show(arms, reference, key=f"own-{truth}") or reference is None:
        return
    rows = {arm.label: _score(arm.volume, reference) for arm in arms if arm.volume is not reference}
    report: dict[str, Any] = {
        "methods": {label: {"metrics": found} for label, found in rows.items() if found}
    }
    table(metric_rows(report), METRICS_NOTE)


def _score(volume: Volume, reference: Volume) -> dict[str, Any] | None:
    if reference.units != "HU":
        return None
    return attempt(scores, volume.digest(), reference.digest(), volume, reference)


def _show(arms: Sequence[Arm], reference: Volume | None, *, key: str) -> bool:
    """The viewer with its error maps; False, and one line, where the grids differ."""
    maps = [] if reference is None else attempt(error_maps, arms, reference)
    if maps is None:
        return False
    drawn: bool = look(arms, key=f"compare-{key}", overlays=maps, height=_HEIGHT)
    return drawn


head("Compare", "Images of one case on one grid, linked: same slice, same window, same zoom.")
main()
