"""The method file: what it holds, and that a wrong key is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medidiff.cli.verbs.chromatography import arguments
from medidiff.domains.chromatography.analysis import (
    Method,
    batch_peaks,
    chromatogram_peaks,
    find_method,
    read_method,
    reintegrated,
)
from medidiff.domains.chromatography.analysis import method as module
from medidiff.domains.chromatography.analysis.method_file import METHODS, MethodFile, named_method
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.peaks import Integration
from medidiff.domains.chromatography.peaks.models import EMG
from medidiff.domains.chromatography.simulate import simulate_chromatogram
from medidiff.errors import InputError


def example() -> str:
    """The example of the module's own docstring."""
    lines = (module.__doc__ or "").splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


def write(folder: Path, text: str) -> Path:
    (folder / "method.yaml").write_text(text, encoding="utf-8")
    return folder / "method.yaml"


def test_the_documented_example_is_a_method(tmp_path: Path) -> None:
    found = read_method(write(tmp_path, example()))
    assert found.t0_s == 128.5
    assert found.peaks[0].name == "benzene"
    assert found.ladder == {6: 180.2, 7: 260.4}
    assert found.calibrations["benzene"].build().amount(20.5).value == pytest.approx(1)


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert read_method(write(tmp_path, "# nothing\n")) == Method()
    assert Method().integration_settings() == Integration(off_s=[], manual_s=[], negative_s=[])


def test_events_become_windows(tmp_path: Path) -> None:
    text = (
        "integration:\n  events:\n"
        "    - {at_s: 60, integrate: true}\n    - {at_s: 0, integrate: false}\n"
        "    - {at_s: 100, negative_peaks: true}\n"
        "    - {at_s: 200, negative_peaks: false, integrate: false}\n"
    )
    settings = read_method(write(tmp_path, text)).integration_settings()
    assert settings.off_s[0] == (0, 60)
    assert settings.off_s[1][0] == 200
    assert settings.off_s[1][1] > 1e100
    assert settings.negative_s == [(100, 200)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("baselin: {method: arpls}", "baselin"),
        ("baseline: {method: magic}", "baseline.method"),
        ("baseline: {metod: arpls}", "baseline.metod"),
        ("blank: yes please", "blank"),
        ("picking: {threshold: 0}", "picking.threshold"),
        ("picking: {threshold: .nan}", "picking.threshold"),
        ("picking: {threshold: ten}", "picking.threshold"),
        ("t0_s: -1", "t0_s"),
        (
            "integration: {manual: [{start_s: 5, end_s: 4}]}",
            "integration.manual.entry 1: start_s must",
        ),
        ("integration: {manual: [{start_s: 1, end_s: 4}, {start_s: 3, end_s: 5}]}", "bounds overlap at 3 s"),
        ("integration: {minimum_area: -1}", "integration.minimum_area"),
        ("peaks: [{name: a, at_s: 1, window_s: 1}, {name: a, at_s: 2, window_s: 1}]", "'a' stands twice"),
        ("suitability: [{name: b}]", "no peak is named 'b'"),
        ("calibrations: {b: {points: []}}", "no peak is named 'b'"),
        ("internal_standard: {name: b}", "no peak is named 'b'"),
        ("ladder: {six: 180}", "ladder.six"),
        ("[1, 2]", "the whole file"),
        ("a: [", "something that is no yaml"),
        ("a: &x [1]\nb: *x", "an alias"),
    ],
)
def test_what_is_wrong_is_named(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_method(write(tmp_path, text))
    assert named in error.value.got.lower()
    assert error.value.what.startswith("method.yaml")
    assert not error.value.argument


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("picking: {treshold: 5}", "Known there: threshold, shoulders."),
        ("peaks: [{name: a, at_s: 1}]", "Known there: name, at_s, window_s."),
        ("calibrations: {a: {points: [{response: 1}]}}", "Known there: amount, response, internal_amount"),
        ("internal_standard: {nam: a}", "Known there: name, amount."),
        ("t0_s: -1", "Correct that value."),
        ("[1, 2]", "Correct that value."),
    ],
)
def test_a_message_says_what_may_stand_there_and_nothing_of_the_code(
    text: str, fix: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        read_method(write(tmp_path, text))
    assert error.value.fix.startswith(fix)
    for word in ("medidiff", "pydantic", "Method", "dictionary", "Extra inputs", "Value error"):
        assert word not in str(error.value)


def test_what_is_written_is_read_back_to_the_bit(tmp_path: Path) -> None:
    odd = {
        "t0_s": 0.1 + 0.2,
        "blank": True,
        "peaks": [{"name": "1: µ-xylene, #2", "at_s": 1e-5, "window_s": 1e22}],
        "ladder": {6: 180.2, 7: 1 / 3},
        "integration": {"manual": [{"start_s": -1.5, "end_s": np.float64(2) / 3}]},
    }
    for number, method in enumerate((Method(), read_method(write(tmp_path, example())), odd)):
        method = Method.model_validate(method)
        MethodFile(method).write(tmp_path / f"{number}.yaml")
        assert read_method(tmp_path / f"{number}.yaml") == method


T = np.arange(0, 300, 0.2)


def drifting() -> Chromatogram:
    """Two fused peaks on a drift, and one that stands alone."""
    noise = np.random.default_rng(3).normal(0, 1e-3, T.size)
    return Chromatogram(T, EMG(20, 100, 2, 1)(T) + EMG(10, 109, 2, 1)(T) + EMG(8, 200, 3, 2)(T) + noise)


def test_bounds_by_hand_stand_in_the_method_which_gives_the_same_table(tmp_path: Path) -> None:
    manual = [(92.0, 105.0, "one"), (105.0, 125.0, "two")]
    first = chromatogram_peaks(drifting(), t0_s=50.0, manual=manual)
    first.save(tmp_path / "first")
    peaks = first.outputs["peaks.csv"].peaks
    assert [(p.name, p.baseline, p.start_s, p.end_s) for p in peaks[:2]] == [
        ("one", "BV", 92.0, 105.0),
        ("two", "VB", 105.0, 125.0),
    ]
    assert all("manual" in p.flags for p in peaks[:2])
    assert peaks[2].baseline == "BB"
    recorded = read_method(tmp_path / "first" / "method.yaml")
    assert [(b.start_s, b.end_s) for b in recorded.integration.manual] == [(92, 105), (105, 125)]
    assert recorded.t0_s == 50
    chromatogram_peaks(drifting(), method=tmp_path / "first" / "method.yaml").save(tmp_path / "again")
    for name in ("peaks.csv", "details.csv", "method.yaml"):
        again = (tmp_path / "again" / name).read_bytes()
        assert again == (tmp_path / "first" / name).read_bytes()


def test_a_neighbour_of_hand_set_bounds_has_the_code_of_a_drop() -> None:
    peaks = chromatogram_peaks(drifting(), manual=[(105.0, 125.0)]).outputs["peaks.csv"].peaks
    assert [(p.baseline, p.end_s) for p in peaks[:2]] == [("BV", 105.0), ("VB", 125.0)]


def test_new_bounds_replace_those_that_they_overlap_and_a_known_name_moves() -> None:
    method = reintegrated(Method(), [(10, 20, "a"), (30, 40), (50, 60, "b")])
    changed = reintegrated(method, [(38, 52, "a")])
    assert [(b.start_s, b.end_s) for b in changed.integration.manual] == [(10, 20), (38, 52)]
    windows = {peak.name: (peak.at_s, peak.window_s) for peak in changed.peaks}
    assert windows == {"a": (45, 7), "b": (55, 5)}
    assert reintegrated(changed, []) is changed


@pytest.mark.parametrize(
    "manual",
    [
        [(5, 4)],
        [(5, 5)],
        [(float("nan"), 4)],
        [(1, float("inf"))],
        [("x", 4)],
        [(1, 4), (3, 6)],
        [(1, 4, "a"), (5, 6, "a")],
        [(-8, -2, "a")],
    ],
)
def test_bounds_that_cannot_be_are_refused(manual: list[tuple[float, float]]) -> None:
    with pytest.raises(InputError) as error:
        reintegrated(Method(), manual)
    assert error.value.what == "manual bounds"
    assert error.value.argument


def test_the_shipped_method_serves_the_shipped_column(tmp_path: Path) -> None:
    """Five peaks for six analytes, as the phase does not part m- and p-xylene; noisy runs all pass."""
    simulated = simulate_chromatogram("btex").outputs["chromatogram.csv"]
    (tmp_path / "runs").mkdir()
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(0, 5e-3, simulated.points)
        Chromatogram(simulated.x, simulated.signal + noise).write(tmp_path / "runs" / f"{seed}.csv")
    result = batch_peaks(tmp_path / "runs", method="btex")
    assert result.report["suitability"] == {"passed": True, "failed_rows": 0}
    rows = result.outputs["batch.csv"].rows
    names = ["benzene", "toluene", "ethylbenzene", "m,p-xylene", "o-xylene"]
    assert [row.peak.name for row in rows] == names * 4
    for row in rows[:15]:
        assert row.peak.area == pytest.approx(2 if row.peak.name == "m,p-xylene" else 1, rel=0.06)
        assert row.peak.k == pytest.approx(row.peak.retention_time_s / 128.47 - 1)
    late = Chromatogram(simulated.x, np.interp(simulated.x - 9, simulated.x, simulated.signal))
    found = chromatogram_peaks(late, method="btex").report["suitability"]
    assert found["passed"] is False
    assert found["missed"]["benzene"] == ["not found"]


def test_methods_by_name() -> None:
    assert set(METHODS) == set(arguments.METHODS)
    assert find_method("btex") == named_method("btex")
    assert find_method(None) == Method()
    with pytest.raises(InputError) as error:
        named_method("voc")
    assert error.value.expected == "btex"
    with pytest.raises(InputError) as error:
        find_method("btx")
    assert error.value.expected == "btex or a YAML file"
    assert error.value.argument


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_method(tmp_path / "absent.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError) as error:
        read_method(tmp_path / "b.yaml")
    assert error.value.got == "no text file that can be read"
    with pytest.raises(InputError):
        read_method(write(tmp_path, "#" * (2 << 20)))
