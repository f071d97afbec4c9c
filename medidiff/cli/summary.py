"""What a person reads after a run: one line a method, the warnings, where the picture is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medidiff.cli.terminal import Terminal

if TYPE_CHECKING:
    from medidiff.runs.result import Result

PLANES = ("axial", "coronal", "sagittal")


def show(result: Result, folder: Path, terminal: Terminal) -> None:
    """Print the summary of a saved result; with --json its folder, digests and report."""
    for warning in result.warnings:
        terminal.warn(warning)
    report = result.report
    text = "\n".join([*method_lines(report["methods"]), "", f"{folder}/figure.png  (research use only)"])
    terminal.result(text, {"out": str(folder), "outputs": result.digests(), "report": plain(report)})


def plain(report: dict[str, Any]) -> Any:
    """The report as JSON holds it: what is not finite is null."""
    from medidiff.runs.plain import to_plain

    return to_plain(report)


def method_lines(methods: dict[str, Any]) -> list[str]:
    """A table of PSNR and SSIM by plane and of seconds; without a truth, of the misfit (1 is the noise)."""
    if not any(facts.get("metrics") or "data_residual" not in facts for facts in methods.values()):
        return [f"{'':<10}{'misfit':>10}{'seconds':>10}"] + [
            f"{name:<10}{facts['data_residual']:>10.2f}{facts['seconds']:>10.1f}"
            for name, facts in methods.items()
        ]
    head = "".join(f"{plane:>18}" for plane in PLANES)
    lines = [f"{'':<10}{head}{'seconds':>10}", f"{'':<10}" + f"{'PSNR dB   SSIM':>18}" * len(PLANES)]
    return lines + [
        f"{name:<10}{_numbers(facts)}{facts['seconds']:>10.1f}" for name, facts in methods.items()
    ]


def _numbers(facts: dict[str, Any]) -> str:
    cells = ""
    for plane in PLANES:
        found = facts.get("metrics", {}).get(plane) or {}
        ready = found.get("psnr_db") is not None and found.get("ssim") is not None
        cells += f"{found['psnr_db']:>11.2f}{found['ssim']:>7.3f}" if ready else f"{'-':>11}{'-':>7}"
    return cells
