"""What a block of Python takes, counted anew: the system's peak of a process never falls again."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_below(most_bytes: int) -> Iterator[None]:
    """Fails where bytes and arrays made within the block take more than `most_bytes` at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()
