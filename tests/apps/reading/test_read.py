"""The Read page by AppTest: what a reader meets, and what is stored.

A browser's part (the viewer, the measured screen) is answered here by what it would report; the browser's own
test is beside this one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from medidiff.io.volume import Volume
from medidiff.review import freeze_study

from .conftest import SECRET_CASE, Draft, Shows
from .reader import Reading, rows


def test_a_study_from_the_first_page_to_the_last(served: Callable[..., Path], shows: Shows) -> None:
    """Ten presentations: one for training, six, three again. Each answer is one row, in order."""
    folder = served("pairs", 'instructions: ""', 'instructions: "Look at *vessels* [first](x)."')
    reading = Reading()
    assert "Look at \\*vessels\\* \\[first\\]\\(x\\)." in reading.text  # its own words, and no markup
    reading.begin()
    for number in range(1, 11):
        assert f"**Case {number} of 10**" in reading.text
        assert ("Training case" in reading.text) == (number == 1)
        reading.answer("B")
    assert "All 10 presentations are done" in reading.text
    answers = rows(folder, "answer")
    assert [(one["number"], one["choice"]) for one in answers] == [(k, "B") for k in range(1, 11)]
    last = sqlite3.connect(folder / "study.sqlite").execute(
        "SELECT number, mac FROM log ORDER BY number DESC"
    )
    assert "{}:{}".format(*last.fetchone()) in reading.text


def test_the_viewer_is_blinded_and_starts_anew_for_each_case(
    served: Callable[..., Path], shows: Shows
) -> None:
    """Same window, another key, letters only; what the page says holds no case and no arm."""
    served()
    reading = Reading().begin().answer("A")
    first, last = shows[0], shows[-1]
    assert all(one["blinded"] and one["window"] == (40.0, 400.0) for one in shows)
    assert (first["presentation"], last["presentation"]) == (1, 2)
    assert first["key"] != last["key"]
    assert {arm.label for one in shows for arm in one["arms"]} == {"A", "B"}
    assert all(isinstance(arm.volume, Volume) and not arm.case and not arm.frame for arm in last["arms"])
    assert SECRET_CASE not in reading.text
    assert "Vega" not in reading.text


def test_the_display_check_is_recorded_once_a_session(served: Callable[..., Path]) -> None:
    """Squares, window and pixel ratio; no case before it."""
    folder = served()
    reading = Reading().sign_in()
    assert "Case 1" not in reading.text
    assert reading.button("Continue").disabled
    for control in reading.test.segmented_control:
        control.set_value("not visible")
    reading.test.run()
    assert "It is recorded either way" in reading.text
    reading.press("Continue")
    assert "Case 1 of 10" in reading.text
    (check,) = [one["data"] for one in rows(folder, "event") if one["event"] == "display_check"]
    assert check == {
        "window_px": [1280, 800],
        "least_window_px": [800, 600],
        "pixel_ratio": 1.5,
        "colour_bits": 24,
        "square_5_percent": "not seen",
        "square_95_percent": "not seen",
    }


def test_a_window_below_the_protocols_stops_the_reader(served: Callable[..., Path]) -> None:
    """1280 x 800 where 1400 are asked for."""
    served("pairs", "screen: {width: 800, height: 600}", "screen: {width: 1400, height: 700}")
    reading = Reading().sign_in()
    for control in reading.test.segmented_control:
        control.set_value("top left")
    reading.test.run()
    assert "too small" in reading.text
    assert reading.button("Continue").disabled


@pytest.mark.parametrize("code", ["Dr Who?", "ä", "x" * 30, "=1+1", "\u202eR01", ""])
def test_an_odd_code_is_refused_in_one_line(served: Callable[..., Path], code: str) -> None:
    """And nothing is stored."""
    folder = served()
    reading = Reading().sign_in(code)
    assert len(reading.test.error) == 1
    assert "reader code" in reading.text
    assert rows(folder, "reader") == []


def test_two_pins_that_differ_are_refused(served: Callable[..., Path]) -> None:
    folder = served()
    reading = Reading()
    reading.test.segmented_control[0].set_value("First time here").run()
    for field, text in zip(reading.test.text_input, ("R01", "4711", "4712"), strict=True):
        field.set_value(text)
    reading.press("Register and begin")
    assert "the same digits twice" in reading.text
    assert rows(folder, "reader") == []


def test_after_a_reload_the_reader_signs_in_and_is_at_the_same_case(served: Callable[..., Path]) -> None:
    """Another session of the browser knows nobody; the log knows where the reader was."""
    folder = served()
    Reading().begin().answer("A").answer("No difference")
    again = Reading()
    assert "Reader code" in [field.label for field in again.test.text_input]
    again.begin(new=False)
    assert "Case 3 of 10" in again.text
    assert len(rows(folder, "answer")) == 2


def test_a_correction_is_a_new_row(served: Callable[..., Path]) -> None:
    """The earlier answer stays; the reader goes on where they were."""
    folder = served()
    reading = Reading().begin().answer("A")
    reading.press("Correct the previous answer")
    assert "Case 1 of 10" in reading.text
    reading.press("Leave it as it was")
    assert "Case 2 of 10" in reading.text
    reading.press("Correct the previous answer").test.text_area[0].set_value("on second thoughts").run()
    reading.answer("Cannot judge", "Submit the correction")
    assert "Case 2 of 10" in reading.text
    first, second = rows(folder, "answer")
    assert (first["choice"], first["corrects"]) == ("A", None)
    assert (second["choice"], second["corrects"]) == ("cannot", first["row"])
    assert second["comment"] == "on second thoughts"


def test_two_windows_of_one_reader_write_one_row(served: Callable[..., Path]) -> None:
    """The second one learns that the case was answered, and goes on with the next."""
    folder = served()
    one, other, third = Reading().begin(), Reading().begin(new=False), Reading().begin(new=False)
    one.answer("A")
    other.button("B").click()
    other.press("Submit")
    third.press("B")
    assert [row["choice"] for row in rows(folder, "answer")] == ["A"]
    for late in (other, third):
        assert "answered in another window" in late.text
        assert "Case 2 of 10" in late.text
    other.answer("A")
    assert "another window" not in other.text


def test_a_choice_and_its_submission_at_once_count_together(served: Callable[..., Path]) -> None:
    """Fast keys reach the server as one event, in an order that it does not know."""
    folder = served()
    reading = Reading().begin()
    reading.button("B").click()
    reading.press("Submit")
    assert [row["choice"] for row in rows(folder, "answer")] == ["B"]
    for label in ("A", "B"):
        reading.button(label).click()
    reading.press("Submit")
    assert "expected one choice, got none" in reading.text
    reading.press("A").button("B").click()
    reading.press("Submit")  # A is on the screen, B came with the submission: before it, or after it?
    assert "another one at the same moment" in reading.text
    assert len(rows(folder, "answer")) == 1
    reading.press("Submit")
    assert [row["choice"] for row in rows(folder, "answer")] == ["B", "B"]


def test_images_must_be_seen_long_enough(served: Callable[..., Path]) -> None:
    """The choice stays on the screen for another try."""
    folder = served("pairs", "minimum_display: 0 s", "minimum_display: 30 s")
    reading = Reading().begin().answer("A")
    assert "Look a little longer" in reading.text
    assert "Case 1 of 10" in reading.text
    assert rows(folder, "answer") == []


def test_a_likert_scale_has_its_anchors_and_one_image(served: Callable[..., Path], shows: Shows) -> None:
    folder = served("likert")
    reading = Reading().begin().answer("4: good")
    assert [len(one["arms"]) for one in shows] == [1] * len(shows)
    assert rows(folder, "answer")[0]["choice"] == "4"
    assert "No difference" not in [one.label for one in reading.test.button]


def test_without_ties_comments_and_abstention_they_are_not_offered(served: Callable[..., Path]) -> None:
    served(
        "pairs",
        "ties: true",
        "ties: false",
        "cannot_judge: true",
        "cannot_judge: false",
        "comments: true",
        "comments: false",
    )
    reading = Reading().begin()
    labels = [one.label for one in reading.test.button]
    assert [label for label in labels if label in ("A", "B", "No difference", "Cannot judge")] == ["A", "B"]
    assert not reading.test.text_area


def test_repeats_wait_and_the_page_says_how_long(served: Callable[..., Path]) -> None:
    """After seven presentations only repeats are left; two days must pass."""
    served("pairs", "washout: 0 s", "washout: 2 days")
    reading = Reading().begin()
    for _ in range(7):
        reading.answer("A")
    assert "7 of 10 are done" in reading.text
    assert reading.test.metric[0].value in ("2 days", "1 day 23 h", "2 days 0 h")


def test_a_view_is_logged_once_for_each_change(served: Callable[..., Path]) -> None:
    """Reruns without a change add nothing."""
    folder = served()
    Reading().begin().test.run()
    (view,) = [one for one in rows(folder, "event") if one["event"] == "view"]
    assert view["number"] == 1
    assert (view["data"]["plane"], view["data"]["level"]) == ("axial", 40.0)


def test_the_normal_app_opens_on_practice_and_finds_studies(
    draft: Draft, shows: Shows, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Practice is labelled on every screen; a folder's study is called by its title, not by its folder."""
    folder = draft("pairs", "title: Preferred reconstruction", "title: Which lung").folder
    freeze_study(folder).log.close()
    monkeypatch.setenv("MEDIDIFF_APP", json.dumps({"home": str(home), "data": str(folder.parent)}))
    reading = Reading("screens/read.py")
    assert "Practice: answers count for nothing" in reading.text
    reading.begin("ME")
    assert "Practice: answers count for nothing" in reading.text
    assert "Case 1 of 10" in reading.text
    other = Reading("screens/read.py")
    assert other.test.selectbox[0].options == ["Practice", "1: Which lung"]
    other.test.selectbox[0].select("1: Which lung").run()
    assert "Practice" not in other.text
    assert "Which lung" in other.text


def test_times_left_are_said_in_two_units(shows: Shows) -> None:
    from reading.endings import duration

    told = {
        0.2: "1 s",
        59.1: "1 min 0 s",
        250: "4 min 10 s",
        3600: "1 h 0 min",
        86400 * 13 + 14400: "13 days 4 h",
    }
    assert {seconds: duration(seconds) for seconds in told} == told
