"""Progress for people who call from Python."""

from __future__ import annotations

import pytest

import medidiff as md


def test_a_stage_is_rewritten_in_place_until_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    for done in (1, 2):
        md.print_progress(md.Progress("diffusion", done, 2))
    md.print_progress(md.Progress("tv", 1, 9))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.split("\n")
    assert [shown.strip() for shown in lines[0].split("\r")[1:]] == ["diffusion 1/2", "diffusion 2/2"]
    assert lines[1].strip() == "tv 1/9"
    assert len({len(shown) for line in lines for shown in line.split("\r")[1:]}) == 1  # none shows through


def test_a_real_run_reports_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    volume = md.demo_volume("ct", slices=(10, 12))
    md.retrospective_ct(volume, views=6, matrix=64, methods=("fbp", "tv"), progress=md.print_progress)
    assert "tv " in capsys.readouterr().err
