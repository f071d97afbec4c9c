"""The random numbers of a training: every draw is named by (seed, step, purpose), none is kept."""

from __future__ import annotations

import numpy as np
import torch


def generator(seed: int, step: int, purpose: int = 0) -> torch.Generator:
    """The CPU generator of one purpose in one step; independent of every other."""
    key = np.random.SeedSequence((seed, step, purpose)).generate_state(2, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) & (2**63 - 1))


def seed_of_rank(seed: int, rank: int) -> int:
    """The seed of process `rank` among several; the first keeps the seed itself."""
    if rank == 0:
        return seed
    return int(np.random.SeedSequence((seed, rank, 11)).generate_state(1, np.uint64)[0]) >> 1
