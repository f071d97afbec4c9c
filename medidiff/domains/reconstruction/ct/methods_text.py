"""The methods paragraph of a CT run: its data, scan, methods, settings, scores, versions and limits.

    methods_text(result.report, result.provenance).paragraph

Only facts of the report and the provenance are told; sources are those that the methods' own files name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medidiff.runs.sharing.methods import (
    MethodsText,
    Plain,
    Sources,
    complete,
    joined,
    limits_sentence,
    machine_sentence,
    program,
    short,
)

TASK = "reconstruct.ct"

_SOURCES = {
    "fbp": "Kak AC, Slaney M. Principles of Computerized Tomographic Imaging. IEEE Press, 1988.",
    "sirt": "Gregor J, Benson T. Computational analysis and improvement of SIRT. "
    "IEEE Trans Med Imaging 27:918, 2008.",
    "cgls": "Björck Å. Numerical Methods for Least Squares Problems. SIAM, 1996, algorithm 7.4.1.",
    "tv": "Chambolle A, Pock T. A first-order primal-dual algorithm for convex problems with applications to "
    "imaging. J Math Imaging Vis 40:120, 2011.",
    "condat": "Condat L. A primal-dual splitting method for convex optimization involving Lipschitzian, "
    "proximable and linear composite terms. J Optim Theory Appl 158:460, 2013.",
    "dpir": "Zhang K et al. Plug-and-play image restoration with deep denoiser prior. "
    "arXiv:2008.13751, 2021.",
    "dds": "Chung H, Lee S, Ye JC. Decomposed diffusion sampler for accelerating large-scale inverse "
    "problems. arXiv:2303.05754, 2024.",
    "edm": "Karras T et al. Elucidating the design space of diffusion-based generative models. "
    "arXiv:2206.00364, 2022.",
    "ssim": "Wang Z et al. Image quality assessment: from error visibility to structural similarity. "
    "IEEE Trans Image Process 13:600, 2004.",
}


def methods_text(report: Plain, record: Plain) -> MethodsText:
    """The paragraph of a run; InputError where report or provenance lack what a CT run has."""
    return complete(_write, report, record)


def _write(report: Plain, record: Plain) -> MethodsText:
    cite = Sources(_SOURCES)
    said = [_data(report), _scan(report), _methods(report, record, cite)]
    limits = []
    if report.get("protocol"):
        said.append(_scores(report, cite))
        limits.append("the measurement was simulated from a reconstructed image")
    if "diffusion" in report["methods"]:
        limits.append(
            "the image of the diffusion prior is one estimate, given without a measure of its spread"
        )
    said += [machine_sentence(report, record, "torch"), limits_sentence(report, *limits)]
    return MethodsText(" ".join(said), cite.listed())


def _data(report: Plain) -> str:
    source = report["input"]
    size = " x ".join(str(count) for count in reversed(source["shape"]))
    spacing = " x ".join(f"{step:.3g}" for step in reversed(source["spacing_mm"]))
    what = "A CT volume" if report.get("protocol") else "A measurement, seen on a grid"
    return (
        f"{what} of {size} voxels (x, y, z) of {spacing} mm in {source['units']} "
        f"(SHA-256 of its content {short(source['sha256'])}) was the input."
    )


def _scan(report: Plain) -> str:
    scan = report["measurement"]
    views = f"{scan['views']} view{'s' * (scan['views'] != 1)}"
    arc = "" if scan["arc_deg"] is None else f" over {scan['arc_deg']:.4g} degrees"
    if scan["photons"] is not None:
        dose = f"with {scan['photons']:g} photons per detector bin"
        if scan.get("photons_per_mm") is not None:
            dose += f" ({scan['photons_per_mm']:.3g} per mm)"
    else:
        dose = "without noise" if report.get("protocol") else "of unstated dose"
    how = "was measured by simulation" if report.get("protocol") else "had been measured"
    bins = f"{scan['detectors']} detector bins of {scan['detector_spacing_mm']:.3g} mm"
    return f"It {how} in {views}{arc} of a {_GEOMETRY[scan['geometry']]} geometry ({bins}), {dose}."


_GEOMETRY = {"parallel": "parallel-beam", "fan-flat": "flat fan-beam", "fan-curved": "curved fan-beam"}


def _methods(report: Plain, record: Plain, cite: Sources) -> str:
    tell = {"fbp": _fbp, "sirt": _sirt, "cgls": _cgls, "tv": _tv, "diffusion": _diffusion}
    rows = [tell[name](row, record, cite) for name, row in report["methods"].items()]
    return f"Images were reconstructed with {program(record)} by {joined(rows)}."


def _fbp(row: Plain, record: Plain, cite: Sources) -> str:
    return f"filtered back-projection {cite('fbp')}"


def _sirt(row: Plain, record: Plain, cite: Sources) -> str:
    return f"SIRT {cite('sirt')} in {row['iterations']} iterations"


def _cgls(row: Plain, record: Plain, cite: Sources) -> str:
    return f"CGLS {cite('cgls')} in at most {row['iterations']} iterations"


def _tv(row: Plain, record: Plain, cite: Sources) -> str:
    end = "" if row["converged"] else ", not converged"
    weight = f"{record['options']['tv_weight']:.3g} mm"
    return (
        f"three-dimensional total variation (weight {weight}; primal-dual {cite('tv', 'condat')}, "
        f"{row['iterations']} iterations{end})"
    )


def _diffusion(row: Plain, record: Plain, cite: Sources) -> str:
    options, prior = record["options"], cite("edm")  # numbered as they are read
    weights = short(record["weights"][row["prior"]])
    kappa = options["fast_kappa"]
    kind = f"half-quadratic splitting {cite('dpir')}" if kappa == 0 else f"re-noised sampling {cite('dds')}"
    levels = f"{options['fast_first_hu']:.3g} to {options['fast_last_hu']:.3g} HU"
    coupling = "" if options["coupling"] == "none" else f", slices coupled by {options['coupling']}"
    return (
        f"a diffusion prior {prior} (network {row['prior']}, weights {weights}) with the data term solved "
        f"by {options['fast_cg_iterations']} conjugate-gradient steps at each of "
        f"{options['fast_evaluations']} noise levels from {levels} ({kind}; "
        f"{row['evaluations']} passes of the network in {row['precision']}{coupling})"
    )


def _scores(report: Plain, cite: Sources) -> str:
    protocol = report["protocol"]
    low, high = protocol["window"]
    listed = [
        f"{name} {score}" for name, row in report["methods"].items() if (score := _axial(row["metrics"]))
    ]
    numbers = f" Axial PSNR and SSIM: {'; '.join(listed)}." if listed else ""
    return (
        f"They were compared with the input, on their grid, by PSNR and SSIM {cite('ssim')} within the "
        f"{protocol['region']}, clipped to {low:g} to {high:g} HU.{numbers}"
    )


def _axial(metrics: Mapping[str, Any]) -> str:
    plane = metrics.get("axial") or {}
    return f"{plane['psnr_db']:.2f} dB, {plane['ssim']:.3f}" if plane else ""
