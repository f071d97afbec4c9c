"""The systems that the package ships, and how a door finds any system: by name, by file, or as it is."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from medidiff.domains.chromatography.model.stored.system_file import read_system
from medidiff.domains.chromatography.model.system import System
from medidiff.errors import InputError

SYSTEMS = {"btex": "chromatography-btex.yaml"}
"""Named systems -> their file in the package's assets."""


@cache
def named_system(name: str) -> System:
    """A system that the package ships: "btex". InputError for another name.

    btex is a reference column of this project, not that of arXiv:2501.00001: benzene, toluene, ethylbenzene
    and the three xylenes on 30 m x 0.25 mm x 0.25 µm of a 5 % phenyl phase, helium, 180 to 101.3 kPa, 60 °C.
    """
    if name not in SYSTEMS:
        fix = "A system of your own is a YAML file: give its path."
        raise InputError("system", expected=", ".join(SYSTEMS), got=repr(name), fix=fix, argument=True)
    with as_file(files("medidiff") / "assets" / SYSTEMS[name]) as path:
        return read_system(path)


def find_system(system: str | Path | System) -> System:
    """A system itself, by name, or from a YAML file."""
    if isinstance(system, System):
        return system
    if isinstance(system, Path) or system.endswith((".yaml", ".yml")):
        return read_system(system)
    return named_system(system)
