"""What the panes say and to whom: labels, blinding, contrast, names of controls, sizes of screens."""

from __future__ import annotations

import pytest

from ..conftest import wait_until


def test_labels_stand_in_the_panes_outside_blinded_reading(plain) -> None:
    assert plain.texts(0, "who") == "A  SECRET-fbp\nCase CASE-77\nFrame FRAME-9"


def test_a_pane_of_two_cases_names_both(open_viewer) -> None:
    """Swipe and difference show two images in one pane; two volumes of a person's own may be two cases."""
    seen = open_viewer("?plain=1&cases=2")
    seen.button("Swipe")
    assert seen.texts(0, "who") == "A | B  swipe\nCase CASE-77\nCase CASE-78\nFrame FRAME-9"
    seen.button("Difference")
    assert seen.texts(1, "who") == "B − A  difference\nCase CASE-78\nCase CASE-77\nFrame FRAME-9"


def test_blinded_panes_tell_only_letters_and_the_number(open_viewer) -> None:
    seen = open_viewer("?blinded=1")
    assert [seen.texts(i, "who") for i in (0, 1)] == ["A\nPresentation 3", "B\nPresentation 3"]
    sent = b"".join(frame if isinstance(frame, bytes) else frame.encode() for frame in seen.received)
    everything = sent + seen.page.content().encode() + seen.root.inner_html().encode()
    for secret in (b"SECRET", b"CASE-77", b"FRAME-9", b"sha256"):
        assert secret not in everything


CONTRAST = """root => {
  const light = c => { const f = c / 255; return f <= 0.03928 ? f / 12.92 : ((f + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); 
    return [...n.slice(0, 3), n[3] ?? 1]; };
  const found = [];
  for (const node of root.querySelectorAll('*')) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    const box = node.getBoundingClientRect();
    if (!(own || node.matches('input:not([type=range]), select')) || !box.width || node.disabled) continue;
    // Over a picture: the worst case, white.
    let ground = node.closest('.pane') ? [255, 255, 255] : [0, 0, 0];
    const over = [];
    for (let up = node; up; up = up === root ? null : up.parentElement) {
      over.unshift(parse(getComputedStyle(up).backgroundColor));
      if (up.matches('.text, .bar span, .tag')) break;
    }
    for (const [r, g, b, a] of over) ground = ground.map((c, i) => c * (1 - a) + [r, g, b][i] * a);
    const style = getComputedStyle(node);
    const [one, two] = [luminance(parse(style.color)), luminance(ground)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    found.push([node.className || node.textContent || node.tagName, ratio, parseFloat(style.fontSize)]);
  }
  return found;
}"""


def test_every_text_can_be_read(covered) -> None:
    """WCAG 2.2 AA: contrast of 4.5 at least, over a white picture too; no text below 12 pixels."""
    covered.root.focus()
    covered.page.keyboard.press("?")
    found = covered.root.evaluate(CONTRAST)
    assert len(found) > 60
    assert [item for item in found if item[1] < 4.5] == []
    assert [item for item in found if item[2] < 12] == []


def test_every_control_has_a_name_and_shows_its_focus(plain) -> None:
    controls = plain.root.locator("button:visible, input:visible, select:visible")
    names = controls.evaluate_all("all => all.map(one => one.getAttribute('aria-label') || '')")
    assert len(names) > 20
    assert all(names)
    plain.root.locator("button").first.focus()
    plain.page.keyboard.press("Tab")
    outline = plain.root.evaluate("root => getComputedStyle(root.getRootNode().activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize(("width", "ratio"), [(1280, 1), (820, 2)])
def test_it_fits_a_screen_and_a_tablet(open_viewer, width: int, ratio: int) -> None:
    seen = open_viewer("?plain=1", device_scale_factor=ratio)
    seen.page.set_viewport_size({"width": width, "height": 1180})
    fits = f"s.panes[0].w < innerWidth && s.panes[0].canvas.width === Math.round({ratio} * s.panes[0].w)"
    wait_until(seen.page, lambda: seen.state(f"innerWidth === {width} && {fits}"))
    for part in (seen.page.get_by_test_id("stMain"), seen.root):  # what would scroll, or cut off
        assert part.evaluate("part => part.scrollWidth") <= width
    sides = "all => all.map(one => one.getBoundingClientRect()).map(box => [box.left, box.right])"
    for left, right in seen.root.locator("button:visible").evaluate_all(sides):
        assert left >= 0
        assert right <= width


def test_images_that_the_server_let_go_of_are_packed_again(browser, address) -> None:
    """Every address answers 404 once: the page asks Python to pack again, and tries until it has them."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    refused: set[str] = set()

    def gone_once(route, request) -> None:
        if request.url in refused:
            route.continue_()
        else:
            refused.add(request.url)
            route.fulfill(status=404, body="")

    page.route("**/medidiff/voxels/**", gone_once)
    page.goto(address + "?plain=1")
    page.wait_for_selector(".viewer[data-loaded]", timeout=60_000)
    assert len(refused) == 2
    assert page.locator(".viewer").evaluate("root => root.viewer.loader.told")
    assert page.locator(".notice").text_content() == ""
    page.context.close()
