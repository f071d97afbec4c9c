"""A study to practise on, made of the shipped run: pairs of the chest CT by TV and by diffusion.

It lies in the user's data folder, is made once, and shows every step of a real study. Its answers count for
nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from medidiff.atomic import writable
from medidiff.errors import InputError, MissingError
from medidiff.review.design.cases import MANIFEST
from medidiff.review.design.drafting import new_study
from medidiff.review.design.protocol import PROTOCOL
from medidiff.review.opening import freeze_study, open_study
from medidiff.runs.demo import demo_run_folder
from medidiff.runs.home import home_folder

ARMS = ("tv", "diffusion")
CASES, TRAINING = 6, 1


def practice_study() -> Path:
    """The folder of the practice study: one training pair, six pairs, three of them twice.

    An interrupted start is taken up again; one that no longer opens (made by another version, its key gone)
    is made anew.
    Raises MissingError without the shipped run, OutputError when the user's data folder cannot be written.
    """
    folder = home_folder("practice")
    if (folder / MANIFEST).exists() and not _opens(folder):
        with writable(folder):
            shutil.rmtree(folder)
    if not (folder / PROTOCOL).exists():
        new_study(folder, [demo_run_folder("ct")], ARMS, cases=CASES, training=TRAINING)
    if not (folder / MANIFEST).exists():
        freeze_study(folder).log.close()
    return folder


def _opens(folder: Path) -> bool:
    try:
        open_study(folder).log.close()
    except (InputError, MissingError):
        return False
    return True
