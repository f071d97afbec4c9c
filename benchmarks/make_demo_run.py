"""Make the run that Compare and a practice study open on, `medidiff/assets/demo-run-ct` and its card.

    python benchmarks/make_demo_run.py

The demo CT from 24 views by FBP, total variation and diffusion, on its 256 x 256 grid, as `medidiff demo`
makes it; then in whole HU, scored again: the images take a third of the bytes and differ by 0.3 HU rms.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import medidiff as md
from medidiff.cli.verbs.demo import METHODS, VIEWS
from medidiff.domains.reconstruction.ct.retrospective import REFERENCE
from medidiff.io.demo import demo_card
from medidiff.io.volume import Volume
from medidiff.progress import print_progress
from medidiff.runs.plain import write_json
from medidiff.runs.result import Result

ROUNDED = "the images are stored in whole HU"


def main() -> None:
    """Write the run folder and its card into `--out`."""
    parser = argparse.ArgumentParser(description="Make the shipped run of the demo CT.")
    default = Path(__file__).resolve().parents[1] / "medidiff" / "assets"
    parser.add_argument("--out", type=Path, default=default)
    out = parser.parse_args().out
    result = md.retrospective_ct(md.demo_volume("ct"), views=VIEWS, methods=METHODS, progress=print_progress)
    result.provenance["reading"] = {"demo": "ct", "slices": None}
    folder = whole_hu(result).save(out / "demo-run-ct", overwrite=True)
    write_json(out / "demo-run-ct.json", card(folder))
    print(f"{folder}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.2f} MB")


def whole_hu(result: Result) -> Result:
    """The same run with every voxel rounded, and scored on what is stored."""
    images = {
        name: replace(image, array=np.rint(image.array))
        for name, image in result.outputs.items()
        if isinstance(image, Volume)
    }
    reference = images.pop(REFERENCE)
    rounded = Result(images, result.report, result.provenance, [ROUNDED], draw=result.draw)
    return md.score(rounded, reference)


def card(folder: Path) -> dict[str, Any]:
    """What travels with the folder: what it is, its data's licence, and the digest of each file."""
    data = demo_card("ct")
    return {
        "schema": "medidiff.demo-run/1",
        "name": "demo-run-ct",
        "summary": f"The demo CT in {VIEWS} views without noise: FBP, total variation, diffusion, reference.",
        "folder": folder.name,
        "files": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())},
        "data": {key: data[key] for key in ("name", "volume_sha256", "source")},
        "licence": data["licence"],
        "attribution": f"{data['attribution']} Here reduced by 2 x 2 means, measured and reconstructed.",
        "made_by": "benchmarks/make_demo_run.py",
        "uses": "The app's Compare page and practice studies. No prior is trained on this person.",
        "limits": data["limits"],
    }


if __name__ == "__main__":
    main()
