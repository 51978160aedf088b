"""Reading XML from outside."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.xml import MAX_DEPTH, MAX_NAME, XmlError, parse_xml


def test_names_texts_and_attributes() -> None:
    root = parse_xml(
        b'<a xmlns="urn:x" xmlns:y="urn:y"><y:b c="1"> two <d/>three</y:b><y:b/>&amp;</a>',
        limit=200,
    )
    assert root.name == "{urn:x}a"
    assert root.text == "&"
    assert root.value("{urn:y}b") == "two three"
    assert len(list(root.all("{urn:y}b"))) == 2
    first = root.path("{urn:y}b")
    assert first is not None
    assert first.attributes == {"c": "1"}
    assert root.path("{urn:y}b", "d") is None
    assert root.path("{urn:y}b", "{urn:x}d") is not None
    assert root.value("none", "of", "these") == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>&unknown;</a>",
        b'<a b="1" b="2"/>',
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a " + b" ".join(b'b%d="1"' % n for n in range(65)) + b"/>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<x:a/>",
        b"<" + b"a" * (MAX_NAME + 1) + b"/>",
        b'<a xmlns:x="urn:' + b"x" * MAX_NAME + b'" x:b=""/>',
    ],
)
def test_what_is_refused(raw: bytes) -> None:
    with pytest.raises(XmlError):
        parse_xml(raw, limit=10_000)


def test_a_long_namespace_is_not_repeated_in_every_name() -> None:
    inner = b"<a/>" * 500
    tracemalloc.start()
    try:
        with pytest.raises(XmlError, match="name"):
            parse_xml(b'<e xmlns="' + b"n" * 50_000 + b'">' + inner + b"</e>", limit=60_000)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.reset_peak()
        root = parse_xml(b'<e xmlns="' + b"n" * 200 + b'">' + inner + b"</e>", limit=60_000)
        assert len({id(each.name) for each in root.children}) == 1
    finally:
        tracemalloc.stop()


def test_the_size_is_bounded() -> None:
    with pytest.raises(XmlError, match="too large"):
        parse_xml(b"<a/>", limit=3)


fragments = st.sampled_from(
    ["<a>", "</a>", "<b c='1'/>", "&lt;", "&x;", "<!DOCTYPE a>", "<![CDATA[", "]]>", "<?x?>", "t"]
)


@given(st.lists(fragments | st.text(max_size=3), max_size=12).map("".join).map(str.encode))
def test_any_text_is_read_or_refused(raw: bytes) -> None:
    for whole in (raw, b"<a>" + raw + b"</a>"):
        try:
            parse_xml(whole, limit=10_000)
        except XmlError:
            pass


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        parse_xml(raw, limit=100)
    except XmlError:
        pass
