"""Systems and injections back from the plain data that `model/plain.py` made of them.

What is read back may come from anywhere: only the classes below are made, from exactly their fields, each of
its type, and they check their own values.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import ConstantFlow, ConstantVelocity, PressureDriven
from medidiff.domains.chromatography.model.gas import FullerDiffusion
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.retention import FixedRetention, KCentric
from medidiff.domains.chromatography.model.system import System
from medidiff.errors import InputError

_INJECTIONS = (Rectangle, TailedRectangle, GaussianInjection, SampledInjection)
_PARTS = (Column, PressureDriven, ConstantFlow, ConstantVelocity, Oven, Analyte, KCentric, FixedRetention)
_KINDS: dict[str, type] = {kind.__name__: kind for kind in (*_INJECTIONS, *_PARTS, FullerDiffusion)}
_DEEPEST = 6  # system.analytes.0.gas_diffusion.formula is 4


def system_from_plain(found: Mapping[str, Any]) -> System:
    """The system that `plain` took apart, to the last bit; InputError for data of another form."""
    made = _built(found, {**_KINDS, "System": System}, "system")
    if not isinstance(made, System):
        raise _bad("system", "a System", type(made).__name__)
    return made


def injection_from_plain(found: Mapping[str, Any]) -> Injection:
    """The injection that `plain` took apart; InputError for data of another form."""
    made = _built(found, _KINDS, "injection")
    if not isinstance(made, _INJECTIONS):
        raise _bad("injection", "an injection", type(made).__name__)
    return made


def _built(found: Any, kinds: Mapping[str, type], where: str) -> Any:
    """What the data describes; what an object refuses is wrong in the data, and no argument."""
    try:
        return _made(found, kinds, where)
    except InputError as error:
        what = f"{where}, {error.what}" if error.argument else error.what
        raise InputError(what, expected=error.expected, got=error.got, fix=error.fix) from None


def _made(found: Any, kinds: Mapping[str, type], where: str) -> Any:
    """Objects from the inside to the outside."""
    if where.count(".") > _DEEPEST:
        raise _bad(where[:80], "an object within fewer others", "a deeper one")
    if isinstance(found, list):
        return tuple(_made(item, kinds, f"{where}.{i}") for i, item in enumerate(found))
    if not isinstance(found, Mapping):
        return found
    kind = kinds.get(str(found.get("kind")))
    if kind is None:
        raise _bad(where, f"a kind of {', '.join(kinds)}", f"{found.get('kind')!r:.40}")
    parts = {key: _made(value, kinds, f"{where}.{key}") for key, value in found.items() if key != "kind"}
    types_of = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    if set(parts) != set(names):
        raise _bad(where, f"the fields {', '.join(names)}", f"{', '.join(parts)[:80] or 'none'}")
    for name in names:
        if not _fits(parts[name], types_of[name]):
            raise _bad(f"{where}.{name}", "a value of its type", f"{parts[name]!r:.40}")
    return kind(**parts)


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a value is of an annotation's type; a whole number is a float too, a row of them an array."""
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(wanted))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(wanted)[0]) for item in value)
    if wanted == NDArray[np.float64]:
        return isinstance(value, tuple) and all(_fits(item, float) for item in value)
    if wanted is Injection:
        return isinstance(value, _INJECTIONS)
    if wanted is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))


def _bad(what: str, expected: str, got: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix="Give the provenance of a run, unchanged.")
