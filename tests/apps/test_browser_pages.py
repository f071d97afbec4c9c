"""The pages in a real browser: reconstruct four slices, scroll, window, download; no request elsewhere."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("streamlit", reason="the app needs pip install 'medidiff[apps]'")

from .conftest import PATIENT_MS, wait_for_pictures, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PAGES = {
    "Reconstruct": ".viewer[data-drawn]",
    "Compare": ".viewer[data-drawn]",
    "Read": ".st-key-reading-instructions",
    "Results": "[data-testid=stDataFrame]",
    "Chromatogram": "[data-testid=stDataFrame]",
}
"""Each page, and what it shows without a file."""


@pytest.fixture(scope="module")
def url(app_server) -> str:
    """A server whose jobs take one thread: where other programs run too, two wait for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        return str(app_server().url)


def opened(page: Page, url: str, name: str = "Reconstruct") -> None:
    """Open the app as a person does, and go to a page by its link."""
    page.goto(url)
    page.get_by_role("heading", name="Reconstruct").wait_for(timeout=PATIENT_MS)
    if name != "Reconstruct":
        page.get_by_role("link", name=name).click()
        page.get_by_role("heading", name=name).wait_for(timeout=PATIENT_MS)


def go_to(page: Page, name: str) -> None:
    """Another page, by its link, with what it shows."""
    page.get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name, exact=True).wait_for(timeout=PATIENT_MS)
    page.locator(PAGES[name]).first.wait_for(timeout=PATIENT_MS)
    wait_for_pictures(page, least=name == "Results")


def loaded(page: Page) -> Locator:
    """The viewer, once all its voxels are there."""
    page.locator(".viewer[data-loaded][data-drawn]").wait_for(timeout=PATIENT_MS)
    return page.locator(".viewer")


def positions(viewer: Locator) -> list[int]:
    """The slice number that each pane shows."""
    texts = viewer.locator(".pane").all_inner_texts()
    found = [re.search(r"(?:Axial|Coronal|Sagittal) (\d+) / ", text) for text in texts]
    return [int(match[1]) for match in found if match]


def brightness(viewer: Locator, pane: int) -> float:
    """The mean red of a pane's picture, 0 to 255."""
    code = """(root, i) => { const c = root.viewer.panes[i].canvas;
      const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
      let sum = 0; for (let k = 0; k < d.length; k += 4) sum += d[k]; return 4 * sum / d.length; }"""
    return float(viewer.evaluate(code, pane))


def bytes_of(page: Page, button: str) -> bytes:
    """What a download button gives."""
    with page.expect_download(timeout=PATIENT_MS) as waiting:
        page.get_by_role("button", name=button).click()
    return Path(waiting.value.path()).read_bytes()


def test_four_slices_are_reconstructed_scrolled_windowed_and_taken_away(page: Page, url: str) -> None:
    opened(page, url)
    loaded(page)
    page.get_by_role("button", name="Diffusion", exact=True).click()  # it is chosen, and slow
    upper = page.get_by_test_id("stSlider").filter(has_text="Slices").get_by_role("slider").nth(1)
    for _ in range(4):
        upper.press("ArrowLeft")
    page.get_by_text("A few seconds").wait_for(timeout=PATIENT_MS)
    page.get_by_role("button", name="Reconstruct", exact=True).click()
    page.get_by_role("button", name="Back to the scan").wait_for(timeout=PATIENT_MS)
    viewer = loaded(page)
    assert viewer.locator(".pane").count() == 3

    before = positions(viewer)
    assert len(set(before)) == 1
    viewer.locator(".pane").nth(1).hover()
    page.mouse.wheel(0, 120)
    wait_until(page, lambda: positions(viewer) != before)
    assert len(set(positions(viewer))) == 1

    dark = brightness(viewer, 2)
    viewer.get_by_label("Window level", exact=True).fill("-1000")
    viewer.get_by_label("Window level", exact=True).press("Enter")
    wait_until(page, lambda: brightness(viewer, 2) > 1.2 * dark)

    for milliseconds in (
        350,
        450,
        550,
    ):  # the viewer reports its window after 300: no button may lose its file
        viewer.get_by_label("Window level", exact=True).fill(str(-milliseconds))
        viewer.get_by_label("Window level", exact=True).press("Enter")
        page.wait_for_timeout(milliseconds)
        assert json.loads(bytes_of(page, "report.json"))["task"] == "reconstruct.ct"
    with zipfile.ZipFile(io.BytesIO(bytes_of(page, "Everything (zip)"))) as archive:
        report = json.loads(archive.read("report.json"))
        assert set(report["methods"]) == {"fbp", "tv"}
        assert report["input"]["shape"] == [4, 512, 512]
        assert "total variation" in archive.read("methods.txt").decode()
    assert bytes_of(page, "tv.nii.gz")[:2] == b"\x1f\x8b"

    page.get_by_role("button", name="Error maps").click()
    page.get_by_role("heading", name="Compare").wait_for(timeout=PATIENT_MS)
    assert positions(loaded(page)) == [3, 3, 3], "the same four slices"


def test_every_page_shows_something_real_without_a_file(page: Page, url: str) -> None:
    """And the notice at the foot of each screen, in sight whatever is scrolled."""
    opened(page, url)
    for name in PAGES:
        go_to(page, name)
        foot = page.locator(".medidiff-foot")
        assert "Research use only" in foot.inner_text()
        box = foot.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 801
        assert page.locator("[data-testid=stAlertContentError]").count() == 0


def test_compare_names_case_and_frame_in_every_pane(page: Page, url: str) -> None:
    opened(page, url, "Compare")
    for text in loaded(page).locator(".pane").all_inner_texts():
        assert re.search(r"Case [0-9a-f]{8}\b", text)
        assert re.search(r"Frame [0-9a-f]{6}\b", text)


@pytest.mark.parametrize("width", [820, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1180})
    opened(page, url)
    for name in PAGES:
        go_to(page, name)
        scrolled = page.get_by_test_id("stMain")  # the window never is
        assert scrolled.evaluate("main => main.scrollWidth") <= width


def test_buttons_can_be_read(page: Page, url: str) -> None:
    """Text on the primary button: at least 4.5 to 1, as WCAG AA asks; the theme alone gives 2.1."""
    opened(page, url)
    button = page.get_by_test_id("stBaseButton-primary").locator("p")
    button.wait_for(timeout=PATIENT_MS)
    colour = button.evaluate("e => getComputedStyle(e).color")
    ground = button.evaluate("e => getComputedStyle(e.closest('button')).backgroundColor")
    assert contrast(colour, ground) >= 4.5


def contrast(one: str, other: str) -> float:
    low, high = sorted(_luminance(text) for text in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(text: str) -> float:
    parts = [int(value) / 255 for value in re.findall(r"\d+", text)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
