"""Trained priors with cards: find, check, load, pack."""

from medidiff.priors.files import PriorFile, available, choose, find
from medidiff.priors.loading import Prior, load
from medidiff.priors.packing import average, new_files, pack

__all__ = ["Prior", "PriorFile", "available", "average", "choose", "find", "load", "new_files", "pack"]
