"""XML in one pass on expat: the parser itself refuses a document type, and hands out whole elements.

An entity can only be defined in a document type, so that without one no text grows beyond the file.
Elements are handed to the caller as each closes and are then forgotten: the memory holds one trace at a
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from medidiff.errors import InputError

_DEEPEST = 64
_MOST_ELEMENTS = 1_000_000  # in one that is handed out: a trace of a vendor has thousands


@dataclass
class Element:
    """An element: its name without prefix, attributes, own text and children."""

    name: str
    attributes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own text, without blanks around."""
        return "".join(self.pieces).strip()

    def all(self, *names: str) -> Iterator[Element]:
        """Its children of these names."""
        return (child for child in self.children if child.name in names)

    def first(self, name: str) -> Element | None:
        """Its first child of that name."""
        return next(self.all(name), None)

    def below(self, name: str) -> Iterator[Element]:
        """All elements of that name inside it, at any depth, in the order of the file."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.below(name)


def parse(
    data: bytes,
    what: str,
    *,
    root: frozenset[str],
    closed: Mapping[str, Callable[[Element], None]],
    opened: Mapping[str, Callable[[Mapping[str, str]], None]] | None = None,
) -> None:
    """Read a document; call `opened[name]` with attributes and `closed[name]` with the whole element.

    What lies outside of the elements in `closed` is not kept. Raises InputError for a document type, a root
    not in `root`, nesting deeper than 64, and for what is no XML; `what` names the kind of file in it.
    """
    building = _Building(what, root, closed, opened or {})
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = building.start
    parser.EndElementHandler = building.end
    parser.CharacterDataHandler = building.text
    parser.StartDoctypeDeclHandler = building.refuse_doctype
    parser.EntityDeclHandler = building.refuse_doctype
    parser.ExternalEntityRefHandler = building.refuse_entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        got = f"damaged or truncated at line {error.lineno}, column {error.offset + 1}"
        raise building.bad("complete XML", got) from None
    except (LookupError, ValueError):
        raise building.bad("a known encoding", "another") from None


class _Building:
    """What the parser tells, made into elements."""

    def __init__(
        self,
        what: str,
        root: frozenset[str],
        closed: Mapping[str, Callable[[Element], None]],
        opened: Mapping[str, Callable[[Mapping[str, str]], None]],
    ) -> None:
        self.what, self.root, self.closed, self.opened = what, root, closed, opened
        self.stack: list[Element] = []
        self.inside = 0  # how many elements of `closed` are open
        self.kept = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if not self.stack and name not in self.root:
            raise self.bad(f"a root element {' or '.join(sorted(self.root))}", "another")
        if len(self.stack) >= _DEEPEST:
            raise self.bad(f"elements nested at most {_DEEPEST} deep", "more")
        if name in self.opened:
            self.opened[name](attributes)
        element = Element(name, attributes)
        if self.inside:
            self.stack[-1].children.append(element)
            self.kept += 1
            if self.kept > _MOST_ELEMENTS:
                raise self.bad(f"at most {_MOST_ELEMENTS} elements in a trace", "more")
        self.inside += name in self.closed
        self.stack.append(element)

    def end(self, _: str) -> None:
        element = self.stack.pop()
        if element.name in self.closed:
            self.inside -= 1
            self.closed[element.name](element)
            if not self.inside:
                self.kept = 0

    def text(self, piece: str) -> None:
        if self.inside and not piece.isspace():
            self.stack[-1].pieces.append(piece)

    def refuse_doctype(self, *_: object) -> None:
        raise self.bad("XML without a document type", "a DOCTYPE, which may hold an entity bomb")

    def refuse_entity(self, *_: object) -> int:
        return 0  # which stops the parser

    def bad(self, expected: str, got: str) -> InputError:
        return InputError(self.what, expected=expected, got=got, fix="Copy or export the file again.")
