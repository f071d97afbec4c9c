"""Freezing a study, opening it, checking it, and joining the databases of several workstations."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medidiff.atomic import rehearse_files, writing_folder
from medidiff.errors import InputError
from medidiff.io.limits import Limits
from medidiff.progress import Report, silent
from medidiff.review.design.cases import (
    IMAGES,
    MANIFEST,
    Manifest,
    check_images,
    freeze_images,
    plain_manifest,
    read_manifest,
)
from medidiff.review.design.protocol import PROTOCOL, Protocol, read_protocol
from medidiff.review.store import (
    Fault,
    Head,
    Log,
    Row,
    Verdict,
    create_log,
    file_faults,
    key_path,
    new_key,
    open_log,
    read_key,
    seal,
    verify_log,
)
from medidiff.review.store.merge import join_logs
from medidiff.review.store.place import refuse_network, refuse_used
from medidiff.review.store.presence import hold
from medidiff.review.study import Study
from medidiff.runs.plain import write_json
from medidiff.runs.report import NOTICE

DATABASE = "study.sqlite"


def freeze_study(
    folder: Path | str,
    *,
    images: Path | None = None,
    limits: Limits | None = None,
    progress: Report = silent,
) -> Study:
    """Freeze a study: copy its images without identity, make its key and database, and open it.

    images: where the protocol's relative places start (default: the study's folder). Raises InputError for
    a study that was frozen before, a folder with another's database, a protocol that is none, images that do
    not fit together, a folder on a network file system; OutputError when it cannot be written.
    """
    folder = Path(folder)
    protocol, digest = read_protocol(folder)
    if (folder / MANIFEST).exists():
        raise InputError(
            "study",
            expected="one that is not frozen",
            got="a frozen one",
            fix="A frozen study is never changed: start a new one with 'medidiff review new'.",
        )
    if (folder / DATABASE).exists():
        raise InputError(
            "study",
            expected="a folder without a database",
            got=f"{DATABASE} of another study",
            fix=f"Copy {PROTOCOL} alone into a new folder, and freeze that.",
        )
    rehearse_files(folder)
    refuse_network(folder / DATABASE)
    study = secrets.token_hex(16)
    rehearse_files(key_path(study).parent)  # before the images, which would stay without it
    cases = freeze_images(folder, protocol, base=images, limits=limits, progress=progress)
    manifest = Manifest(
        schema_="medidiff.review.frozen/1", notice=NOTICE, study=study, protocol=digest, cases=cases
    )
    manifest = manifest.model_copy(update={"seal": _seal_of(manifest, new_key(study))})
    write_json(folder / MANIFEST, plain_manifest(manifest))  # last: from here on it is frozen
    return _open(folder, first_station=True, clock=time.time)


def open_study(folder: Path | str, *, clock: Callable[[], float] = time.time) -> Study:
    """Open a frozen study, with every image checked.

    A copy of a frozen study without its database gets a new one: so each workstation has its own. clock:
    seconds since 1970 UTC. Raises InputError for a protocol, manifest or image that is not as it was frozen,
    and for a database that is not this study's or not whole; MissingError without the study's key.
    """
    return _open(Path(folder), first_station=False, clock=clock)


def merge_studies(out: Path | str, folders: Sequence[Path | str], *, separate: bool = False) -> Study:
    """Join the databases of several copies of one frozen study into a new folder, and open it.

    separate: the same code in two databases means two readers. Raises InputError for copies of different
    studies, a log that is not whole, a code in two databases and an answer given twice, and where the first
    copy's protocol or images are not as they were frozen; OutputError for a folder that is not empty. The
    sources are not changed.
    """
    out, places = Path(out), [Path(folder) for folder in folders]
    refuse_used(out)
    if len(places) < 2:
        raise InputError(
            "studies", expected="two or more", got=f"{len(places)}", fix="Name each copy.", argument=True
        )
    manifests = [read_manifest(place) for place in places]
    if len({digest for _, digest in manifests}) > 1:
        raise InputError(
            "studies",
            expected="copies of one frozen study",
            got="different ones",
            fix="Merge each by itself.",
        )
    manifest, digest = manifests[0]
    key = read_key(manifest.study)
    _check_seal(manifest, key)
    _frozen_protocol(places[0], manifest)
    check_images(places[0], manifest)
    sources = [open_log(place / DATABASE, manifest.study, key) for place in places]
    with writing_folder(out) as partial:
        for name in (PROTOCOL, MANIFEST):
            shutil.copyfile(places[0] / name, partial / name)
        shutil.copytree(places[0] / IMAGES, partial / IMAGES)  # with the files' times
        body = first_row(manifest, digest, _new_station())
        log = create_log(partial / DATABASE, manifest.study, key, body)
        join_logs(log, sources, separate=separate)
        log.close()
    return open_study(out)


def verify_study(folder: Path | str, *, expect: Head | None = None) -> Verdict:
    """Whether a study is as it was frozen and its log as it was written: every row, the protocol, each image.

    expect: a head printed earlier, without which rows cut from the end do not show. Raises InputError where
    there is no study or no database to check, MissingError without its key.
    """
    folder = Path(folder)
    manifest, manifest_digest = read_manifest(folder)
    key = read_key(manifest.study)
    log = open_log(folder / DATABASE, manifest.study, key)
    found = verify_log(log, expect)
    faults = [*found.faults, *file_faults(log)]
    try:
        _, digest = read_protocol(folder)
    except InputError:
        digest = ""
    if digest != manifest.protocol:
        faults.append(Fault(PROTOCOL, "was changed"))
    with log.reading() as now:
        fits = _fits(now.first(), manifest, manifest_digest)
        if not fits or manifest.seal != _seal_of(manifest, key):
            faults.append(Fault(MANIFEST, "was changed, or is of another study than the database"))
    try:
        check_images(folder, manifest)
    except InputError as error:
        faults.append(Fault(error.what, f"has {error.got} among its images"))
    return Verdict(found.head, tuple(faults))


def _open(folder: Path, *, first_station: bool, clock: Callable[[], float]) -> Study:
    manifest, manifest_digest = read_manifest(folder)
    protocol = _frozen_protocol(folder, manifest)
    path, key = folder / DATABASE, read_key(manifest.study)
    _check_seal(manifest, key)
    check_images(folder, manifest)
    notices = [] if hold(folder / MANIFEST) else [_OPEN_ELSEWHERE]
    if path.exists():
        log = open_log(path, manifest.study, key)
    else:
        station = 0 if first_station else _new_station()
        notices += [] if first_station else [_NEW_DATABASE]
        log = create_log(path, manifest.study, key, first_row(manifest, manifest_digest, station))
    if log.copy is not None:
        notices.append("the study's folder cannot be written: it is open for looking only")
    with log.reading() as now:
        _check_first(now.first(), manifest, manifest_digest)
    _check_whole(log)
    return Study(folder, protocol, manifest.protocol, manifest, log, tuple(notices), clock)


_OPEN_ELSEWHERE = "this study is open in another program too; answers of both are kept"
_NEW_DATABASE = "a new database was made: this copy of the study has no answers yet"


def _frozen_protocol(folder: Path, manifest: Manifest) -> Protocol:
    protocol, digest = read_protocol(folder)
    if digest != manifest.protocol:
        raise InputError(
            PROTOCOL,
            expected="the protocol that was frozen",
            got="a changed one",
            fix="Put back the frozen protocol; a change needs a new study.",
        )
    return protocol


def first_row(manifest: Manifest, manifest_digest: str, station: int) -> dict[str, Any]:
    """The first row of a database of a study."""
    return {
        "database": secrets.token_hex(16),
        "study": manifest.study,
        "protocol": manifest.protocol,
        "manifest": manifest_digest,
        "station": station,
    }


def _seal_of(manifest: Manifest, key: bytes) -> str:
    plain = plain_manifest(manifest)
    del plain["seal"]
    return seal(key, plain)


def _check_seal(manifest: Manifest, key: bytes) -> None:
    if manifest.seal != _seal_of(manifest, key):
        raise InputError(
            MANIFEST,
            expected="the manifest that was frozen",
            got="a changed one",
            fix="Copy the study's folder again from where it was frozen.",
        )


def _check_whole(log: Log) -> None:
    """Refuse a log that somebody changed: forged rows could unblind it, or pass for answers."""
    faults = [*verify_log(log).faults, *file_faults(log)]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise InputError(
            DATABASE,
            expected="a log as it was written",
            got=f"one that is not whole: {faults[0].place} {faults[0].text}{more}",
            fix="Put back a whole copy; 'medidiff review verify DIR' names all places.",
        )


def _new_station() -> int:
    """A number that sets the readers' orders of one workstation apart from those of others."""
    return 1 + secrets.randbelow(9999)


def _fits(first: Row | None, manifest: Manifest, manifest_digest: str) -> bool:
    try:
        facts = first.data if first is not None else {}
    except InputError:  # not even an entry
        facts = {}
    expected = (manifest.study, manifest.protocol, manifest_digest)
    return (facts.get("study"), facts.get("protocol"), facts.get("manifest")) == expected


def _check_first(first: Row | None, manifest: Manifest, manifest_digest: str) -> None:
    if not _fits(first, manifest, manifest_digest):
        raise InputError(
            DATABASE,
            expected="the database of this study",
            got="one of another study, or of a changed manifest",
            fix="Put back the files that belong together.",
        )
