"""Network file systems are known by the mount that holds a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from medidiff.errors import InputError
from medidiff.review import freeze_study
from medidiff.review.store import place
from medidiff.review.store.place import file_system

_MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /mnt/clinic nfs4 rw 0 0
//server/share /mnt/clinic\\040share cifs rw 0 0
/dev/sdb1 /mnt/clinic/local xfs rw 0 0
someone@host: /mnt/ssh fuse.sshfs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/data", "ext4"),
        ("/mnt/clinic", "nfs4"),
        ("/mnt/clinic/a/b", "nfs4"),
        ("/mnt/clinic2", "ext4"),
        ("/mnt/clinic share/x", "cifs"),
        ("/mnt/clinic/local/x", "xfs"),
        ("/mnt/ssh/x", "fuse.sshfs"),
    ],
)
def test_the_longest_mount_counts(folder: str, kind: str) -> None:
    assert file_system(Path(folder), _MOUNTS) == kind


def test_a_study_on_a_network_file_system_is_refused_before_anything_is_made(
    draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    with pytest.raises(InputError) as error:
        freeze_study(draft)
    assert error.value.got == "one on a network file system (nfs)"
    assert "review merge" in error.value.fix
    assert [path.name for path in draft.iterdir()] == ["protocol.yaml"]
