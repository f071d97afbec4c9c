"""Where a network runs, and in which precision.

A network runs in bf16 autocast where the processor has bf16 units (AVX512-BF16 or AMX on CPUs, compute
capability 8 on GPUs): about twice as fast, with an error below the noise of every level. Everywhere else
it runs in float32. Data steps never run in bf16.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

import torch

from medidiff.errors import InputError, MissingError


def choose_device(name: str = "auto") -> torch.device:
    """The device called "auto", "cpu" or "cuda"; "auto" is the GPU where there is one.

    Raises InputError for another name and MissingError for "cuda" without a GPU.
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise InputError(
            "device",
            expected="auto, cpu or cuda",
            got=repr(name),
            fix="Leave it out for auto.",
            argument=True,
        )
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise MissingError(
            "device cuda",
            expected="a GPU that PyTorch can use",
            got="none",
            fix="Use --device cpu, or install a CUDA build of PyTorch.",
        )
    return torch.device("cuda" if found and name != "cpu" else "cpu")


@functools.cache
def has_fast_bf16(kind: str) -> bool:
    """Whether a device of this kind ("cpu" or "cuda") multiplies bf16 in hardware."""
    if kind == "cuda":
        return bool(torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8)
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def precision(device: torch.device, *, float32: bool = False) -> str:
    """The precision that a network has on this device: "bf16" or "float32" (on request always)."""
    return "bf16" if not float32 and has_fast_bf16(device.type) else "float32"


def autocast(device: torch.device, kind: str) -> contextlib.AbstractContextManager[object]:
    """The autocast context of a precision named by `precision`."""
    if kind == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()
