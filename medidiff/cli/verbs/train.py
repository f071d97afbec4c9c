"""`medidiff train CONFIG --data DIR --out RUN`: train a prior; the same command goes on after a stop.

On several processes: `torchrun --nproc-per-node N -m medidiff train ...`, the same command and trainer; the
first process checks, speaks and writes.
"""

from __future__ import annotations

import importlib
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.atomic import rehearse_files
from medidiff.cli.options import Parser, add_device, add_output, positive
from medidiff.cli.terminal import Terminal
from medidiff.errors import InputError, OutputError
from medidiff.progress import silent

if TYPE_CHECKING:
    from medidiff.core.training.settings import TrainSettings


def add_arguments(parser: Parser) -> None:
    """A configuration, the data, the folder of the run."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="YAML file; benchmarks/training holds ours"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", required=True, help="folder of the training data")
    parser.add_argument("--minutes", type=positive("minutes"), metavar="M", help="stop after M minutes")
    add_output(parser, text="folder of the run; one with checkpoints goes on", overwrite=None)
    add_device(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff.core.training.team import joined, launched_team

    out, data = arguments.out, arguments.data
    leads = launched_team().leads
    if leads:  # one process: several would meet each other's rehearsals
        _check_run(out)

    from medidiff.core.device import choose_device
    from medidiff.core.training.randomness import seed_of_rank
    from medidiff.core.training.trainer import train
    from medidiff.domains import TRAININGS
    from medidiff.io.opening import is_folder

    if not is_folder(data):
        raise InputError(
            data.name, expected="a folder of data", got="a file", fix="Give the folder after --data."
        )
    settings = read_settings(arguments.config)
    if settings.task not in TRAININGS:
        known = ", ".join(TRAININGS)
        raise InputError(
            "task", expected=known, got=repr(settings.task), fix="Correct `task` in the configuration."
        )
    domain = importlib.import_module(TRAININGS[settings.task])
    try:
        with joined(choose_device(arguments.device)) as team:
            own = settings.model_copy(update={"seed": seed_of_rank(settings.seed, team.rank)})
            checkpoint = train(
                settings,
                domain.objective(own, data),
                out,
                team=team,
                start=domain.start_weights(settings),
                minutes=arguments.minutes,
                progress=terminal.progress if leads else silent,
                warn=terminal.warn if leads else lambda text: None,
            )
    finally:
        if _has_checkpoints(out):
            terminal.after_interrupt = "a checkpoint was kept: the same command goes on from it."
    if not leads:
        return 0
    text = (
        f"step {checkpoint.step} of {settings.steps} after {checkpoint.seconds:.0f} s of training in {out}\n"
        f"Make a prior of it: medidiff models pack {out} --data {data} --out DIR"
    )
    data_out = {
        "out": str(out),
        "step": checkpoint.step,
        "steps": settings.steps,
        "seconds": checkpoint.seconds,
    }
    terminal.result(text, data_out)
    return 0


def _check_run(out: Path) -> None:
    """Refuse a place that cannot be written, and a folder that holds something but no checkpoint."""
    rehearse_files(out)
    # A run killed before its first checkpoint left its log alone: it begins again.
    others = [path for path in out.iterdir() if not _left_behind(path)] if out.is_dir() else []
    if others and not _has_checkpoints(out):
        raise OutputError(
            f"output {out.absolute().name}",
            expected="a new or empty folder, or one of a run with checkpoints",
            got="a folder of something else",
            fix="Choose another --out.",
        )


def _left_behind(path: Path) -> bool:
    """Whether a run that was killed before or in its first save left this."""
    from medidiff.core.training.checkpoints import LEFT_BY_A_KILL

    return path.name == "log.jsonl" or path.name.startswith(LEFT_BY_A_KILL)


def _has_checkpoints(out: Path) -> bool:
    return any(out.glob("checkpoint-[0-9]*"))


def read_settings(path: Path) -> TrainSettings:
    """The settings in a YAML file; InputError, which names the key, for any that is unknown or wrong."""
    from pydantic import ValidationError

    from medidiff.core.training.settings import TrainSettings
    from medidiff.io.yaml_file import read_yaml

    found = read_yaml(path, partial(_bad, path))
    try:
        return TrainSettings.model_validate(found)
    except ValidationError as error:
        # A misspelt key leaves the right one absent: the unknown one says more.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise _bad(path, f"{key}: {first['msg'].lower()}") from None


def _bad(path: Path, got: str) -> InputError:
    fix = "See benchmarks/training for configurations that work."
    return InputError(path.name, expected="a training configuration", got=got, fix=fix)
