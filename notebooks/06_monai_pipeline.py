# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How does medidiff fit into a MONAI pipeline?
#
# A pipeline of MONAI reads, turns, resamples and saves images. medidiff adds transforms that measure an
# image as a CT scanner with few views would, and transforms that reconstruct what was measured.
#
# *Research use only: nothing here is for diagnosis.*

# %%
import logging
import warnings
from pathlib import Path

import medidiff as md

SLICES = (10, 12)
md.demo_volume("ct", slices=SLICES).write(Path("chest.nii.gz"))
logging.getLogger("monai").setLevel(logging.ERROR)  # MONAI tells of readers for GPUs that are absent
warnings.filterwarnings("ignore", module="monai")

# %%
from monai.transforms import Compose, CopyItemsd, LoadImaged

from medidiff.transforms import SparseViewCTd

scan = Compose([LoadImaged("image", ensure_channel_first=True), SparseViewCTd("image", views=24)])
sinogram = scan({"image": "chest.nii.gz"})["image"]
print(type(sinogram).__name__, tuple(sinogram.shape), "(1, slices, views, detectors)")

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7, 2.2), dpi=80)
shown = axes.imshow(sinogram[0, 0].as_tensor(), aspect="auto", cmap="gray")
axes.set(xlabel="detector", ylabel="view", title="Line integrals of the first slice")
figure.colorbar(shown)
figure.tight_layout()

# %% [markdown]
# ## What travels between scan and image
#
# The sinogram is a MetaTensor. Its meta keeps what the file said, and under `ct_scan`, as plain numbers, the
# geometry in millimetres and the grid of the image, so that it survives workers, batches and disk.

# %%
print("from the file:", sinogram.meta["filename_or_obj"], sinogram.meta["spatial_shape"])
plain = sinogram.meta["ct_scan"]
print("grid to reconstruct:", plain["grid"])
print("geometry:", {name: value for name, value in plain["geometry"].items() if name != "angles_deg"})

# %% [markdown]
# ## Measure once, reconstruct twice
#
# Every transform has a dictionary twin. A reconstruction lies on the grid of the image that was measured,
# with its affine, whatever the orientation: MONAI's own transforms go on from there.

# %%
from medidiff.transforms import DiffusionReconstructd, FBPd

both = Compose([CopyItemsd("image", names="fbp"), FBPd("fbp"), DiffusionReconstructd("image")])
data = both({"image": sinogram})
truth = LoadImaged("image", ensure_channel_first=True)({"image": "chest.nii.gz"})["image"]
print(tuple(data["image"].shape), bool((data["image"].affine == truth.affine).all()))

# %%
shown = {"original": truth, "FBP, 24 views": data["fbp"], "diffusion, 24 views": data["image"]}
figure, panels = plt.subplots(1, 3, figsize=(10, 3.6), dpi=80)
for axes, (title, image) in zip(panels, shown.items(), strict=True):
    axes.imshow(image[0, :, :, 0].as_tensor().T, cmap="gray", vmin=-1000, vmax=400)
    axes.set(title=title)
    axes.set_axis_off()
figure.tight_layout()

# %% [markdown]
# ## Keep it
#
# `SaveImaged` names the file after the one that was read. `medidiff_warnings` in the meta says what a reader
# of the image must know.

# %%
from monai.transforms import SaveImaged

save = SaveImaged("image", output_dir="out", output_postfix="diffusion", print_log=False)
save({"image": data["image"]})
print([str(path) for path in sorted(Path("out").rglob("*.nii.gz"))])
print(data["image"].meta["medidiff_warnings"] or "no warnings")

# %% [markdown]
# ## In an evaluator
#
# `ReconstructionInferer` takes a batch of measurements and returns volumes, so that MONAI's evaluator (with
# pytorch-ignite: `medidiff[train]`) can score a whole data set; `SliceVolumeInferer` runs a 2D network over
# volumes. Here filtered back-projection, on two doses.

# %%
import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator

from medidiff.transforms import FBP, LowDoseCT, ReconstructionInferer

doses = [{"image": LowDoseCT(views=60, photons=photons)(truth)} for photons in (3e3, 1e6)]
loader = DataLoader(Dataset(doses), batch_size=2)
inferer = ReconstructionInferer(FBP())
evaluator = SupervisedEvaluator(torch.device("cpu"), loader, torch.nn.Identity(), inferer=inferer)
evaluator.run()
for item, photons in zip(evaluator.state.output, (3e3, 1e6), strict=True):
    error = (item["pred"] - truth).abs().mean()
    print(f"{photons:g} photons per bin: mean error {error:.0f} HU")

# %% [markdown]
# **Next**: your own files (`LoadImaged` reads what MONAI reads; the values must be HU), a limited arc
# (`LimitedAngleCTd("image", arc_deg=120)`), a prior of your own (`DiffusionReconstructd("image",
# prior="my-prior")`), or the same chain in a `DataLoader` with workers.
