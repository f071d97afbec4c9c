"""How sure a number is: summaries, intervals and coverage of samples, and samples of a few parameters."""

from medidiff.uncertainty.convergence import effective_sample_size, split_rhat
from medidiff.uncertainty.coverage import Coverage, binomial_interval, coverage
from medidiff.uncertainty.intervals import central_interval, highest_density_interval
from medidiff.uncertainty.sampling import Chains, sample_hamiltonian, sample_random_walk
from medidiff.uncertainty.summaries import Summary, correlation_of, summarise

__all__ = [
    "Chains",
    "Coverage",
    "Summary",
    "binomial_interval",
    "central_interval",
    "correlation_of",
    "coverage",
    "effective_sample_size",
    "highest_density_interval",
    "sample_hamiltonian",
    "sample_random_walk",
    "split_rhat",
    "summarise",
]
