"""What leaves a run with a person: the methods paragraph with its sources, and everything in one zip."""

from medidiff.runs.sharing.methods import MethodsText, Sources, complete
from medidiff.runs.sharing.zipped import zipped

__all__ = ["MethodsText", "Sources", "complete", "zipped"]
