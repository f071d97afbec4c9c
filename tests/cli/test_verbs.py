"""The verbs from end to end on small cases, through `main`: what they write, print and promise."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medidiff.cli.main import main
from medidiff.cli.options import Parser
from medidiff.cli.verbs import bench
from medidiff.core import device
from medidiff.runs import provenance

_TINY = """
name: tiny
task: ct
network: {kind: unet, channels: [4, 8], blocks: [1, 1]}
data: {offset_hu: -400.0, scale_hu: 480.0, patch: 32}
sigma_data: 1.0
kernel: {sigma_min: 0.008, sigma_max: 5.0}
objective: {kind: denoising, levels: {median: 0.15, log_sd: 1.1, uniform_share: 0.2}}
optimiser: {rate: 1.0e-3, warm_up_steps: 1, ema: 0.9}
batch: 2
steps: 2
"""


def _scan(path: Path, bump: float = 0.0) -> Path:
    """(x, y, z) = (32, 48, 5): an ellipse of water with a rod, 1.5 x 1.25 x 3 mm, away from the origin."""
    x, y, z = np.mgrid[:32, :48, :5]
    hu = np.where(((x - 15) / 12) ** 2 + ((y - 22) / 18) ** 2 < 1, 0, -1000) + np.where(
        (x - 12) ** 2 + (y - 20) ** 2 < 9, 300 + 20 * z, 0
    )
    hu[5, 5, 2] += bump
    affine = np.array([[0, -1.25, 0, 7], [-1.5, 0, 0, -3], [0, 0, 3.0, 11], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(hu.astype(np.int16), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _reconstruct(out: str, *words: str) -> list[str]:
    scan = ["--views", "16", "--photons", "1e5", "--slices", "1:4", "--method", "fbp,tv", "--quiet"]
    return ["reconstruct", "ct", "scan.nii.gz", *scan, "--out", out, *words]


def test_reconstruct_writes_the_run_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The images lie on the input's grid: its turned axes, and the block's place along z."""
    _scan(here / "scan.nii.gz")
    assert main(_reconstruct("o")) == 0
    names = {path.name for path in (here / "o").iterdir()}
    images = {"fbp.nii.gz", "tv.nii.gz", "reference.nii.gz"}
    assert names == images | {"report.json", "provenance.json", "figure.png"}
    source = nibabel.load(here / "scan.nii.gz")
    for name in images:
        image = nibabel.load(here / "o" / name)
        assert image.shape == (32, 48, 3)
        assert np.allclose(
            image.affine, source.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
        )
    reference = nibabel.load(here / "o" / "reference.nii.gz").get_fdata()
    # Water units and back in float32: 1e-4 HU; the input's HU below air do not occur here.
    assert np.abs(reference - source.get_fdata()[:, :, 1:4]).max() < 1e-2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("fbp", "tv"))] == ["fbp", "tv"]


def test_json_summary_is_the_report(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _scan(here / "scan.nii.gz")
    assert main(_reconstruct("o", "--json")) == 0
    shown = json.loads(capsys.readouterr().out)
    saved = json.loads((here / "o" / "report.json").read_text())
    assert shown["out"] == "o"
    assert shown["report"]["methods"] == saved["methods"]
    assert saved["measurement"]["views"] == 16


def test_rerun_keeps_its_promise_and_finds_a_changed_image(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _scan(here / "scan.nii.gz")
    assert main(_reconstruct("o")) == 0
    again = ["rerun", "o/provenance.json", "--input", "scan.nii.gz", "--quiet", "--json"]
    capsys.readouterr()
    assert main(again) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["identical"], shown["kept"], shown["changed"]) == (True, True, [])
    path = here / "o" / "tv.nii.gz"
    image = nibabel.load(path)
    values = image.get_fdata(dtype=np.float32)
    values[0, 0, 0] += 1e-3
    nibabel.save(nibabel.Nifti1Image(values, image.affine, image.header), path)
    assert main(again) == 6
    assert json.loads(capsys.readouterr().out)["identical"] is False


def test_rerun_refuses_another_input(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _scan(here / "scan.nii.gz")
    assert main(_reconstruct("o")) == 0
    _scan(here / "other.nii.gz", bump=1.0)
    assert main(["rerun", "o/provenance.json", "--input", "other.nii.gz"]) == 3
    assert "another digest" in capsys.readouterr().err


def test_rerun_without_an_input_asks_for_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _scan(here / "scan.nii.gz")
    assert main(_reconstruct("o")) == 0
    assert main(["rerun", "o/provenance.json"]) == 2
    assert "--input" in capsys.readouterr().err


def _changed(path: Path, **parts: object) -> None:
    """A provenance with parts replaced; a dictionary is merged, and None takes its key out."""
    found = json.loads(path.read_text())
    for key, value in parts.items():
        merged = {**found.get(key, {}), **value} if isinstance(value, dict) else value
        found[key] = {k: v for k, v in merged.items() if v is not ...} if isinstance(merged, dict) else merged
    path.write_text(json.dumps(found))


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ({"options": {"method": ...}}, "options.method"),
        ({"options": {"method": ["magic"]}}, "options.method.0"),
        ({"options": {"views": "many"}}, "options.views"),
        ({"options": {"views": 10**9}}, "options.views"),
        ({"options": {"angles_deg": [400.0]}}, "options.angles_deg.0"),
        ({"options": {"photons": 1e300}}, "options.photons"),
        ({"reading": [1]}, "reading"),
        ({"reading": {"slices": ["a", "b"]}}, "reading.slices.0"),
        ({"reading": {"slices": [3, 1]}}, "reading.slices"),
        ({"reading": {"demo": "x\0"}}, "reading.demo"),
        ({"reading": {"demo": "../../card"}}, "reading.demo"),
        ({"threads": 2**40}, "threads"),
        ({"threads": True}, "threads"),
        ({"seed": -1}, "seed"),
        ({"outputs": [1]}, "outputs"),
        ({"verb": "dehaze"}, "verb"),
    ],
)
def test_rerun_trusts_no_provenance(
    parts: dict[str, object], key: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From elsewhere: a wrong value is bad input, named by its key, and no bug."""
    record = here / "provenance.json"
    result = provenance("reconstruct ct", {"method": ["fbp"], "views": 9}, {"volume": "x"}, {}, seed=0)
    record.write_text(json.dumps({**result, "reading": {}, "outputs": {}}))
    _changed(record, **parts)
    _scan(here / "scan.nii.gz")
    assert main(["rerun", "provenance.json", "--input", "scan.nii.gz"]) == 3
    shown = capsys.readouterr().err
    assert f"got {key}: " in shown
    assert shown.count("\n") == 1


def test_rerun_compares_by_digests_where_the_report_beside_it_is_damaged(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _scan(here / "scan.nii.gz")
    assert main(_reconstruct("o")) == 0
    _changed(here / "o" / "report.json", methods={"fbp": {"metrics": [1]}, "tv": {"metrics": [1]}})
    capsys.readouterr()
    assert main(["rerun", "o/provenance.json", "--input", "scan.nii.gz", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identical"] is True
    assert main(["rerun", "o/provenance.json", "--input", "scan.nii.gz", "--out", "o", "--overwrite"]) == 5


def test_bench_projector_writes_rows_and_a_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "projector", "--size", "32", "--slices", "2", "--views", "4", "--out", "o", "--quiet"]
    assert main(words) == 0
    found = json.loads((here / "o" / "bench.json").read_text())
    assert {"adjoint_error_float64", "adjoint_error_float32"} <= {row["metric"] for row in found["rows"]}
    assert (here / "o" / "table.md").read_text() == capsys.readouterr().out


def test_bench_takes_volumes_one_by_one() -> None:
    parser = Parser(prog="bench")
    bench.add_arguments(parser)
    words = ["ct", "--input", "a.nii", "b.nii", "--input", "c.nii", "--out", "o"]
    assert [path.name for path in parser.parse_args(words).input] == ["a.nii", "b.nii", "c.nii"]


def test_train_pack_and_demo(
    here: Path, ct_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A prior of two steps goes the whole way; how good it is does not matter here."""
    (here / "tiny.yaml").write_text(_TINY)
    data = ["--data", str(ct_data), "--quiet"]
    assert main(["train", "tiny.yaml", *data, "--out", "run"]) == 0
    assert main(["models", "pack", "run", *data, "--out", "priors", "--hardware", "a test"]) == 0
    monkeypatch.setenv("MEDIDIFF_PRIORS", str(here / "priors"))
    capsys.readouterr()
    assert main(["models", "show", "tiny", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["training"]["steps"], card["training"]["hardware"]) == (2, "a test")
    assert str(here) not in json.dumps(card)
    assert main(["models", "pack", "run", *data, "--out", "priors"]) == 5
    assert main(["models", "pack", "run", *data, "--average-with", "tiny", "--out", "mean"]) == 0
    assert list(json.loads((here / "mean" / "tiny.json").read_text())["training"]["averaged_with"]) == [
        "tiny"
    ]
    capsys.readouterr()
    (here / "medidiff-demo-ct").mkdir()
    monkeypatch.setattr(device, "has_fast_bf16", lambda kind: False)
    assert main(["demo", "--slices", "12:13", "--prior", "tiny"]) == 0
    assert re.search(
        r"no fast bf16 here: the network will take about \d+ s for 1 slice,", capsys.readouterr().err
    )
    report = json.loads((here / "medidiff-demo-ct-2" / "report.json").read_text())
    assert set(report["methods"]) == {"fbp", "tv", "diffusion"}
    assert report["measurement"]["views"] == 24
    assert nibabel.load(here / "medidiff-demo-ct-2" / "diffusion.nii.gz").shape == (256, 256, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("steps: 2", "stepps: 2"), "stepps"),
        (("steps: 2", "steps: 0"), "steps"),
        (("task: ct", "task: magic"), "magic"),
        (("batch: 2", "batch: [2"), "YAML"),
        (("name: tiny", "name: 2020-13-45"), "YAML"),
        (("batch: 2", "batch: " + "[" * 3000), "YAML"),
        (("batch: 2", "batch: &b 2\nagain: *b"), "an alias"),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_key(
    change: tuple[str, str], words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "tiny.yaml").write_text(_TINY.replace(*change))
    (here / "data").mkdir()
    assert main(["train", "tiny.yaml", "--data", "data", "--out", "run"]) == 3
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1
    assert not (here / "run").exists()


@pytest.mark.parametrize("kept", [False, True])
def test_an_interrupted_training_says_what_there_is(
    kept: bool, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C before and after the first checkpoint."""
    from medidiff.core.training import trainer
    from medidiff.domains.reconstruction.ct.training import task

    def interrupted(settings: object, objective: object, run: Path, **options: object) -> None:
        if kept:
            (run / "checkpoint-00000001").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", interrupted)
    monkeypatch.setattr(task, "objective", lambda settings, data: None)
    (here / "tiny.yaml").write_text(_TINY)
    (here / "data").mkdir()
    assert main(["train", "tiny.yaml", "--data", "data", "--out", "run"]) == 130
    assert ("a checkpoint was kept" in capsys.readouterr().err) is kept


def test_training_takes_no_folder_of_something_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "tiny.yaml").write_text(_TINY)
    (here / "data").mkdir()
    assert main(["train", "tiny.yaml", "--data", "data", "--out", "."]) == 5
    assert "one of a run with checkpoints" in capsys.readouterr().err
    assert {path.name for path in here.iterdir()} == {"tiny.yaml", "data"}


def test_the_summary_of_a_card_stays_on_its_line(
    here: Path, tiny_prior: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card = here / "priors" / f"{tiny_prior}.json"
    _changed(card, summary="a\x1b[2J\nb")
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines if line.startswith(tiny_prior)] == ["a [2J b"]
    assert all(line.isprintable() for line in lines)


def _sinogram(path: Path) -> Path:
    """A disc seen by a fan, three slices, with its photons."""
    import medidiff as md

    hu = np.full((3, 24, 24), -1000.0)
    y, x = np.mgrid[:24, :24] - 11.5
    hu[:, x**2 + y**2 < 60] = 0
    volume = md.Volume.from_array(hu, spacing_mm=(2.0, 4.0, 4.0))
    return md.write_sinogram(md.simulate_ct(volume, views=9, geometry="fan-flat", photons=1e5)[0], path)


def test_a_sinogram_is_reconstructed_as_it_was_measured_and_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No views, no metrics, no reference; `rerun` gives the same bytes, from the same file only."""
    _sinogram(here / "s.h5")
    words = ["reconstruct", "ct", "s.h5", "--method", "fbp,sirt", "--slices", "0:2", "--matrix", "20"]
    assert main([*words, "--out", "o", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "misfit" in shown
    assert "PSNR" not in shown
    report = json.loads((here / "o" / "report.json").read_text())
    assert report["measurement"]["geometry"] == "fan-flat"
    assert report["methods"]["sirt"]["metrics"] == {}
    assert report["input"]["shape"] == [2, 20, 20]
    assert not (here / "o" / "reference.nii.gz").exists()
    again = ["rerun", "o/provenance.json", "--input"]
    assert main([*again, "s.h5", "--quiet"]) == 0
    assert "identical" in capsys.readouterr().out
    other = _sinogram(here / "other.h5")
    import h5py

    with h5py.File(other, "a") as file:
        file["sinogram"][0, 0, 0] += 1
    assert main([*again, "other.h5", "--quiet"]) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--views", "9"], "--views"),
        (["--geometry", "parallel", "--photons", "1e5"], "--geometry, --photons"),
        (["--units", "hu"], "--units"),
    ],
)
def test_a_sinogram_has_its_own_scan(
    words: list[str], says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _sinogram(here / "s.h5")
    assert main(["reconstruct", "ct", "s.h5", "--method", "fbp", "--out", "o", *words]) == 2
    assert says in capsys.readouterr().err
    assert not (here / "o").exists()


def test_a_volume_needs_views(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _scan(here / "scan.nii.gz")
    assert main(["reconstruct", "ct", "scan.nii.gz", "--method", "fbp", "--out", "o"]) == 2
    assert "--views or --angles-file" in capsys.readouterr().err


def test_a_fan_is_rerun_with_its_geometry(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _scan(here / "scan.nii.gz")
    words = ["reconstruct", "ct", "scan.nii.gz", "--views", "8", "--geometry", "fan-curved"]
    assert main([*words, "--method", "fbp", "--slices", "1:3", "--out", "o", "--quiet"]) == 0
    found = json.loads((here / "o" / "provenance.json").read_text())["options"]
    assert (found["geometry"], found["arc_deg"]) == ("fan-curved", 360)
    assert main(["rerun", "o/provenance.json", "--input", "scan.nii.gz", "--quiet"]) == 0
    assert "identical" in capsys.readouterr().out


def test_a_scan_of_ones_own_is_rerun(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A geometry from Python stands whole in the provenance."""
    import medidiff as md
    from medidiff.domains.reconstruction.ct import FanBeam

    own = FanBeam((0.0, 100.0, 230.0), 80, 2.0, 0.5, 300.0, 500.0, curved=False)
    volume = md.read_volume(_scan(here / "scan.nii.gz"), slices=(1, 3))
    md.retrospective_ct(volume, geometry=own, methods="fbp").save(here / "o")
    record = here / "o" / "provenance.json"
    _changed(record, reading={"slices": [1, 3]})
    assert main(["rerun", str(record), "--input", "scan.nii.gz", "--quiet"]) == 0
    assert "identical" in capsys.readouterr().out
    _changed(record, options={"geometry": {"geometry": "cone"}})
    assert main(["rerun", str(record), "--input", "scan.nii.gz", "--quiet"]) == 3
