"""`protocol.yaml`: what a reader study asks, of whom, in which order, and how it will be judged.

It is written before the first image is read and frozen by the SHA-256 of its bytes: endpoint, margin,
alpha, numbers of readers and cases, and washout cannot be chosen after the answers. Unknown keys are
refused by name. Times carry their unit in the value ("14 days"), windows are (level, width).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from medidiff.errors import InputError
from medidiff.io.yaml_file import parse_yaml
from medidiff.runs.plain import check_regular

PROTOCOL = "protocol.yaml"
SCHEMA = "medidiff.review/1"
FEWEST_CASES = 6
_MOST_BYTES = 1 << 20
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(s|min|h|days?)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0, "days": 86400.0}

Kind = Literal["pairs", "likert"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def seconds_of(text: object) -> float:
    """Seconds of "14 days", "2 h", "20 min" or "30 s"; ValueError for anything else."""
    found = re.fullmatch(_DURATION, text) if isinstance(text, str) else None
    if found is None:
        raise ValueError('expected a time with its unit, such as "14 days", "2 h", "20 min" or "30 s"')
    return float(found[1]) * _SECONDS[found[2]]


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("expected one line of printable text")
    return text


def _rising(values: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= values[0] < values[1]:
        raise ValueError("expected [A, B] with 0 <= A < B")
    return values


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
Line = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_one_line)]
Duration = Annotated[float, BeforeValidator(seconds_of), Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Arm(_Part):
    """What is compared: a name that readers never see, and the image that a run folder holds of it."""

    name: Name
    image: Annotated[str, Field(min_length=1, max_length=200)]


class Case(_Part):
    """One case. Its images lie in `run` (a run folder), or each arm's at its own place in `images`.

    Places are relative to the study's folder. slices: a block [A, B], A <= k < B, of axial slices counted
    from 0 at the feet; all where absent.
    """

    id: Name
    run: str | None = None
    images: dict[Name, str] | None = None
    slices: Annotated[tuple[int, int], AfterValidator(_rising)] | None = None
    training: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Case:
        if (self.run is None) == (self.images is None):
            raise ValueError("expected one of run and images")
        return self

    def place(self, arm: Arm) -> PurePath:
        """Where the image of an arm lies, relative to the study's folder unless absolute."""
        return (
            PurePath(self.run) / arm.image
            if self.run is not None
            else PurePath((self.images or {})[arm.name])
        )


class Likert(_Part):
    """A scale from 1 to the number of anchors; the first anchor belongs to 1."""

    anchors: Annotated[tuple[Line, ...], Field(min_length=2, max_length=10)]


class Hypothesis(_Part):
    """What the endpoint is tested for. margin: in the endpoint's unit (a share, or points of the scale).

    Of pairs the margin counts from one half: 0.1 means that at least 40 % must prefer the arm.
    better: the arm that should be preferred (superiority), or that should not be worse by more than the
    margin (non-inferiority). than: the other arm.
    """

    kind: Literal["superiority", "non-inferiority"]
    better: Name
    than: Name
    margin: float | None = None

    @model_validator(mode="after")
    def _margin(self) -> Hypothesis:
        if (self.kind == "non-inferiority") != (self.margin is not None and self.margin > 0):
            raise ValueError("expected a margin above 0 for non-inferiority, and none for superiority")
        if self.better == self.than:
            raise ValueError("expected two different arms")
        return self


class Window(_Part):
    """The grey range that every image opens with, in the units of the images."""

    level: float
    width: Annotated[float, Field(gt=0)]


class Screen(_Part):
    """The smallest window that images are read in, in CSS pixels."""

    width: Annotated[int, Field(ge=320, le=10000)] = 800
    height: Annotated[int, Field(ge=240, le=10000)] = 600


class Protocol(_Part):
    """The whole of it; see the comments that `medidiff review new` writes. alpha is one-sided."""

    schema_: Annotated[Literal["medidiff.review/1"], Field(alias="schema")]
    title: Line
    question: Line
    instructions: Annotated[str, Field(max_length=4000)] = ""
    kind: Kind
    endpoint: Line
    hypothesis: Hypothesis
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    readers: Annotated[int, Field(ge=1, le=1000)]
    arms: Annotated[tuple[Arm, ...], Field(min_length=1, max_length=8)]
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=2000)]
    repeats: Annotated[float, Field(ge=0, le=1)] = 0.0
    washout: Duration = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    ties: bool = True
    cannot_judge: bool = True
    comments: bool = True
    likert: Likert | None = None
    window: Window
    screen: Screen = Screen()
    minimum_display: Duration = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Protocol:
        arms = [arm.name for arm in self.arms]
        cases = [case.id for case in self.cases]
        if len(set(arms)) != len(arms) or len(set(cases)) != len(cases):
            raise ValueError("expected each name of an arm and each id of a case once")
        if len(arms) < 2:
            raise ValueError("expected two arms or more")
        if not {self.hypothesis.better, self.hypothesis.than} <= set(arms):
            raise ValueError("expected a hypothesis on two of the arms")
        if self.kind == "likert" and self.likert is None:
            raise ValueError("expected likert with its anchors, because kind is likert")
        most = 0.5 if self.kind == "pairs" else float(len(self.likert.anchors) - 1) if self.likert else 0.0
        if self.hypothesis.margin is not None and self.hypothesis.margin >= most:
            # Of pairs the bound is 0.5 - margin: below 0 even an arm that nobody prefers would pass.
            raise ValueError(f"expected a margin below {most:g}, which any arm would keep")
        for case in self.cases:
            if case.images is not None and set(case.images) != set(arms):
                raise ValueError(f"expected one image of each arm in case {case.id}")
        if all(case.training for case in self.cases):
            raise ValueError("expected a case that is not for training")
        return self

    @property
    def scored_cases(self) -> tuple[Case, ...]:
        """The cases that count: all but those for training."""
        return tuple(case for case in self.cases if not case.training)


def read_protocol(folder: Path) -> tuple[Protocol, str]:
    """The protocol of a study's folder and the SHA-256 (hex) of its bytes; InputError where it is not one."""
    path = folder / PROTOCOL
    try:
        check_regular(path, _MOST_BYTES)
    except InputError as error:
        raise _refused(error.expected, error.got) from None
    try:
        content = path.read_bytes()
    except OSError:
        raise _refused("YAML text", "something that cannot be read") from None
    found = parse_yaml(content, partial(_refused, "YAML text"))
    _refuse_twice(yaml.compose(content, Loader=yaml.SafeLoader))
    try:
        return Protocol.model_validate(found), hashlib.sha256(content).hexdigest()
    except ValidationError as error:
        raise _refused(f"a study protocol ({SCHEMA})", _first(error)) from None


def _refuse_twice(root: yaml.Node | None) -> None:
    """Raise InputError for a key that stands twice: YAML would take the last and pass over the first."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = [key for key, count in Counter(keys).items() if count > 1]
            if twice:
                name = twice[0] if twice[0].isidentifier() else "one key"
                raise _refused("each key once", f"two lines of {name}")
            waiting += [value for _, value in node.value]


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, with its place; values are left out, they may be paths."""
    first: dict[str, Any] = dict(error.errors(include_url=False, include_input=False)[0])
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    more = f" and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return f"{place}: {first['msg'].removeprefix('Value error, ')}{more}"


def _refused(expected: str, got: str) -> InputError:
    fix = "Correct it, or write a new one with 'medidiff review new'."
    return InputError(PROTOCOL, expected=expected, got=got, fix=fix)
