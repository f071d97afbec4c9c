"""What `medidiff app` tells the server and the pages: one JSON object in the environment."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from medidiff.runs.home import home_folder

VARIABLE = "MEDIDIFF_APP"


@dataclass(frozen=True)
class Settings:
    """data: a folder of scans to choose from. study: a frozen study, and then nothing but reading it.

    token: who does not know it sees nothing. home: the user's data folder. jobs: where work is done. hosts:
    the names under which the server answers; a request for another name is refused.
    """

    data: Path | None
    study: Path | None
    token: str | None
    home: Path
    jobs: Path
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")

    def to_environment(self) -> str:
        """The text of the variable."""
        plain = {
            name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()
        }
        return json.dumps(plain)


def settings() -> Settings:
    """Of this server; without `medidiff app` (a test of one page) those of nobody in particular."""
    return _parsed(os.environ.get(VARIABLE, "{}"), home_folder())


@functools.lru_cache(maxsize=4)
def _parsed(text: str, home: Path) -> Settings:
    plain = json.loads(text)

    def path(name: str) -> Path | None:
        return Path(plain[name]) if plain.get(name) else None

    return Settings(
        path("data"),
        path("study"),
        plain.get("token"),
        path("home") or home,
        path("jobs") or home / "jobs",
        tuple(plain.get("hosts", Settings.hosts)),
    )
