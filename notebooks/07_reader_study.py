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
# # Which of two reconstructions do readers prefer, and how sure can one be?
#
# A number such as PSNR says how close an image is to the truth. Whether a radiologist would rather read it
# is another question, and readers who know which image is the new one cannot answer it. A reader study
# hides that, and writes down beforehand how it will be judged.
#
# *Research use only. The two readers below are a few lines of code, so that this page runs by itself: what
# they prefer says nothing about radiologists.*

# %%
import matplotlib.pyplot as plt

import medidiff as md
from medidiff.io.volume import block_mean

chest = block_mean(md.demo_volume("ct", slices=(9, 15)), 4)
run = md.retrospective_ct(chest, views=24, methods=("fbp", "tv"))
images = {"reference": chest, "fbp": run["fbp"], "tv": run["tv"]}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), dpi=80)
for panel, (name, image) in zip(axes, images.items(), strict=True):
    panel.imshow(image.array[3], cmap="gray", vmin=-1350, vmax=150)
    panel.set_title(name)
    panel.set_axis_off()

# %% [markdown]
# ## The protocol comes first
#
# Two methods made an image of the same six slices from 24 views. `new_study` drafts a protocol from the run:
# arms, cases, question, endpoint, hypothesis, alpha, repeats. Here each slice is a case, to be quick; a real
# study takes one case a patient, because slices of one patient are not independent.

# %%
from medidiff import review

run.save("run")
protocol = review.new_study("study", ["run"], ("fbp", "tv"), training=0, seed=7)
wanted = ("question:", "endpoint:", "hypothesis:", "  kind:", "  better:", "alpha:", "readers:", "repeats:")
lines = [line.split("  #")[0] for line in protocol.read_text().splitlines()]
print(*(line for line in lines if line.startswith(wanted)), sep="\n")

# %% [markdown]
# Freezing copies the images without names, times or places that would tell them apart, and takes the SHA-256
# of the protocol. From here on no byte of either can change unnoticed. The study's secret key lies apart from
# it, in your data folder; this page keeps it beside.

# %%
import os

os.environ["XDG_DATA_HOME"] = "home"
study = review.freeze_study("study")
print("protocol", study.digest[:16], "...")
print(
    "images  ", *sorted(f"{path.stat().st_size} bytes" for path in study.folder.glob("images/*"))[:3], "..."
)

# %% [markdown]
# ## What a reader sees
#
# A reader signs in with a code and a PIN and gets one pair after the other, in an order of their own with
# sides at random. In the app (`medidiff app --study study`) the same happens in the viewer.

# %%
reader = study.sign_in("R01", "4711", new=True)
shown = study.next(reader)
level, width = shown.window
figure, axes = plt.subplots(1, 2, figsize=(7, 3.6), dpi=80)
for panel, side, image in zip(axes, shown.sides, study.images(shown), strict=True):
    panel.imshow(image.array[0], cmap="gray", vmin=level - width / 2, vmax=level + width / 2)
    panel.set_title(side)
    panel.set_axis_off()
figure.suptitle(f"{shown.number} of {shown.total}: {shown.question}")
print("answers:", ", ".join(choice.label for choice in shown.choices))

# %% [markdown]
# ## Two scripted readers
#
# Each looks at one number of an image, the mean difference between neighbouring pixels. R01 takes the
# smoother image of two. R02 does too, but sees no difference until one is 1.44 times as rough as the other.

# %%
import numpy as np


def roughness(image):
    return float(np.abs(np.diff(image.array.clip(-1000, 400), axis=2)).mean())


def smooth(a, b):
    return "A" if a < b else "B"


def tolerant(a, b):
    return "tie" if max(a, b) < 1.44 * min(a, b) else smooth(a, b)


# %%
reader_2 = study.sign_in("R02", "0815", new=True)
readers = {smooth: reader, tolerant: reader_2}
for rule, who in readers.items():
    while isinstance(pair := study.next(who), review.Presentation):
        rough = [roughness(image) for image in study.images(pair)]
        study.answer(who, pair, rule(*rough), seconds=5.0)
    print(who.code, "answered {} of {}".format(*study.done(who)))

# %% [markdown]
# ## Nothing is known yet, and nothing can be changed
#
# Answers lie in a chain: each row is sealed with a secret key and the row before it. `verify_study` finds a
# changed, removed or added row; with a head that was noted earlier also a cut end. A study that somebody
# changed does not open, so no result comes out of it. An export before unblinding holds "A" and "B" and no
# arm.

# %%
from pathlib import Path

noted = review.state_of(study).head
print(review.verify_study("study", expect=noted).sentence())
early = review.export_study(study, Path("early"))
print("arms hidden:", early.blinded)
print("fbp in a file:", any("fbp" in file.read_text() for file in early.files))

# %% [markdown]
# ## Unblind, once
#
# Unblinding is an act with a reason, is written into the chain, and closes the study.

# %%
from medidiff.review.report import write_statistics

study.unblind("all planned answers are in")
review.export_study(study, Path("results"))
found = write_statistics(study, Path("results"))
one = found["comparisons"][0]
print(f"{one['arm']} preferred to {one['against']}: {one['estimate']:.0%}")
print(f"95 % interval {one['low']:.0%} to {one['high']:.0%}")
for claim in one["claims"]:
    print(f"{claim['kind']}: {'shown' if claim['shown'] else 'not shown'}")
for warning in found["warnings"]:
    print("note:", warning)

# %%
from medidiff.review.statistics import study_figure

study_figure(found)

# %% [markdown]
# Two readers are these two readers: the interval speaks of other cases, not of other readers, and the result
# says so. With five or more, readers count as a sample too: V = V_readers + V_cases - V_error.
#
# Six slices of one scan are nearly one case, which the first note says; the interval is too narrow. The
# repeats tell whether a reader agrees with themselves (a script always does), kappa and alpha whether
# readers agree with each other beyond chance: where nearly all answers are alike, they say little. `methods`
# is the paragraph for the paper.

# %%
print("same answer again:", f"{found['repeatability']['agreement']:.0%} of {found['repeatability']['count']}")
print("Krippendorff's alpha between readers:", f"{found['agreement']['krippendorff_alpha']['value']:.2f}")
print(*found["methods"], sep="\n")

# %% [markdown]
# ## Why not count answers?
#
# Answers of one reader, or to one case, are alike. `medidiff bench review` simulates 2000 studies of eight
# readers and 30 cases with a known preference: intervals by variance components hold it in 95 % of them, a
# bootstrap of readers alone in 84 %.
#
# **Next**: the same from the command line (`medidiff review new`, `freeze`, `status`, `verify`, `unblind`,
# `export`, `stats`), and several workstations (`review merge`).
