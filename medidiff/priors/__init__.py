"""Trained priors with cards: find, check, load, pack."""

from medidiff.priors.files import PriorFile, available, choose, find
from medidiff.priors.loading import Prior, load
from medidiff.priors.packing import new_files, pack

__all__ = ["Prior", "PriorFile", "available", "choose", "find", "load", "new_files", "pack"]
