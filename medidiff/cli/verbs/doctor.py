"""`medidiff doctor`: what this machine has, whether the installation is whole, and a plain verdict."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medidiff.cli.door import CHECK
from medidiff.cli.options import Parser
from medidiff.cli.terminal import Terminal
from medidiff.errors import InputError, MedidiffError, MissingError, missing_package

if TYPE_CHECKING:
    from medidiff.priors import PriorFile

_LEAST_MEMORY_MB = 4096  # what the demo stays under


def add_arguments(parser: Parser) -> None:
    """No arguments of its own."""
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    try:
        facts = _facts()
        checks = {"demo data": _demo, **_priors(terminal), "write access": _writing}
    except ImportError as error:  # without torch or numpy there is nothing else to look at
        facts, checks = {}, {"packages": partial(_fail, error)}
    found = {name: _outcome(check) for name, check in checks.items()}
    failed = [name for name, (well, _) in found.items() if not well]
    texts = {name: ("ok: " if well else "NOT OK: ") + text for name, (well, text) in found.items()}
    width = max(map(len, texts)) + 2
    lines = [f"{name:<{width}}{value}" for name, value in {**_shown(facts), **texts}.items()]
    terminal.result(
        "\n".join([*lines, "", _verdict(facts, failed)]),
        {"facts": facts, "checks": texts, "failed": failed, "ready": not failed},
    )
    return CHECK if failed else 0


def _facts() -> dict[str, Any]:
    import torch

    from medidiff.core.device import has_fast_bf16
    from medidiff.runs.clock import available_memory_mb
    from medidiff.runs.provenance import machine, versions

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "versions": versions(),
        "machine": machine(),
        "torch_threads": torch.get_num_threads(),
        "fast_bf16": has_fast_bf16("cpu"),
        "gpu": gpu,
        "memory_free_mb": available_memory_mb(),
    }


def _shown(facts: dict[str, Any]) -> dict[str, str]:
    if not facts:
        return {}
    versions, machine, memory = facts["versions"], facts["machine"], facts["memory_free_mb"]
    named = ("python", "torch", "monai", "numpy")
    return {
        "medidiff": versions.get("medidiff", "not installed"),
        "versions": ", ".join(f"{name} {versions[name]}" for name in named if name in versions),
        "processor": f"{machine['cpu']}, {machine['cores']} cores, {facts['torch_threads']} torch threads",
        "fast bf16": "yes" if facts["fast_bf16"] else "no: networks run in float32, about half as fast",
        "gpu": facts["gpu"] or "none that PyTorch can use",
        "free memory": f"{memory / 1024:.1f} GiB" if memory is not None else "not known",
    }


def _demo() -> str:
    from medidiff.io.demo import demo_volume

    return "whole, {} x {} x {} voxels".format(*demo_volume("ct").shape)


def _priors(terminal: Terminal) -> dict[str, Callable[[], str]]:
    """A check for each prior: digest of the weights, and the output on the card's patch."""
    from medidiff import priors

    found = priors.available()
    checks: dict[str, Callable[[], str]] = {f"prior {p.name}": partial(_prior, p) for p in found}
    if terminal.warned:
        passed_over = InputError(
            "priors",
            expected="cards that can be read",
            got=f"{len(terminal.warned)} passed over, named in the warnings",
            fix="Mend or remove them.",
        )
        checks["priors"] = partial(_fail, passed_over)
    none = MissingError("priors", expected="at least one", got="none", fix="Install medidiff again.")
    return checks or {"priors": partial(_fail, none)}


def _prior(prior: PriorFile) -> str:
    from medidiff import priors

    priors.load(prior)
    return f"{prior.place}, weights and check patch as its card says"


def _fail(error: Exception) -> str:
    raise error


def _writing() -> str:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".medidiff-"):
        return "this folder can be written"


def _outcome(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, check()
    except MedidiffError as error:
        return False, str(error)
    except ImportError as error:
        return False, str(missing_package(error) or error)
    except OSError as error:
        return False, f"{error.strerror or error}".lower()


def _verdict(facts: dict[str, Any], failed: list[str]) -> str:
    if failed:
        return f"Not ready: mend what is NOT OK above ({', '.join(failed)})."
    memory = facts["memory_free_mb"]
    if memory is not None and memory < _LEAST_MEMORY_MB:
        return "Ready, but the free memory is less than the demo may need: use --slices 8:16."
    return "Ready: 'medidiff demo' will run here."
