"""The protocol: what its draft says, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medidiff.errors import InputError, OutputError
from medidiff.review import freeze_study, new_study, read_protocol
from medidiff.review.design.protocol import seconds_of


def test_a_draft_is_a_protocol_that_can_be_frozen(draft: Path) -> None:
    protocol, digest = read_protocol(draft)
    assert [arm.name for arm in protocol.arms] == ["tv", "diffusion"]
    assert [case.slices for case in protocol.cases] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 5),
        (5, 6),
        (6, 8),
    ]
    assert [case.training for case in protocol.cases] == [True] + [False] * 6
    assert (protocol.hypothesis.better, protocol.hypothesis.than) == ("diffusion", "tv")
    assert (protocol.window.level, protocol.window.width) == (-600, 1500)
    assert freeze_study(draft).digest == digest


def test_the_place_of_a_run_is_relative_to_the_study(draft: Path) -> None:
    text = (draft / "protocol.yaml").read_text()
    assert "run: ../run" in text
    assert str(draft.parent) not in text


def test_blocks_share_the_runs_out_evenly(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """Runs of 3, 4 and 5 slices, six cases: the run with the thickest blocks is cut next."""
    runs = [make_run(tmp_path / f"r{k}", slices=3 + k) for k in range(3)]
    new_study(tmp_path / "blocks", runs, ["tv", "diffusion"], cases=6, training=0)
    cases = read_protocol(tmp_path / "blocks")[0].cases
    assert [(case.run, case.slices) for case in cases] == [
        ("../r0", None),
        ("../r1", (0, 2)),
        ("../r1", (2, 4)),
        ("../r2", (0, 1)),
        ("../r2", (1, 3)),
        ("../r2", (3, 5)),
    ]


def test_enough_runs_are_cases_as_they_are(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    runs = [make_run(tmp_path / f"r{k}") for k in range(6)]
    new_study(tmp_path / "whole", runs, ["tv", "diffusion"], cases=6, training=0)
    assert [case.slices for case in read_protocol(tmp_path / "whole")[0].cases] == [None] * 6


def test_a_likert_draft_is_a_protocol(tmp_path: Path, run: Path) -> None:
    new_study(tmp_path / "scale", [run], ["tv", "diffusion"], kind="likert")
    protocol, _ = read_protocol(tmp_path / "scale")
    assert protocol.likert is not None
    assert len(protocol.likert.anchors) == 5


def test_a_run_without_an_arm_and_too_few_slices_are_refused(tmp_path: Path, run: Path) -> None:
    with pytest.raises(InputError) as error:
        new_study(tmp_path / "s", [run], ["tv", "cg-sense"])
    assert error.value.got == "images of tv, diffusion"
    with pytest.raises(InputError) as error:
        new_study(tmp_path / "s", [run], ["tv", "diffusion"], cases=9)
    assert error.value.got == "8"
    assert not (tmp_path / "s").exists()


def test_a_folder_with_something_in_it_is_not_overwritten(draft: Path, run: Path) -> None:
    with pytest.raises(OutputError) as error:
        new_study(draft, [run], ["tv", "diffusion"])
    assert error.value.fix == "Name a new folder for the study."  # there is no --overwrite


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("repeats: 0.5", "repeat: 0.5", "repeat: "),
        ("kind: superiority ", "kind: non-inferiority ", "hypothesis: "),
        ("than: tv", "than: fbp", "the whole: "),
        # From 0.5 on the bound lies at 0 or below, and an arm that nobody prefers would pass.
        (
            "kind: superiority ",
            "kind: non-inferiority\n  margin: 0.5 ",
            "the whole: expected a margin below 0.5",
        ),
        ("washout: 0 s", "washout: 14", "washout: "),
        ("alpha: 0.025", "alpha: 5", "alpha: "),
        ("slices: [1, 2]", "slices: [2, 1]", "cases.1.slices: "),
        ("id: case02", "id: case01", "the whole: "),
        ("id: case02", "id: '../case'", "cases.2.id: "),
        ("question: ", "question: [", "something that is no YAML"),
        (
            "question: ",
            "x: &a {b: 1}\ny: {<<: [*a, *a]}\nquestion: ",
            "an alias",
        ),  # 700 bytes grow without end
        ("schema: medidiff.review/1", "schema: medidiff.review/2", "schema: "),
        ("alpha: 0.025", "alpha: 0.025\nalpha: 0.2", "two lines of alpha"),
        ("than: tv", "than: tv\n  than: tv", "two lines of than"),
    ],
)
def test_what_does_not_fit_is_named(
    draft: Path, edited: Callable[..., Path], old: str, new: str, place: str
) -> None:
    edited(draft / "protocol.yaml", old, new)
    with pytest.raises(InputError) as error:
        freeze_study(draft)
    assert error.value.got.startswith(place)
    assert not (draft / "frozen.json").exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("14 days", 1209600), ("1 day", 86400), ("2 h", 7200), ("1.5 min", 90), ("30s", 30)]
)
def test_times_carry_their_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["14", 14, "-1 s", "1 week", "1e3 s", "\u0661 s", None])
def test_times_without_a_known_unit_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="unit"):
        seconds_of(text)


@pytest.mark.parametrize(("margin", "fits"), [("3.9", True), ("4", False)])
def test_a_margin_of_scores_lies_within_the_scale(
    tmp_path: Path, run: Path, edited: Callable[..., Path], margin: str, fits: bool
) -> None:
    protocol = new_study(tmp_path / "scale", [run], ["tv", "diffusion"], kind="likert")
    edited(protocol, "kind: superiority", "kind: non-inferiority", "# margin: 0.5", f"margin: {margin}")
    if fits:
        assert read_protocol(protocol.parent)[0].hypothesis.margin == float(margin)
    else:
        with pytest.raises(InputError, match="a margin below 4"):
            read_protocol(protocol.parent)


def test_the_margin_of_a_draft_needs_only_its_mark_taken_away(
    draft: Path, edited: Callable[..., Path]
) -> None:
    edited(draft / "protocol.yaml", "kind: superiority", "kind: non-inferiority", "# margin:", "margin:")
    assert read_protocol(draft)[0].hypothesis.margin == 0.1
