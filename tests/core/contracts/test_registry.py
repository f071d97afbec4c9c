"""A class that ought to be under contract and is not fails here."""

from __future__ import annotations

import inspect
from types import ModuleType

from medidiff.core import contracts
from medidiff.core.linear.operators import LinearOperator
from medidiff.core.process.kernels import Kernel

_METHODS = {
    "draw": ["self", "shape", "streams", "purpose", "step"],
    "step": ["self", "kernel", "x", "t", "u", "estimate", "context", "denoise"],
    "denoise": ["self", "x", "t", "context"],
}


def under_contract(cls: type) -> bool:
    """A concrete, public kernel or operator, or a class with the method of a law, a sampler or a denoiser."""
    if cls.__name__.startswith("_") or inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
        return False
    if issubclass(cls, (Kernel, LinearOperator)):
        return True
    methods = {name: getattr(cls, name, None) for name in _METHODS}
    return any(
        list(inspect.signature(method).parameters) == _METHODS[name]
        for name, method in methods.items()
        if inspect.isfunction(method)
    )


def unlisted(rooms: list[ModuleType], listed: set[type]) -> list[str]:
    classes = {
        cls
        for room in rooms
        for cls in vars(room).values()
        if isinstance(cls, type) and cls.__module__ == room.__name__
    }
    return sorted(
        f"{c.__module__}.{c.__qualname__}" for c in classes if under_contract(c) and c not in listed
    )


def test_every_class_is_listed(rooms: list[ModuleType], listed: set[type]) -> None:
    assert unlisted(rooms, listed) == []


def test_the_walk_finds_what_nobody_listed(listed: set[type]) -> None:
    """A kernel, an operator, a law, a sampler and a denoiser put into a module are all missed by name."""
    source = """
from medidiff.core.linear.operators import Identity
from medidiff.core.process.kernels import EDM
class K(EDM): pass
class A(Identity): pass
class N:
    def draw(self, shape, streams, purpose, step): ...
class S:
    def step(self, kernel, x, t, u, estimate, context, denoise): ...
class D:
    def denoise(self, x, t, context): ...
class Other:
    def step(self, gradient): ...
class _Private(D): pass
"""
    room = ModuleType("room")
    exec(source, vars(room))
    assert unlisted([room], listed) == ["room.A", "room.D", "room.K", "room.N", "room.S"]


def test_names_are_unique() -> None:
    for kind, entries in contracts.CONTRACTS.items():
        names = [entry.name for entry in entries]
        assert len(set(names)) == len(names), kind
