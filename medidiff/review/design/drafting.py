"""`medidiff review new`: a study's folder with a commented protocol, out of run folders.

The draft is complete and can be frozen as it is; what a study must decide for itself (question, endpoint,
margin, numbers) is said in its comments. Places of the runs are written relative to the study's folder.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from medidiff.atomic import writing_folder
from medidiff.errors import InputError
from medidiff.io.limits import Limits
from medidiff.io.nifti import read_nifti
from medidiff.io.opening import is_folder
from medidiff.io.orientation import to_canonical
from medidiff.review.design.protocol import FEWEST_CASES, KINDS, PROTOCOL, SCHEMA, Kind
from medidiff.review.store.place import refuse_used
from medidiff.runs.plain import read_json

DEFAULT_WINDOWS = {"HU": (-600.0, 1500.0)}
"""Level and width by unit, where the protocol's author names none: the lung window of CT."""


_PLAIN = re.compile(r"[A-Za-z./][\w ./-]*")  # a string of YAML without quotes, unless it is a word as `no`


@dataclass(frozen=True)
class _Run:
    """One run folder: its images by arm, and how many axial slices they have."""

    place: str
    files: dict[str, str]
    slices: int
    units: str
    window: tuple[float, float]


def new_study(
    folder: Path | str,
    runs: Sequence[Path | str],
    arms: Sequence[str],
    *,
    kind: Kind = "pairs",
    cases: int = FEWEST_CASES,
    training: int = 1,
    window: tuple[float, float] | None = None,
    seed: int | None = None,
) -> Path:
    """Write `folder/protocol.yaml` for a study of `cases` cases, and return its path.

    arms: methods of the runs' reports ("tv", "diffusion"). Fewer runs than cases are cut into blocks of
    slices, as even as can be. window: (level, width). seed: of the schedule, by default a random one.
    Raises InputError for a run without an arm, and for runs with too few slices; OutputError for a folder
    that is not empty.
    """
    folder = Path(folder)
    if kind not in KINDS or len(set(arms)) != len(arms) or len(arms) < 2:
        raise InputError(
            "arms",
            expected=f"two or more different methods, and a kind of {', '.join(KINDS)}",
            got=", ".join(arms) or "none",
            fix="Name methods of the runs' reports, as --arms tv,diffusion.",
            argument=True,
        )
    if cases < FEWEST_CASES or training < 0:
        raise InputError(
            "cases",
            expected=f"at least {FEWEST_CASES}, and training cases of at least 0",
            got=f"{cases} and {training}",
            fix="Take more cases; fewer cannot tell arms apart.",
            argument=True,
        )
    refuse_used(folder)
    found = [_look(folder, Path(run), arms) for run in runs]
    if any(run.files != found[0].files for run in found):
        raise InputError(
            "runs",
            expected="one file name an arm in all run folders",
            got="different names",
            fix="Draft with one run, and name the images of the others in the protocol.",
        )
    blocks = _blocks(found, cases + training)
    seed = secrets.randbelow(2**31) if seed is None else seed
    text = _draft(found[0], arms, kind, blocks, training, window or found[0].window, seed)
    with writing_folder(folder) as partial:
        (partial / PROTOCOL).write_text(text, encoding="utf-8")
    return folder / PROTOCOL


def _look(folder: Path, run: Path, arms: Sequence[str]) -> _Run:
    if not is_folder(run):
        raise InputError(run.name, expected="a run folder", got="a file", fix="Give the folder of --out.")
    methods = read_json(run / "report.json").get("methods", {})
    files: dict[str, str] = {}
    for arm in arms:
        name = methods.get(arm, {}).get("output") if isinstance(methods, dict) else None
        if not isinstance(name, str) or Path(name).name != name:
            raise InputError(
                f"run folder {run.name}",
                expected=f"an image of {arm}",
                got=f"images of {', '.join(map(str, methods)) or 'no method'}",
                fix="Choose --arms from these.",
            )
        files[arm] = name
    volume, _ = to_canonical(read_nifti(run / files[arms[0]], limits=Limits()))
    window = DEFAULT_WINDOWS.get(volume.units) or _whole_range(volume.array.min(), volume.array.max())
    place = os.path.relpath(os.path.realpath(run), os.path.realpath(folder))
    return _Run(Path(place).as_posix(), files, volume.shape[0], volume.units, window)


def _whole_range(low: float, high: float) -> tuple[float, float]:
    return (float(low) + float(high)) / 2, max(float(high) - float(low), 1e-6)


def _blocks(runs: Sequence[_Run], count: int) -> list[tuple[_Run, tuple[int, int] | None]]:
    """`count` cases: whole runs where there are enough, else blocks of slices, shared out evenly."""
    if not runs or sum(run.slices for run in runs) < count:
        raise InputError(
            "runs",
            expected=f"at least {count} slices in all, for as many cases",
            got=f"{sum(run.slices for run in runs)}",
            fix="Give more runs, or fewer --cases.",
        )
    if len(runs) >= count:
        return [(run, None) for run in runs[:count]]
    shares = [0] * len(runs)
    for _ in range(count):  # each next block from the run whose blocks are thickest
        thickest = max(range(len(runs)), key=lambda k: runs[k].slices / (shares[k] + 1))
        shares[thickest] += 1
    found: list[tuple[_Run, tuple[int, int] | None]] = []
    for run, share in zip(runs, shares, strict=True):
        edges = [run.slices * k // share for k in range(share + 1)] if share else []
        found += [(run, None if share == 1 else block) for block in pairwise(edges)]
    return found


def _draft(
    first: _Run,
    arms: Sequence[str],
    kind: Kind,
    blocks: Sequence[tuple[_Run, tuple[int, int] | None]],
    training: int,
    window: tuple[float, float],
    seed: int,
) -> str:
    new, old = arms[-1], arms[0]
    pairs = kind == "pairs"
    scored = len(blocks) - training
    names = [f"training{k + 1:02d}" for k in range(training)] + [f"case{k + 1:02d}" for k in range(scored)]
    cases = "\n".join(
        f"  - {_flow(_case(name, run, block, name.startswith('training')))}"
        for name, (run, block) in zip(names, blocks, strict=True)
    )
    one_scan = len({run.place for run, _ in blocks}) < len(blocks)
    note = (
        "# Several cases are blocks of one scan, so not independent: intervals come out too narrow.\n"
        if one_scan
        else ""
    )
    anchors = ["not usable", "poor", "fair", "good", "excellent"]
    question = "Which image would you rather read?" if pairs else "How good is this image for reading?"
    endpoint = (
        f"share of pairs in which {new} is preferred, ties as half"
        if pairs
        else f"mean score of {new} minus that of {old}"
    )
    likert = "" if pairs else f"likert:\n  anchors: {_flow(anchors)}  # from worst (1) to best\n"
    margin = (
        "0.1  # the arm may be preferred by as few as 40 % in place of one half"
        if pairs
        else "0.5  # the arm may score up to half a point lower"
    )
    return f"""\
# The protocol of a reader study (research use only). Decide everything here, then freeze it:
#     medidiff review freeze DIR
# After that no byte of this file may change. Readers see the title, the instructions, the question and the
# choices only.
schema: {SCHEMA}
title: {_flow("Preferred reconstruction" if pairs else "Rated reconstructions")}
question: {_flow(question)}  # so asked that the better image is {"preferred" if pairs else "scored higher"}
instructions: ""  # what readers are told before they begin; nothing that tells the arms apart
kind: {kind}  # pairs: two images side by side; likert: one image on a scale

# How it will be judged. Chosen before the first answer, or it proves nothing.
endpoint: {_flow(endpoint)}
hypothesis:
  kind: superiority  # or non-inferiority, which needs a margin
  # margin: {margin}
  better: {new}  # the arm that should win, or that should not be worse by more than the margin
  than: {old}
alpha: 0.025  # one-sided: how often a study may claim what is not so
# The sample size is this number of readers and the cases below. Fix both before the first answer; below five,
# readers are treated as fixed and nothing is said of other readers.
readers: 5

# Arms: internal names, which no reader sees, and the image of each in a run folder.
arms:
{chr(10).join(f"  - {_flow({'name': arm, 'image': first.files[arm]})}" for arm in arms)}

# Cases, at best one a patient. `run` is a run folder, relative to this one; or `images: {{arm: file, ...}}`
# names each image. `slices: [A, B]` takes axial slices A to B-1, counted from 0 at the feet.
{note}cases:
{cases}

# Order and repeats. A share of the cases comes twice, as far apart as can be, with sides swapped; this shows
# how well a reader agrees with themselves. 0: none.
repeats: {0.5 if pairs else 0.2}
washout: 0 s  # least time between the two readings of a case, such as "14 days"
seed: {seed}  # decides orders and sides; tell it to no reader

# What a reader may answer and see.
{likert}ties: {"true" if pairs else "false"}  # "No difference" (pairs only)
cannot_judge: true
comments: true
window: {_flow({"level": window[0], "width": window[1]})}  # each case opens with it
screen: {{width: 800, height: 600}}  # smallest window that images are read in, in CSS pixels
minimum_display: 2 s  # least time before an answer is taken
"""


def _case(name: str, run: _Run, block: tuple[int, int] | None, training: bool) -> dict[str, object]:
    case: dict[str, object] = {"id": name, "run": run.place}
    if block is not None:
        case["slices"] = list(block)
    return {**case, "training": True} if training else case


def _flow(value: object) -> str:
    """`value` as one line of YAML: JSON is YAML, and quotes what must be quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str) and re.fullmatch(_PLAIN, value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
