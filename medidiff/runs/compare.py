"""Whether a run, done again, came out the same, and which promise of sameness applied.

| same versions, seed, input, options, and ...              | promise                                       |
|-----------------------------------------------------------|-----------------------------------------------|
| machine, threads, chunk, precision                        | identical bytes in every array                |
| float32, float64; other threads, chunk or processor       | RMS difference <= 0.1 % of the data range     |
| one or both in bf16                                       | RMS <= 1 % of the range, PSNR within 0.1 dB   |
| another device                                            | PSNR within 0.1 dB                            |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medidiff.io.volume import Volume
from medidiff.runs.result import Result, Writable


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised, and under which conditions.

    rms: of the difference, as a share of the data range; None where it is not promised.
    """

    name: str
    when: str
    identical: bool = False
    rms: float | None = None
    psnr_db: float | None = None


IDENTICAL = Promise("identical bytes", "same machine, threads, chunk, precision and versions", identical=True)
FLOAT32 = Promise(
    "RMS difference <= 0.1 % of the data range", "full precision on other threads, chunk or CPU", rms=1e-3
)
REDUCED = Promise(
    "RMS difference <= 1 % of the data range, PSNR within 0.1 dB",
    "bf16 on either side",
    rms=1e-2,
    psnr_db=0.1,
)
DEVICE = Promise("PSNR within 0.1 dB", "another device", psnr_db=0.1)
NOTHING = Promise("nothing", "another input, seed, version or option")


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one output. `rms_share` is of the data range; None when it cannot be measured."""

    output: str
    identical: bool
    rms_share: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The promise that applied, why no stronger one did, what was found, and whether it was kept.

    `kept` is None when nothing was promised, or when what was promised cannot be measured (no reference).
    """

    promise: Promise
    changed: tuple[str, ...]
    differences: tuple[Difference, ...]
    psnr_db: float | None
    kept: bool | None

    @property
    def identical(self) -> bool:
        """Whether every output is the same to the last bit."""
        return all(found.identical for found in self.differences)

    @property
    def rms_share(self) -> float | None:
        """The largest RMS difference of an image, as a share of the data range."""
        return max((d.rms_share for d in self.differences if d.rms_share is not None), default=None)

    def sentence(self) -> str:
        """One line for a person."""
        found = "identical bytes in every array" if self.identical else self._found()
        state = {True: "kept", False: "broken", None: "not checked"}[self.kept]
        changed = f"; changed: {', '.join(self.changed)}" if self.changed else ""
        return f"promised: {self.promise.name} ({self.promise.when}{changed}); found: {found}; {state}"

    def _found(self) -> str:
        names = ", ".join(d.output for d in self.differences if not d.identical)
        rms = (
            f"RMS {100 * self.rms_share:.2g} % of the range" if self.rms_share is not None else "other bytes"
        )
        psnr = f", PSNR {self.psnr_db:.2g} dB apart" if self.psnr_db is not None else ""
        return f"{rms}{psnr} ({names})"


def compare_runs(first: Result, second: Result) -> Verdict:
    """Compare two runs that should be the same, array by array."""
    promise, changed = applicable(first.provenance, second.provenance)
    data_range = _data_range(first.report)
    names = dict.fromkeys([*first.outputs, *second.outputs])
    pairs = ((name, first.outputs.get(name), second.outputs.get(name)) for name in names)
    differences = tuple(_difference(name, one, two, data_range) for name, one, two in pairs)
    psnr = _psnr_difference(first.report, second.report)
    return Verdict(promise, changed, differences, psnr, _kept(promise, differences, psnr))


def compare_digests(recorded: Mapping[str, Any], result: Result) -> Verdict:
    """Compare a run with a provenance alone, by its digests of the images: identical, or not."""
    promise, changed = applicable(recorded, result.provenance)
    old, new = dict(recorded.get("outputs", {})), result.digests()
    differences = tuple(Difference(name, old.get(name) == new.get(name)) for name in {**old, **new})
    return Verdict(promise, changed, differences, None, _kept(promise, differences, None))


def applicable(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Promise, tuple[str, ...]]:
    """The strongest promise that two provenances allow, and what differs between them."""

    def differ(*keys: str) -> tuple[str, ...]:
        return tuple(key for key in keys if first.get(key) != second.get(key))

    changed = differ("verb", "options", "inputs", "weights", "seed", "versions", "code")
    if changed:
        return NOTHING, changed
    changed = differ("device", "precision", "machine", "threads", "chunk")
    if not changed:
        return IDENTICAL, ()
    if "device" in changed or first["machine"].get("gpu") != second["machine"].get("gpu"):
        return DEVICE, changed
    full = {first.get("precision"), second.get("precision")} in ({"float32"}, {"float64"})
    return (FLOAT32 if full else REDUCED), changed


def _difference(
    name: str, one: Writable | None, two: Writable | None, data_range: float | None
) -> Difference:
    if not isinstance(one, Volume) or not isinstance(two, Volume):
        same = one is not None and two is not None and _written(name, one) == _written(name, two)
        return Difference(name, same)
    identical = one.digest() == two.digest()
    if one.shape != two.shape:
        return Difference(name, identical)
    span = data_range or float(np.ptp(one.array)) or 1.0
    error = np.subtract(one.array, two.array, dtype=np.float64)
    return Difference(name, identical, float(np.sqrt(np.mean(error**2))) / span)


def _written(name: str, output: Writable) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        output.write(path)
        return path.read_bytes()


def _data_range(report: Mapping[str, Any]) -> float | None:
    protocol = report.get("protocol")
    found = protocol.get("data_range") if isinstance(protocol, Mapping) else None
    return float(found) if isinstance(found, int | float) and found > 0 else None


def _psnr_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> float | None:
    """The largest difference in dB over methods and planes that both reports hold."""
    one, two = _psnr(first), _psnr(second)
    return max((abs(one[key] - two[key]) for key in one.keys() & two.keys()), default=None)


def _psnr(report: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    return {
        (name, plane): float(numbers["psnr_db"])
        for name, method in report["methods"].items()
        for plane, numbers in (method.get("metrics") or {}).items()
        if isinstance(numbers, Mapping) and isinstance(numbers.get("psnr_db"), int | float)
    }


def _kept(promise: Promise, differences: tuple[Difference, ...], psnr: float | None) -> bool | None:
    if all(found.identical for found in differences):
        return None if promise is NOTHING else True
    if promise.identical:
        return False
    checks: list[bool | None] = []
    if promise.rms is not None:
        checks += [
            d.identical or (None if d.rms_share is None else d.rms_share <= promise.rms) for d in differences
        ]
    if promise.psnr_db is not None:
        checks.append(None if psnr is None else psnr <= promise.psnr_db)
    if False in checks:
        return False
    return None if None in checks or not checks else True
