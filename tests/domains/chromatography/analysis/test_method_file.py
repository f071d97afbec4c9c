"""The method file: what it holds, and that a wrong key is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from medidiff.domains.chromatography.analysis import Method, read_method
from medidiff.domains.chromatography.analysis import method as module
from medidiff.domains.chromatography.peaks import Integration
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
        ("picking: {threshold: 0}", "picking.threshold"),
        ("picking: {threshold: .nan}", "picking.threshold"),
        ("picking: {threshold: ten}", "picking.threshold"),
        ("t0_s: -1", "t0_s"),
        ("integration: {manual: [{start_s: 5, end_s: 4}]}", "integration.manual.0"),
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


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_method(tmp_path / "absent.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError) as error:
        read_method(tmp_path / "b.yaml")
    assert error.value.got == "no text file that can be read"
    with pytest.raises(InputError):
        read_method(write(tmp_path, "#" * (2 << 20)))
