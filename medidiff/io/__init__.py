"""Files in and out: opens containers, checks them, and gives a `Volume`."""

from medidiff.io.volume import UNITS, Units, Volume, block_mean

__all__ = ["UNITS", "Units", "Volume", "block_mean"]
