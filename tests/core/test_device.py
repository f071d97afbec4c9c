"""Devices and precisions by name."""

from __future__ import annotations

import pytest
import torch

from medidiff.core import device as module
from medidiff.core.device import autocast, choose_device, has_fast_bf16, precision
from medidiff.errors import InputError, MissingError

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("found", "name", "kind"), [(False, "auto", "cpu"), (True, "auto", "cuda"), (True, "cpu", "cpu")]
)
def test_auto_is_the_gpu_where_there_is_one(
    found: bool, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found)
    assert choose_device(name).type == kind


def test_a_gpu_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingError) as error:
        choose_device("cuda")
    assert "--device cpu" in error.value.fix


@pytest.mark.parametrize("name", ["gpu", "", "cuda:0", "CPU"])
def test_another_name_is_a_wrong_argument(name: str) -> None:
    with pytest.raises(InputError) as error:
        choose_device(name)
    assert error.value.argument
    assert error.value.got == repr(name)


@pytest.mark.parametrize(
    ("fast", "float32", "name"), [(True, False, "bf16"), (True, True, "float32"), (False, False, "float32")]
)
def test_bf16_only_where_it_is_fast_and_nobody_asked_otherwise(
    fast: bool, float32: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "has_fast_bf16", lambda kind: fast)
    assert precision(CPU, float32=float32) == name


@pytest.mark.parametrize(
    ("flags", "fast"), [("avx2 avx512f", False), ("avx512_bf16", True), ("amx_bf16", True)]
)
def test_the_processor_says_whether_bf16_is_fast(
    flags: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.Path, "read_text", lambda *_, **__: f"flags : fpu {flags}\n")
    assert has_fast_bf16.__wrapped__("cpu") is fast


def test_a_system_that_does_not_say_gets_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(module.Path, "read_text", absent)
    assert has_fast_bf16.__wrapped__("cpu") is False


def test_autocast_multiplies_in_the_precision_named() -> None:
    a = torch.ones(2, 2)
    with autocast(CPU, "bf16"):
        assert (a @ a).dtype == torch.bfloat16
    with autocast(CPU, "float32"):
        assert (a @ a).dtype == torch.float32
