"""The AWS Query protocol: inputs as form fields, outputs as XML.

Source: Smithy, AWS query protocol. Lists are flat fields `Tags.member.1.Key`; timestamps in
outputs are ISO 8601; everything is text until the model says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.sax.saxutils import escape

from workpost.protocols.api.wire.body import MalformedBody

Shapes = Mapping[str, Mapping[str, Any]]
Fields = Mapping[str, str]

MAX_FIELDS = 1000
MAX_ELEMENTS = 100
"""Of one list: more than any action of these services takes."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse_fields(*sources: bytes) -> dict[str, str]:
    """The fields of a query string and of a form.

    Raises MalformedBody for one given twice, for more than `MAX_FIELDS`, and for other encodings
    than UTF-8.
    """
    fields: dict[str, str] = {}
    for source in sources:
        parts = source.split(b"&", MAX_FIELDS)
        for part in parts:
            if not part:
                continue
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            try:
                key = unquote_to_bytes(name).decode()
                text = unquote_to_bytes(value).decode()
            except UnicodeDecodeError:
                raise MalformedBody("The fields are not UTF-8.") from None
            if key in fields:
                raise MalformedBody("A field is given twice.")
            fields[key] = text
            if len(fields) > MAX_FIELDS:
                raise MalformedBody("There are too many fields.")
    return fields


def compile_fields(shapes: Shapes, name: str) -> Callable[[Fields], dict[str, Any]]:
    """Make the reader of one input structure: from fields to the document that JSON would be.

    The reader raises MalformedBody for a text that is no number or boolean where the model has
    one, and for lists that do not count from one.
    """

    def read(fields: Fields) -> dict[str, Any]:
        # A structure is never absent at the top.
        return _structure(shapes, name, fields, "") or {}

    return read


def _value(shapes: Shapes, name: str, fields: Fields, path: str) -> Any:
    shape = shapes[name]
    if shape["type"] == "structure":
        return _structure(shapes, name, fields, f"{path}.")
    if shape["type"] == "list":
        return _list(shapes, shape["member"]["shape"], fields, path)
    text = fields.get(path)
    return None if text is None else _scalar(shape["type"], text)


def _structure(shapes: Shapes, name: str, fields: Fields, prefix: str) -> dict[str, Any] | None:
    if prefix and not any(field.startswith(prefix) for field in fields):
        return None
    members = {}
    for member, reference in shapes[name].get("members", {}).items():
        value = _value(shapes, reference["shape"], fields, prefix + member)
        if value is not None:
            members[member] = value
    return members


def _list(shapes: Shapes, element: str, fields: Fields, path: str) -> list[Any] | None:
    prefix = f"{path}.member."
    numbers = {
        field[len(prefix) :].partition(".")[0] for field in fields if field.startswith(prefix)
    }
    if not numbers:
        # How an empty list is written: the name of the list, and nothing.
        return [] if fields.get(path) == "" else None
    if len(numbers) > MAX_ELEMENTS or numbers != {str(n) for n in range(1, len(numbers) + 1)}:
        raise MalformedBody("The elements of a list are not numbered from one.")
    return [
        _value(shapes, element, fields, f"{prefix}{number}")
        for number in range(1, len(numbers) + 1)
    ]


def _scalar(kind: str, text: str) -> Any:
    if kind in {"integer", "long"}:
        if _NUMBER.fullmatch(text) is None:
            raise MalformedBody("A field that is a number holds something else.")
        return int(text)
    if kind == "boolean":
        if text not in {"true", "false"}:
            raise MalformedBody("A field that is true or false holds something else.")
        return text == "true"
    return text


def compile_xml(shapes: Shapes, name: str) -> Callable[[Mapping[str, Any]], bytes]:
    """Make the renderer of one output structure, without an element around it.

    Timestamps are given in milliseconds since the epoch; members that are None are left out.
    """

    def render(output: Mapping[str, Any]) -> bytes:
        return "".join(_members(shapes, name, output)).encode()

    return render


def _members(shapes: Shapes, name: str, value: Mapping[str, Any]) -> Iterable[str]:
    references = shapes[name].get("members", {})
    for member, item in value.items():
        if item is not None:
            yield _element(shapes, references[member]["shape"], member, item)


def _element(shapes: Shapes, name: str, tag: str, value: Any) -> str:
    shape = shapes[name]
    if shape["type"] == "structure":
        content = "".join(_members(shapes, name, value))
    elif shape["type"] == "timestamp":
        moment = datetime.fromtimestamp(value // 1000, UTC)
        content = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    else:
        content = xml_text(str(value))
    return f"<{tag}>{content}</{tag}>"


def xml_text(text: str) -> str:
    """Text inside an element; what XML cannot say becomes a question mark."""
    return escape(_NOT_XML.sub("?", text))


def wrap_result(namespace: str, action: str, result: bytes, request_id: str) -> bytes:
    """The body of a success."""
    return (
        b'<%(a)bResponse xmlns="%(n)b"><%(a)bResult>%(r)b</%(a)bResult><ResponseMetadata>'
        b"<RequestId>%(i)b</RequestId></ResponseMetadata></%(a)bResponse>"
    ) % {b"a": action.encode(), b"n": namespace.encode(), b"r": result, b"i": request_id.encode()}


def wrap_error(namespace: str, code: str, message: str, request_id: str, *, sender: bool) -> bytes:
    """The body of an error; `sender` tells whose fault it is."""
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error>'
        f"<Type>{'Sender' if sender else 'Receiver'}</Type>"
        f"<Code>{xml_text(code)}</Code><Message>{xml_text(message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
