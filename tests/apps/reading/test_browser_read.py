"""A reader study in a real browser: two readers, six pairs, a killed server; and nothing tells the arms."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from medidiff.review.design.cases import read_manifest

from ..conftest import wait_until
from .conftest import APPS, ARMS, CANARIES, SECRET_CASE, write_run
from .leaks import Heard
from .reader import PIN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

    from tests.apps.conftest import Server, StartServer, Watched

CASES = 6
SECRETS = (*CANARIES, *ARMS, SECRET_CASE, "frozen.json", "study.sqlite", "protocol.yaml")
NOT_OF_OUR_PAGES = re.compile(r"Reconstruct|Compare|Results|Chromatogram", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A frozen study, the data folder with its key, and what in it is secret."""

    folder: Path
    home: Path

    def review(self, *words: str, fails: bool = False) -> str:
        """Run `medidiff review`; its standard output."""
        environment = {**os.environ, "XDG_DATA_HOME": str(self.home), "PYTHONPATH": str(APPS.parent)}
        command = [sys.executable, "-m", "medidiff", "review", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout + done.stderr

    @property
    def digests(self) -> list[str]:
        """SHA-256 of images, protocol and manifest, and the random names of files and of the study."""
        manifest, digest = read_manifest(self.folder)
        images = [image for case in manifest.cases.values() for image in case.arms.values()]
        names = [image.file.removesuffix(".bin") for image in images]
        return [*(image.sha256 for image in images), *names, manifest.protocol, digest, manifest.study]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return frozen(tmp_path_factory.mktemp("reading"))


@pytest.fixture(scope="module")
def place_of_keys(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Another one, which stays open."""
    return frozen(tmp_path_factory.mktemp("reading"))


@pytest.fixture(scope="module")
def server_of_keys(app_server: StartServer, place_of_keys: Place) -> Server:
    return app_server("--study", str(place_of_keys.folder), home=place_of_keys.home)


def frozen(base: Path) -> Place:
    """Six pairs, by the command line, of sources with a patient in names and headers."""
    made = Place(base / "study", base / "home")
    run = write_run(base / "source")
    made.review("new", str(made.folder), "--run", str(run), "--arms", ",".join(ARMS), "--training", "0")
    protocol = made.folder / "protocol.yaml"
    text = protocol.read_text(encoding="utf-8")
    for old, new in (
        ("repeats: 0.5", "repeats: 0"),
        ("id: case0", f"id: {SECRET_CASE}"),
        ("minimum_display: 2 s", "minimum_display: 0 s"),
    ):
        assert old in text
        text = text.replace(old, new)
    protocol.write_text(text, encoding="utf-8")
    made.review("freeze", str(made.folder))
    return made


@pytest.fixture(scope="module")
def server(app_server: StartServer, place: Place) -> Server:
    return app_server("--study", str(place.folder), home=place.home)


@pytest.fixture
def heard(page: Page) -> Heard:
    made = Heard()
    made.listen(page)
    return made


@dataclass
class Reader:
    """A person at a browser."""

    page: Page
    heard: Heard | None = None
    sides: list[str] = field(default_factory=list)

    def open(self, server: Server, path: str = "") -> Reader:
        self.page.goto(server.url + path)
        self.page.get_by_label("Reader code").wait_for()
        return self

    def sign_in(self, code: str, *, new: bool) -> Reader:
        if new:
            self.page.get_by_text("First time here").click()
            self.page.get_by_label("The same PIN again").fill(PIN)
        self.page.get_by_label("Reader code").fill(code)
        self.page.get_by_label("PIN, 4 to 12 digits").fill(PIN)
        self.page.get_by_role("button", name="Register and begin" if new else "Sign in", exact=True).click()
        return self

    def check_display(self) -> Reader:
        """Name the corners that the pattern really has, read from the canvas."""
        canvas = self.page.get_by_label("Grey pattern")
        canvas.wait_for()
        for place, corner in enumerate(canvas.evaluate(_CORNERS)):
            row = self.page.get_by_role("radiogroup").nth(place)
            row.get_by_text(corner, exact=True).click()
        self.page.get_by_text("pixel ratio").wait_for()
        go_on = self.page.get_by_role("button", name="Continue")
        self.page.wait_for_function("(button) => !button.disabled", arg=go_on.element_handle())
        go_on.click()
        return self

    def see(self, number: int) -> Reader:
        """Wait until the images of a presentation are on the screen and may be answered."""
        self.page.get_by_text(f"Case {number} of {CASES}").wait_for()
        viewer = self.page.locator(".viewer[data-drawn]")
        viewer.filter(has_text=f"Presentation {number}").wait_for()
        self.page.wait_for_function(_READY, arg=number)
        if self.heard is not None:
            self.heard.gather(self.page)
        return self

    def answer(self, number: int, key: str = "1") -> Reader:
        self.see(number).choose(key)
        self.page.get_by_role("button", name="Submit").click()
        return self

    def choose(self, key: str) -> Reader:
        """Press a key until its choice is marked: the page listens a moment after it shows the buttons.

        Ever more slowly, because each press starts the page's run again.
        """
        from playwright.sync_api import TimeoutError as TooLate

        for milliseconds in (200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200):
            self.page.keyboard.press(key)
            with suppress(TooLate):
                self.marked.first.wait_for(timeout=milliseconds)
                return self
        pytest.fail("a key was pressed nine times and chose nothing")

    @property
    def marked(self) -> Locator:
        """The choice that is marked."""
        # The icon is hidden from the button's accessible name.
        return self.page.get_by_test_id("stIconMaterial").get_by_text("radio_button_checked", exact=True)

    def finished(self) -> str:
        """The head of the log, as the last screen says it."""
        self.page.get_by_text("Thank you").wait_for()
        head = self.page.locator("code").filter(has_text=re.compile(r"^\d+:[0-9a-f]{64}$"))
        return head.inner_text().strip()


# Which corner differs from its field's centre, in both fields: the reader's eye.
_CORNERS = """(canvas) => {
  const names = ["top left", "top right", "bottom left", "bottom right"];
  const ratio = window.devicePixelRatio;
  const width = canvas.width / ratio, side = Math.min(240, Math.floor((width - 72) / 2));
  const gap = Math.round((width - 2 * side) / 3);
  const at = (x, y) => canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data[0];
  return [gap, width - gap - side].map((left) => {
    const ground = at(left + side / 2, 16 + side / 2);
    const seen = [[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]];
    return names[seen.findIndex(([u, v]) => at(left + u * side, 16 + v * side) !== ground)];
  });
}"""
_READY = """(number) => {
  // The images of the case before and its buttons may stand there still, before these or after them.
  const of = (one) => one.shadowRoot?.querySelector(".viewer")?.viewer?.data.presentation;
  const shown = [...document.querySelectorAll('[class*="st-key-images-"]')].find(
    (one) => [one, ...one.querySelectorAll("*")].some((part) => of(part) === number),
  );
  const key = shown && /st-key-images-([0-9a-f]+)/.exec(shown.className)[1];
  const submit = document.querySelector(`.st-key-submit-${key} button`);
  return submit && !submit.disabled;
}"""


def answers(place: Place) -> list[dict[str, Any]]:
    """All answers of the log, by its export."""
    place.review("export", str(place.folder), "--out", str(place.home / "export"))
    found: list[dict[str, Any]] = json.loads((place.home / "export" / "answers.json").read_text())["answers"]
    return found


@pytest.fixture
def second_page(browser: Browser, watched: Watched) -> Iterator[Page]:
    """A tablet."""
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    context.set_default_timeout(120_000)
    made = context.new_page()
    watched.watch(made)
    yield made
    context.close()


def test_two_readers_complete_a_study_and_a_killed_server_loses_nothing(
    app_server: StartServer,
    server: Server,
    place: Place,
    page: Page,
    second_page: Page,
    heard: Heard,
    watched: Watched,
) -> None:
    """The gate of the reading room, in one go; nothing that the pages get tells the arms."""
    first = Reader(page, heard).open(server).sign_in("R01", new=True).check_display()
    for number in (1, 2, 3):
        first.answer(number)
    first.see(4)
    server.stop(signal.SIGKILL)
    again = app_server("--study", str(place.folder), "--port", str(server.port), home=place.home)
    first.open(again)
    watched.faults.clear()  # what the page said of the server that was gone
    first.sign_in("R01", new=False).check_display()
    for number in (4, 5, 6):
        first.answer(number, "3")
    first.finished()
    tablet = Heard()
    tablet.listen(second_page)
    second = Reader(second_page, tablet).open(again).sign_in("R02", new=True).check_display()
    for number in range(1, CASES + 1):
        second.answer(number, "24"[number % 2])
    head = second.finished()

    found = answers(place)
    assert [(one["reader"], one["number"]) for one in found] == [(r, n) for r in (1, 2) for n in range(1, 7)]
    assert [one["choice"] for one in found[:6]] == ["A"] * 3 + ["B"] * 3
    assert {one["side_a"] for one in found} == {None}  # still blinded
    assert "whole" in place.review("verify", str(place.folder), "--expect", head)
    assert not (place.folder / "statistics.json").exists()
    place.review("stats", str(place.folder), fails=True)
    place.review("unblind", str(place.folder), "--reason", "both readers are done")
    place.review("stats", str(place.folder))
    assert json.loads((place.folder / "statistics.json").read_text())
    place.review("export", str(place.folder), "--out", str(place.home / "export"))
    with (place.home / "export" / "answers.csv").open(encoding="utf-8", newline="") as file:
        assert {row["side_a"] for row in csv.DictReader(file)} == set(ARMS)

    for listened in (heard, tablet):
        assert listened.leaks(SECRETS, place.digests) == []
        _arms_are_alike(listened)


def _arms_are_alike(heard: Heard) -> None:
    """Answers for the two sides differ in nothing but the voxels, and A is asked for first, always."""
    first, second = heard.voxels[::2], heard.voxels[1::2]
    assert len(first) == len(second) >= 3
    assert {answer.side for answer in first} == {"A"}
    assert {answer.side for answer in second} == {"B"}
    for a, b in zip(first, second, strict=True):
        assert (a.address, a.headers, a.size) == (b.address, b.headers, b.size)
        assert a.size > 0


def test_keys_act_where_they_should(server_of_keys: Server, page: Page) -> None:
    """Digits choose, from the viewer too; what is typed into a field chooses nothing; Enter submits."""
    reader = Reader(page).open(server_of_keys).sign_in("R11", new=True).check_display().see(1)
    page.get_by_label("Comment").fill("")
    page.get_by_label("Comment").type("13 of 4")
    level = page.get_by_label("Window level")
    level.click()
    page.keyboard.type("13")
    page.wait_for_timeout(600)
    assert reader.marked.count() == 0
    page.locator(".viewer").focus()
    reader.choose("3")
    window = page.locator(".viewer").evaluate("(root) => [root.viewer.width, root.viewer.first.width]")
    assert window[0] == window[1]  # 3 is no preset here
    second = page.get_by_text(f"Case 2 of {CASES}")

    def submitted() -> bool:
        page.keyboard.press("Enter")  # heard a moment after the choice is marked
        page.wait_for_timeout(300)
        return second.count() > 0

    wait_until(page, submitted)
    reader.see(2)
    wait_until(page, lambda: page.get_by_label("Comment").input_value() == "")  # it comes after the images


def test_a_double_click_writes_one_row(server_of_keys: Server, page: Page, place_of_keys: Place) -> None:
    """And the next case has no answer yet."""
    reader = Reader(page).open(server_of_keys).sign_in("R12", new=True).check_display().see(1).choose("1")
    page.get_by_role("button", name="Submit").dblclick()
    reader.see(2)
    page.wait_for_timeout(600)
    assert reader.marked.count() == 0
    written = answers(place_of_keys)
    newest = max(one["reader"] for one in written)
    assert [one["number"] for one in written if one["reader"] == newest] == [1]


def test_no_image_is_seen_before_the_other(server_of_keys: Server, page: Page) -> None:
    """The second image is held back on its way: nothing of the first is drawn, nothing can be answered."""
    asked: list[Route] = []

    def hold(route: Route) -> None:
        asked.append(route)
        if len(asked) != 2:
            route.continue_()

    page.route("**/medidiff/voxels/**", hold)
    Reader(page).open(server_of_keys).sign_in("R13", new=True).check_display()
    page.get_by_text(f"Case 1 of {CASES}").wait_for()
    viewer = page.locator(".viewer")
    wait_until(page, lambda: len(asked) == 2)
    wait_until(page, lambda: viewer.evaluate("(root) => root.viewer.arms[0].store.have.some(Boolean)"))
    page.wait_for_timeout(1500)
    assert viewer.evaluate(_BRIGHTEST) == [0, 0]
    assert page.get_by_role("button", name="Submit").is_disabled()
    asked[1].continue_()
    page.wait_for_function(_READY, arg=1)
    assert min(viewer.evaluate(_BRIGHTEST)) > 100


_BRIGHTEST = """(root) => [...root.querySelectorAll("canvas.picture")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((most, value, i) => (i % 4 === 3 ? most : Math.max(most, value)), 0);
})"""


def test_a_reader_sees_no_other_page(
    app_server: StartServer, place_of_keys: Place, page: Page, watched: Watched
) -> None:
    """Not by any address, not as the very first request of a server; and no way leads there."""
    fresh = app_server("--study", str(place_of_keys.folder), home=place_of_keys.home)
    for path in ("chromatogram", "", "reconstruct", "compare", "results", "read", "main"):
        page.goto(fresh.url + path)
        page.get_by_label("Reader code").wait_for()
        heading = page.get_by_role("heading", name="Preferred reconstruction")
        heading.wait_for()
        assert page.get_by_test_id("stSidebar").count() == 0
        assert page.get_by_test_id("stTopNavLink").count() == 0
        body = page.locator("body").inner_text().replace("Preferred reconstruction", "")
        assert not NOT_OF_OUR_PAGES.search(body)
    unknown = re.compile(r"404 \(Not Found\)|does not seem to exist")  # what those addresses are here
    watched.faults[:] = [fault for fault in watched.faults if not unknown.search(fault)]


def test_the_scanner_finds_what_is_planted(heard: Heard, page: Page) -> None:
    """In each place that it looks into, and in each form."""
    secret = SECRET_CASE
    assert heard.leaks([secret]) == []
    coded = "eCA" + "a2FzdXMteDA=".rstrip("=")  # base64 of it, and of other text before it
    page.route("**/*", lambda route: route.fulfill(body="<div></div><input>", content_type="text/html"))
    page.goto(f"http://127.0.0.1/?{secret}-address")
    page.evaluate(
        """([secret, coded]) => {
          const root = document.querySelector("div").attachShadow({ mode: "open" });
          root.innerHTML = `<p data-x="${coded}" class="${secret}-shadow">`;
          root.querySelector("p").viewer = { data: `${secret}-viewer` };
          document.querySelector("input").value = `${secret}-value`;
          localStorage.x = `${secret}-local`;
          sessionStorage.x = `${secret}-session`;
          document.cookie = `x=${secret}-cookie`;
          document.title = `${secret}-title`;
          console.log(secret.toUpperCase());
        }""",
        [secret, coded],
    )
    heard.look(page)
    for place in ("address", "shadow", "viewer", "value", "local", "session", "cookie", "title"):
        assert heard.leaks([f"{secret}-{place}"]), place
    heard.add("frame", b"\0" + secret.encode("utf-16-le"))
    digest = "00ff" * 16
    heard.add("body", bytes.fromhex(digest))
    places = {line.rpartition(" in ")[2] for line in heard.leaks([secret], [digest])}
    assert {"page", "frame", "body", "console"} <= places
    for offset in range(3):
        trial = Heard()
        trial.add("page", base64.b64encode(b"xyz"[:offset] + secret.encode() + b"tail"))
        assert trial.leaks([secret])
