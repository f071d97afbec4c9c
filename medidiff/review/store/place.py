"""Where a study may lie: in a folder of its own, and its database not on a network file system.

SQLite cannot trust the locks there, and WAL needs memory shared by all that write, which one machine alone
gives.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from medidiff.atomic import refuse_occupied
from medidiff.errors import InputError, OutputError

NETWORK = {
    *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ncpfs", "davfs", "ceph", "lustre", "gpfs"),
    *("beegfs", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.rclone", "fuse.davfs2"),
    *("fuse.s3fs", "fuse.gcsfuse", "fuse.smbnetfs", "fuse.mount_smbfs"),
}
_MOUNTS = Path("/proc/mounts")


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that holds `path`, from the text of /proc/mounts; "" where unknown."""
    place = Path(os.path.realpath(path))
    found, longest = "", -1
    for line in mounts.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        mount = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), words[1]))
        # The last of equal ones lies on top.
        if place.is_relative_to(mount) and len(mount.parts) >= longest:
            found, longest = words[2], len(mount.parts)
    return found


def refuse_used(folder: Path) -> None:
    """Raise OutputError unless `folder` is new or empty: a study is never written over anything."""
    try:
        refuse_occupied(folder, overwrite=False)
    except OutputError as error:
        if "--out" not in error.fix:
            raise
        raise OutputError(
            error.what, expected=error.expected, got=error.got, fix="Name a new folder for the study."
        ) from None


def refuse_network(path: Path) -> None:
    """Raise InputError when the folder of a database is on a network file system (known on Linux only)."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = file_system(path.parent, mounts)
    if kind in NETWORK:
        raise InputError(
            "study",
            expected="a folder on a disk of this machine",
            got=f"one on a network file system ({kind})",
            fix="Copy the frozen study to each workstation, and join them with 'medidiff review merge'.",
        )
