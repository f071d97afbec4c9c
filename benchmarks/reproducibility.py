"""Does a reconstruction repeat as promised? Every shipped prior, four slices of the demo, 24 views.

    python benchmarks/reproducibility.py --out benchmarks/results/reproducibility.json

- the same once more: identical bytes
- bf16 against float32: rms difference at most 1 % of the data range, PSNR within 0.1 dB
- float32 with one thread against several, and with chunks of one slice against four: rms at most 0.1 %
- float32 and bf16 on a GPU against float32 on the processor: PSNR within 0.1 dB

The data range is that of the protocol of `medidiff.metrics`. What a machine lacks (bf16, a GPU) is skipped,
and the result says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from medidiff.bench.bar import mean_psnr
from medidiff.bench.report import BenchResult, Row
from medidiff.core.device import has_fast_bf16
from medidiff.domains.reconstruction.ct import reconstruct, reconstruct_ct, simulate_ct
from medidiff.io.demo import demo_volume
from medidiff.metrics import PROTOCOL, score_volume
from medidiff.priors import available
from medidiff.runs.plain import write_json

SLICES, RANGE_HU = (10, 14), 2000.0
OTHERS = (("bf16", "cpu", False), ("gpu", "cuda", True), ("gpu_bf16", "cuda", False))
"""Name of the rows, device and whether in float32; compared with float32 on the processor."""


def main() -> None:
    """Run every pair, write the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    measurement, reference = simulate_ct(demo_volume(slices=SLICES))
    threads = torch.get_num_threads()

    def image(
        prior: str, *, float32: bool = True, threads: int = threads, chunk: int = 4, device: str = "cpu"
    ) -> Any:
        torch.set_num_threads(threads)
        with mock.patch.object(reconstruct, "CHUNK", chunk):
            result = reconstruct_ct(measurement, prior=prior, float32=float32, device=device)
            return result["diffusion"].array

    def psnr(hu: Any) -> float:
        return mean_psnr(score_volume(hu, reference.array, reference.spacing_mm))

    rows, skipped = [], []
    for name in [prior.name for prior in available() if prior.place == "shipped"]:
        case, base = f"demo, 4 slices, {name}", image(name)

        def percent(other: Any, base: Any = base) -> float:
            return float(np.sqrt(np.mean((other - base) ** 2, dtype=np.float64))) / RANGE_HU * 100

        same = int(np.count_nonzero(image(name) != base))
        rows += [
            Row(case, "voxels_that_differ.again", same, "", 0, better="lower"),
            Row(case, "rms.threads", percent(image(name, threads=1)), "% of range", 0.1, better="lower"),
            Row(case, "rms.chunk", percent(image(name, chunk=1)), "% of range", 0.1, better="lower"),
        ]
        for what, device, float32 in OTHERS:
            if device == "cuda" and not torch.cuda.is_available():
                skipped.append(f"{name}, {what}: no GPU here")
            elif not float32 and not has_fast_bf16(device):
                skipped.append(f"{name}, {what}: this processor has no bf16")
            else:
                other = image(name, float32=float32, device=device)
                change = abs(psnr(other) - psnr(base))
                most = 1.0 if device == "cpu" else None
                rows += [
                    Row(case, f"rms.{what}", percent(other), "% of range", most, better="lower"),
                    Row(case, f"psnr_db_change.{what}", change, "dB", 0.1, better="lower"),
                ]
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    notes = {"protocol": PROTOCOL, "gpu": gpu}
    result = BenchResult("reproducibility", tuple(rows), tuple(skipped), notes=notes)
    write_json(arguments.out, result.to_plain())
    print(result.table())


if __name__ == "__main__":
    main()
