"""Nobody's name leaves what a person gives to the app: every byte that it writes, prints and sends is read.

The patient's name is in the names of uploaded files and of all folders, in DICOM fields and in NIfTI texts,
and in what is refused. What the browser itself sends is its own: it shows the name of a file that it uploads.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest

from medidiff.review.design.cases import MANIFEST
from medidiff.review.design.protocol import PROTOCOL

from ..dicoms import BIRTH, CANARY, NUMBER, write_patient
from .conftest import PATIENT_MS, wait_for_pictures, zipped

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, WebSocket

    from .conftest import StartServer

pytest.importorskip("streamlit", reason="needs the extra [apps]")

_WORDS = ("canary", "zx81", NUMBER, BIRTH)
_SECRETS = (CANARY, f"{CANARY}.nii.gz", f"{CANARY}.zip", "CANARY-ID-77", NUMBER)


def found(data: bytes) -> list[str]:
    """What names the patient in these bytes: plain, in 16 bits a character, in base64, or by SHA-256."""
    text = b"".join(_opened(data))
    lower = text.lower()
    plain = [word for word in _WORDS if word.encode() in lower or word.encode("utf-16-le") in lower]
    for secret in _SECRETS:
        digest = hashlib.sha256(secret.encode())
        coded = [base64.b64encode(b"\0" * k + secret.encode())[4:-4] for k in range(3)]
        hidden = [*coded, digest.hexdigest().encode(), digest.digest(), base64.b64encode(digest.digest())]
        plain += [f"{secret} in disguise"] if any(part in text for part in hidden) else []
    return plain


def _opened(data: bytes) -> Iterator[bytes]:
    """The bytes, and what gzip, a zip or a PNG's texts hold packed in them."""
    yield data
    if data[:2] == b"\x1f\x8b":
        yield from _opened(gzip.decompress(data))
    if data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode() + b"\n"
                yield from _opened(archive.read(name))
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        for part in data.split(b"zTXt")[1:]:
            yield zlib.decompressobj().decompress(part.partition(b"\0\0")[2])


def found_in(folder: Path) -> dict[str, list[str]]:
    """Of every file and folder below: its path from there, and what names the patient in name or bytes."""
    words = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        words[name] = found(name.encode()) + (found(path.read_bytes()) if path.is_file() else [])
    return words


@dataclass
class Heard:
    """Everything that a page got from its server, and the addresses that it asked for."""

    frames: list[bytes] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("websocket", self._channel)
        page.on("request", self._request)

    def _channel(self, channel: WebSocket) -> None:
        channel.on("framereceived", lambda frame: self.frames.append(_bytes(frame)))

    def _request(self, request: Request) -> None:
        self.addresses.append(request.url)


def _bytes(frame: str | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


def slices() -> dict[str, bytes]:
    """Three slices of a disc of water, each field that describes them naming the patient."""
    files = {}
    named = ("PatientComments", "StudyDescription", "SeriesDescription", "InstitutionName")
    for k in range(3):
        buffer = io.BytesIO()
        write_patient(buffer, k, side=32, **dict.fromkeys(named, CANARY))
        files[f"{CANARY}/{CANARY}-{k}.dcm"] = buffer.getvalue()
    return files


def nifti() -> bytes:
    y, x = np.mgrid[:32, :32] - 16
    image = nibabel.Nifti1Image(
        np.where(x**2 + y**2 < 100, 40, -1000).astype(np.int16)[..., None].repeat(3, 2), np.diag([1, 1, 2, 1])
    )
    image.header["descrip"] = image.header["aux_file"] = image.header["db_name"] = CANARY
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", CANARY.encode()))
    return gzip.compress(image.to_bytes())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`--data`: scans, damaged scans, a damaged run and a damaged study, all named after the patient."""
    folder = tmp_path_factory.mktemp("data") / CANARY
    for name, content in slices().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / f"{CANARY}-2.nii.gz").write_bytes(nifti())
    (folder / f"{CANARY}-3.nii.gz").write_bytes(nifti()[:100])
    (folder / f"{CANARY}-4.nii").write_bytes(CANARY.encode() * 40)
    run = folder / f"{CANARY}-run"
    run.mkdir()
    for name in ("report.json", "provenance.json"):
        (run / name).write_text(f'{{"schema": "{CANARY}"}}')
    study = folder / f"{CANARY}-study"
    study.mkdir()
    (study / MANIFEST).write_text(f'{{"{CANARY}": 1}}')
    (study / PROTOCOL).write_text(f"title: [{CANARY}\n")
    return folder


def quiet(patch: pytest.MonkeyPatch, place: Path) -> None:
    """Temporary files go where they are looked at; one thread, because other programs run too."""
    place.mkdir()
    patch.setenv("TMPDIR", str(place))
    patch.setenv("OMP_NUM_THREADS", "1")


def own_scan(page: Page, url: str) -> None:
    """The Reconstruct page, asking for a file and showing none."""
    page.goto(url)
    page.get_by_test_id("stButtonGroup").get_by_text("My file").click()
    page.locator("input[type=file]").wait_for(state="attached", timeout=PATIENT_MS)
    page.locator(".viewer").wait_for(state="detached", timeout=PATIENT_MS)


def give(page: Page, name: str, content: bytes) -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def choose(page: Page, label: str, shown: str) -> None:
    """An entry of a select box, and wait for what it brings."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=shown).first.click()


def test_nothing_that_the_app_writes_prints_or_sends_names_the_patient(
    app_server: StartServer, page: Page, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet(monkeypatch, tmp_path / "tmp")
    server, heard = app_server("--data", str(data), home=tmp_path), Heard()
    heard.listen(page)
    viewer, complaint = page.locator(".viewer[data-drawn]"), page.get_by_test_id("stAlertContentError")
    own_scan(page, server.url)
    for name, content in {  # each is refused
        f"{CANARY}.nii.gz": nifti()[:100],
        f"{CANARY}.zip": zipped({f"{CANARY}/{CANARY}.dcm": CANARY.encode() * 40}),
        f"{CANARY}-links.zip": zipped({f"../{CANARY}": b"1"}),
    }.items():
        give(page, name, content)
        # What the run before drew stays until this one ends; a file given during an upload cancels it.
        complaint.first.wait_for(timeout=PATIENT_MS)
        viewer.wait_for(state="detached", timeout=PATIENT_MS)
        give(page, f"{CANARY}-good.nii.gz", nifti())
        complaint.first.wait_for(state="detached", timeout=PATIENT_MS)
        viewer.wait_for(timeout=PATIENT_MS)
    own_scan(page, server.url)
    give(page, f"{CANARY}.zip", zipped(slices()))
    viewer.wait_for(timeout=PATIENT_MS)
    for name in ("Total variation", "Diffusion"):
        page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name="Reconstruct", exact=True).click()
    page.get_by_role("button", name="Back to the scan").wait_for(timeout=PATIENT_MS)
    with page.expect_download(timeout=PATIENT_MS) as waiting:
        page.get_by_role("button", name="Everything (zip)").click()
    taken = Path(waiting.value.path()).read_bytes()

    page.goto(server.url)
    page.get_by_test_id("stButtonGroup").get_by_text("Data folder").click()
    for number in (1, 3, 2, 4):  # what can be shown and what is refused, in turn
        choose(page, "Scan of the folder", f"scan {number} ")
        come, gone = (viewer, complaint) if number < 3 else (complaint, viewer)
        come.first.wait_for(timeout=PATIENT_MS)
        gone.first.wait_for(state="detached", timeout=PATIENT_MS)
    for title, label, shown, last in (
        ("Results", "Open", "data: run 1", complaint.first),
        ("Compare", "Run", "Shipped", viewer),
        ("Read", "Study", "1: ", complaint.first),
    ):
        page.get_by_role("link", name=title).click()
        page.get_by_role("heading", name=title).first.wait_for(timeout=PATIENT_MS)
        wait_for_pictures(page, least=title == "Results")
        choose(page, label, shown)
        last.wait_for(timeout=PATIENT_MS)
    page.goto("about:blank")  # it would complain that the server is gone
    server.stop()

    assert len(zipfile.ZipFile(io.BytesIO(taken)).namelist()) > 4
    assert found(taken) == []
    assert len(heard.frames) > 20
    assert any(b"expected" in frame for frame in heard.frames)  # the refusals are among them
    assert [words for frame in heard.frames if (words := found(frame))] == []
    assert found("\n".join(heard.addresses).encode()) == []
    words = found_in(tmp_path)
    assert any(name.endswith("result/fbp.nii.gz") for name in words)
    assert {server.stdout.name, server.stderr.name} <= set(words)
    assert {name: what for name, what in words.items() if what} == {}


def test_a_bug_tells_its_place_and_no_name(
    app_server: StartServer, page: Page, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function of ours fails with the folder's name in its error, inside the running server."""
    quiet(monkeypatch, tmp_path / "tmp")
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "sitecustomize.py").write_text(
        "import medidiff.io.listing as listing\n"
        "def list_scans(folder): raise ZeroDivisionError(str(folder))\n"
        "listing.list_scans = list_scans\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "planted"))
    server, heard = app_server("--data", str(data), home=tmp_path), Heard()
    heard.listen(page)
    page.goto(server.url)
    page.get_by_test_id("stButtonGroup").get_by_text("Data folder").click()
    page.get_by_text("A bug (ZeroDivisionError)").wait_for(timeout=PATIENT_MS)
    page.goto("about:blank")  # it would complain that the server is gone
    server.stop()
    assert "ZeroDivisionError" in server.stderr.read_text()  # the log says where
    assert [words for frame in heard.frames if (words := found(frame))] == []
    assert {name: what for name, what in found_in(tmp_path).items() if what} == {}


PLANTED = {
    "a.nii.gz": gzip.compress(b"x" * 999 + CANARY.encode()),
    "a.zip": zipped({"b.nii.gz": gzip.compress(CANARY.lower().encode())}),
    "b.zip": zipped({f"{CANARY}/a": b"x"}),
    "a.log": b"x" + base64.b64encode(b"ab" + CANARY.encode() + b"cd"),
    "a.json": hashlib.sha256(CANARY.encode()).hexdigest().encode(),
    "a.bin": b"x" + "Canary".encode("utf-16-le"),
    "a.png": b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0zTXtT\0\0" + zlib.compress(CANARY.encode()) + b"crc",
    f"{CANARY}.txt": b"",
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_search_finds_what_is_planted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PLANTED[name])
    assert any(found_in(tmp_path).values())


def test_the_search_finds_the_patient_in_the_input() -> None:
    words = set(found(zipped(slices())))
    assert {"canary", "zx81", NUMBER, BIRTH} <= words
    assert "canary" in found(nifti())
