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
# # What does a gas chromatograph do to a mixture, and what can its trace tell?
#
# A carrier gas pushes a mixture through a long, thin tube whose wall holds a film. Each analyte spends part
# of its time in the film, so that they leave one after the other. Two numbers say almost everything of an
# analyte: `k`, how much longer it stays than the gas, and `kd`, how fast it leaves the film.
#
# *Research use only.*

# %%
import medidiff as md

result = md.simulate_chromatogram("btex", end_s=620)
result

# %% [markdown]
# Six analytes, 30 m of column, helium, 60 °C. Below the trace: where each analyte was inside of the column.
# m- and p-xylene leave almost together, which the result says in its warnings.

# %%
for warning in result.warnings:
    print("-", warning)
for name, facts in result.report["analytes"].items():
    print(f"{name:<13} k {facts['k']:.4f}   plates {facts['plates']:.0f}")

# %% [markdown]
# ## From a noisy trace back to the physics
#
# The demo records five analytes with noise and forgets what made them. A fit of the whole trace finds `k`,
# `kd` and the areas again, each with a 95 % interval.

# %%
fitted = md.demo_chromatography()
fitted

# %%
found = fitted.outputs["fit.json"].plain["analytes"]
for name, truth in fitted.report["truth"].items():
    k, kd = found[name]["k"], found[name]["kd_per_s"]
    print(f"{name:<13} k {k['low']:.5f} to {k['high']:.5f} (true {truth['k']:.5f})", end="   ")
    print(f"kd {kd['low']:.0f} to {kd['high']:.0f} 1/s (true {truth['kd_per_s']:.0f})")

# %% [markdown]
# `k` is known to a hundredth of a per cent and `kd` to ten: in this column most of a peak's width is
# diffusion in the gas, and the width is all that speaks of `kd`. Without dispersion in the model `kd` would
# take the blame for all of it:

# %%
trace = md.Chromatogram(fitted.outputs["chromatogram.csv"].time_s, fitted.outputs["chromatogram.csv"].signal)
places = [f"{name}@{found[name]['retention_s']['value']:.1f}" for name in found]
lumped = md.fit_chromatogram(trace, t0_s=128.4715, injection_width_s=0.5, analytes=places)
for name, numbers in lumped.outputs["fit.json"].plain["analytes"].items():
    print(f"{name:<13} effective kd {numbers['kd_per_s']['value']:.0f} 1/s")

# %% [markdown]
# ## Without any model
#
# Routine work asks for areas, plates and tailing. `chromatogram_peaks` finds and measures peaks as a
# pharmacopoeia does; a method file in YAML adds names, windows, calibration and limits for a batch.

# %%
peaks = md.chromatogram_peaks(trace, t0_s=128.4715)
peaks

# %%
for peak in peaks.outputs["peaks.csv"].peaks:
    print(f"{peak.retention_time_s / 60:.3f} min   area {peak.area:.4f}   plates {peak.plates_tangent:.0f}")

# %% [markdown]
# ## Files of instruments
#
# `md.read_chromatogram` reads ANDI/AIA, GAML, mzML, JCAMP-DX and text exports, knows them by their content
# and drops names and dates. On the command line:
#
# ```sh
# medidiff chromatography convert run.cdf --to csv --out converted
# medidiff chromatography fit run.cdf --t0-s 75 --analytes benzene@120,toluene@172 --out fit
# ```

# %%
from pathlib import Path

lines = [
    "time (min);signal (mV)",
    *(f"{t / 60:.6f};{y:.6g}" for t, y in zip(trace.x, trace.signal, strict=True)),
]
Path("export.txt").write_text("\n".join(lines).replace(".", ","), encoding="utf-8")
again = md.read_chromatogram("export.txt")
print(again.points, "points,", again.signal_unit, again.notes or "nothing assumed")
