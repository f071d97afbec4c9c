"""One fixture a kind: `kernel_entry`, `noise_entry` ... walk the core's registry and every domain's."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import medidiff.core
import medidiff.domains
from medidiff.core import contracts


def modules(package: ModuleType, suffix: str = "") -> Iterator[ModuleType]:
    """The modules below a package whose names end in `suffix`, imported."""
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if info.name.endswith(suffix):
            yield importlib.import_module(info.name)


def registries() -> list[dict[str, tuple[contracts.Entry, ...]]]:
    return [contracts.CONTRACTS, *(room.CONTRACTS for room in modules(medidiff.domains, ".contracts"))]


def entries(kind: str) -> list[contracts.Entry]:
    return [entry for registry in registries() for entry in registry.get(kind, ())]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fact(kind, name): only for entries of the kind that state this fact")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    facts = [mark.args for mark in metafunc.definition.iter_markers("fact")]
    for kind in contracts.CONTRACTS:
        name = f"{kind}_entry"
        if name in metafunc.fixturenames:
            wanted = [fact for of, fact in facts if of == kind]
            found = [entry for entry in entries(kind) if all(entry.facts.get(fact) for fact in wanted)]
            metafunc.parametrize(name, found, ids=[entry.name for entry in found])


@pytest.fixture(scope="session")
def rooms() -> list[ModuleType]:
    return [*modules(medidiff.core), *modules(medidiff.domains)]


@pytest.fixture(scope="session")
def listed() -> set[type]:
    return {entry.subject for kind in contracts.CONTRACTS for entry in entries(kind)}
