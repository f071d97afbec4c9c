"""What the pages are made of, without Streamlit's script: caches, tables, words, charts, colours."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app needs pip install 'medidiff[apps]'")

from medidiff.errors import InputError
from medidiff.io.volume import Volume
from medidiff.runs.demo import demo_run

APPS = Path(__file__).resolve().parents[2] / "apps"


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(APPS))


def volume(values: np.ndarray) -> Volume:
    return Volume.from_array(values, spacing_mm=(2.0, 1.0, 1.0))


def unseen(shape: tuple[int, int, int]) -> np.ndarray:
    """Where Streamlit's hash of an array of that size never looks, (n,): its positions have a fixed seed."""
    import streamlit as st

    size = int(np.prod(shape))
    plain = np.zeros(shape, np.float32)
    seen: list[float] = []
    calls = st.cache_data(lambda array: seen.append(0.0), show_spinner=False)
    looked = np.zeros(size, bool)
    looked[np.random.RandomState(0).choice(size, size=100_000, replace=True)] = True
    places = np.flatnonzero(~looked)
    changed = plain.copy()
    changed.reshape(-1)[places] = 1000.0
    calls(plain)
    calls(changed)
    assert len(seen) == 1, "Streamlit's hash tells the two apart now: this trap is closed"
    return places


def test_two_cases_that_agree_where_streamlit_looks_are_not_taken_for_one() -> None:
    """91 % of these voxels are never looked at by the hash that Streamlit makes of an array of this size."""
    from showing.arms import error_map, scores

    shape = (64, 128, 128)
    first = volume(np.zeros(shape, np.float32))
    values = np.zeros(shape, np.float32)
    values.reshape(-1)[unseen(shape)] = 1000.0
    second, truth = volume(values), volume(np.full(shape, 10.0, np.float32))
    maps = [error_map(v.digest(), truth.digest(), v, truth).array for v in (first, second)]
    assert maps[0].max() == 10
    assert maps[1].max() == 990
    psnr = [scores(v.digest(), truth.digest(), v, truth)["pooled"]["psnr_db"] for v in (first, second)]
    assert psnr[0] > psnr[1] + 20


def test_every_cached_function_takes_digests_and_unhashed_data() -> None:
    """No argument of a cached function is data or a folder, unless `_` keeps it unhashed."""
    import inspect

    from showing import arms, asking, runs, scans, traces

    cached = [
        value
        for module in (arms, asking, runs, scans, traces)
        for value in vars(module).values()
        if hasattr(value, "clear") and hasattr(value, "__wrapped__")
    ]
    assert len(cached) == 8
    for function in cached:
        for name, argument in inspect.signature(function.__wrapped__).parameters.items():
            plain = argument.annotation in ("str", "tuple[int, int]", "tuple[float, float, float]")
            assert plain or name.startswith("_"), f"{function.__name__}({name}: {argument.annotation})"


def test_error_maps_lie_over_their_own_arm_and_not_over_the_truth() -> None:
    from showing.arms import arms_of, error_maps

    result = demo_run()
    found = error_maps(arms_of(result, ["tv", "reference", "fbp"]), result["reference"])
    assert [overlay.of for overlay in found] == [0, 2]
    expected = np.abs(result["fbp"].array - result["reference"].array)
    assert np.array_equal(found[1].volume.array, expected)


def test_every_pane_says_case_and_frame() -> None:
    """The case is the head of the input's digest; a volume moved by a millimetre is in another frame."""
    from dataclasses import replace

    from showing.arms import arms_of, frame_of

    result = demo_run()
    arms = arms_of(result, ["fbp", "reference"])
    assert {arm.case for arm in arms} == {result.report["input"]["sha256"][:8]}
    assert len({arm.frame for arm in arms}) == 1
    moved = result["fbp"].affine.copy()
    moved[0, 3] += 1
    assert frame_of(replace(result["fbp"], affine=moved)) != arms[0].frame


def test_an_error_map_of_another_grid_is_refused() -> None:
    from showing.arms import error_map

    a, b = volume(np.zeros((2, 20, 20))), volume(np.zeros((2, 22, 22)))
    with pytest.raises(InputError):
        error_map(a.digest(), b.digest(), a, b)


def test_the_words_are_those_of_the_verb() -> None:
    """The command line itself reads them back."""
    from showing.asking import Scan, words

    from medidiff.cli.options import Parser
    from medidiff.cli.verbs import reconstruct

    parser = Parser()
    reconstruct.add_arguments(parser)
    asked = words(Scan(16, 120.0, 3e4, ("fbp", "tv"), (4, 9)))
    found = parser.parse_args([*asked[1:], "--out", "x"])
    assert (found.views, found.arc_deg, found.photons) == (16, 120.0, 3e4)
    assert (found.method, found.slices) == (("fbp", "tv"), (4, 9))


def test_a_run_is_known_by_every_byte_of_its_files(tmp_path: Path) -> None:
    from showing.runs import folder_digest

    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    first = folder_digest(tmp_path)
    (tmp_path / "b").write_bytes(b"3")
    assert folder_digest(tmp_path) != first
    (tmp_path / "b").write_bytes(b"2")
    assert folder_digest(tmp_path) == first
    (tmp_path / "b").rename(tmp_path / "c")
    assert folder_digest(tmp_path) != first


def test_markdown_in_a_message_is_shown_as_it_is() -> None:
    from frame import plain

    assert plain("[a](http://x) *b*\n$c$ :red[d] e: f") == (
        r"\[a\]\(http\://x\) \*b\* \$c\$ \:red\[d\] e: f".replace(r"http\:", "http:")
    )


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it: AA asks for 4.5 for text, 3 for lines and signs."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_reach_wcag_aa() -> None:
    from showing import charts

    theme = tomllib.loads((APPS / ".streamlit" / "config.toml").read_text())["theme"]
    for ground in (theme["backgroundColor"], theme["secondaryBackgroundColor"]):
        for text in ("textColor", "primaryColor", "linkColor", "grayTextColor", "dataframeHeaderTextColor"):
            assert contrast(theme[text], ground) >= 4.5, (text, ground)
    assert contrast("#0f1113", theme["primaryColor"]) >= 4.5  # a primary button
    for line in (charts.DATA, charts.MODEL, *charts.COLOURS):
        assert contrast(line, theme["backgroundColor"]) >= 3


def test_slices_are_counted_from_the_feet_whichever_way_the_file_runs(tmp_path: Path) -> None:
    """Each slice holds its number as the viewer counts it, in hundreds; one file begins at the head."""
    from showing.asking import in_file

    from medidiff.io import read_volume, to_canonical

    numbers = np.linspace(-1000, 600, 9, dtype=np.float32)
    array = np.broadcast_to(numbers[:, None, None], (9, 4, 4)).copy()
    straight = Volume.from_array(array, spacing_mm=(2.0, 1.0, 1.0))
    turned = straight.affine @ np.diag([1.0, 1.0, -1.0, 1.0])
    turned[:3, 3] = (straight.affine @ [0, 0, 8, 1])[:3]
    for number, volume in enumerate((straight, Volume(array[::-1].copy(), turned))):
        canonical = to_canonical(volume)[0].array[:, 0, 0]
        assert canonical.tolist() == numbers.tolist()
        path = tmp_path / f"{number}.nii.gz"
        volume.write(path)
        block = to_canonical(read_volume(path, slices=in_file(volume, (2, 5))))[0]
        assert block.array[:, 0, 0].tolist() == numbers[2:5].tolist()


def test_overlays_of_one_name_have_one_range_of_colours() -> None:
    from viewer.content import _of_one_range

    items = [
        {"label": "e", "range": [0.0, 10.0]},
        {"label": "m", "range": [0.0, 1.0]},
        {"label": "e", "range": [-2.0, 4.0]},
    ]
    assert [item["range"] for item in _of_one_range(items)] == [[-2.0, 10.0], [0.0, 1.0], [-2.0, 10.0]]


def test_a_job_says_in_words_how_far_it_is(tmp_path: Path) -> None:
    from serving.work import _line

    from medidiff.runs.jobs import Job

    def job(**facts: object) -> Job:
        return Job("0" * 16, tmp_path, "CT", "running", **facts)  # type: ignore[arg-type]  # of one test

    assert _line(job()) == "CT · starting"
    far = job(stage="tv", done=340, total=1000, note="objective changes by 1e-5", seconds_left=10.2)
    assert _line(far) == "CT · total variation, iteration 340 of at most 1000 · about 10 s left in this step"
    block = job(stage="diffusion", done=3, total=20, note="slab 2 of 4 sigma 0.3")
    assert _line(block) == "CT · slab 2 of 4 · diffusion, step 3 of 20"
    assert _line(job(stage="score", done=0, total=1)) == "CT · comparing with the reference"
