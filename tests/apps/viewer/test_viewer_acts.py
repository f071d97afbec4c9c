"""What mouse, keys and fingers do in the viewer, and what it tells Python."""

from __future__ import annotations

import re

import pytest

from ..conftest import wait_until

INSIDE = (14, 34, 6)


SCROLL = """async root => {
  const panes = [...root.querySelectorAll('.pane')];
  const before = window.framesSent;
  const slices = [];
  for (let i = 0; i < 4; i += 1) {
    panes[1].dispatchEvent(new WheelEvent('wheel', { deltaY: 100, bubbles: true, cancelable: true }));
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    slices.push(panes.map(pane => Number(pane.dataset.slice)));
  }
  return { slices, sent: window.framesSent - before };
}"""


def test_scrolling_is_in_step_and_calls_no_python(plain) -> None:
    plain.page.wait_for_timeout(600)
    before = len(plain.frames)
    scrolled = plain.root.evaluate(SCROLL)
    assert scrolled["slices"] == [[5, 5], [4, 4], [3, 3], [2, 2]]
    assert scrolled["sent"] == 0, "no frame to Python while scrolling"
    plain.page.wait_for_selector("text=reported axial 2 40 400 side")
    assert len(plain.frames) - before == 1, "one report after the last change"
    assert plain.colour(0, INSIDE) == [0] * 3


def test_a_mouse_wheel_turns_slices(plain) -> None:
    plain.pane(1).hover()
    plain.page.mouse.wheel(0, 100)
    assert plain.texts(0, "where").split("\n")[0] == "Axial 6 / 12"


def test_unlinked_arms_scroll_alone_and_link_again(plain) -> None:
    plain.button("Link")
    plain.pane(1).hover()
    plain.page.mouse.wheel(0, -100)
    assert plain.state("s.panes.map(p => p.box.dataset.slice)") == ["6", "7"]
    plain.button("Link")
    assert len(set(plain.state("s.panes.map(p => p.box.dataset.slice)"))) == 1


def test_slider_and_keys_move_slices(plain) -> None:
    plain.root.get_by_role("slider", name="Axial slice").fill("9")
    assert plain.state("s.cross[2]") == 9
    plain.root.focus()
    for key, slice_ in (("ArrowUp", 10), ("PageDown", 5), ("PageUp", 10), ("End", 0), ("Home", 11)):
        plain.page.keyboard.press(key)
        assert plain.state("s.cross[2]") == slice_


def test_the_crosshair_says_value_and_millimetres(plain) -> None:
    """Index (14, 34, 6) of the affine diag(-1.5, -1, 4): 21 mm left, 34 mm to the back, 24 mm to the head."""
    plain.button("Crosshair")
    x, y = plain.place(0, INSIDE)
    plain.pane(0).click(position={"x": round(x), "y": round(y)})
    assert [plain.texts(i, "value") for i in (0, 1)] == ["140 HU", "240 HU"]
    assert plain.root.locator(".position").text_content() == "L 21.0   P 34.0   H 24.0 mm"


def test_a_distance_is_in_millimetres_of_the_patient(plain) -> None:
    """Twenty voxels of 1.5 mm across and 20 of 1 mm down."""
    plain.button("Distance")
    start, end = plain.place(0, (10, 10, 6)), plain.place(0, (30, 30, 6))
    plain.drag(0, start, end)
    said = float(plain.texts(0, "said").removesuffix(" mm"))
    assert said == pytest.approx((30**2 + 20**2) ** 0.5, abs=0.5)  # a pixel of the screen is about 0.15 mm
    assert plain.texts(1, "said") == plain.texts(0, "said")


def test_a_region_measures_each_arm(plain) -> None:
    """Half of the ellipse lies in the block: of n pixels the mean is the middle, the SD half the step."""
    plain.button("Region")
    start, end = plain.place(0, (12, 31.6, 6)), plain.place(0, (18, 38.4, 6))
    plain.drag(0, start, end)
    assert plain.texts(0, "said").startswith("mean 140 HU\nSD 0 HU")
    assert plain.texts(1, "said").startswith("mean 240 HU\nSD 0 HU")
    plain.button("Clear")
    assert plain.texts(0, "said") == ""
    start, end = (
        plain.place(0, (4.5, 31, 6)),
        plain.place(0, (14.5, 38, 6)),
    )  # symmetric about the border x = 9.5
    plain.drag(0, start, end)
    mean, sd, size = re.findall(r"(?:mean|SD|n) (−?[\d.]+)", plain.texts(0, "said"))
    n = int(size)
    assert float(mean.replace("−", "-")) == pytest.approx(-430, abs=1)
    assert float(sd) == pytest.approx(570 * (n / (n - 1)) ** 0.5, abs=1)


def test_zoom_and_pan_move_all_arms(plain) -> None:
    plain.root.focus()
    plain.page.keyboard.press("+")
    assert plain.state("s.looks.axial.zoom") == 1.25
    plain.button("Pan")
    plain.drag(0, (200, 200), (230, 210))
    pan = plain.state("[s.looks.axial.panU, s.looks.axial.panV]")
    assert pan[0] == pytest.approx(3 * pan[1])
    plain.page.keyboard.press("0")
    assert plain.state("s.looks.axial") == {"zoom": 1, "panU": 0, "panV": 0}


def test_cine_runs_and_stops(plain) -> None:
    plain.root.get_by_label("Slices a second").select_option("25")
    plain.button("Play")
    wait_until(plain.page, lambda: plain.state("s.cross[2]") != 6)
    plain.button("Stop")
    stopped = plain.state("s.cross[2]")
    plain.page.wait_for_timeout(200)
    assert plain.state("s.cross[2]") == stopped


def test_a_number_can_be_typed_while_cine_runs(plain) -> None:
    """What is half typed stays; what was taken is shown, also where it is another number."""
    entry = plain.root.get_by_label("Window width", exact=True)
    plain.root.get_by_label("Slices a second").select_option("25")
    plain.button("Play")
    entry.fill("")
    entry.press_sequentially("123", delay=100)
    entry.press("Enter")
    plain.button("Stop")
    assert plain.state("s.width") == 123
    entry.fill("-10")
    entry.press("Enter")
    assert (plain.state("s.width"), entry.input_value()) == (1, "1")
    entry.fill("")
    entry.press("Enter")
    assert entry.input_value() == "1"


def test_the_help_sheet_opens_and_closes(plain) -> None:
    plain.root.focus()
    plain.page.keyboard.press("?")
    sheet = plain.root.get_by_role("dialog")
    assert "right drag" in sheet.inner_text().lower()
    plain.page.keyboard.press("Escape")
    assert not sheet.is_visible()


def test_fingers_browse_pinch_and_pan(open_viewer) -> None:
    seen = open_viewer("?plain=1", has_touch=True, is_mobile=True)
    touch = seen.page.context.new_cdp_session(seen.page)
    box = seen.pane(0).bounding_box()

    def send(kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": box["x"] + x, "y": box["y"] + y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    assert seen.state("s.tool") == "scroll"
    send("touchStart", (100, 150))
    send("touchMove", (100, 120))
    send("touchMove", (100, 90))
    send("touchEnd")
    assert seen.state("s.cross[2]") > 6
    send("touchStart", (100, 150), (140, 150))
    send("touchMove", (80, 150), (160, 150))
    send("touchEnd")
    assert seen.state("s.looks.axial.zoom") == pytest.approx(2, rel=0.05)
