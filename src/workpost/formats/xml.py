"""Reading XML from outside: elements and texts, nothing that XML can do to its reader.

Expat of the standard library with document types refused at their first letter, so that there are
no entities to expand and nothing to load; size, depth and number of elements are bounded. So are
names: each element and attribute bears its whole namespace, which stands in the text only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_ATTRIBUTES = 64
MAX_NAME = 256
"""Characters of a name with its namespace."""


class XmlError(ValueError):
    """The text is no XML, or more than is read of it."""


class Element:
    """One element; names are `{namespace}local`, `local` where there is none."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""
        """What stands in it, its elements left out."""

    def child(self, name: str) -> Element | None:
        """The first child of this name."""
        return next((each for each in self.children if each.name == name), None)

    def all(self, name: str) -> Iterator[Element]:
        """The children of this name."""
        return (each for each in self.children if each.name == name)

    def path(self, *names: str) -> Element | None:
        """The element under the first child of each name."""
        found: Element | None = self
        for name in names:
            found = found.child(name) if found is not None else None
        return found

    def value(self, *names: str) -> str:
        """The text of the element at a path without the blanks around it, "" without one."""
        found = self.path(*names)
        return found.text.strip() if found is not None else ""


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0
        self._names: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise XmlError("the document has too many elements")
        if len(attributes) > MAX_ATTRIBUTES:
            raise XmlError("an element has too many attributes")
        made = Element(
            self._name(name), {self._name(key): text for key, text in attributes.items()}
        )
        if self._open:
            self._open[-1].children.append(made)
        else:
            self.root = made
        self._open.append(made)
        self._texts.append([])

    def _name(self, name: str) -> str:
        if len(name) > MAX_NAME:
            raise XmlError("a name is too long")
        known = self._names.get(name)
        if known is None:
            namespace, separator, local = name.rpartition("\n")
            known = self._names[name] = f"{{{namespace}}}{local}" if separator else local
        return known

    def end(self, name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def data(self, text: str) -> None:
        self._texts[-1].append(text)

    def doctype(self, *args: object) -> None:
        raise XmlError("the document has a document type")


def parse_xml(raw: bytes, *, limit: int) -> Element:
    """The root of a document of at most `limit` bytes. Raises XmlError."""
    if len(raw) > limit:
        raise XmlError("the document is too large")
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator="\n")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.doctype
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, XmlError):
            raise
        raise XmlError(f"the document is not well-formed: {error}") from None
    if builder.root is None:
        raise XmlError("the document is empty")
    return builder.root
