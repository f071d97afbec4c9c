"""How sure the numbers of a fit are: intervals, posterior samples, and what speaks against it."""
