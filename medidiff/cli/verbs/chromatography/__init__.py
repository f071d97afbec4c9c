"""`medidiff chromatography simulate|fit|peaks|calibrate|index|convert`: one file a sub-verb."""

from __future__ import annotations

import importlib

from medidiff.cli.options import Parser

VERBS = {
    "simulate": "the trace that a column gives",
    "fit": "physical parameters of a trace, with intervals",
    "peaks": "find and measure peaks, of one file or a folder",
    "calibrate": "amounts from areas of standards",
    "index": "retention indices from an alkane ladder",
    "convert": "instrument files to CSV, ANDI or JSON",
}
"""Name -> what it does; the module of that name here holds it."""


def add_arguments(parser: Parser) -> None:
    """One sub-verb each."""
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb", parser_class=Parser)
    for name, text in VERBS.items():
        leaf = verbs.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
        importlib.import_module(f"medidiff.cli.verbs.chromatography.{name}").add_arguments(leaf)
