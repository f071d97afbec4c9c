"""Cards: what is refused, what is accepted, and that nothing is lost on the way through JSON."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from medidiff.errors import InputError
from medidiff.specs.card import PriorCard, read_card

CARD: dict[str, Any] = {
    "name": "ct-2d-small",
    "version": "1.0",
    "summary": "Axial CT of the trunk.",
    "role": "white",
    "architecture": {"kind": "unet", "channels": [32, 64], "blocks": [1, 2], "patch": 2},
    "scaling": {"units": "HU", "offset": -600.0, "scale": 500.0},
    "sigma_data": 1.0,
    "mean": 0.0,
    "kernel": {"kind": "edm", "sigma_min": 0.002, "sigma_max": 3.0},
    "error_table": [{"sigma": 0.01, "rms": 0.008}, {"sigma": 0.1, "rms": 0.04}, {"sigma": 1.0, "rms": 0.2}],
    "accepts": {"modality": "CT", "spacing_mm": [0.6, 2.0], "value_range": [-1024.0, 3071.0]},
    "posterior_allowed": True,
    "posterior_note": "",
    "data": {
        "sources": [{"collection": "X", "doi": "10/x", "licence": "CC BY 3.0", "people": 3, "slices": 9}]
    },
    "training": {
        "steps": 10,
        "hardware": "2 cores",
        "seconds": 5.5,
        "config": {"lr": 1e-4},
        "dataset": "0" * 64,
    },
    "limits": ["Not for diagnosis."],
    "metrics_by_person": [{"person": "v001", "psnr_db": 30.5}],
    "nearest_training_slice": {"correlation": 0.9},
    "check": {"patch": "check_patch", "sigma": 0.1, "seed": 0, "expected_rms": 0.04},
    "weights_sha256": "a" * 64,
}


def _changed(**places: Any) -> dict[str, Any]:
    """CARD with `a__b=value` set at card["a"]["b"]."""
    card = deepcopy(CARD)
    for place, value in places.items():
        *parents, last = place.split("__")
        target = card
        for parent in parents:
            target = target[parent]
        target[last] = value
    return card


def _read(tmp_path: Path, card: Any) -> PriorCard:
    (tmp_path / "card.json").write_text(card if isinstance(card, str) else json.dumps(card))
    return read_card(tmp_path / "card.json")


def test_a_card_survives_json(tmp_path: Path) -> None:
    card = _read(tmp_path, CARD)

    assert _read(tmp_path, card.to_json()) == card
    assert card.architecture.model_dump() == CARD["architecture"]
    assert card.training.config == {"lr": 1e-4}


@pytest.mark.parametrize(
    ("card", "word"),
    [
        (_changed(surprise=1), "surprise"),
        (_changed(scaling__surprise=1), "scaling.surprise"),
        (_changed(scaling__scale=0), "scaling.scale"),
        (_changed(scaling__units="1/mm"), "scaling.units"),
        (_changed(kernel__sigma_max=0.001), "kernel must be an interval"),
        (_changed(accepts__spacing_mm=[2.0, 0.6]), "accepts.spacing_mm must be an interval"),
        (_changed(error_table=CARD["error_table"][::-1]), "error_table must rise"),
        (_changed(error_table=[]), "error_table"),
        (_changed(posterior_allowed=False), "posterior_note"),
        (_changed(architecture={"kind": "transformer"}), "architecture.kind"),
        (_changed(weights_sha256="abc"), "weights_sha256"),
        (_changed(name="../evil"), "name"),
        (_changed(limits=[]), "limits"),
        ({k: v for k, v in CARD.items() if k != "data"}, "data"),
        ("{", "JSON"),
        (json.dumps(_changed(mean=float("nan"))), "mean"),
        (json.dumps(_changed(mean=float("inf"))), "mean"),
    ],
)
def test_a_card_that_is_not_valid_is_one_sentence(tmp_path: Path, card: Any, word: str) -> None:
    with pytest.raises(InputError) as error:
        _read(tmp_path, card)

    assert word in error.value.got
    assert "\n" not in str(error.value)
    assert error.value.what == "card.json"


def test_an_absent_and_an_endless_card(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_card(tmp_path / "absent.json")
    assert error.value.got == "no such file or directory"
    with pytest.raises(InputError) as error:
        _read(tmp_path, " " * (5 << 20))
    assert "bytes" in error.value.got


def test_the_error_table_is_a_power_law_between_its_rows(tmp_path: Path) -> None:
    """0.0316 is halfway from 0.01 to 0.1 in the logarithm: the geometric mean of the errors."""
    card = _read(tmp_path, CARD)

    assert card.error_at(0.1) == pytest.approx(0.04, rel=1e-12)
    assert card.error_at(10**-1.5) == pytest.approx((0.008 * 0.04) ** 0.5, rel=1e-12)
    assert card.error_at(1e-5) == 0.008
    assert card.error_at(10) == 0.2


GOOD: dict[str, Any] = {"modality": "CT", "spacing_mm": (5.0, 0.7, 1.4), "value_range": (-1000.0, 900.0)}


def test_a_volume_like_the_training_data_is_accepted(tmp_path: Path) -> None:
    card = _read(tmp_path, CARD)

    card.accepts_volume(**GOOD)
    card.accepts_volume(**{**GOOD, "spacing_mm": (0.1, 0.5999999, 2.0000001)})  # float32 of the ends


@pytest.mark.parametrize(
    ("change", "expected", "got"),
    [
        ({"modality": "MR"}, "modality CT", "MR"),
        ({"spacing_mm": (1.0, 0.5, 1.0)}, "pixels of 0.6 to 2 mm", "0.5 x 1 mm"),
        ({"spacing_mm": (1.0, 1.0, 2.5)}, "pixels of 0.6 to 2 mm", "1 x 2.5 mm"),
        ({"value_range": (4000.0, 9000.0)}, "values in [-1024, 3071] HU", "[4000, 9000]"),
    ],
)
def test_another_kind_of_volume_is_refused(
    tmp_path: Path, change: dict[str, Any], expected: str, got: str
) -> None:
    with pytest.raises(InputError) as error:
        _read(tmp_path, CARD).accepts_volume(**{**GOOD, **change})

    assert (error.value.expected, error.value.got) == (expected, got)
    assert error.value.what == "prior ct-2d-small"
