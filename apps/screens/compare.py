"""Compare: the images of a run side by side."""

from __future__ import annotations

from frame import head

head("Compare", "The images of one run, side by side.")
