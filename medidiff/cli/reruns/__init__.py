"""What `medidiff rerun` can do again: one entry a verb, one file an entry.

Each file holds `Run`, the part of the verb's provenance that is needed, checked (the file may come from
anywhere; whatever else it holds is left alone), and `again(run, files, ways)`, which calls the function of
the verb.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from medidiff.cli.reruns.run import RecordedRun
from medidiff.errors import InputError

RERUNS = {
    "reconstruct ct": "reconstruct_ct",
    "chromatography simulate": "simulate",
    "chromatography fit": "fit",
    "chromatography peaks": "peaks",
    "chromatography calibrate": "calibrate",
    "chromatography index": "index",
    "chromatography convert": "convert",
}
"""Verb, as a provenance names it -> the file here."""


def recorded(found: Mapping[str, Any]) -> tuple[RecordedRun, ModuleType]:
    """The run that a provenance describes, and the module that does it again.

    InputError, which names the key, when it cannot be done again.
    """
    verb = found.get("verb")
    if verb not in RERUNS:
        raise _bad(", ".join(RERUNS), f"verb: {verb!r:.40}")
    home = importlib.import_module(f"{__name__}.{RERUNS[verb]}")
    try:
        # As JSON: there a tuple is a list and a whole number's key a text, also where nothing else is let by.
        run: RecordedRun = home.Run.model_validate_json(json.dumps(dict(found)))
    except ValidationError as error:
        first = error.errors()[0]
        raise _bad(repr(verb), f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None
    return run, home


def _bad(verbs: str, got: str) -> InputError:
    return InputError(
        "provenance",
        expected=f"a run of {verbs} as medidiff writes it",
        got=got,
        fix="Give the provenance.json of a run folder, unchanged.",
    )
