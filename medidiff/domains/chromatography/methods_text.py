"""The methods paragraph of a chromatography run: data, model, settings, versions, limits.

    methods_text(result.report, result.provenance).paragraph

Only facts of the report and the provenance are told; sources are those that the model's own files name.
"""

from __future__ import annotations

from medidiff.domains.chromatography.fitting.conditions import KD_MEANING
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

TASKS = ("chromatography.simulate", "chromatography.fit", "chromatography.peaks")

_SOURCES = {
    "model": "Cabrera-Codony A et al. Mathematical modelling of flow and adsorption in a gas chromatograph. "
    "arXiv:2501.00001.",
    "kinetic": "Lapidus L, Amundson NR. Mathematics of adsorption in beds. J Phys Chem 56:984, 1952.",
    "golay": "Golay MJE. In: Gas Chromatography. Butterworths, 1958.",
    "retention": "Blumberg LM. Temperature-Programmed Gas Chromatography. Wiley-VCH, 2010.",
    "gas": "Fuller EN, Ensley K, Giddings JC. Diffusion of halogenated hydrocarbons in helium. "
    "J Phys Chem 73:3679, 1969.",
    "projection": "Golub GH, Pereyra V. The differentiation of pseudo-inverses and nonlinear least squares "
    "problems whose variables separate. SIAM J Numer Anal 10:413, 1973.",
    "intervals": "Bates DM, Watts DG. Nonlinear Regression Analysis and Its Applications. Wiley, 1988.",
    "arpls": "Baek SJ et al. Baseline correction using asymmetrically reweighted penalized least squares "
    "smoothing. Analyst 140:250, 2015.",
    "emg": "Kalambet Y et al. Reconstruction of chromatographic peaks using the exponentially modified "
    "Gaussian function. J Chemometrics 25:352, 2011.",
}

_SHARED = {
    "t0_s": "the hold-up time",
    "injection_width_s": "the injection's width",
    "injection_tail_s": "the injection's tail",
    "detector_s": "the detector's time constant",
}


def methods_text(report: Plain, record: Plain) -> MethodsText:
    """The paragraph of a run; InputError where report or provenance lack what such a run has."""
    return complete(_write, report, record)


def _write(report: Plain, record: Plain) -> MethodsText:
    cite = Sources(_SOURCES)
    tell = dict(zip(TASKS, (_simulation, _fit, _peaks), strict=True))[report["task"]]
    said = [*tell(report, record, cite), machine_sentence(report, record), limits_sentence(report)]
    return MethodsText(" ".join(said), cite.listed())


def _simulation(report: Plain, record: Plain, cite: Sources) -> list[str]:
    system = record["options"]["system"]
    names = [analyte["name"] for analyte in system["analytes"]]
    return [
        f"The chromatogram of {joined(names)} was simulated with {program(record)} by "
        f"{_kinetics(report['engine'], system, cite)} (engine {report['engine']}, "
        f"{_dispersion(report['dispersion'], cite)}).",
        _column(system, cite),
        f"The trace has {report['input']['points']} points, {report['input']['interval_s']:g} s apart.",
    ]


def _kinetics(engine: str, system: Plain, cite: Sources) -> str:
    """The isotherm that was solved: the nonlinear engine has Langmuir's, and the PDE where b is given."""
    langmuir = [analyte["langmuir_b_m3_mol"] is not None for analyte in system["analytes"]]
    if engine == "nonlinear" or (engine == "pde" and all(langmuir)):
        return f"competitive Langmuir kinetics in an open tubular column {cite('model')}"
    return f"the linear kinetic model of an open tubular column {cite('model', 'kinetic')}"


def _fit(report: Plain, record: Plain, cite: Sources) -> list[str]:
    options, scan, protocol = record["options"], report["measurement"], report["protocol"]
    row = report["methods"]["kinetic"]
    low, high = protocol["window_s"]
    data = report["input"]
    said = [
        f"A chromatogram of {data['points']} points, {data['interval_s']:.3g} s apart (SHA-256 "
        f"{short(data['sha256'])}), was fitted from {low:g} to {high:.5g} s with {program(record)} by the "
        f"linear kinetic model of an open tubular column {cite('model', 'kinetic')}: retention factor k, "
        f"rate kd and area of {joined(row['analytes'])} together, by least squares with the areas "
        f"and a baseline of order {options['baseline_order']} projected out {cite('projection')}."
    ]
    if options["system"] is not None:
        said.append(_column(options["system"], cite))
    kind = _dispersion(scan["dispersion"], cite)
    together = [_SHARED[name] for name in options["shared"]]
    said.append(
        f"Hold-up time {scan['t0_s']:.5g} s; injection: {_injection(scan['injection'])}; "
        f"{f'fitted as well: {joined(together)}; ' if together else ''}{kind}; kd is "
        f"{KD_MEANING[scan['dispersion']]}."
    )
    end = "converged" if row["converged"] else "did NOT converge"
    said.append(
        f"The fit {end} after {row['evaluations']} evaluations; {100 * protocol['level']:g} % intervals are "
        f"by {protocol['interval']} {cite('intervals')}, the noise is {row['noise_sigma']:.3g}{_unit(data)}."
    )
    return said


def _peaks(report: Plain, record: Plain, cite: Sources) -> list[str]:
    data, row, method = report["input"], report["methods"]["peaks"], record["options"]["method"]
    named, by_hand = method["baseline"]["method"], len(method["integration"]["manual"])
    digest = f"(SHA-256 {short(data['sha256'])})"
    if "files" in row:
        count = row["files"]
        subject = f"The peaks of {count} chromatogram{'s' * (count != 1)} {digest} were"
    else:
        count = row["peaks"]
        verb = "was" if count == 1 else "were"
        subject = (
            f"{count} peak{'s' * (count != 1)} of a chromatogram of {data['points']} points {digest} {verb}"
        )
    how = f"{named} {cite('arpls')}" if named == "arpls" else named
    said = [f"{subject} integrated with {program(record)} over a baseline by {how}"]
    if "blank" in record["inputs"]:
        said.append("after a run without sample was subtracted")
    if by_hand:
        said.append(f"{by_hand} of them between bounds set by hand")
    if method["integration"]["emg"]:
        said.append(f"shapes by exponentially modified Gaussians {cite('emg')}")
    return [f"{'; '.join(said)}."]


def _column(system: Plain, cite: Sources) -> str:
    column = system["column"]
    phase = f" of {column['stationary_phase']}" if column["stationary_phase"] else ""
    kinds = {analyte["retention"]["kind"] for analyte in system["analytes"]}
    retention = f" Retention by K-centric parameters {cite('retention')}." if "KCentric" in kinds else ""
    fuller = any(isinstance(analyte["gas_diffusion"], dict) for analyte in system["analytes"])
    gas = f" Diffusion in the gas by Fuller's method {cite('gas')}." if fuller else ""
    return (
        f"Column: {column['length_m']:g} m x {1e3 * column['diameter_m']:.3g} mm, film "
        f"{1e6 * column['film_m']:.3g} µm{phase}; carrier {system['gas']}; {_oven(system['oven'])}."
        f"{retention}{gas}"
    )


def _oven(oven: Plain) -> str:
    celsius = [kelvin - 273.15 for kelvin in oven["temperatures_k"]]
    if len(set(celsius)) == 1:
        return f"{celsius[0]:.4g} °C"
    return f"programmed from {celsius[0]:.4g} to {celsius[-1]:.4g} °C"


def _dispersion(kind: str, cite: Sources) -> str:
    if kind == "none":
        return "without dispersion"
    return (
        f"with molecular diffusion and Taylor-Aris dispersion {cite('golay')}"
        if kind == "golay"
        else (f"with molecular diffusion, rates lumped {cite('golay')}")
    )


def _injection(injection: Plain) -> str:
    kind = {"Rectangle": "a rectangle", "TailedRectangle": "a tailed rectangle"}.get(
        injection["kind"], str(injection["kind"])
    )
    numbers = [
        f"{name.removesuffix('_s').replace('_', ' ')} {value:.3g} s"
        for name, value in injection.items()
        if isinstance(value, float | int)
    ]
    return f"{kind} ({', '.join(numbers)})" if numbers else kind


def _unit(data: Plain) -> str:
    return f" {data['units']}" if data["units"] else ""
