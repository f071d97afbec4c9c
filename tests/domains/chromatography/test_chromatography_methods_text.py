"""The methods paragraphs of simulations, fits and peak tables tell facts of their reports, and only those."""

from __future__ import annotations

import re

import pytest

import medidiff as md
from medidiff.domains.chromatography.methods_text import methods_text
from medidiff.errors import InputError
from medidiff.runs.result import Result


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


def test_sources_are_cited_in_their_order(fit: Result) -> None:
    text = methods_text(fit.report, fit.provenance)
    numbers = [int(n) for group in re.findall(r"\[([\d, ]+)\]", text.paragraph) for n in group.split(", ")]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(text.citations) + 1))


def test_another_task_is_refused(fit: Result) -> None:
    with pytest.raises(InputError):
        methods_text({**fit.report, "task": "reconstruct.ct"}, fit.provenance)
