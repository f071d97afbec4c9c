"""Every page by AppTest: it opens on shipped data, says the notice, and answers bad input with one line."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app needs pip install 'medidiff[apps]'")
from streamlit.testing.v1 import AppTest

from medidiff.io.volume import Volume
from medidiff.runs.demo import demo_run_folder

from .conftest import RunEnds

APPS = Path(__file__).resolve().parents[2] / "apps"
NOTICE = "Research use only"
SECONDS = 120
Open = Callable[[str], AppTest]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder of its own, and the pages' modules on the path, as the server has them."""
    monkeypatch.syspath_prepend(str(APPS))
    settings(monkeypatch, home=str(tmp_path / "home"), jobs=str(tmp_path / "home" / "jobs"))
    return tmp_path / "home"


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    monkeypatch.setenv("MEDIDIFF_APP", json.dumps(values))


@pytest.fixture
def open_page() -> Open:
    """`open_page("compare")`: that page after its first run, without an exception."""

    def opened(name: str) -> AppTest:
        test = AppTest.from_file(str(APPS / "screens" / f"{name}.py"), default_timeout=SECONDS).run()
        assert not test.exception
        return test

    return opened


def nifti(volume: Volume, folder: Path) -> bytes:
    volume.write(folder / "volume.nii.gz")
    return (folder / "volume.nii.gz").read_bytes()


def cube(side: int = 24, spacing: float = 2.0, seed: int = 0) -> Volume:
    values = np.random.default_rng(seed).integers(-900, 900, (4, side, side)).astype(np.float32)
    return Volume.from_array(values, spacing_mm=(3.0, spacing, spacing))


def columns(test: AppTest, number: int = 0) -> list[str]:
    return list(test.dataframe[number].value.columns)


def test_every_page_opens_with_title_and_notice(open_page: Open) -> None:
    """The notice stands in the head and, with the version, at the foot of the screen."""
    from frame import PAGES

    from medidiff import __version__

    for entry in PAGES:
        test = open_page(Path(entry.script).stem)
        assert test.title[0].value == entry.title
        assert NOTICE in test.caption[0].value
        foot = test.get("html")[0].proto.body
        assert NOTICE in foot
        assert __version__ in foot
        assert not test.error


def test_pages_can_only_be_reached_through_the_main_script() -> None:
    """What lies in a folder `pages` beside it, Streamlit runs by its address, without the main script."""
    assert not (APPS / "pages").exists()


def test_compare_shows_two_methods_and_the_truth_at_once(open_page: Open) -> None:
    test = open_page("compare")
    assert test.multiselect[0].value == ["tv", "diffusion", "reference"]
    assert len(test.get("bidi_component")) == 1
    table = test.dataframe[0].value
    assert list(table["Method"]) == ["FBP", "Total variation", "Diffusion"]
    assert table["Axial dB"].tolist() == pytest.approx([22.40, 29.76, 33.64], abs=0.01)


def test_compare_without_arms_asks_for_one(open_page: Open) -> None:
    test = open_page("compare")
    test.multiselect[0].set_value([]).run()
    assert not test.exception
    assert "one to 3 arms" in test.info[0].value


def test_compare_scores_uploads_against_the_one_that_is_the_truth(open_page: Open, tmp_path: Path) -> None:
    test = own_volumes(open_page, [nifti(cube(seed=1), tmp_path), nifti(cube(seed=2), tmp_path)])
    assert not test.error
    assert not test.dataframe
    test.selectbox[0].set_value("Volume 1").run()
    assert not test.exception
    assert test.dataframe[0].value["Method"].tolist() == ["Volume 2"]


def test_compare_refuses_different_grids_in_one_line(open_page: Open, tmp_path: Path) -> None:
    test = own_volumes(open_page, [nifti(cube(24), tmp_path), nifti(cube(32), tmp_path)])
    assert not test.exception
    assert len(test.error) == 1
    assert "\n" not in test.error[0].value
    test.selectbox[0].set_value("Volume 1").run()
    assert not test.exception
    assert [error.value.partition(",")[0] for error in test.error] == [
        "Volume 2: expected the grid of the reference"
    ]


def test_a_file_that_is_no_image_is_one_line_without_its_name(open_page: Open) -> None:
    test = own_volumes(open_page, [b"not an image at all", gzip.compress(b"nor this")])
    assert not test.exception
    assert len(test.error) == 2
    assert all("CANARY" not in error.value for error in test.error)


def own_volumes(open_page: Open, contents: list[bytes]) -> AppTest:
    test = open_page("compare")
    test.segmented_control[0].set_value("My volumes").run()
    for number, content in enumerate(contents):
        test.file_uploader[number].set_value(("CANARY^NAME.nii.gz", content, "application/gzip"))
    return test.run()


def test_results_tell_numbers_methods_and_origin(open_page: Open) -> None:
    test = open_page("results")
    assert "Shipped example: chest CT, 24 views" in test.dataframe[0].value["Run"].tolist()
    assert [tab.label for tab in test.tabs] == ["Numbers", "Figure", "Methods paragraph", "Provenance"]
    labels = [button.label for button in test.download_button]
    wanted = ["fbp.nii.gz", "tv.nii.gz", "diffusion.nii.gz", "reference.nii.gz", "figure.png"]
    assert labels == [*wanted, "report.json", "provenance.json", "methods.txt", "Everything (zip)"]
    assert any("half-quadratic splitting" in text.value for text in test.markdown)
    facts = test.tabs[3].dataframe[0].value
    assert "20b9e01a536c" in facts.set_index("What").loc["Weights: ct-tuned", "Value"]


def test_results_say_in_one_line_what_a_damaged_run_lacks(
    open_page: Open, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's name, which may be a person's, stands nowhere."""
    broken = tmp_path / "data" / "CANARY^NAME"
    shutil.copytree(demo_run_folder("ct"), broken)
    (broken / "tv.nii.gz").unlink()
    settings(monkeypatch, home=str(home), jobs=str(home / "jobs"), data=str(tmp_path / "data"))
    test = open_page("results")
    assert len(test.error) == 1
    assert "data: run 1" in test.error[0].value
    assert "CANARY" not in test.error[0].value


def test_reconstruct_starts_a_job_and_shows_what_it_made(open_page: Open, home: Path) -> None:
    """Two slices by FBP: the job runs in its own process, and the page finds it by its address."""
    from settings import settings

    from medidiff.runs.jobs import read_job

    test = open_page("reconstruct")
    assert len(test.get("bidi_component")) == 1
    assert "diffusion network" in test.caption[1].value
    test.pills[0].set_value(["fbp"])
    next(slider for slider in test.slider if slider.label == "Slices").set_value((10, 11)).run()
    test.button[0].click().run()
    assert not test.exception
    id = test.query_params["job"]
    deadline = time.monotonic() + SECONDS
    while not (job := read_job(settings().jobs, id)).over and time.monotonic() < deadline:
        time.sleep(0.2)
    assert job.state == "done", job.message
    test.run()
    assert not test.exception
    assert test.dataframe[0].value["Method"].tolist() == ["FBP"]
    assert "Everything (zip)" in [button.label for button in test.download_button]
    assert (job.result / "fbp.nii.gz").exists()


def test_reconstruct_without_methods_offers_no_start(open_page: Open) -> None:
    test = open_page("reconstruct")
    test.pills[0].set_value([]).run()
    assert not test.exception
    assert not test.button


def test_reconstruct_survives_an_address_that_names_no_job(open_page: Open) -> None:
    test = AppTest.from_file(str(APPS / "screens" / "reconstruct.py"), default_timeout=SECONDS)
    test.query_params["job"] = "../../etc/passwd"
    test.run()
    assert not test.exception
    assert not test.error
    assert len(test.get("bidi_component")) == 1


def test_a_turned_column_moves_the_model(open_page: Open) -> None:
    test = open_page("chromatogram")
    before = {tile.label: tile.value for tile in test.metric}
    assert before["Residual, of the signal's range"] == "0.49 %"
    next(slider for slider in test.slider if slider.label == "Temperature (°C)").set_value(65.0).run()
    after = {tile.label: tile.value for tile in test.metric}
    assert float(after["Last peak"].split()[0]) < float(before["Last peak"].split()[0])
    assert after["Residual, of the signal's range"] != before["Residual, of the signal's range"]


def test_k_by_hand_starts_from_the_systems_own(open_page: Open) -> None:
    test = open_page("chromatogram")
    test.toggle[1].set_value(True).run()
    assert not test.exception
    sliders = {slider.label: slider for slider in test.slider}
    assert sliders["k of benzene"].value == pytest.approx(0.606, abs=1e-9)
    sliders["k of benzene"].set_value(0.7).run()
    assert not test.exception
    assert test.metric[0].value != "0.49 %"


def test_the_peaks_have_the_names_of_the_model(open_page: Open) -> None:
    names = open_page("chromatogram").dataframe[0].value["Analyte"].tolist()
    assert names == ["benzene", "toluene", "ethylbenzene", "p-xylene", "o-xylene"]


def test_the_fit_finds_k_and_says_its_interval(open_page: Open) -> None:
    test = open_page("chromatogram")
    test.button(key="fit").click().run()
    assert not test.exception
    row = test.dataframe[1].value.set_index("Analyte").loc["benzene"]
    low, high = map(float, row["k: 95 %"].split(" to "))
    assert low < 0.60606 < high
    assert low <= float(row["k"]) <= high
    assert "fit.json" in [button.label for button in test.download_button]


def test_an_uploaded_trace_takes_the_place_of_the_shipped_one(open_page: Open) -> None:
    rows = [f"{0.1 * i:.1f},{np.exp(-(((0.1 * i - 200) / 2) ** 2)):.6f}" for i in range(4000)]
    test = own_trace(open_page, "\n".join(["time_s,signal", *rows]).encode())
    assert not test.error
    table = test.dataframe[0].value
    assert table["Retention (min)"].tolist() == pytest.approx([200 / 60], abs=1e-3)


def test_a_file_that_is_no_trace_is_one_line_without_its_name(open_page: Open) -> None:
    test = own_trace(open_page, b"%PDF-1.7 nothing")
    assert len(test.error) == 1
    assert "CANARY" not in test.error[0].value
    assert "PDF" in test.error[0].value


def own_trace(open_page: Open, content: bytes) -> AppTest:
    test = open_page("chromatogram")
    test.segmented_control[0].set_value("My file").run()
    test.file_uploader[0].set_value(("CANARY^NAME.csv", content, "text/csv")).run()
    assert not test.exception
    return test


def test_no_event_takes_a_press_with_it(run_ends: RunEnds) -> None:
    """Wherever a newer event ends the run: what a button does is done once."""

    def script() -> None:
        import streamlit as st
        from frame import pressed

        done = st.session_state.setdefault("done", [])
        if pressed("Go", key="go"):
            done.append("once")
        st.number_input("Later", key="later")

    test = AppTest.from_function(script).run()
    for use in range(1, 6):
        run_ends.at(use)
        test.button[0].click().run()
        assert len(test.session_state["done"]) == use
    assert run_ends.count == 5
