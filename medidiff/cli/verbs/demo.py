"""`medidiff demo [ct|chromatography]`: a chest CT from 24 views; a BTEX column, simulated and fitted."""

from __future__ import annotations

from argparse import Namespace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.cli.options import Parser, add_device, add_output, add_prior, add_seed, block, check_output
from medidiff.cli.summary import show
from medidiff.cli.terminal import Terminal, duration
from medidiff.cli.verbs.chromatography.fit import show_fit
from medidiff.errors import InputError

if TYPE_CHECKING:
    from medidiff.io.volume import Volume

NAMES = ("ct", "chromatography")
VIEWS, METHODS = 24, ("fbp", "tv", "diffusion")


def add_arguments(parser: Parser) -> None:
    """Which demo, ct by default, and what ct takes."""
    text = f"{' or '.join(NAMES)} (ct)"
    parser.add_argument("name", nargs="?", choices=NAMES, default=NAMES[0], metavar="NAME", help=text)
    add_output(parser, required=False, text="folder to write (medidiff-demo-NAME, numbered when it exists)")
    add_seed(parser)
    ct = parser.add_argument_group("ct")
    ct.add_argument("--slices", type=block, metavar="A:B", help="only slices A to B-1 of the 24: quicker")
    add_device(ct)
    add_prior(ct)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    out = arguments.out or free_name(Path(f"medidiff-demo-{arguments.name}"))
    check_output(out, overwrite=arguments.overwrite)
    demo = _ct if arguments.name == "ct" else _chromatography
    return demo(arguments, out, terminal)


def _chromatography(arguments: Namespace, out: Path, terminal: Terminal) -> int:
    if arguments.slices or arguments.prior or arguments.device != "auto":
        raise InputError(
            "demo chromatography",
            expected="none of --slices, --device and --prior",
            got="one of them",
            fix="They are of the demo ct.",
            argument=True,
        )

    from medidiff.domains.chromatography.demo import demo_chromatography

    result = demo_chromatography(seed=arguments.seed, progress=terminal.progress)
    show_fit(result, result.save(out, overwrite=arguments.overwrite), terminal)
    return 0


def _ct(arguments: Namespace, out: Path, terminal: Terminal) -> int:
    import medidiff as md

    volume = md.demo_volume(arguments.name, slices=arguments.slices)
    _forecast(volume, arguments, terminal)
    result = md.retrospective_ct(
        volume,
        views=VIEWS,
        methods=METHODS,
        prior=arguments.prior,
        seed=arguments.seed,
        device=arguments.device,
        progress=terminal.progress,
    )
    result.provenance["reading"] = {"demo": arguments.name, "slices": arguments.slices}
    show(result, result.save(out, overwrite=arguments.overwrite), terminal)
    return 0


def _forecast(volume: Volume, arguments: Namespace, terminal: Terminal) -> None:
    """Where the network is slow, say how long it will take and offer fewer slices."""
    from medidiff.core import device
    from medidiff.domains.reconstruction.ct.forecast import network_seconds
    from medidiff.io.volume import block_mean

    if device.has_fast_bf16(device.choose_device(arguments.device).type):
        return
    image = block_mean(volume)  # the grid that `retrospective_ct` takes for 512 x 512
    seconds = network_seconds(
        image.shape, image.spacing_mm, views=VIEWS, prior=arguments.prior, device=arguments.device
    )
    slices = image.shape[0]
    advice = "" if arguments.slices else "; --slices 8:16 makes it a third"
    terminal.note(
        f"no fast bf16 here: the network will take about {duration(seconds)} for {slices} "
        f"slice{'s' * (slices > 1)}, beside total variation{advice}."
    )


def free_name(folder: Path) -> Path:
    """`folder`, or with the first number from 2 on under which nothing exists."""
    names = (folder if n == 1 else folder.with_name(f"{folder.name}-{n}") for n in count(1))
    return next(name for name in names if not name.exists() and not name.is_symlink())
