"""`medidiff models list | show NAME | pack CHECKPOINT`: priors, their cards, and making one."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.atomic import rehearse_files
from medidiff.cli.options import Parser, add_output
from medidiff.cli.terminal import Terminal, one_line
from medidiff.errors import InputError

if TYPE_CHECKING:
    from medidiff.core.denoisers.network import NetDenoiser
    from medidiff.core.training.checkpoints import Checkpoint
    from medidiff.core.training.settings import TrainSettings


def add_arguments(parser: Parser) -> None:
    """Three sub-verbs."""
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="models_verb", parser_class=Parser)
    listing = verbs.add_parser(
        "list", help="the priors found, and where", description="List the priors found."
    )
    listing.set_defaults(run=_list)
    show = verbs.add_parser("show", help="the card of one", description="Show the card of a prior.")
    show.add_argument("name", metavar="NAME", help="a name of 'medidiff models list'")
    show.set_defaults(run=_show)
    _add_pack(
        verbs.add_parser(
            "pack",
            help="make a prior of a training run",
            description="Measure a checkpoint on validation people and make a prior with its card.",
        )
    )


def _add_pack(parser: Parser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a run or a checkpoint")
    parser.add_argument("--data", type=Path, metavar="DIR", required=True, help="the data it was trained on")
    parser.add_argument("--hardware", metavar="TEXT", help="what trained it, for the card (this machine)")
    parser.add_argument(
        "--average-with",
        metavar="PRIOR",
        action="append",
        default=[],
        help="average the weights with those of a prior of the same network; may be given again",
    )
    text = "folder for NAME.safetensors and NAME.json"
    add_output(parser, text=text, overwrite="replace a prior of the same name")
    parser.set_defaults(run=_pack)


def _list(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff import priors

    found = priors.available()
    text = "\n".join(f"{prior.name:<16}{prior.place:<18}{one_line(prior.card.summary)}" for prior in found)
    facts = [
        {"name": p.name, "place": p.place, "version": p.card.version, "summary": p.card.summary}
        for p in found
    ]
    terminal.result(text or "no priors found; 'medidiff doctor' says more", facts)
    return 0


def _show(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff import priors
    from medidiff.runs.plain import to_json

    card = priors.find(arguments.name).card.model_dump(mode="json")
    terminal.result(to_json(card).rstrip(), card)
    return 0


def _pack(arguments: Namespace, terminal: Terminal) -> int:
    rehearse_files(arguments.out)

    from medidiff import priors
    from medidiff.domains import TRAININGS
    from medidiff.runs.provenance import machine

    checkpoint = _checkpoint(arguments.checkpoint, terminal)
    settings = _settings(checkpoint)
    # Refused now, not after minutes of measuring.
    priors.new_files(settings.name, arguments.out, overwrite=arguments.overwrite)
    domain = importlib.import_module(TRAININGS[settings.task])
    others = [priors.load(priors.find(name), float32=True) for name in arguments.average_with]
    checkpoint = priors.average(checkpoint, others)
    denoiser = _averaged(checkpoint, settings)
    facts, patch = domain.card_facts(denoiser, settings, arguments.data, progress=terminal.progress)
    hardware = arguments.hardware or "{cpu}, {cores} cores".format(**machine())
    prior = priors.pack(
        checkpoint,
        facts,
        patch,
        arguments.out,
        hardware=hardware,
        averaged_with=others,
        overwrite=arguments.overwrite,
    )
    other = next((p for p in priors.available() if p.name == prior.name), prior)
    if other.weights.resolve() != prior.weights.resolve():
        terminal.warn(f"a {other.place} prior named {prior.name} hides this one: choose another `name`")
    terminal.result(f"{prior.weights}", {"name": prior.name, "weights": str(prior.weights)})
    return 0


def _checkpoint(folder: Path, terminal: Terminal) -> Checkpoint:
    """The newest checkpoint of a run, or the one that a folder is."""
    from medidiff.core.training.checkpoints import load_any
    from medidiff.io.opening import is_folder

    holds = is_folder(folder)
    found = load_any(folder, terminal.warn)
    if found is None:
        raise InputError(
            folder.name,
            expected="the folder of a training run or of a checkpoint",
            got="a folder without one" if holds else "a file",
            fix="Give the folder that 'medidiff train' had as --out.",
        )
    return found


def _settings(checkpoint: Checkpoint) -> TrainSettings:
    """The configuration in a checkpoint, of a training that this version knows."""
    from pydantic import ValidationError

    from medidiff.core.training.settings import TrainSettings
    from medidiff.domains import TRAININGS

    try:
        settings = TrainSettings.model_validate(checkpoint.config)
    except ValidationError as error:
        raise _foreign("a training configuration", f"{error.error_count()} wrong or missing keys") from error
    if settings.task not in TRAININGS:
        raise _foreign(f"a task of {', '.join(TRAININGS)}", "another")
    return settings


def _foreign(expected: str, got: str) -> InputError:
    return InputError("checkpoint", expected=expected, got=got, fix="Train again with this version.")


def _averaged(checkpoint: Checkpoint, settings: TrainSettings) -> NetDenoiser:
    """The network with the averaged weights, which are those that ship, in float32."""
    from medidiff.core.denoisers.network import NetDenoiser, build_network
    from medidiff.core.process.kernels import EDM

    net = build_network(settings.network)
    try:
        net.load_state_dict(checkpoint.ema)
    except RuntimeError as error:
        raise _foreign("weights of the configured network", "others") from error
    net.eval().requires_grad_(False)
    kernel = EDM(sigma_min=settings.kernel.sigma_min, sigma_max=settings.kernel.sigma_max)
    return NetDenoiser(net, kernel, settings.sigma_data, settings.mean, "float32")
