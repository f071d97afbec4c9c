"""A study from freeze to unblinding, through the calls that every door makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import InputError, MissingError, OutputError
from medidiff.review import Presentation, Study, Washout, freeze_study, open_study, practice_study
from medidiff.review.design.cases import IMAGES, MANIFEST
from medidiff.review.design.protocol import PROTOCOL


def _read_all(study: Study, code: str, choice: str = "A") -> int:
    reader = study.sign_in(code, "4711", new=True)
    count = 0
    while isinstance(shown := study.next(reader), Presentation):
        study.answer(reader, shown, choice, seconds=3.0)
        count += 1
    assert shown is None
    return count


def test_a_reader_answers_every_presentation_once(study: Study) -> None:
    """One training case, six cases, and half of the six again."""
    assert _read_all(study, "R01") == 1 + 6 + 3
    reader = study.sign_in("r01", "4711", new=False)
    assert study.done(reader) == (10, 10)


def test_reading_goes_on_where_it_stopped(study: Study, draft: Path) -> None:
    reader = study.sign_in("R01", "4711", new=True)
    first = study.next(reader)
    assert isinstance(first, Presentation)
    study.answer(reader, first, "tie", seconds=3.0)
    again = open_study(draft, clock=study.clock)
    reader = again.sign_in("R01", "4711", new=False)
    shown = again.next(reader)
    assert isinstance(shown, Presentation)
    assert (shown.number, again.done(reader)) == (2, (1, 10))


def test_images_are_those_of_the_run_in_the_order_of_the_sides(study: Study, run: Path) -> None:
    from medidiff.io.nifti import read_nifti

    reader = study.sign_in("R01", "4711", new=True)
    for number, item in enumerate(study.items(reader.order), 1):
        shown = study.next(reader)
        assert isinstance(shown, Presentation)
        assert shown.number == number
        case = next(case for case in study.protocol.cases if case.id == item.case)
        assert case.slices is not None
        for volume, arm in zip(study.images(shown), item.arms, strict=True):
            truth = read_nifti(run / f"{arm}.nii.gz").array[slice(*case.slices)]
            assert np.abs(volume.array - truth).max() <= 0.5 + 1e-4  # whole HU
        study.answer(reader, shown, "A", seconds=1.0)


def test_nothing_but_voxels_differs_between_arms(study: Study) -> None:
    """Type, size, grid, units, origin, notes; and on the disk length, time and form of the name."""
    reader = study.sign_in("R01", "4711", new=True)
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    left, right = study.images(shown)
    assert not np.array_equal(left.array, right.array)
    assert (left.array.dtype, left.array.nbytes) == (right.array.dtype, right.array.nbytes)
    assert np.array_equal(left.affine, right.affine)
    assert np.array_equal(left.affine[:3, 3], [0, 0, 0])
    assert (left.units, left.origin, left.notes) == (right.units, right.origin, right.notes) == ("HU", "", ())
    files = sorted((study.folder / IMAGES).iterdir())
    assert len(files) == 14
    assert len({(file.stat().st_mtime_ns, len(file.name)) for file in files}) == 1
    assert {file.stat().st_size for file in files} == {2 * 12 * 10, 2 * 2 * 12 * 10}  # one or two slices
    words = repr(shown).lower()
    assert not [word for word in ("tv", "diffusion", "'case", "training0", "occasion") if word in words]


def test_a_changed_protocol_is_refused(draft: Path, study: Study) -> None:
    with (draft / "protocol.yaml").open("a") as file:
        file.write("# a later thought\n")
    with pytest.raises(InputError) as error:
        open_study(draft)
    assert (error.value.what, error.value.got) == ("protocol.yaml", "a changed one")


@pytest.mark.parametrize("damage", ["removed", "changed"])
def test_a_missing_or_changed_image_is_refused_by_its_case(draft: Path, study: Study, damage: str) -> None:
    image = study.manifest.cases["case03"].arms["tv"].file
    path = draft / IMAGES / image
    if damage == "removed":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[5] ^= 1
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        open_study(draft)
    assert error.value.what == "case case03"


def test_arms_on_two_grids_are_refused(draft: Path, run: Path) -> None:
    from medidiff.io.nifti import read_nifti, write_nifti
    from medidiff.io.volume import Volume

    volume = read_nifti(run / "tv.nii.gz")
    affine = volume.affine.copy()
    affine[0, 3] += 1.0
    write_nifti(Volume(volume.array, affine), run / "tv.nii.gz")
    with pytest.raises(InputError) as error:
        freeze_study(draft)
    assert error.value.expected == "arms on one grid, in one frame and in one unit"
    assert not (draft / IMAGES).exists()


def test_without_a_place_for_the_key_nothing_is_frozen(draft: Path, own_home: Path) -> None:
    own_home.write_text("a file where the data folder should be")
    with pytest.raises(OutputError):
        freeze_study(draft)
    assert [path.name for path in draft.iterdir()] == [PROTOCOL]


def test_freezing_removes_what_an_interrupted_one_left_and_nothing_else(draft: Path) -> None:
    (draft / IMAGES).mkdir()
    left, own = draft / IMAGES / f"{'0a' * 16}.bin", draft / IMAGES / "own.bin"
    left.write_bytes(b"left")
    own.write_bytes(b"somebody's")
    with pytest.raises(OutputError) as error:
        freeze_study(draft)
    assert error.value.got == "other files"
    assert own.read_bytes() == b"somebody's"
    own.rename(draft / own.name)
    study = freeze_study(draft)
    assert left.name not in [path.name for path in (study.folder / IMAGES).iterdir()]


def test_beside_the_database_of_another_study_nothing_is_frozen(draft: Path, study: Study) -> None:
    """As in a copy of a frozen study whose manifest was removed, to change its protocol."""
    study.log.close()
    (draft / MANIFEST).unlink()
    before = sorted(draft.rglob("*"))
    with pytest.raises(InputError) as error:
        freeze_study(draft)
    assert error.value.got == "study.sqlite of another study"
    assert sorted(draft.rglob("*")) == before


def test_what_helps_a_damaged_study_is_told(draft: Path, study: Study) -> None:
    """Running a reconstruction again, which helps a damaged run folder, does not."""
    (draft / MANIFEST).write_text("[]")
    with pytest.raises(InputError) as error:
        open_study(draft)
    assert (error.value.got, error.value.fix) == (
        "something else",
        "Copy the study's folder again from where it was frozen.",
    )
    with pytest.raises(InputError) as error:
        freeze_study(draft.parent / "nowhere")
    assert error.value.what == PROTOCOL
    assert "medidiff review new" in error.value.fix


def test_a_study_is_frozen_once(draft: Path, study: Study) -> None:
    with pytest.raises(InputError) as error:
        freeze_study(draft)
    assert error.value.got == "a frozen one"


def test_without_its_key_a_study_does_not_open(draft: Path, study: Study, own_home: Path) -> None:
    (key,) = own_home.rglob("*.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert not list(draft.rglob("*.key"))
    key.unlink()
    with pytest.raises(MissingError):
        open_study(draft)


def test_repeats_wait_for_the_washout(
    draft: Path, clock: Callable[[], float], edited: Callable[..., Path]
) -> None:
    """The first of six repeats waits two days from when its case was answered, not a second less."""
    edited(draft / "protocol.yaml", "washout: 0 s", "washout: 2 days")
    freeze_study(draft)
    study = open_study(draft, clock=clock)
    reader = study.sign_in("R01", "4711", new=True)
    answered = {}
    while isinstance(shown := study.next(reader), Presentation):
        clock.now += 10.0  # type: ignore[attr-defined]  # the fixture's clock
        study.answer(reader, shown, "A", seconds=5.0)
        answered[shown.number] = clock()
    assert isinstance(shown, Washout)
    first = study.items(reader.order)[7].first
    assert shown.seconds_left == pytest.approx(answered[first] + 2 * 86400 - clock(), abs=0.01)
    clock.now = answered[first] + 2 * 86400 + 0.01  # type: ignore[attr-defined]  # the fixture's clock
    reader = study.sign_in("R01", "4711", new=False)
    again = study.next(reader)
    assert isinstance(again, Presentation)
    assert again.number == 8


def test_unblinding_closes_the_study(study: Study) -> None:
    reader = study.sign_in("R01", "4711", new=True)
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    study.answer(reader, shown, "A", seconds=3.0)
    assert not study.unblinded
    head = study.unblind("all readers are done")
    assert study.unblinded
    assert study.log.append("event", {"event": "look"}).number == head.count + 1  # looking goes on
    following = study.next(reader)
    assert isinstance(following, Presentation)
    for attempt in (
        lambda: study.answer(reader, following, "A", seconds=3.0),
        lambda: study.sign_in("R01", "4711", new=False),
        lambda: study.sign_in("R02", "4711", new=True),
        lambda: study.unblind("once more"),
    ):
        with pytest.raises(InputError) as error:
            attempt()
        assert "unblinded" in error.value.got


def test_answers_that_do_not_fit_are_refused(study: Study) -> None:
    reader, other = (study.sign_in(code, "4711", new=True) for code in ("R01", "R02"))
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    for attempt in (
        lambda: study.answer(reader, shown, "C", seconds=3.0),
        lambda: study.answer(reader, shown, "A", seconds=float("nan")),
        lambda: study.answer(reader, shown, "A", seconds=-1.0),
        lambda: study.answer(other, shown, "A", seconds=3.0),
        lambda: study.answer(reader, shown, "A", seconds=3.0, corrects=1),
        lambda: study.answer(reader, shown, "A", seconds=3.0, comment="x" * 2001),
    ):
        with pytest.raises(InputError):
            attempt()
    first = study.answer(reader, shown, "A", seconds=3.0)
    with pytest.raises(InputError) as error:
        study.answer(reader, shown, "B", seconds=3.0)
    assert error.value.got == "one that was answered"
    second = study.answer(reader, shown, "B", seconds=4.0, corrects=first)
    with pytest.raises(InputError):  # a correction replaces the latest
        study.answer(reader, shown, "A", seconds=4.0, corrects=first)
    assert second > first
    assert study.done(reader) == (1, 10)


def test_a_minimum_display_is_kept(draft: Path, edited: Callable[..., Path]) -> None:
    edited(draft / "protocol.yaml", "minimum_display: 0 s", "minimum_display: 2 s")
    study = freeze_study(draft)
    reader = study.sign_in("R01", "4711", new=True)
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    with pytest.raises(InputError):
        study.answer(reader, shown, "A", seconds=1.9)
    study.answer(reader, shown, "A", seconds=2.0)


def test_a_practice_study_whose_key_is_gone_is_made_anew(own_home: Path) -> None:
    folder = practice_study()
    before = open_study(folder).manifest.study
    (key,) = own_home.rglob("*.key")
    key.unlink()
    assert open_study(practice_study()).manifest.study != before
