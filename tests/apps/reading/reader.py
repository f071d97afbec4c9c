"""A reader on the Read page by AppTest, and the rows that the study's log then holds."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from .conftest import APPS

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


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(folder / "study.sqlite")
    found = connection.execute("SELECT number, reader, body FROM log WHERE kind = ? ORDER BY number", [kind])
    listed = [{"row": number, "reader": reader, **json.loads(body)} for number, reader, body in found]
    connection.close()
    return listed
