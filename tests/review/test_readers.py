"""Codes and PINs: odd codes are refused in one message, wrong PINs wait, nothing is told of others."""

from __future__ import annotations

import pytest

from medidiff.errors import InputError
from medidiff.review import Study

ODD = [
    "",
    "a",
    "x" * 21,
    "R 1",
    "R\n1",
    "R\x001",
    "R1'; DROP TABLE log;--",
    "Ü1",
    "R\u202e1",
    "../R1",
    "-R1",
    "R1\ud800",
]


@pytest.mark.parametrize("code", ODD)
@pytest.mark.parametrize("new", [True, False])
def test_an_odd_code_is_refused_and_not_repeated(study: Study, code: str, new: bool) -> None:
    with pytest.raises(InputError) as error:
        study.sign_in(code, "4711", new=new)
    assert error.value.got == "other characters or another length"
    assert len(code) < 2 or code not in str(error.value)
    with study.log.reading() as now:
        assert now.head().count == 1


@pytest.mark.parametrize("code", ["r01", " R01 ", "\uff32\uff10\uff11", "R01"])
def test_codes_are_one_in_small_wide_and_spaced_letters(study: Study, code: str) -> None:
    """Unicode's wide letters are what some keyboards of clinics write."""
    study.sign_in("R01", "4711", new=True)
    assert study.sign_in(code, "4711", new=False).number == 1


@pytest.mark.parametrize(
    "pin", ["", "123", "1234567890123", "12a4", "12 4", "\u0661\u0662\u0663\u0664", "12345\n"]
)
def test_a_pin_is_4_to_12_digits(study: Study, pin: str) -> None:
    with pytest.raises(InputError) as error:
        study.sign_in("R01", pin, new=True)
    assert error.value.what == "PIN"


def test_a_wrong_pin_and_an_unknown_code_are_told_in_the_same_words(study: Study) -> None:
    study.sign_in("R01", "4711", new=True)
    messages = []
    for code, pin in (("R01", "4712"), ("R02", "4711"), ("R01", "x" * 10_000), ("R02", "\ud800")):
        with pytest.raises(InputError) as error:
            study.sign_in(code, pin, new=False)
        messages.append(str(error.value))
    assert len(set(messages)) == 1


def test_a_taken_code_is_not_given_away(study: Study) -> None:
    study.sign_in("R01", "4711", new=True)
    with pytest.raises(InputError) as error:
        study.sign_in("r01", "9999", new=True)
    assert error.value.got == "one that has answers or a PIN already"


def test_wrong_attempts_wait_longer_each_time_and_a_right_one_ends_it(study: Study) -> None:
    """Three are free; then 5 s, 10 s, 20 s ... each from the last wrong one; the right PIN waits too."""
    study.sign_in("R01", "4711", new=True)
    clock = study.clock

    def wrong() -> str:
        with pytest.raises(InputError) as error:
            study.sign_in("R01", "0000", new=False)
        return error.value.expected

    assert [wrong() for _ in range(3)] == ["a code and its PIN"] * 3
    for pause in (5, 10, 20):
        assert wrong() == f"a pause of {pause} s after several wrong attempts"
        with pytest.raises(InputError):
            study.sign_in("R01", "4711", new=False)
        clock.now += pause  # type: ignore[attr-defined]  # the fixture's clock
        assert wrong() == "a code and its PIN"
    study.sign_in("R02", "1234", new=True)  # others do not wait
    clock.now += 600  # type: ignore[attr-defined]  # the fixture's clock
    study.sign_in("R01", "4711", new=False)
    assert wrong() == "a code and its PIN"


def test_no_pin_is_stored(study: Study) -> None:
    study.sign_in("R01", "471108159", new=True)
    study.log.close()
    stored = b"".join(path.read_bytes() for path in study.folder.glob("study.sqlite*"))
    assert b"R01" in stored
    assert b"471108159" not in stored


def test_readers_get_orders_in_turn(study: Study) -> None:
    found = [study.sign_in(f"R{k:02d}", "4711", new=True) for k in range(4)]
    assert [(reader.number, reader.order) for reader in found] == [(k, k) for k in range(1, 5)]
