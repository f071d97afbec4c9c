"""`medidiff models list | show NAME`: the priors found, and their cards."""

from __future__ import annotations

from argparse import Namespace

from medidiff.cli.options import Parser
from medidiff.cli.terminal import Terminal


def add_arguments(parser: Parser) -> None:
    """Two sub-verbs."""
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="models_verb", parser_class=Parser)
    listing = verbs.add_parser(
        "list", help="the priors found, and where", description="List the priors found."
    )
    listing.set_defaults(run=_list)
    show = verbs.add_parser("show", help="the card of one", description="Show the card of a prior.")
    show.add_argument("name", metavar="NAME", help="a name of 'medidiff models list'")
    show.set_defaults(run=_show)


def _list(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff import priors

    found = priors.available()
    text = "\n".join(f"{prior.name:<16}{prior.place:<18}{prior.card.summary}" for prior in found)
    data = [
        {"name": p.name, "place": p.place, "version": p.card.version, "summary": p.card.summary}
        for p in found
    ]
    terminal.result(text or "no priors found; 'medidiff doctor' says more", data)
    return 0


def _show(arguments: Namespace, terminal: Terminal) -> int:
    from medidiff import priors
    from medidiff.runs.plain import to_json

    card = priors.find(arguments.name).card.model_dump(mode="json")
    terminal.result(to_json(card).rstrip(), card)
    return 0
