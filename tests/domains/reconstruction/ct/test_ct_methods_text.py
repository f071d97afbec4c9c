"""The methods paragraph of a CT run tells facts of its report and provenance, and only those."""

from __future__ import annotations

import copy
import re
import subprocess
import sys

import pytest

from medidiff.domains.reconstruction.ct.methods_text import methods_text
from medidiff.errors import InputError
from medidiff.runs.demo import demo_run


def test_it_states_data_method_settings_versions_and_limits() -> None:
    run = demo_run()
    said = methods_text(run.report, run.provenance).paragraph
    for fact in (
        "512 x 512 x 24 voxels",
        "f4605f7e60c9",
        "24 views over 180 degrees",
        "without noise",
        "weight 0.0005 mm",
        "480 iterations",
        "ct-tuned, weights 20b9e01a536c",
        "30 passes of the network in bf16",
        "diffusion 33.64 dB, 0.901",
        "medidiff 0.1.0",
        "PyTorch 2.13.0+cpu",
        "seed 0",
        "the images are stored in whole HU",
        "research use only",
    ):
        assert fact in said, fact


def test_sources_are_cited_in_their_order_and_each_is_listed() -> None:
    run = demo_run()
    text = methods_text(run.report, run.provenance)
    numbers = [int(n) for group in re.findall(r"\[([\d, ]+)\]", text.paragraph) for n in group.split(", ")]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(text.citations) + 1))
    assert any("2008.13751" in source for source in text.citations)
    assert not any("2303.05754" in source for source in text.citations)  # kappa is 0: nothing was re-noised


def test_it_follows_the_report() -> None:
    """Measured data with photons, by FBP alone: no truth, no network, no scores."""
    run = demo_run()
    report, record = copy.deepcopy(run.report), copy.deepcopy(run.provenance)
    del report["protocol"]
    report["measurement"] |= {"photons": 1e5, "photons_per_mm": 71111.0, "views": 1}
    report["methods"] = {"fbp": report["methods"]["fbp"]}
    text = methods_text(report, record)
    assert "1 view over" in text.paragraph
    assert "100000 photons per detector bin (7.11e+04 per mm)" in text.paragraph
    assert "PSNR" not in text.paragraph
    assert "simulat" not in text.paragraph
    assert len(text.citations) == 1


def test_no_convergence_is_said() -> None:
    run = demo_run()
    report = copy.deepcopy(run.report)
    report["methods"]["tv"]["converged"] = False
    assert "480 iterations, not converged" in methods_text(report, run.provenance).paragraph


def test_a_report_that_lacks_a_part_is_refused() -> None:
    run = demo_run()
    report = copy.deepcopy(run.report)
    del report["measurement"]["views"]
    with pytest.raises(InputError):
        methods_text(report, run.provenance)


def test_reading_a_report_loads_no_torch() -> None:
    code = (
        "import sys; from medidiff.domains.reconstruction.ct.methods_text import methods_text; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
