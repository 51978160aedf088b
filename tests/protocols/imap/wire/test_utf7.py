"""RFC 3501 section 5.1.3: modified UTF-7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.imap.wire import utf7
from workpost.protocols.imap.wire.errors import WireError


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("R&D", b"R&-D"),
        ("&", b"&-"),
        ("", b""),
        ("😀", b"&2D3eAA-"),
    ],
)
def test_names(name, encoded):
    assert utf7.encode(name) == encoded
    assert utf7.decode(encoded) == name


def test_needless_shifts_are_understood():
    assert utf7.decode(b"&AGEAYg-") == "ab"
    assert utf7.decode(b"&AGE-&AGI-") == "ab"


@pytest.mark.parametrize(
    "wrong",
    [b"&", b"&AGE", b"&A-", b"&AG/-", b"&AGE=-", b"&2D0-", b"caf\xc3\xa9", b"a\tb", b"&**-"],
)
def test_wrong_names_are_refused(wrong):
    with pytest.raises(WireError):
        utf7.decode(wrong)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_comes_back(name):
    encoded = utf7.encode(name)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert utf7.decode(encoded) == name


@given(st.binary() | st.from_regex(rb"[&A-Za-z0-9+,/=-]{0,20}", fullmatch=True))
def test_any_bytes_decode_or_raise_wire_error(data):
    try:
        utf7.decode(data).encode("utf-8")
    except WireError:
        pass
