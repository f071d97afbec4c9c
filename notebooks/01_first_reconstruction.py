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
# # How much of a chest can 24 views show?
#
# A CT scanner takes about a thousand views of a patient. Here are 24, and three ways to make an image of
# them. Everything runs on a processor in a minute or two; the CT is one that medidiff ships.
#
# *Research use only: nothing here is for diagnosis.*

# %%
import medidiff as md

SLICES = (8, 16)
volume = md.demo_volume("ct", slices=SLICES)
print(f"{volume.shape} voxels (z, y, x) of {volume.spacing_mm} mm, in {volume.units}")

# %% [markdown]
# ## One call
#
# `retrospective_ct` measures the volume in 24 parallel views, reconstructs the measurement by the methods
# that are named, and compares each image with the volume. The reconstruction never sees the volume: only
# what was measured.

# %%
methods = ("fbp", "tv", "diffusion")
result = md.retrospective_ct(volume, views=24, methods=methods, progress=md.print_progress)
result

# %% [markdown]
# **Filtered back-projection** spreads each view back over the image; with 24 views the streaks win.
# **Total variation** looks for the flattest image that agrees with the views: edges stay, the lung's fine
# vessels go. **Diffusion** looks for an image that agrees with the views and that a network, trained on
# other people's scans, finds likely.
#
# The error maps say where to be careful: edges of bone and small vessels are the last to come right.

# %% [markdown]
# ## In numbers
#
# PSNR in decibels (higher is closer; 6 dB halves the error) and SSIM, inside the body, in the three
# planes.

# %%
for name, row in result.report["methods"].items():
    found = {plane: row["metrics"][plane] for plane in ("axial", "coronal", "sagittal")}
    numbers = "  ".join(f"{p} {m['psnr_db']:.1f} dB {m['ssim']:.2f}" for p, m in found.items() if m)
    print(f"{name:<10} {numbers}   {row['seconds']:.0f} s")

# %% [markdown]
# A high PSNR can hide a shift of the values that a radiologist measures. So the mean error by tissue
# stands beside it, in HU.

# %%
for name, row in result.report["methods"].items():
    bias = row["metrics"]["hu_bias"]
    print(f"{name:<10}", "  ".join(f"{tissue} {value:+.0f}" for tissue, value in bias.items()))

# %% [markdown]
# ## What did the views not determine?
#
# The difference of two images that both agree with the views is what the views left open: each method
# filled it by what it believes of images. Where diffusion and total variation differ, the picture shows a
# belief, not a measurement.

# %%
import matplotlib.pyplot as plt

middle = len(result["tv"].array) // 2
difference = result["diffusion"].array[middle] - result["tv"].array[middle]
figure, axes = plt.subplots(figsize=(5, 4), dpi=80)
shown = axes.imshow(difference, cmap="RdBu", vmin=-300, vmax=300)
figure.colorbar(shown, label="diffusion - total variation [HU]")
axes.set_axis_off()

# %% [markdown]
# ## Keep it, check it
#
# `result.save("chest-24")` writes the images as NIfTI, the figure, the report and a provenance; `medidiff
# rerun` does the run again from it and says whether it came out the same.
#
# **Next**: your own scan (`md.read_volume("chest.nii.gz")`), fewer or more views (`views=12`), a limited
# arc (`arc_deg=120`), a real dose (`photons=1e5`), or neighbouring slices that help each other
# (`coupling="tv"`).
