"""Escaping and reading of LDAP's texts: RFC 4515 3, RFC 4514 2.4, 3, [MS-DTYP] 2.4.2."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import parse_filter
from ldap3.protocol.convert import prepare_filter_for_sending
from ldap3.utils.dn import parse_dn as peers_parse_dn

from tests.support.slapd import sid
from workpost.formats import ldap

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
HOSTILE = st.text(st.sampled_from('*()\\\0,+;=<>"# a|&!\n\u00e4\U0001f600'), max_size=20)


def value_of(text: str) -> bytes:
    """The value that another party's parser reads in `(uid=<text>)`."""
    node = parse_filter(f"(uid={text})", None, False, False, None, False).elements[0]
    assert set(node.assertion) == {"attr", "value"}, "it is one test of equality"
    return bytes(prepare_filter_for_sending(node.assertion["value"]))


@given(TEXTS.filter(bool) | HOSTILE.filter(bool))
def test_a_value_in_a_filter_is_that_value_and_nothing_else(value: str) -> None:
    escaped = ldap.escape_value(value)
    assert not set("*()\0") & set(escaped)
    assert value_of(escaped) == value.encode()


@given(st.binary(min_size=1, max_size=40))
def test_bytes_in_a_filter(value: bytes) -> None:
    assert value_of(ldap.escape_bytes(value)) == value


@given(TEXTS | HOSTILE)
def test_a_value_in_a_name_is_that_value_and_nothing_else(value: str) -> None:
    name = f"uid={ldap.escape_dn(value)},dc=a"
    assert ldap.parse_dn(name) == [[("uid", value)], [("dc", "a")]]


@given(TEXTS.filter(lambda text: text.strip() == text != ""))
def test_another_parser_finds_the_same_parts(value: str) -> None:
    parts = peers_parse_dn(f"uid={ldap.escape_dn(value)},dc=a", escape=False)
    assert [(kind, end) for kind, _, end in parts] == [("uid", ","), ("dc", "")]


@given(st.text(max_size=60) | HOSTILE)
def test_any_text_has_a_key_and_equal_keys_stay_equal(text: str) -> None:
    folded = ldap.fold_dn(text)
    assert ldap.fold_dn(folded) == folded


@pytest.mark.parametrize(
    "text",
    [
        "uid=ada,ou=People,dc=Example,dc=test",
        "UID=Ada, OU=people , dc=example;dc=test",
        "uid=\\61da,ou=people,dc=example,dc=test",
        "uid=ada,ou=  people,dc=example,dc=test",
    ],
)
def test_one_name_written_in_several_ways(text: str) -> None:
    assert ldap.fold_dn(text) == "uid=ada,ou=people,dc=example,dc=test"


def test_relative_names_of_several_parts() -> None:
    assert ldap.fold_dn("sn=Byron+uid=ada,dc=a") == ldap.fold_dn("uid=ada+sn=byron,dc=a")
    assert ldap.fold_dn("uid=a\\,dc=b") != ldap.fold_dn("uid=a,dc=b")
    assert ldap.parse_dn("1.2.3=\\C3\\A4\\20 ,dc=a")[0] == [("1.2.3", "ä ")]
    assert ldap.parse_dn("") == []


@pytest.mark.parametrize("text", ["ada", "=ada", "uid=a\\", "uid=a\\zz", "uid=\\ff", "a" * 9000])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ldap.LdapTextError):
        ldap.parse_dn(text)


def test_security_identifiers() -> None:
    assert ldap.read_sid(sid(1104)) == "S-1-5-21-1-2-3-1104"
    assert ldap.read_sid(bytes([1, 1, 1, 0, 0, 0, 0, 5, 18, 0, 0, 0])) == "S-1-0x010000000005-18"
    for broken in (b"", sid(1)[:-1], b"\x02" + sid(1)[1:], b"\x01\x00" + sid(1)[2:8]):
        with pytest.raises(ldap.LdapTextError):
            ldap.read_sid(broken)


@given(st.uuids())
def test_identifiers_of_entries(value: uuid.UUID) -> None:
    assert ldap.read_guid(value.bytes_le) == str(value)
    assert ldap.guid_bytes(str(value)) == value.bytes_le
    assert ldap.read_uuid(str(value).upper().encode()) == str(value)


def test_what_is_no_identifier() -> None:
    for read, broken in ((ldap.read_guid, b"x"), (ldap.read_uuid, b"x"), (ldap.read_uuid, b"\xff")):
        with pytest.raises(ldap.LdapTextError):
            read(broken)
    with pytest.raises(ldap.LdapTextError):
        ldap.guid_bytes("x")


def test_stamps_of_change() -> None:
    assert ldap.is_later("20260102030405Z", "20260102030404Z")
    assert ldap.is_later("1000", "999")
    assert ldap.is_later("1", "")
    assert not ldap.is_later("", "1")
    assert ldap.is_stamp("20260102030405Z")
    assert ldap.is_stamp("17")
    assert ldap.write_time(1_767_225_600_999) == "20260101000000Z"
    assert not ldap.is_stamp("17)(uid=*")


@pytest.mark.parametrize(
    "value",
    ["x" * 3000, "x" * 9000, "\u00e4" * 1500, "\\ed\\a0\\80"],
    ids=["long", "longer", "wide", "half"],
)
def test_a_key_is_short_enough_for_an_index_and_can_be_stored(value: str) -> None:
    folded = ldap.fold_dn(f"uid={value},dc=a")
    assert len(folded.encode()) <= ldap.MAX_KEY
    assert ldap.fold_dn(folded) == folded
    assert ldap.fold_dn(f"uid={value}y,dc=a") != folded


def test_a_long_name_has_one_key_however_it_is_spelt() -> None:
    value = "x" * 3000
    assert ldap.fold_dn(f"UID={value.upper()}, DC=a") == ldap.fold_dn(f"uid={value},dc=a")


def test_a_stamp_is_a_number_that_can_be_compared() -> None:
    assert ldap.is_stamp("1234567")
    assert not ldap.is_stamp("1" * 5000)
