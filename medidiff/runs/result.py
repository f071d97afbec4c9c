"""A result: images, numbers, where they came from, and the folder that holds them.

    result = medidiff.retrospective_ct(volume, views=24)
    result                          # in a notebook: its picture
    result["diffusion"]             # a Volume
    result.save("out")              # images, figure.png, report.json, provenance.json (last)
    Result.load("out")              # the same again

A folder appears whole or not at all. Loading reads only the names that the folder's own report gives,
and none that leads out of the folder.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from medidiff.atomic import writing_file, writing_folder
from medidiff.errors import InputError, MissingError
from medidiff.io.opening import is_folder
from medidiff.io.volume import Volume
from medidiff.runs.plain import check_regular, read_json, to_plain, write_json
from medidiff.runs.provenance import check_provenance
from medidiff.runs.report import check_name, check_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE, REPORT, PROVENANCE = "figure.png", "report.json", "provenance.json"
_LARGEST_FIGURE = 64 << 20


@runtime_checkable
class Writable(Protocol):
    """Anything that can be an output: a `Volume`, a curve, a field."""

    def write(self, path: Path) -> None:
        """Write itself whole to `path`."""


@dataclass(frozen=True)
class SavedFile:
    """An output of a loaded run that is no NIfTI image: known by its place only."""

    path: Path

    def write(self, path: Path) -> None:
        """Copy the file."""
        with writing_file(path) as temporary:
            shutil.copyfile(self.path, temporary)


@dataclass(eq=False)
class Result:
    """What a domain's function returns.

    outputs: file name -> what writes itself there. report, provenance: see those modules. warnings: joined
    with the report's, and from then on the same list. draw: makes the figure; None for no figure.
    Raises InputError when the report lacks a required key.
    """

    outputs: dict[str, Writable]
    report: dict[str, Any]
    provenance: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    draw: Callable[[Result], Figure] | None = None
    _picture: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_report(self.report)
        for name in self.outputs:
            check_name(name)
        self.warnings = list(dict.fromkeys([*self.report["warnings"], *self.warnings]))
        self.report["warnings"] = self.warnings

    def __getitem__(self, name: str) -> Volume:
        """The image of a method ("tv") or of a file ("reference", "reference.nii.gz").

        Raises InputError for an unknown name, and for an output that is no volume.
        """
        found = self.outputs.get(self._file_of(name))
        if isinstance(found, Volume):
            return found
        images = [key.removesuffix(".nii.gz") for key, out in self.outputs.items() if isinstance(out, Volume)]
        raise InputError(
            f"result[{name!r}]",
            expected="an image of this result" + (f" ({', '.join(images)})" if images else ""),
            got="an output that is no image" if found else "an unknown name",
            fix="Choose one of these." if images else "This result holds no image.",
            argument=True,
        )

    def __contains__(self, name: object) -> bool:
        """Whether an output of that name, or of that method, exists."""
        return isinstance(name, str) and self._file_of(name) in self.outputs

    def __repr__(self) -> str:
        """Task and outputs in one line."""
        return f"<Result {self.report['task']}: {', '.join(self.outputs)}>"

    def __iter__(self) -> Iterator[str]:
        """The outputs' file names."""
        return iter(self.outputs)

    def _file_of(self, name: str) -> str:
        output = self.report["methods"].get(name, {}).get("output", name)
        return output if output in self.outputs else f"{output}.nii.gz"

    def figure(self) -> Figure:
        """The figure, drawn anew; of a loaded result, the saved picture. MissingError where there is none."""
        if self.draw is not None:
            return self.draw(self)
        if self._picture is None:
            raise MissingError(
                "figure", expected="a picture", got="a result without one", fix="Look at its outputs instead."
            )
        from medidiff.runs.figures import picture_figure

        return picture_figure(self._picture)

    def _repr_png_(self) -> bytes | None:
        """The picture that a notebook shows; None where there is none."""
        if self._picture is None and self.draw is not None:
            from medidiff.runs.figures import png_bytes

            self._picture = png_bytes(self.draw(self))
        return self._picture

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the run folder, whole or not at all, and return its path.

        Numbers that are not finite become null, with a warning. Digests of the outputs go into the
        provenance. Raises OutputError for a folder that is not empty (without `overwrite`) and for one that
        cannot be written.
        """
        folder = Path(folder)
        with writing_folder(folder, overwrite=overwrite) as partial:
            for name, output in self.outputs.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                output.write(partial / name)
            picture = self._repr_png_()
            if picture is not None:
                (partial / FIGURE).write_bytes(picture)
            write_json(partial / REPORT, self._plain_report())
            write_json(partial / PROVENANCE, to_plain({**self.provenance, "outputs": self.digests()}))
        return folder

    def digests(self) -> dict[str, str]:
        """File name -> "sha256:..." of each image's voxels and affine, and of any other output's bytes."""
        with TemporaryDirectory() as folder:
            return {name: _digest(out, Path(folder) / Path(name).name) for name, out in self.outputs.items()}

    def _plain_report(self) -> dict[str, Any]:
        missing: list[str] = []
        plain: dict[str, Any] = to_plain({**self.report, "outputs": list(self.outputs)}, missing)
        if missing:
            plain["warnings"].append(f"not a finite number, left empty: {', '.join(missing)}")
        return plain

    @classmethod
    def load(cls, folder: str | Path) -> Result:
        """Read a run folder back: images as volumes, other files as `SavedFile`, the picture as it was saved.

        Raises InputError for a folder that is incomplete, damaged, or whose report names anything outside
        of it or through a link.
        """
        folder = Path(folder)
        _check_folder(folder)
        report, provenance = read_json(folder / REPORT), read_json(folder / PROVENANCE)
        check_report(report)
        check_provenance(provenance)
        outputs = {name: _load_output(folder, name) for name in _output_names(report)}
        picture = folder / FIGURE
        if not picture.is_symlink() and not picture.exists():
            return cls(outputs, report, provenance)
        check_regular(picture, _LARGEST_FIGURE)
        return cls(outputs, report, provenance, _picture=picture.read_bytes())


def _digest(output: Writable, path: Path) -> str:
    """Of an image, or of the bytes that any other output writes at a place of its own."""
    if isinstance(output, Volume):
        return output.digest()
    output.write(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    return f"sha256:{digest}"


def _check_folder(folder: Path) -> None:
    if not (found := is_folder(folder)) or not (folder / PROVENANCE).exists():
        raise InputError(
            folder.name or "folder",
            expected=f"a run folder ({REPORT}, {PROVENANCE} ...)",
            got="a folder without them" if found else "a file",
            fix="Give the folder that --out named.",
        )


def _output_names(report: dict[str, Any]) -> list[str]:
    """The names that the report gives, each checked to lie inside the folder."""
    listed = report.get("outputs", [])
    names = listed if isinstance(listed, list) else [listed]
    methods = (method.get("output") for method in report["methods"].values())
    return list(dict.fromkeys(check_name(name) for name in [*names, *methods] if name is not None))


def _load_output(folder: Path, name: str) -> Writable:
    path = folder
    for part in name.split("/")[:-1]:
        path = path / part
        if path.is_symlink():
            raise InputError(name, expected="a plain folder", got="a link", fix="Copy the run folder again.")
    path = folder / name
    check_regular(path)
    if not name.endswith((".nii", ".nii.gz")):
        return SavedFile(path)
    from medidiff.io.nifti import read_nifti

    return read_nifti(path)
