"""CT inside MONAI's chains: the documented lines, the grid of the input, and what the domain itself gives."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, LoadImaged, Orientationd, SaveImaged

import medidiff as md
import medidiff.transforms as transforms
from medidiff.errors import InputError
from medidiff.io.volume import block_mean
from medidiff.priors import loading
from medidiff.transforms import (
    FBP,
    DiffusionReconstruct,
    FBPd,
    LimitedAngleCT,
    LowDoseCT,
    SparseViewCT,
    SparseViewCTd,
    TVReconstruct,
)
from medidiff.transforms.ct.sinogram import SCAN, WARNINGS, read_scan
from medidiff.transforms.images import to_volume

MakeImage = Callable[..., MetaTensor]
ORIENTATIONS = list(
    itertools.product(itertools.permutations(range(3)), itertools.product((False, True), repeat=3))
)


def save(image: MetaTensor, path: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(image.numpy()[0], image.affine.numpy()), path)
    return path


@pytest.mark.usefixtures("tiny_prior")
def test_the_documented_lines_run(
    make_image: MakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a small file here, on the demo volume from the wheel; the file's own grid and name come back."""
    code = "\n".join(re.findall(r"^    (.*)$", transforms.__doc__ or "", re.M))
    assert len([line for line in code.splitlines() if line]) == 10
    file = save(make_image(sizes=(40, 36, 2)), tmp_path / "chest.nii.gz")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docstring", "exec"), {})
    before, after = nibabel.load(file), nibabel.load(tmp_path / "out" / "chest" / "chest_diffusion.nii.gz")
    assert np.array_equal(before.affine, after.affine)
    assert before.shape == after.shape
    assert np.corrcoef(before.get_fdata().ravel(), after.get_fdata().ravel())[0, 1] > 0.95


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS[::5])
def test_any_orientation_comes_back_as_it_went_in(
    axes: tuple[int, int, int], flips: tuple[bool, bool, bool], make_image: MakeImage
) -> None:
    """The same patient, differently stored, is measured alike, and the image lies where the patient was."""
    chain = Compose([SparseViewCT(views=30), FBP()])
    image, stored = make_image((0, 1, 2), (False,) * 3), make_image(axes, flips)
    straight, out = chain(image), chain(stored)
    turned = np.flip(straight.numpy()[0].transpose(axes), [k for k in range(3) if flips[k]])
    assert np.array_equal(out.numpy()[0], turned)
    assert torch.equal(out.affine, stored.affine)
    assert np.corrcoef(out.numpy().ravel(), stored.numpy().ravel())[0, 1] > 0.95


def test_an_affine_in_lps_is_read_as_such(make_image: MakeImage) -> None:
    """ITK's space: x and y run the other way; the result stays in it."""
    ras = make_image()
    lps = make_image()
    lps.affine = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64)) @ lps.affine
    lps.meta["space"] = "LPS"
    chain = Compose([SparseViewCT(views=10), FBP()])
    out = chain(lps)
    assert torch.equal(out.as_tensor(), chain(ras).as_tensor())
    assert torch.equal(out.affine, lps.affine)
    assert out.meta["space"] == "LPS"


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        (SparseViewCT(views=12), {"views": 12}),
        (LimitedAngleCT(views=9, arc_deg=90.0, photons=3e4), {"views": 9, "arc_deg": 90.0, "photons": 3e4}),
        (LowDoseCT(views=15, photons=500.0, seed=4), {"views": 15, "photons": 500.0, "seed": 4}),
    ],
)
@pytest.mark.parametrize(
    ("method", "reconstruct"),
    [("fbp", FBP()), ("tv", TVReconstruct())],
)
def test_the_image_is_the_domains(
    scan: Any, words: dict[str, Any], method: str, reconstruct: Any, make_image: MakeImage
) -> None:
    """The door adds nothing and loses nothing on the way: geometry, dose, weights, warnings."""
    image = make_image()
    out = reconstruct(scan(image))
    result = md.retrospective_ct(to_volume(image), methods=method, **words)
    assert np.array_equal(out.numpy()[0], result[method].array.transpose(2, 1, 0))
    assert out.meta[WARNINGS].splitlines() == result.warnings


def test_diffusion_is_the_domains_too(make_image: MakeImage, tiny_prior: str) -> None:
    image, words = make_image(), {"prior": tiny_prior, "coupling": "noise", "seed": 5, "float32": True}
    out = DiffusionReconstruct(device="cpu", **words)(SparseViewCT(views=10, seed=5)(image))
    result = md.retrospective_ct(to_volume(image), views=10, device="cpu", **words)
    assert np.array_equal(out.numpy()[0], result["diffusion"].array.transpose(2, 1, 0))
    assert any("re-noises" in line for line in out.meta[WARNINGS].splitlines())


def test_tissue_is_right_in_millimetres(make_image: MakeImage) -> None:
    """Many views, little noise, pixels of 1.5 x 2.5 mm: tissue of 40 HU and air of -1000 HU come back."""
    image = make_image(sizes=(40, 36, 2))
    out = TVReconstruct()(LowDoseCT(views=60, photons=1e6)(image)).numpy()
    truth = image.numpy()
    assert abs(out[truth > 0].mean() - 40) < 25
    assert abs(out[truth < -950].mean() + 1000) < 25


def test_blocks_that_were_one_pixel_come_back_as_the_inputs_grid(make_image: MakeImage) -> None:
    """A matrix of half the side: the image has the input's size, its block means are the domain's image."""
    image = make_image((0, 1, 2), (False,) * 3, sizes=(60, 40, 2))
    out = Compose([SparseViewCT(views=20, matrix=30), FBP()])(image)
    assert out.shape == image.shape
    assert torch.equal(out.affine, image.affine)
    coarse = md.retrospective_ct(to_volume(image), views=20, matrix=30, methods="fbp")["fbp"]
    fine = md.Volume(out.numpy()[0].transpose(2, 1, 0), image.affine.numpy())
    assert np.abs(block_mean(fine).array - coarse.array).max() < 1e-2
    assert np.abs(fine.array - np.kron(coarse.array, np.ones((1, 2, 2)))).max() > 10


def test_a_batch_keeps_each_items_scan(make_image: MakeImage) -> None:
    """Collation turns numbers into tensors, decollation back: the measurements are the same to a bit."""
    images = [make_image(seed=seed) for seed in (1, 2)]
    scan = SparseViewCT(views=7, photons=1e4)
    data = Dataset([{"it": image} for image in images], SparseViewCTd("it", views=7, photons=1e4))
    (batch,) = DataLoader(data, batch_size=2)
    assert batch["it"].shape[:2] == (2, 1)
    for item, image in zip(decollate_batch(batch), images, strict=True):
        ours, alone = read_scan(item["it"]).measurement, read_scan(scan(image)).measurement
        assert ours.geometry == alone.geometry
        assert ours.grid == alone.grid
        assert np.array_equal(ours.affine, alone.affine)
        assert np.array_equal(ours.sinogram, alone.sinogram)
        assert (ours.photons, ours.origin) == (1e4, alone.origin)


def test_no_dose_is_told_from_a_dose(make_image: MakeImage) -> None:
    sinogram = SparseViewCT(views=5)(make_image())
    assert math.isnan(sinogram.meta[SCAN]["photons"])
    assert read_scan(sinogram).measurement.photons is None


def test_a_saved_reconstruction_lies_where_the_patient_was(make_image: MakeImage, tmp_path: Path) -> None:
    """Also when the chain turned it first; the file is named after the one that was read."""
    file = save(make_image(), tmp_path / "some.body.nii.gz")
    chain = Compose(
        [
            LoadImaged("image", ensure_channel_first=True),
            Orientationd("image", "RAS", labels=None),
            SparseViewCTd("image", views=30),
            FBPd("image"),
            SaveImaged("image", output_dir=tmp_path / "out", output_postfix="fbp", print_log=False),
        ]
    )
    chain({"image": str(file)})
    (saved,) = (tmp_path / "out").rglob("*.nii.gz")
    assert saved.name == "some.body_fbp.nii.gz"
    before, after = (nibabel.as_closest_canonical(nibabel.load(path)) for path in (file, saved))
    assert np.allclose(before.affine, after.affine, atol=1e-5)
    assert np.corrcoef(before.get_fdata().ravel(), after.get_fdata().ravel())[0, 1] > 0.95


def test_weights_are_read_once_a_process(
    make_image: MakeImage, tiny_prior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = loading.read_weights
    monkeypatch.setattr(
        loading, "read_weights", lambda path, card: (reads.append(path.name), read(path, card))[1]
    )
    sinogram = SparseViewCT(views=5)(make_image())
    for _ in range(2):
        DiffusionReconstruct(prior=tiny_prior, device="cpu")(sinogram)
    assert reads == ["tiny.safetensors"]


@pytest.mark.parametrize("name", ["grid", "image_shape", "geometry", "affine", "photons"])
@pytest.mark.parametrize("value", [None, [3, 4], [33, 41, 3]])
def test_a_scan_that_was_altered_is_refused(name: str, value: object, make_image: MakeImage) -> None:
    sinogram = SparseViewCT(views=5)(make_image())
    scan = dict(sinogram.meta["ct_scan"])
    sinogram.meta["ct_scan"] = {k: v for k, v in scan.items() if k != name} | ({name: value} if value else {})
    with pytest.raises(InputError):
        FBP()(sinogram)


@pytest.mark.parametrize("bad", ["slices", "detectors", "scanned twice"])
def test_a_sinogram_that_lost_a_part_is_refused(bad: str, make_image: MakeImage) -> None:
    sinogram = SparseViewCT(views=5)(make_image())
    with pytest.raises(InputError):
        {
            "slices": lambda: FBP()(sinogram[:, :2]),
            "detectors": lambda: FBP()(sinogram[..., :-1]),
            "scanned twice": lambda: SparseViewCT()(sinogram),
        }[bad]()


def test_a_sheared_image_and_padding() -> None:
    """A tilted gantry is refused; padding of a scanner is air, and said."""
    values = torch.full((1, 20, 20, 2), -1000.0)
    values[:, 5:15, 5:15] = 30.0
    sheared = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0], dtype=torch.float64))
    sheared[1, 2] = 0.5
    with pytest.raises(InputError, match="right angles"):
        SparseViewCT()(MetaTensor(values, affine=sheared))
    padded = values.clone()
    padded[:, 0] = -3024.0
    out = SparseViewCT(views=30)(MetaTensor(padded, affine=torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))))
    assert "40 voxels of padding were set to air" in out.meta[WARNINGS]
    assert padded.min() == -3024.0
