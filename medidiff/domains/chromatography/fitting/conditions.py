"""What a fit is told: hold-up time, injection, detector, dispersion, and which analytes to look for where.

Without a hold-up time k and t0 are not both identifiable from one peak: it comes from an air or methane peak,
from the method, or from a system's pressures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medidiff.domains.chromatography.engines.transport import Boundary
from medidiff.domains.chromatography.fitting.solving.shapes import Array
from medidiff.domains.chromatography.model.injection import Injection, Rectangle
from medidiff.errors import InputError

if TYPE_CHECKING:
    from medidiff.domains.chromatography.model.system import System

Wanted = str | tuple[str, float]
RESERVED = ("time_s", "signal", "model", "baseline", "residual")
_DISAGREE = 0.05  # of the hold-up time: more than that between the one given and the system's is said

KD_MEANING = {
    "none": "effective: it lumps molecular diffusion, radial transport and the film's kinetics into one rate",
    "molecular": "lumped: the film's kinetics and radial transport in the gas, beside molecular diffusion",
    "golay": "the film's own desorption rate, beside molecular diffusion and radial transport in the gas",
}
"""What kd stands for, by the dispersion that is in the model."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is known before the fit. expected: name -> retention time in s that a system predicts.

    rates: name -> kd in 1/s that it predicts. system: its name, "" without one. notes: what was assumed.
    """

    t0_s: float
    injection: Injection
    detector_s: float
    dispersion: str
    boundary: Boundary = "danckwerts"
    expected: dict[str, float] | None = None
    rates: dict[str, float] | None = None
    system: System | None = None
    notes: tuple[str, ...] = ()

    @property
    def late_s(self) -> float:
        """By how much injection and detector shift the mean of a peak, in s."""
        return self.injection.mean_s + self.detector_s

    def peclet(self, names: Sequence[str]) -> Callable[[Array], Array] | None:
        """K (n,) -> Peclet numbers (n,) of these analytes; None without dispersion.

        InputError for an analyte whose diffusion the system does not know.
        """
        if self.dispersion == "none" or self.system is None:
            return None
        molecular = self.system.transport("molecular")
        if unknown := [name for name in names if name not in molecular.names]:
            fix = "Use the system's names, add the analyte to its file, or take --dispersion none."
            got = f"{unknown[0]!r}, which the system does not have"
            expected = f"analytes of the system ({', '.join(molecular.names)})"
            raise InputError("dispersion", expected=expected, got=got, fix=fix)
        rows = [molecular.names.index(name) for name in names]
        speed = molecular.t0_s / self.t0_s  # of the gas, over the system's
        alone = molecular.peclet[rows] * speed
        if self.dispersion == "molecular":
            return lambda k: alone
        golay = self.system.transport("golay")
        # 1/Pe = (D_m + D_TA)/(u L), and D_TA grows with u^2 (1 + 6 k + 11 k^2)/(1 + k)^2.
        radial = speed * (1 / golay.peclet[rows] - 1 / molecular.peclet[rows]) / _radial(golay.k[rows])
        return lambda k: 1 / (1 / alone + radial * _radial(k))


def gather_conditions(
    *,
    t0_s: float | None,
    system: System | None,
    injection_width_s: float | None,
    injection: Injection | None,
    detector_s: float | None,
    dispersion: str | None,
) -> Conditions:
    """The conditions from the arguments of `fit_chromatogram`; what is given overrides the system's.

    Raises InputError where no hold-up time is known, for dispersion without a system, and for bad values.
    """
    found = None if system is None else _isothermal(system)
    _check_number("t0_s", t0_s, least=0.0, above=True)
    _check_number("injection_width_s", injection_width_s, least=0.0)
    _check_number("detector_s", detector_s, least=0.0)
    kind = dispersion or (found.dispersion if found else "none")
    if kind not in KD_MEANING:
        raise _argument("dispersion", f"one of {', '.join(KD_MEANING)}", repr(kind), "Choose one.")
    if found is None and t0_s is None:
        fix = (
            "Give --t0-s (from an air or methane peak), or --system: one peak alone tells k and t0 not apart."
        )
        raise _argument("hold-up time", "t0_s or a system", "neither", fix)
    if found is None and kind != "none":
        fix = "Give --system, whose gas and analytes say how fast they diffuse, or --dispersion none."
        raise _argument("dispersion", "a system beside it", f"{kind} alone", fix)
    if injection is not None and injection_width_s is not None:
        raise _argument("injection", "an injection or its width", "both", "Leave one of the two out.")
    notes: list[str] = []
    if injection_width_s is not None:
        injection = Rectangle(injection_width_s)
    elif injection is None:
        injection = found.injection if found else Rectangle(0.0)
        if found is None:
            notes.append(
                "no injection width was given: an impulse was taken, and kd holds the injection's width too"
            )
    if found is None:
        assert t0_s is not None  # refused above
        return Conditions(t0_s, injection, detector_s or 0.0, kind, notes=tuple(notes))
    column = found.transport(kind)
    if t0_s is not None and abs(t0_s / column.t0_s - 1) > _DISAGREE:
        notes.append(f"the hold-up time given, {t0_s:g} s, is not the system's, {column.t0_s:.4g} s")
    t0 = column.t0_s if t0_s is None else t0_s
    offset = injection.mean_s
    return Conditions(
        t0,
        injection,
        found.detector_s if detector_s is None else detector_s,
        kind,
        column.boundary,
        {name: t0 * (1 + float(k)) + offset for name, k in zip(column.names, column.k, strict=True)},
        {name: float(kd) for name, kd in zip(column.names, column.kd_per_s, strict=True)},
        found,
        tuple(notes),
    )


def wanted_analytes(
    analytes: Sequence[Wanted] | None, conditions: Conditions
) -> tuple[tuple[str, ...], tuple[float, ...]] | None:
    """Names and retention times in s of what to look for; None: whatever is found.

    analytes: "NAME@RT_s", ("NAME", RT_s), or a NAME alone that the system predicts. Raises InputError for
    names that are double, reserved or unknown and for times that are no time.
    """
    if analytes is None:
        if not conditions.expected:
            return None
        return tuple(conditions.expected), tuple(conditions.expected.values())
    names, times = (
        zip(*(_wanted(item, conditions) for item in analytes), strict=True) if analytes else ((), ())
    )
    if not names or len(set(names)) < len(names):
        raise _argument("analytes", "one name each", ", ".join(names) or "none", "Write NAME@RT_s,NAME@RT_s.")
    return names, times


def _wanted(item: Wanted, conditions: Conditions) -> tuple[str, float]:
    if isinstance(item, str):
        name, at, text = item.rpartition("@") if "@" in item else (item, "", "")
    else:
        name, at, text = item[0], "@", str(item[1])
    name = name.strip()
    if not name or name in RESERVED or not name.isprintable() or set(name) & set(',"@'):
        raise _argument("analyte", "a name of its own, without comma or quote", repr(name), "Rename it.")
    if not at:
        if name not in (conditions.expected or {}):
            fix = f"Write {name}@RT with its retention time in seconds."
            raise _argument("analyte", "NAME@RT_s, or a name of the system", repr(item), fix)
        return name, (conditions.expected or {})[name]
    try:
        time = float(text)
    except ValueError:
        time = float("nan")
    if not 0 < time < float("inf"):
        raise _argument("analyte", "NAME@RT_s with a time in seconds", repr(item), "benzene@206.3 is one.")
    return name, time


def _radial(k: Array) -> Array:
    return np.asarray((1 + 6 * k + 11 * k**2) / (1 + k) ** 2)


def _isothermal(system: System) -> System:
    if not system.oven.is_isothermal:
        fix = (
            "A fit needs one temperature; of a programme, --t0-s and named analytes give peak widths at best."
        )
        raise InputError("system", expected="an isothermal oven", got="a programme", fix=fix)
    return system


def _check_number(name: str, value: float | None, *, least: float, above: bool = False) -> None:
    if value is None:
        return
    if not least <= value < float("inf") or (above and value == least):
        bound = f"{'above' if above else 'of at least'} {least:g} s"
        raise _argument(name, f"a time {bound}", f"{value:g}", "Give it in seconds.")


def _argument(what: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=True)
