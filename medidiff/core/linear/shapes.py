"""Shapes of operators: tuples of sizes, None for any length."""

from __future__ import annotations

from collections.abc import Sequence

from medidiff.errors import InputError

Shape = tuple[int | None, ...]


def fits(size: tuple[int, ...], shape: Shape) -> bool:
    """Whether a size is one that the shape allows."""
    return all(want is None or want == have for want, have in zip(shape, size, strict=True))


def agree(one: Shape, other: Shape) -> bool:
    """Whether two shapes can be the same."""
    return len(one) == len(other) and all(
        a is None or b is None or a == b for a, b in zip(one, other, strict=True)
    )


def merge(one: Shape, other: Shape) -> Shape:
    """What two shapes that agree say together."""
    return tuple(b if a is None else a for a, b in zip(one, other, strict=True))


def matched(name: str, shapes: Sequence[Shape]) -> Shape:
    """What several shapes say together; InputError, in the name of `name`, when two do not agree."""
    merged = shapes[0]
    for shape in shapes[1:]:
        if not agree(merged, shape):
            refuse(name, merged, shape)
        merged = merge(merged, shape)
    return merged


def refuse(
    name: str,
    one: Sequence[object],
    other: Sequence[object],
    fix: str = "Operators join where shapes agree.",
) -> None:
    """Raise InputError for two shapes that do not go together."""
    raise InputError(name, expected=text(one), got=text(other), fix=fix)


def text(shape: Sequence[object]) -> str:
    """A shape as people read it."""
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
