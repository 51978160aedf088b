"""The AWS Query protocol: fields to documents, outputs to XML."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.api.wire.body import MalformedBody
from workpost.protocols.api.wire.query import (
    MAX_ELEMENTS,
    MAX_FIELDS,
    compile_fields,
    compile_xml,
    parse_fields,
    wrap_error,
    wrap_result,
    xml_text,
)

SHAPES: dict[str, Any] = {
    "In": {
        "type": "structure",
        "members": {
            "Name": {"shape": "Text"},
            "Count": {"shape": "Number"},
            "Strict": {"shape": "Flag"},
            "Tags": {"shape": "Tags"},
            "Names": {"shape": "Texts"},
            "Inner": {"shape": "Tag"},
        },
    },
    "Out": {
        "type": "structure",
        "members": {
            "Name": {"shape": "Text"},
            "When": {"shape": "Time"},
            "Count": {"shape": "Number"},
            "Inner": {"shape": "Tag"},
        },
    },
    "Tag": {
        "type": "structure",
        "members": {"Key": {"shape": "Text"}, "Value": {"shape": "Text"}},
    },
    "Tags": {"type": "list", "member": {"shape": "Tag"}},
    "Texts": {"type": "list", "member": {"shape": "Text"}},
    "Text": {"type": "string"},
    "Number": {"type": "integer"},
    "Flag": {"type": "boolean"},
    "Time": {"type": "timestamp"},
}
read = compile_fields(SHAPES, "In")
render = compile_xml(SHAPES, "Out")


def test_fields_are_decoded() -> None:
    assert parse_fields(b"a=1+2&b=%C3%A4&&c", b"d=%3D") == {
        "a": "1 2",
        "b": "ä",
        "c": "",
        "d": "=",
    }


@pytest.mark.parametrize(
    "sources", [(b"a=1", b"a=2"), (b"a=%ff",), (b"&".join(b"%d" % n for n in range(1002)),)]
)
def test_fields_that_are_refused(sources: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedBody):
        parse_fields(*sources)


def test_many_empty_parts_are_no_fields() -> None:
    assert len(parse_fields(b"&" * (MAX_FIELDS - 1))) == 0


def test_documents() -> None:
    fields = {
        "Action": "Make",
        "Name": "ada",
        "Count": "-3",
        "Strict": "true",
        "Tags.member.1.Key": "k",
        "Tags.member.2.Key": "l",
        "Tags.member.2.Value": "",
        "Names": "",
        "Inner.Value": "v",
    }
    assert read(fields) == {
        "Name": "ada",
        "Count": -3,
        "Strict": True,
        "Tags": [{"Key": "k"}, {"Key": "l", "Value": ""}],
        "Names": [],
        "Inner": {"Value": "v"},
    }
    assert read({}) == {}
    assert read({"Strict": "false", "Names.member.1": "a"}) == {"Strict": False, "Names": ["a"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"Count": "three"},
        {"Count": ""},
        {"Strict": "yes"},
        {"Names.member.0": "a"},
        {"Names.member.2": "a"},
        {"Names.member.01": "a"},
        {f"Names.member.{n}": "a" for n in range(1, MAX_ELEMENTS + 2)},
    ],
)
def test_documents_that_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(MalformedBody):
        read(fields)


def test_outputs() -> None:
    output = {"Name": "<a&b>", "When": 1_767_225_600_999, "Count": 3, "Inner": {"Key": None}}
    body = wrap_result("urn:x", "Make", render(output), "an-id")
    assert body == (
        b'<MakeResponse xmlns="urn:x"><MakeResult><Name>&lt;a&amp;b&gt;</Name>'
        b"<When>2026-01-01T00:00:00Z</When><Count>3</Count><Inner></Inner></MakeResult>"
        b"<ResponseMetadata><RequestId>an-id</RequestId></ResponseMetadata></MakeResponse>"
    )


def test_errors() -> None:
    root = ET.fromstring(wrap_error("urn:x", "Code", "a < b", "an-id", sender=True))
    texts = {element.tag: element.text for element in root.iter()}
    assert texts["{urn:x}Type"] == "Sender"
    assert texts["{urn:x}Message"] == "a < b"
    assert b"Receiver" in wrap_error("urn:x", "Code", "", "an-id", sender=False)


@given(st.text())
def test_any_text_is_xml(text: str) -> None:
    ET.fromstring(f"<a>{xml_text(text)}</a>")


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_refused(body: bytes) -> None:
    try:
        read(parse_fields(body))
    except MalformedBody:
        return
