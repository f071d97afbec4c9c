"""The user's data folder: own priors, keys of reader studies, the app's jobs and uploads."""

from __future__ import annotations

import os
from pathlib import Path


def home_folder(*parts: str) -> Path:
    """`$XDG_DATA_HOME/medidiff` (by default ~/.local/share/medidiff), or a folder in it; not made."""
    # expanduser, because Path.home() fails where a container's user has neither $HOME nor an entry.
    data = Path(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"))
    return data.joinpath("medidiff", *parts)
