"""What the viewer draws, read from its canvas: a phantom whose every voxel is known."""

from __future__ import annotations

import pytest

INSIDE, OUTSIDE = (14, 34, 6), (45, 34, 6)


def grey(value: float, level: float, width: float) -> int:
    return round(min(1, max(0, (value - (level - width / 2)) / width)) * 255)


def test_the_patient_right_is_on_the_left_of_the_screen(plain) -> None:
    """The block lies right of the middle (small x) and at the back (large y); the file is stored reversed."""
    assert plain.colour(0, INSIDE) == [grey(140, 40, 400)] * 3
    assert plain.colour(0, OUTSIDE) == [0] * 3
    assert plain.colour(0, (14, 15, 6)) == [0] * 3
    assert [plain.texts(0, side) for side in ("left", "right", "top", "bottom")] == ["R", "L", "A", "P"]
    assert "patient's right on the left of the screen" in plain.root.inner_text()
    assert "Research use only" in plain.root.inner_text()


def test_the_borders_of_the_block_lie_at_their_millimetres(plain) -> None:
    """Brightness crosses half between the last pixel outside and the first inside, on both axes."""
    for inner, outer in (((10, 34, 6), (9, 34, 6)), ((19, 34, 6), (20, 34, 6)), ((14, 30, 6), (14, 29, 6))):
        assert plain.colour(0, inner)[0] > 150
        assert plain.colour(0, outer)[0] < 60


@pytest.mark.parametrize(("plane", "letters"), [("Coronal", "RLHF"), ("Sagittal", "APHF")])
def test_the_other_planes_stand_on_their_feet(plain, plane: str, letters: str) -> None:
    plain.button(plane)
    assert "".join(plain.texts(0, side) for side in ("left", "right", "top", "bottom")) == letters
    plain.root.focus()
    for _ in range(9 if plane == "Coronal" else 16):  # from the middle to the block: y 25 -> 34, x 30 -> 14
        plain.page.keyboard.press("ArrowUp" if plane == "Coronal" else "ArrowDown")
    assert plain.colour(0, INSIDE) == [grey(140, 40, 400)] * 3
    assert plain.colour(0, (14, 34, 8)) == [grey(140, 40, 400)] * 3
    assert plain.colour(0, (14, 34, 3)) == [0] * 3


def test_a_window_changes_grey_as_computed_in_all_arms(plain) -> None:
    plain.button("Bone")
    assert plain.colour(0, INSIDE)[0] == grey(140, 400, 1800)
    assert plain.colour(1, INSIDE)[0] == grey(240, 400, 1800)
    plain.field("Window level", -400)
    plain.field("Window width", 2000)
    assert plain.colour(0, INSIDE)[0] == grey(140, -400, 2000)
    assert plain.colour(1, OUTSIDE)[0] == grey(-1000, -400, 2000)
    assert "L −400  W 2000" in plain.texts(1, "how")
    plain.drag(0, (200, 200), (260, 200))
    assert plain.state("s.width") > 2000
    assert plain.state("s.level") == -400
    plain.button("Reset")
    assert plain.state("[s.level, s.width]") == [40, 400]


def test_slabs_are_means_and_maxima(plain) -> None:
    """Five slices about slice 3 (1 to 5) hold one of the block's: its share of the mean is a fifth."""
    plain.root.focus()
    for _ in range(3):
        plain.page.keyboard.press("ArrowDown")
    plain.field("Window level", -400)
    plain.field("Window width", 2000)
    plain.field("Slab thickness in mm, 0 for one slice", 20)
    assert plain.colour(0, INSIDE)[0] == pytest.approx(grey(-1000 + 1140 / 5, -400, 2000), abs=1)
    assert "mean of 20.0 mm" in plain.texts(0, "where")
    plain.button("MIP")
    assert plain.colour(0, INSIDE)[0] == grey(140, -400, 2000)
    assert "MIP of 20.0 mm" in plain.texts(0, "where")


def test_the_difference_has_its_own_symmetric_range(plain) -> None:
    plain.button("Difference")
    assert "B − A" in plain.texts(1, "who")
    plain.field("Range of the difference", 200)
    red, _, blue = plain.colour(1, INSIDE)  # + 100: orange
    assert red > blue + 50
    assert plain.colour(1, OUTSIDE) == [0, 0, 0]  # no difference: black
    plain.button("Grey")
    assert plain.colour(1, INSIDE)[0] == round((100 / 400 + 0.5) * 255)
    assert plain.colour(1, OUTSIDE)[0] == 128
    assert plain.pane(1).locator(".bar").inner_text().split("\n") == ["+200 HU", "−200"]
    assert plain.colour(0, INSIDE) == [grey(140, 40, 400)] * 3


def test_swipe_shows_one_arm_on_each_side(plain) -> None:
    plain.button("Swipe")
    assert plain.root.locator(".pane").count() == 1
    x, _ = plain.place(0, INSIDE)
    divider = plain.root.get_by_role("slider", name="Divider")
    assert plain.colour(0, INSIDE)[0] == grey(140, 40, 400)
    box = divider.bounding_box()
    pane = plain.pane(0).bounding_box()
    plain.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    plain.page.mouse.down()
    plain.page.mouse.move(pane["x"] + x - 20, box["y"] + 60, steps=3)
    plain.page.mouse.up()
    assert plain.colour(0, INSIDE)[0] == grey(240, 40, 400)


def test_overlays_cover_the_arms_they_belong_to(covered) -> None:
    chosen = covered.root.get_by_role("combobox", name="Overlay")
    assert covered.colour(1, INSIDE) == [grey(240, 40, 400)] * 3, "nothing lies over the images at first"
    assert covered.pane(1).locator(".bar").count() == 0
    chosen.select_option("0")
    assert covered.colour(0, INSIDE) == [grey(140, 40, 400)] * 3, "the heat map is B's"
    red, _, blue = covered.colour(1, INSIDE)
    assert red > blue
    assert covered.pane(1).locator(".bar").inner_text().split("\n") == ["10 HU", "0"]
    chosen.select_option("1")
    covered.root.get_by_label("Opacity of the overlay in percent").fill("100")
    assert covered.colour(0, INSIDE) == [255, 202, 58]
    assert covered.colour(0, OUTSIDE) == [0, 0, 0]
    covered.root.focus()
    covered.page.keyboard.press("o")
    assert covered.colour(0, INSIDE) == [grey(140, 40, 400)] * 3


def test_three_planes_meet_in_the_crosshair(plain) -> None:
    plain.button("Three planes")
    assert plain.state("s.panes.map(p => p.plane)") == ["axial", "coronal", "sagittal"]
    x, y = plain.place(0, INSIDE)
    plain.pane(0).click(position={"x": round(x), "y": round(y)})
    plain.page.mouse.move(5, 5)
    assert plain.state("s.panes.map(p => p.box.dataset.slice)") == ["6", "34", "14"]
    for i in range(3):
        assert plain.colour(i, INSIDE) == [grey(140, 40, 400)] * 3
    w, h = plain.state("[s.panes[1].layers[0].w, s.panes[1].layers[0].h]")
    assert (w, h) == (60 * 1.5, 12 * 4)
