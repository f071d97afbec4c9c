"""The user's data folder: own priors, keys of reader studies, the app's jobs and uploads."""

from __future__ import annotations

import os
from pathlib import Path


def home_folder(*parts: str) -> Path:
    """`$XDG_DATA_HOME/medidiff` (by default ~/.local/share/medidiff), or a folder in it; not made.

    A variable that is no absolute path is passed over, as the XDG specification has it: a job and the server
    run in other folders than the shell.
    """
    data = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):
        # expanduser, because Path.home() fails where a container's user has neither $HOME nor an entry.
        data = os.path.expanduser("~/.local/share")
    return Path(data, "medidiff", *parts)
