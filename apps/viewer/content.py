"""What the page of a view carries: geometry, labels, window, and the tokens of its voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st
from serving.volumes import serve

from medidiff.errors import InputError
from medidiff.io.volume import Volume
from viewer.packing import (
    Grid,
    Scale,
    block_labels,
    block_means,
    checked_labels,
    common_scale,
    grid_of,
    on_one_grid,
    pack,
    stored,
)

Layout = Literal["arms", "planes"]

LETTERS = "ABCDEF"
SOFT_TISSUE = (40.0, 400.0)  # level and width in HU


@dataclass(frozen=True)
class Arm:
    """One image of a comparison. `case` and `frame` (of reference) stand in its pane, unless blinded."""

    label: str
    volume: Volume
    case: str = ""
    frame: str = ""


@dataclass(frozen=True)
class Overlay:
    """A volume drawn over the arms: values by colour ("heat") or whole numbers from 1 ("label").

    `of` is the index of the only arm that it belongs to; None: all. Overlays of one label are chosen
    together, each over its arm, with one range of colours. None is chosen at the start.
    """

    label: str
    volume: Volume
    kind: Literal["heat", "label"]
    of: int | None = None


def check(
    arms: Sequence[Arm],
    overlays: Sequence[Overlay],
    window: tuple[float, float] | None,
    blinded: bool,
    presentation: int | None,
) -> None:
    if not 1 <= len(arms) <= len(LETTERS):
        _refuse("arms", f"1 to {len(LETTERS)} images", str(len(arms)), "Choose fewer images.")
    if window is not None and not (np.isfinite(window).all() and window[1] > 0):
        _refuse("window", "a level and a positive width", str(window), "Give (level, width), as (40, 400).")
    for overlay in overlays:
        if overlay.of is not None and not 0 <= overlay.of < len(arms):
            _refuse("overlay", f"an arm from 0 to {len(arms) - 1}", str(overlay.of), "Give the arm's index.")
    if blinded and overlays:
        _refuse("blinded view", "no overlays", str(len(overlays)), "An overlay can tell the arms apart.")
    if blinded and window is None and arms[0].volume.units != "HU":
        _refuse(
            "blinded view", "a window", "none", "Give (level, width): the range of the data stays hidden."
        )
    if not blinded and presentation is not None:
        _refuse("presentation", "a number in blinded reading only", str(presentation), "Leave it out.")


def _refuse(what: str, expected: str, got: str, fix: str) -> None:
    raise InputError(what, expected=expected, got=got, fix=fix, argument=True)


def texts(arms: Sequence[Arm], overlays: Sequence[Overlay]) -> tuple[tuple[object, ...], ...]:
    return (
        *((arm.label, arm.case, arm.frame) for arm in arms),
        *((overlay.label, overlay.kind, overlay.of) for overlay in overlays),
    )


_digests: WeakKeyDictionary[Volume, str] = WeakKeyDictionary()


def digest(volume: Volume) -> str:
    """The volume's digest, computed once for each object: reruns must not hash hundreds of megabytes."""
    if volume not in _digests:
        _digests[volume] = volume.digest()
    return _digests[volume]


def page_data(
    arms: Sequence[Arm],
    overlays: Sequence[Overlay],
    key: str,
    layout: Layout,
    window: tuple[float, float] | None,
    blinded: bool,
    presentation: int | None,
    height: int,
) -> dict[str, Any]:
    """What the page carries. Blinded, it is the same whatever the arms, but for shape, spacing and tokens."""
    names = LETTERS if blinded else [arm.label for arm in arms]
    named = [(name, arm.volume) for name, arm in zip(names, arms, strict=False)]
    named += [(item.label, item.volume) for item in overlays]
    volumes = on_one_grid(named, images=len(arms))
    images, colours = volumes[: len(arms)], volumes[len(arms) :]
    grid, scale = grid_of(images[0]), common_scale(images)
    # In blinded reading one image may stand on both sides or come again: each place has its own token.
    place = [digest(volume) + (f"/{key}/{i}" if blinded else "") for i, (_, volume) in enumerate(named)]
    affine = grid.affine.copy()
    if blinded:
        centre = affine @ [*((side - 1) / 2 for side in grid.shape[::-1]), 1.0]
        affine[:3, 3] -= centre[:3]
    return {
        "grid": {
            "shape": grid.shape,
            "display": grid.display_shape,
            "factor": grid.factor,
            "spacing": grid.spacing_mm,
            "affine": affine.tolist(),
        },
        "scale": {"step": scale.step, "zero": scale.zero},
        "units": images[0].units,
        "arms": [
            {
                "letter": LETTERS[i],
                "label": "" if blinded else arm.label,
                "case": "" if blinded else arm.case,
                "frame": "" if blinded else arm.frame,
                **_tokens(volume, grid, scale, place[i]),
            }
            for i, (arm, volume) in enumerate(zip(arms, images, strict=True))
        ],
        "overlays": _of_one_range(
            [
                _overlay(overlay, volume, grid, place[len(arms) + i])
                for i, (overlay, volume) in enumerate(zip(overlays, colours, strict=True))
            ]
        ),
        "window": list(window or _window(images[0])),
        "layout": layout,
        "blinded": blinded,
        "presentation": presentation,
        "height": height,
    }


def _tokens(volume: Volume, grid: Grid, scale: Scale, place: str) -> dict[str, str]:
    """Tokens of the display grid, and of the full one where that is another ("" where not)."""
    how = f"{place}/{scale.step}/{scale.zero}"
    display, full = f"{how}/display", f"{how}/full"
    return {
        "token": serve(_packed(display, volume, scale, grid.factor), key=display),
        "full": serve(_packed(full, volume, scale, 1), key=full) if grid.factor > 1 else "",
    }


@st.cache_resource(max_entries=12, show_spinner=False)
def _packed(place: str, _volume: Volume, _scale: Scale, _factor: int) -> bytes:
    """The packed volume of a place, which names its digest and its scale: made once for all sessions."""
    return pack(stored(block_means(_volume.array, _factor), _scale), _scale)


def _overlay(overlay: Overlay, volume: Volume, grid: Grid, place: str) -> dict[str, Any]:
    """An overlay on the display grid, with the range of its colours: to the 99.5th percentile."""
    if overlay.kind == "label":
        scale, array = Scale(), block_labels(checked_labels(overlay.label, volume.array), grid.factor)
        span = [0.0, max(float(array.max()), 1.0)]
    else:
        scale, array = common_scale([volume]), block_means(volume.array, grid.factor)
        top = float(np.percentile(np.abs(array), 99.5)) or 1.0
        span = [-top if array.min() < 0 else 0.0, top]
    return {
        "label": overlay.label,
        "kind": overlay.kind,
        "of": overlay.of,
        "units": volume.units,
        "range": span,
        "scale": {"step": scale.step, "zero": scale.zero},
        "token": serve(pack(stored(array, scale), scale), key=f"{place}/{overlay.kind}"),
    }


def _of_one_range(overlays: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same overlays, those of one label with the widest range of them: one colour is one value."""
    widest: dict[str, list[float]] = {}
    for item in overlays:
        low, high = widest.setdefault(item["label"], item["range"])
        widest[item["label"]] = [min(low, item["range"][0]), max(high, item["range"][1])]
    return [{**item, "range": widest[item["label"]]} for item in overlays]


def _window(volume: Volume) -> tuple[float, float]:
    """Soft tissue for HU, else from the 1st to the 99th percentile of the values."""
    if volume.units == "HU":
        return SOFT_TISSUE
    low, high = (float(value) for value in np.percentile(volume.array, (1, 99)))
    return (low + high) / 2, max(high - low, 1e-6)
