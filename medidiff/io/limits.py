"""How much a file may ask of the machine before it is refused.

Files from elsewhere can claim any size. Every reader compares what a header asks for with these
numbers, and with the size of the file, before it reads a voxel.
"""

from __future__ import annotations

from dataclasses import dataclass

from medidiff.errors import InputError

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Bounds on one read; a caller from Python raises one where a trusted file needs more.

    voxels: of one volume (2^30 is 1024^3, 4 GiB as float32). file_bytes: of one file. files: in one
    folder. header_bytes: of one DICOM header, inflated. ratio: decompressed over compressed size, for
    what unpacks to more than 256 MiB. seconds: for all headers, and again for the decoding child.
    child_bytes: address space of that child beyond the voxels it returns (not honoured on macOS).
    """

    voxels: int = GIB
    file_bytes: int = 16 * GIB
    files: int = 20_000
    header_bytes: int = 16 * MIB
    ratio: float = 200.0
    seconds: float = 120.0
    child_bytes: int = 4 * GIB

    def check_voxels(self, name: str, count: int) -> None:
        """Raise InputError when `count` voxels are more than the limit."""
        if count > self.voxels:
            raise InputError(
                name,
                expected=f"at most {self.voxels} voxels",
                got=f"a header that asks for {count}",
                fix="Cut it, or resample it to larger voxels, first.",
            )

    def check_file_bytes(self, name: str, count: int) -> None:
        """Raise InputError when a file of `count` bytes is larger than the limit."""
        if count > self.file_bytes:
            raise InputError(
                name,
                expected=f"a file of at most {self.file_bytes} bytes",
                got=f"{count} bytes",
                fix="Cut it, or resample it to larger voxels, first.",
            )
