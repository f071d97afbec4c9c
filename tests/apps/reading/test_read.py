"""The Read page by AppTest: what a reader meets, what is stored, and one line for whatever goes wrong.

A browser's part (the viewer, the measured screen) is answered here by what it would report; the browser's own
test is beside this one.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from medidiff.io.volume import Volume
from medidiff.review import freeze_study
from medidiff.review.store import log as log_module
from medidiff.review.store import place as place_module

from .conftest import APPS, SECRET_CASE, Draft

PIN = "4711"


class Reading:
    """A reader's browser on one study: buttons by label, and what the page says."""

    def __init__(self, script: str = "main.py") -> None:
        self.test = AppTest.from_file(str(APPS / script), default_timeout=60).run()

    def button(self, label: str) -> Any:
        found = [one for one in self.test.button if one.label == label]
        assert found, (label, [one.label for one in self.test.button])
        return found[0]

    def press(self, label: str) -> Reading:
        self.button(label).click().run()
        assert not self.test.exception
        return self

    def sign_in(self, code: str = "R01", pin: str = PIN, *, new: bool = True) -> Reading:
        if new:
            self.test.segmented_control[0].set_value("First time here").run()
        for field in self.test.text_input:
            field.set_value(code if field.label == "Reader code" else pin)
        return self.press("Register and begin" if new else "Sign in")

    def begin(self, code: str = "R01", pin: str = PIN, *, new: bool = True) -> Reading:
        """Sign in and pass the display check."""
        self.sign_in(code, pin, new=new)
        for control in self.test.segmented_control:
            control.set_value("top left")
        self.test.run()
        return self.press("Continue")

    def answer(self, label: str, submit: str = "Submit") -> Reading:
        return self.press(label).press(submit)

    @property
    def text(self) -> str:
        parts = (self.test.markdown, self.test.title, self.test.caption, self.test.error)
        more = (self.test.warning, self.test.info, self.test.code, self.test.metric)
        return "\n".join(str(one.value) for group in (*parts, *more) for one in group)


Open = Callable[..., Reading]
Shows = list[dict[str, Any]]


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> Shows:
    """What the viewer was asked to show; both images are on the screen at once, and then one slice on."""
    monkeypatch.syspath_prepend(str(APPS))
    import reading.case
    import reading.display
    from viewer import View

    asked: Shows = []

    def show(arms: Any, **words: Any) -> View:
        asked.append({"arms": arms, **words})
        level, width = words["window"]
        return View("arms", "axial", 0, level, width, 1.0, "side", 0.0, "mean", True)

    monkeypatch.setattr(reading.case, "show", show)
    monkeypatch.setattr(
        reading.display, "pattern", lambda dark, light: reading.display.Screen(1280, 800, 1.5, 24)
    )
    return asked


@pytest.fixture
def served(draft: Draft, shows: Shows, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`served("pairs", "old", "new")`: freeze a study with these changes, and serve it alone."""

    def make(kind: str = "pairs", *changes: str) -> Path:
        folder = draft(kind, *changes).folder
        freeze_study(folder).log.close()
        monkeypatch.setenv("MEDIDIFF_APP", json.dumps({"study": str(folder), "home": str(home)}))
        return folder

    return make


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(folder / "study.sqlite")
    found = connection.execute("SELECT number, reader, body FROM log WHERE kind = ? ORDER BY number", [kind])
    listed = [{"row": number, "reader": reader, **json.loads(body)} for number, reader, body in found]
    connection.close()
    return listed


def test_a_study_from_the_first_page_to_the_last(served: Callable[..., Path], shows: Shows) -> None:
    """Ten presentations: one for training, six, three again. Each answer is one row, in order."""
    folder = served("pairs", "question: ", 'instructions: "Look at *vessels* [first](x)."\nquestion: ')
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
    served("pairs", "window: {", "screen: {width: 1400, height: 700}\nwindow: {")
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


def test_an_unblinded_study_is_closed(served: Callable[..., Path]) -> None:
    from medidiff.review import open_study

    folder = served()
    reading = Reading().begin()
    open_study(folder).unblind("all readers are done")
    reading.test.run()
    assert "closed" in reading.text
    assert "Orion" not in reading.text


def test_a_protocol_changed_after_the_freeze_is_refused_and_putting_it_back_goes_on(
    served: Callable[..., Path],
) -> None:
    """In the middle of a session too: the server lives, nothing is lost."""
    folder = served()
    reading = Reading().begin().answer("A")
    frozen = (folder / "protocol.yaml").read_bytes()
    (folder / "protocol.yaml").write_bytes(frozen + b"# \n")
    reading.test.run()
    assert len(reading.test.error) == 1
    assert "the protocol that was frozen" in reading.text
    (folder / "protocol.yaml").write_bytes(frozen)
    reading.test.run()
    assert "Case 2 of 10" in reading.text


def test_a_missing_image_is_one_line_that_names_no_case(served: Callable[..., Path], tmp_path: Path) -> None:
    folder = served()
    reading = Reading().begin()
    shutil.move(folder / "images", tmp_path / "elsewhere")
    reading.answer("A")
    assert len(reading.test.error) == 1
    assert "each image as it was frozen" in reading.text
    assert SECRET_CASE not in reading.text
    shutil.move(tmp_path / "elsewhere", folder / "images")
    reading.press("Try again")
    assert "Case 2 of 10" in reading.text


def test_a_full_disk_loses_nothing(served: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own refusal, with a limit on the pages of the file; afterwards the same press stores it."""
    folder = served()
    reading = Reading().begin().press("A")
    connect, full = log_module._connect, True

    def limited(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        if full:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite makes it the pages that are there
        return connection

    monkeypatch.setattr(log_module, "_connect", limited)
    comment = "x" * 1900
    while True:  # the last page may have room
        reading.test.text_area[0].set_value(comment).run()
        reading.press("Submit")
        if reading.test.error:
            break
        reading.press("A")
    assert "a full disk" in reading.text
    before = len(rows(folder, "answer"))
    full = False
    reading.press("Submit")
    answers = rows(folder, "answer")
    assert len(answers) == before + 1
    assert answers[-1]["comment"] == comment


def test_a_network_file_system_is_refused(
    served: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served()
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path} nfs4 rw 0 0\n")
    monkeypatch.setattr(place_module, "_MOUNTS", mounts)
    reading = Reading()
    assert len(reading.test.error) == 1
    assert "network file system \\(nfs4\\)" in reading.text


def test_a_study_that_another_server_has_open_says_so(served: Callable[..., Path]) -> None:
    """And is read all the same."""
    folder = served()
    code = (
        "import sys; from medidiff.review import open_study; study = open_study(sys.argv[1]);"
        "print('open', flush=True); sys.stdin.read()"
    )
    # This process froze the study and holds it: the notice must be there for the page of another one too.
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(APPS.parent)},
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        reading = Reading()
        assert "open in another program too" in reading.text
        reading.begin().answer("A")
        other.communicate()
    assert len(rows(folder, "answer")) == 1


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
