"""The methods paragraphs of simulations, fits and peak tables tell facts of their reports, and only those."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import medidiff as md
from medidiff.domains.chromatography.analysis.method import IntegrationPart, Method
from medidiff.domains.chromatography.fitting.solving.shapes import SHARED
from medidiff.domains.chromatography.methods_text import _SHARED, methods_text
from medidiff.errors import InputError
from medidiff.runs.result import Result

_WITHOUT_EMG = Method(integration=IntegrationPart(emg=False))


def _of(run: Result) -> tuple[dict[str, Any], dict[str, Any]]:
    return run.report, run.provenance


@pytest.fixture(scope="module")
def fit() -> Result:
    return md.demo_chromatography()


def test_a_fit_states_data_model_settings_versions_and_limits(fit: Result) -> None:
    said = methods_text(fit.report, fit.provenance).paragraph
    for fact in (
        "1936 points, 0.31 s apart",
        fit.report["input"]["sha256"][:12],
        "benzene, toluene, ethylbenzene, p-xylene and o-xylene",
        "30 m x 0.25 mm, film 0.25 µm of Rxi-5Sil MS; carrier He; 60 °C",
        "Hold-up time 128.47 s",
        "a rectangle (width 0.5 s, start 0 s)",
        "with molecular diffusion",
        "converged after",
        "95 % intervals",
        f"medidiff {md.__version__}",
        "most of the variance is not kinetic",
        "research use only",
    ):
        assert fact in said, fact
    assert "PyTorch" not in said


def test_a_fit_that_did_not_converge_says_so(fit: Result) -> None:
    methods = {"kinetic": {**fit.report["methods"]["kinetic"], "converged": False}}
    said = methods_text({**fit.report, "methods": methods}, fit.provenance).paragraph
    assert "did NOT converge" in said


def test_a_simulation_names_engine_and_column() -> None:
    run = md.simulate_chromatogram("btex", dispersion="none", analytes=["benzene", "toluene"])
    text = methods_text(run.report, run.provenance)
    assert "engine closed, without dispersion" in text.paragraph
    assert "benzene and toluene" in text.paragraph
    assert not any("Golay" in source for source in text.citations)


def test_peaks_name_their_baseline() -> None:
    (trace,) = md.simulate_chromatogram("btex").outputs.values()
    assert isinstance(trace, md.Chromatogram)
    run = md.chromatogram_peaks(trace)
    said = methods_text(run.report, run.provenance).paragraph
    assert f"{len(run.report['methods']) and run.report['methods']['peaks']['peaks']} peaks" in said
    assert "baseline by arpls" in said


def test_a_simulation_names_the_isotherm_that_was_solved() -> None:
    run = md.simulate_chromatogram("btex", dispersion="none", analytes=["benzene", "toluene"])
    plain = run.provenance["options"]["system"]
    loaded = {**plain, "analytes": [{**one, "langmuir_b_m3_mol": 0.01} for one in plain["analytes"]]}
    for engine, system, said in (
        ("closed", loaded, "linear kinetic model"),
        ("pde", plain, "linear kinetic model"),
        ("pde", loaded, "competitive Langmuir kinetics"),
        ("nonlinear", loaded, "competitive Langmuir kinetics"),
    ):
        record = {**run.provenance, "options": {**run.provenance["options"], "system": system}}
        text = methods_text({**run.report, "engine": engine}, record)
        assert said in text.paragraph
        assert ("linear kinetic" in text.paragraph) == any("Lapidus" in source for source in text.citations)


def test_peaks_name_the_blank_bounds_by_hand_and_a_fit_only_where_there_were_some() -> None:
    (trace,) = md.simulate_chromatogram("btex").outputs.values()
    assert isinstance(trace, md.Chromatogram)
    blank = replace(trace, signal=0 * trace.signal, components={})
    run = md.chromatogram_peaks(trace, blank=blank, manual=[(200.0, 213.0)], method=_WITHOUT_EMG)
    text = methods_text(run.report, run.provenance)
    assert "a run without sample was subtracted; 1 of them between bounds set by hand." in text.paragraph
    assert not any("exponentially modified" in source for source in text.citations)
    assert "subtracted" not in methods_text(*_of(md.chromatogram_peaks(trace))).paragraph


def test_one_peak_and_a_batch_have_sentences_of_their_own(tmp_path: Path) -> None:
    (trace,) = md.simulate_chromatogram("btex", analytes=["benzene"]).outputs.values()
    assert isinstance(trace, md.Chromatogram)
    run = md.chromatogram_peaks(trace, method=_WITHOUT_EMG)
    assert methods_text(*_of(run)).paragraph.startswith("1 peak of a chromatogram")
    assert " was integrated with" in methods_text(*_of(run)).paragraph
    for name in "ab":
        trace.write(tmp_path / f"{name}.csv")
    said = methods_text(*_of(md.batch_peaks(tmp_path, method=_WITHOUT_EMG))).paragraph
    assert said.startswith("The peaks of 2 chromatograms (SHA-256 ")


def test_a_fit_names_what_was_fitted_for_all_together(fit: Result) -> None:
    options = {**fit.provenance["options"], "shared": ["t0_s", "injection_width_s"]}
    said = methods_text(fit.report, {**fit.provenance, "options": options}).paragraph
    assert "fitted as well: the hold-up time and the injection's width" in said
    assert set(_SHARED) == set(SHARED)
    assert "fitted as well" not in methods_text(fit.report, fit.provenance).paragraph


def test_sources_are_cited_in_their_order(fit: Result) -> None:
    text = methods_text(fit.report, fit.provenance)
    numbers = [int(n) for group in re.findall(r"\[([\d, ]+)\]", text.paragraph) for n in group.split(", ")]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(text.citations) + 1))


def test_another_task_is_refused(fit: Result) -> None:
    with pytest.raises(InputError):
        methods_text({**fit.report, "task": "reconstruct.ct"}, fit.provenance)
