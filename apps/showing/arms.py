"""What the viewer is given: arms, error maps and differences, with the case and the frame on every pane.

Whatever is computed from two volumes is kept by their SHA-256 digests alone: the arrays go in unhashed
(`_image`), because Streamlit's own hash of a large array looks at 100,000 samples of it, and two cases that
agree there would be taken for one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
from viewer import Arm, Overlay
from viewer.packing import on_one_grid

from medidiff.io.volume import Volume
from medidiff.metrics import score_volume
from medidiff.runs.result import Result
from showing.tables import method_label

MOST_ARMS = 3
ERROR = "Error map"
_KEPT, _SECONDS = 12, 3600


def images_of(result: Result) -> dict[str, Volume]:
    """The methods' images and the reference of a run, by method; {} for a run without images."""
    names = [name for name in result.report["methods"] if name in result]
    names += ["reference"] if "reference" in result else []
    return {name: result[name] for name in names if isinstance(result.outputs[_file(result, name)], Volume)}


def arms_of(result: Result, methods: Sequence[str]) -> list[Arm]:
    """An arm a method, in that order, each with the run's case and its own frame."""
    case, images = case_of(result.report["input"]["sha256"]), images_of(result)
    return [Arm(method_label(name), images[name], case, frame_of(images[name])) for name in methods]


def error_maps(arms: Sequence[Arm], reference: Volume) -> list[Overlay]:
    """For each arm the absolute error against the reference, over that arm; none over the reference."""
    whole = reference.digest()
    return [
        Overlay(ERROR, error_map(digest, whole, arm.volume, reference, arm.label), "heat", of=place)
        for place, arm in enumerate(arms)
        if (digest := arm.volume.digest()) != whole
    ]


@st.cache_resource(show_spinner=False, max_entries=_KEPT, ttl=_SECONDS)
def error_map(
    image: str, reference: str, _image: Volume, _reference: Volume, _label: str = "image"
) -> Volume:
    """|image - reference| of the volumes with these digests, canonical.

    InputError on different grids, which calls the image by its label.
    """
    seen, truth = _on_one_grid(_image, _reference, _label)
    return replace(seen, array=np.abs(seen.array - truth.array), origin="", notes=())


@st.cache_resource(show_spinner=False, max_entries=_KEPT, ttl=_SECONDS)
def scores(image: str, reference: str, _image: Volume, _reference: Volume) -> dict[str, Any]:
    """The metrics of the volumes with these digests; InputError on different grids."""
    seen, truth = _on_one_grid(_image, _reference)
    return score_volume(seen.array, truth.array, truth.spacing_mm)


def case_of(digest: str) -> str:
    """A case's name on the screen: the head of its digest, never a person's."""
    return digest.removeprefix("sha256:")[:8]


def frame_of(volume: Volume) -> str:
    """A frame of reference's name on the screen: the head of the digest of shape and affine."""
    state = hashlib.sha256(np.asarray(volume.shape, "<i8").tobytes())
    state.update((volume.affine.astype("<f4") + np.float32(0)).tobytes())
    return state.hexdigest()[:6]


def _on_one_grid(image: Volume, reference: Volume, label: str = "image") -> tuple[Volume, Volume]:
    """Both in the canonical orientation; InputError unless they lie on one grid."""
    truth, seen = on_one_grid([("the reference", reference), (label, image)], images=2)
    return seen, truth


def _file(result: Result, name: str) -> str:
    output = result.report["methods"].get(name, {}).get("output", f"{name}.nii.gz")
    return output if output in result.outputs else f"{output}.nii.gz"
