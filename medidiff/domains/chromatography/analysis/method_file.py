"""Method files: read, written as applied, shipped by name, and changed by hand-set bounds.

    find_method("btex")                                       # one that the package ships
    find_method("method.yaml")                                # one of your own
    reintegrated(method, [(200.0, 213.0, "benzene")])         # the same with a peak bounded by hand

A file that was written is read back as the same method to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from medidiff.atomic import writing_file
from medidiff.domains.chromatography.analysis.method import Bounds, Method, NamedPeak
from medidiff.errors import InputError
from medidiff.io.opening import naming
from medidiff.io.yaml_file import read_yaml

METHODS = {"btex": "chromatography-method-btex.yaml"}
"""Named methods -> their file in the package's assets."""

ManualBounds = tuple[float, float] | tuple[float, float, str]
"""Start and end of a peak in seconds, and its name, where it is to have one."""

_HEAD = "# A method of medidiff, as it was applied; times are in seconds. peaks --method takes it.\n"


@cache
def named_method(name: str) -> Method:
    """A method that the package ships: "btex", for the column of the system of that name."""
    if name not in METHODS:
        fix = "A method of your own is a YAML file: give its path."
        raise InputError("method", expected=", ".join(METHODS), got=repr(name), fix=fix, argument=True)
    with as_file(files("medidiff") / "assets" / METHODS[name]) as path:
        return read_method(path)


def find_method(method: Method | str | Path | None) -> Method:
    """A method itself, by name, or from a YAML file; the default for None."""
    if method is None:
        return Method()
    if isinstance(method, Method):
        return method
    if isinstance(method, str) and method in METHODS:
        return named_method(method)
    path = Path(method)
    if not path.suffix and not path.exists():
        fix = "Give one of these, or the path of a file of your own."
        expected = f"{', '.join(METHODS)} or a YAML file"
        raise InputError("method", expected=expected, got=repr(path.name), fix=fix, argument=True)
    return read_method(path)


def applied_method(
    method: Method | str | Path | None,
    *,
    t0_s: float | None = None,
    manual: Sequence[ManualBounds] = (),
    blank: bool = False,
) -> Method:
    """The method with what a run adds to it: hold-up time, bounds set by hand, that a blank is subtracted."""
    chosen = reintegrated(find_method(method), manual)
    added = {"t0_s": t0_s} if t0_s is not None else {}
    return chosen.model_copy(update={**added, "blank": chosen.blank or blank})


def reintegrated(method: Method, manual: Sequence[ManualBounds]) -> Method:
    """The method with bounds set by hand: each becomes one peak, and replaces bounds that it overlaps.

    A name gets the bounds as its window, so that the peak between them has it, whatever its window was.
    InputError for bounds that are not two finite times in order, that overlap each other, and for a name
    that stands twice.
    """
    if not manual:
        return method
    bounds, windows = [], []
    for start, end, *names in manual:
        try:
            start_s, end_s = float(start), float(end)
            bounds.append(Bounds(start_s=start_s, end_s=end_s))
            windows += [
                NamedPeak(name=name, at_s=(start_s + end_s) / 2, window_s=(end_s - start_s) / 2)
                for name in names
                if name
            ]
        except (TypeError, ValueError):  # pydantic's is one of the latter
            got = f"{start} to {end} s"
            raise _bad_bounds("two times in order, after 0 where they have a name", got) from None
    renamed = [window.name for window in windows]
    if len(set(renamed)) < len(renamed):
        raise _bad_bounds("each name once", ", ".join(renamed))
    kept = [own for own in method.integration.manual if not any(_overlap(own, new) for new in bounds)]
    plain = method.model_dump()
    everything = sorted([*kept, *bounds], key=lambda own: own.start_s)
    plain["integration"]["manual"] = [own.model_dump() for own in everything]
    replaced = {window.name: window.model_dump() for window in windows}
    peaks = [replaced.pop(peak["name"], peak) for peak in plain["peaks"]]
    plain["peaks"] = sorted([*peaks, *replaced.values()], key=lambda peak: peak["at_s"])
    try:
        return Method.model_validate(plain)
    except ValidationError as error:
        raise _bad_bounds("bounds that do not overlap", _message(error.errors()[0])) from None


def _overlap(one: Bounds, other: Bounds) -> bool:
    return one.start_s < other.end_s and other.start_s < one.end_s


@dataclass(frozen=True)
class MethodFile:
    """Writes method.yaml: what differs from the defaults."""

    method: Method

    def write(self, path: Path) -> None:
        """Write YAML that `read_method` reads back as the same method."""
        import yaml

        plain = self.method.model_dump(exclude_defaults=True)
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=None)
        with writing_file(path) as temporary:
            temporary.write_text(_HEAD + text, encoding="utf-8")


def read_method(path: str | Path) -> Method:
    """The method in a YAML file; InputError, which names the key, for any that is unknown or wrong."""
    path = Path(path)
    with naming(path.name):
        found = read_yaml(path, _bad)
        return method_from_plain({} if found is None else found)


def method_from_plain(found: Any) -> Method:
    """The method in plain data; InputError that names the first wrong key and the keys that stand there."""
    try:
        return Method.model_validate(found)
    except ValidationError as error:
        # A misspelt key leaves the right one absent: the unknown one says more.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        place = [part for part in first["loc"] if part != "[key]"]
        key = ".".join(f"entry {part + 1}" if isinstance(part, int) else part for part in place)
        unknown = first["type"] in ("extra_forbidden", "missing")
        fix = f"Known there: {', '.join(_keys(place[:-1]))}." if unknown else "Correct that value."
        raise _bad(f"{key or 'the whole file'}: {_message(first)}", fix) from None


def _message(error: Any) -> str:
    """Pydantic's words for whoever writes YAML."""
    if error["type"] == "extra_forbidden":
        return "a key that is not known"
    if error["type"] == "missing":
        return "a key that is missing"
    if error["type"] in ("model_type", "model_attributes_type"):
        return "keys and values should stand here"
    text = str(error["msg"]).removeprefix("Value error, ")
    return text.removeprefix("Input ") if text.startswith("Input ") else text


def _keys(place: Sequence[Any]) -> list[str]:
    """The keys of the part of a method at this place."""
    part: type[BaseModel] = Method
    for name in place:
        if name in part.model_fields:
            part = _part_in(part.model_fields[name].annotation) or part
    return list(part.model_fields)


def _part_in(annotation: Any) -> type[BaseModel] | None:
    """The part that a list, dictionary or optional holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((part for inner in get_args(annotation) if (part := _part_in(inner))), None)


def _bad(got: str, fix: str = "") -> InputError:
    shipped = ", ".join(METHODS)
    fix = fix or f"Check the path; a method that is shipped has a name: {shipped}."
    return InputError("method", expected="a method file (YAML)", got=got, fix=fix)


def _bad_bounds(expected: str, got: str) -> InputError:
    fix = "Give each peak as START:END in seconds, with ,NAME where it has one."
    return InputError("manual bounds", expected=expected, got=got, fix=fix, argument=True)
