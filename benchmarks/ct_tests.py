"""The numbers of the README: CT reconstruction of the four test people, by the shipped defaults.

    python benchmarks/ct_tests.py --data DIR --out benchmarks/results [--only STUDY ...]

DIR holds `test/` of the CT data. T1 to T4 are one block of 24 slices of each test person; T2 is measured on
its grid of 512 x 512. All images are 256 x 256, but for `native`.

    clean, dose     24 views, without noise and at 1e5 photons a bin
    arc             60 views over 120 degrees without noise; the demo patient is a fifth volume
    curve           8 to 60 views without noise, the middle 12 slices of each block, the means alone
    table           other doses and arcs, and a fan, in the same way
    native          T2 as an image of 512 x 512

The test people are measured, never tuned on; the bar is that of `medidiff bench ct`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from medidiff.bench.ct import Arm, Scan, measure, measure_table
from medidiff.io import read_volume
from medidiff.io.demo import demo_volume

BLOCKS = {
    "T1": ("t001_s1", 12),
    "T2": ("t002_s1_native512", 0),
    "T3": ("t003_s1", 36),
    "T4": ("t004_s1", 5),
}  # first slice of each
SLICES, CURVE_SLICES = 24, 12
CURVE_VIEWS = (8, 16, 24, 30, 60)
PHOTONS, NATIVE = 1e5, 512


def main() -> None:
    """Measure what is asked for, one folder of results each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prior", default=None)
    parser.add_argument("--only", nargs="+", default=list(STUDIES), choices=list(STUDIES))
    arguments = parser.parse_args()
    for name in arguments.only:
        result = STUDIES[name](arguments.data, Arm(prior=arguments.prior))
        result = replace(result, name=f"ct-tests-{name}")
        result.write(arguments.out / f"ct-tests-{name}", overwrite=True)
        print(result.table(), flush=True)


def blocks(data: Path, slices: int = SLICES, names: tuple[str, ...] = tuple(BLOCKS)) -> list[tuple[str, Any]]:
    """The middle `slices` of each block."""
    out = []
    for name in names:
        file, first = BLOCKS[name]
        first += (SLICES - slices) // 2
        out.append((name, read_volume(data / "test" / f"{file}.nii.gz", slices=(first, first + slices))))
    return out


CURVE = tuple(Scan(views) for views in CURVE_VIEWS)
OTHERS = (
    *(Scan(24, photons=photons) for photons in (1e6, 1e5, 1e4)),
    *(Scan(60, arc) for arc in (120.0, 90.0)),
    Scan(48, geometry="fan-flat"),
)
STUDIES = {
    "clean": lambda data, arm: measure(blocks(data), Scan(), arm),
    "dose": lambda data, arm: measure(blocks(data), Scan(photons=PHOTONS), arm),
    "arc": lambda data, arm: measure([*blocks(data), ("demo", demo_volume())], Scan(60, 120.0), arm),
    "native": lambda data, arm: measure(blocks(data, names=("T2",)), Scan(), arm, matrix=NATIVE),
    "curve": lambda data, arm: measure_table(blocks(data, CURVE_SLICES), CURVE, arm),
    "table": lambda data, arm: measure_table(blocks(data, CURVE_SLICES), OTHERS, arm),
}


if __name__ == "__main__":
    main()
