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
# ## How fast should the gas flow?
#
# Slow gas lets the analytes diffuse along the tube, fast gas leaves them no time to cross it. In between lies
# a velocity of the least plate height, another one for each analyte. The curves are van Deemter's, as Golay
# derived them for an open tube; here they come from the model's own variance.

# %%
curves = md.plate_heights("btex")
curves

# %% [markdown]
# The column runs at 23 cm/s; benzene would be sharpest at 55. Another velocity takes another inlet pressure,
# and where the pressure is higher the analytes diffuse more slowly.
#
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
# ## The same method for every run
#
# A method file says once how traces are integrated, what the peaks are called and what they must reach. Here
# it is applied to five runs of one mixture, with a little noise and an injection that scatters by half a
# per cent.

# %%
from pathlib import Path

method = """
t0_s: 128.47
peaks:
  - {name: benzene, at_s: 206.8, window_s: 3}
  - {name: toluene, at_s: 295.3, window_s: 3}
  - {name: ethylbenzene, at_s: 466.9, window_s: 4}
  - {name: "m,p-xylene", at_s: 495.5, window_s: 4}
  - {name: o-xylene, at_s: 565.6, window_s: 4}
suitability:
  - {name: ethylbenzene, least_resolution: 1.5, most_tailing_usp: 1.5, most_area_rsd_percent: 2}
  - {name: "m,p-xylene", least_resolution: 1.5, most_tailing_usp: 1.5, most_area_rsd_percent: 2}
"""
written = Path("method.yaml").write_text(method, encoding="utf-8")
# %%
import numpy as np

random = np.random.default_rng(0)
clean = result.outputs["chromatogram.csv"]


def noisy(amount):
    noise = 1e-3 * clean.signal.max() * random.standard_normal(clean.points)
    return md.Chromatogram(clean.x, amount * clean.signal + noise, clean.signal_unit)


Path("runs").mkdir()
for number in range(1, 6):
    noisy(1 + 0.005 * random.standard_normal()).write(Path(f"runs/run{number}.csv"))

# %%
batch = md.batch_peaks("runs", method="method.yaml")
verdict = {None: "", True: "pass", False: "fail"}
for row in batch.outputs["batch.csv"].rows:
    if row.file in ("run1.csv", "%RSD"):
        numbers = f"area {row.peak.area:.4f}   plates {row.peak.plates_half:9.2f}"
        print(f"{row.file:<9}{row.peak.name:<13}{numbers}   {verdict[row.passed]}".rstrip())

# %% [markdown]
# The last rows are relative standard deviations over the five runs, in per cent. m- and p-xylene are one
# peak, with the plates of a broad one, and symmetric enough to pass.
#
# ## From areas to amounts
#
# A calibration is a line through standards of known amount. Weights of 1/x² let the small ones count as much
# as the large ones; the lower panel shows by how much each standard misses its own amount.

# %%
lines = ["amount,response"]
for amount in (0.05, 0.1, 0.25, 0.5, 1.0, 2.0):
    found_peaks = md.chromatogram_peaks(noisy(amount), method="method.yaml").outputs["peaks.csv"].peaks
    lines += [f"{amount},{peak.area}" for peak in found_peaks if peak.name == "benzene"]
Path("standards.csv").write_text("\n".join(lines), encoding="utf-8")
calibration = md.calibrate_table("standards.csv", weights="1/x2")
calibration

# %% [markdown]
# ## A number that other laboratories know
#
# Retention times belong to one column on one day. A retention index says between which alkanes an analyte
# comes, 100 for each carbon, and stays. The ladder below is made up: alkanes whose retention grows by the
# same factor with each carbon.

# %%
from medidiff.domains.chromatography.analysis import retention_indices

t0 = 128.47
ladder = {carbons: t0 * (1 + 0.42 * 2.1 ** (carbons - 6)) for carbons in range(6, 11)}
times = [peak.retention_time_s for peak in peaks.outputs["peaks.csv"].peaks]
for time, index in zip(times, retention_indices(times, ladder, t0_s=t0), strict=True):
    print(f"{time / 60:.3f} min   index {index:.1f}")

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
lines = [
    "time (min);signal (mV)",
    *(f"{t / 60:.6f};{y:.6g}" for t, y in zip(trace.x, trace.signal, strict=True)),
]
Path("export.txt").write_text("\n".join(lines).replace(".", ","), encoding="utf-8")
again = md.read_chromatogram("export.txt")
print(again.points, "points,", again.signal_unit, again.notes or "nothing assumed")

# %% [markdown]
# What to try next: another carrier gas in a copy of `medidiff/assets/chromatography-btex.yaml`, and the
# velocity that it asks for.
