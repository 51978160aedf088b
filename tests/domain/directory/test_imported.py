"""What an entry of a directory becomes here, whatever is in it."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.slapd import sid
from workpost.domain.directory.imported import Reading, Unusable, Wanted
from workpost.formats.ldap import fold_dn
from workpost.integrations.ldap.base import Found
from workpost.kernel.directory_settings import ATTRIBUTES, NEEDED, Directory

GUID = uuid.UUID("76f10bc1-7875-4f5e-b4f8-a31808b8109e")
OPEN = Reading(Directory())
ACTIVE = Reading(Directory(kind="active-directory"))
ASKED = sorted({name.lower() for reading in (OPEN, ACTIVE) for name in reading.attributes.values()})


def found(**values: Any) -> Found:
    given_values = {
        name.lower(): [one.encode() if isinstance(one, str) else one for one in texts]
        for name, texts in values.items()
    }
    return Found("uid=ada,dc=a", given_values)


@given(
    st.sampled_from([OPEN, ACTIVE]),
    st.sampled_from(["USER", "GROUP"]),
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from([*ASKED, "member;range=0-3", "member;range=x"]),
        st.lists(st.binary(max_size=40) | st.just(GUID.bytes_le) | st.just(b"ada"), max_size=3),
    ),
)
def test_any_entry_is_something_or_has_a_reason(
    reading: Reading, kind: str, dn: str, values: dict[str, list[bytes]]
) -> None:
    read = reading.entry(kind, Found(dn, values))
    assert isinstance(read, Wanted) or read.reason
    assert b"\\u0000" not in msgspec.json.encode(read), "PostgreSQL keeps no NUL"
    names, following = reading.members(Found(dn, values))
    assert all(isinstance(name, str) for name in names)
    assert following in {"", "member;range=4-*"}
    reading.changed(Found(dn, values))


@pytest.mark.parametrize(
    ("kind", "name", "usable"),
    [
        ("USER", "ada.lovelace-1_x", True),
        ("USER", "ada@example.test", True),
        ("USER", "two words", False),
        ("USER", "a" * 64, True),
        ("USER", "a" * 65, False),
        ("USER", "", False),
        ("USER", "ada)(uid=*", False),
        ("GROUP", "All of us", True),
        ("GROUP", "g" * 257, False),
        ("GROUP", "line\nend", False),
    ],
)
def test_names(kind: str, name: str, usable: bool) -> None:
    entry = found(entryUUID=[str(GUID)], uid=[name], cn=[name])
    assert isinstance(OPEN.entry(kind, entry), Wanted) is usable


def test_ids_are_security_identifiers_where_the_server_has_them() -> None:
    values: dict[str, Any] = {"objectGUID": [GUID.bytes_le], "sAMAccountName": ["ada"]}
    plain = ACTIVE.entry("USER", found(**values))
    assert isinstance(plain, Wanted)
    assert (plain.guid, plain.entity) == (str(GUID), str(GUID))
    with_sid = ACTIVE.entry("USER", found(**values, objectSid=[sid(1104)]))
    assert isinstance(with_sid, Wanted)
    assert (with_sid.guid, with_sid.entity) == (str(GUID), "S-1-5-21-1-2-3-1104")
    open_one = OPEN.entry("USER", found(entryUUID=[str(GUID).upper()], uid=["ada"]))
    assert isinstance(open_one, Wanted)
    assert open_one.entity == str(GUID)


def test_an_entry_without_an_identifier_is_told_by_its_name() -> None:
    read = OPEN.entry("USER", found(uid=["ada"]))
    assert isinstance(read, Unusable)
    assert read.reason == "It has no usable name or entryUUID."
    assert OPEN.entry("USER", found(uid=["ada"])) == read


def test_long_values_are_cut_and_display_names_are_found() -> None:
    values = {"entryUUID": [str(GUID)], "uid": ["ada"]}
    read = OPEN.entry("USER", found(**values, cn=["Ada"], l=["x" * 300]))
    assert isinstance(read, Wanted)
    assert (read.display, len(read.props.city)) == ("Ada", 256)
    bare = OPEN.entry("USER", found(**values))
    assert isinstance(bare, Wanted)
    assert bare.display == "ada"


def test_the_stamp_tells_of_every_change() -> None:
    def stamp(**more: Any) -> bytes:
        read = OPEN.entry("USER", found(entryUUID=[str(GUID)], uid=["ada"], **more))
        assert isinstance(read, Wanted)
        return read.stamp

    assert stamp() == stamp(description=["not read"])
    stamps = {stamp(), stamp(l=["London"]), stamp(cn=["Ada"]), stamp(mail=["ada@a.test"])}
    assert len(stamps) == 4


def test_ranges_of_members() -> None:
    first = Found("cn=g", {"member": [], "member;range=0-1499": [b"UID=a,DC=b", b"uid=c,dc=b"]})
    assert ACTIVE.members(first) == (["uid=a,dc=b", "uid=c,dc=b"], "member;range=1500-*")
    last = Found("cn=g", {"member;range=1500-*": [b"uid=d,dc=b"]})
    assert ACTIVE.members(last) == ([fold_dn("uid=d,dc=b")], "")
    assert ACTIVE.members(Found("cn=g", {})) == ([], "")


def test_filters() -> None:
    assert OPEN.filter("USER") == "(objectClass=inetOrgPerson)"
    assert OPEN.filter("USER", since="20260102030405Z") == (
        "(&(objectClass=inetOrgPerson)(modifyTimestamp>=20260102030405Z))"
    )
    assert OPEN.filter("GROUP", guid="*)(uid=*") == (
        "(&(objectClass=groupOfNames)(entryUUID=\\2a\\29\\28uid\\3d\\2a))"
    )
    wanted = "".join(f"\\{byte:02x}" for byte in GUID.bytes_le)
    assert ACTIVE.filter("GROUP", guid=str(GUID)) == (
        f"(&(objectClass=group)(objectGUID={wanted}))"
    )


def test_the_settings_know_every_attribute() -> None:
    assert OPEN.attributes.keys() | ACTIVE.attributes.keys() == ATTRIBUTES
    assert OPEN.attributes.keys() & ACTIVE.attributes.keys() >= NEEDED


def test_settings_name_other_attributes() -> None:
    reading = Reading(
        Directory(
            attributes=("name=mail", "city=", "display=cn"),
            base_dn="dc=a",
            user_base_dn="ou=people,dc=a",
            user_filter="(x=y)",
        )
    )
    assert "uid" not in reading.wanted("USER")
    assert "l" not in reading.wanted("USER")
    assert (reading.base("USER"), reading.base("GROUP")) == ("ou=people,dc=a", "dc=a")
    assert reading.filter("USER") == "(x=y)"
    entry = found(entryUUID=[str(GUID)], mail=["ada@a.test"], cn=["Ada"], l=["London"])
    read = reading.entry("USER", entry)
    assert isinstance(read, Wanted)
    assert (read.name, read.display, read.props.city) == ("ada@a.test", "Ada", "")


def test_addresses_of_exchange() -> None:
    proxies = ["smtp:b@a.test", "SMTP:ada@a.test", "x500:/o=a", "smtp:ADA@a.test", "smtp:a@a.test"]
    entry = found(
        objectGUID=[GUID.bytes_le],
        sAMAccountName=["ada"],
        proxyAddresses=proxies,
        mail=["ada@a.test"],
    )
    read = ACTIVE.entry("USER", entry)
    assert isinstance(read, Wanted)
    assert [address.lower() for address in read.addresses] == ["ada@a.test", "a@a.test", "b@a.test"]


def test_accounts_that_are_disabled_built_in_or_rooms() -> None:
    def read(**more: Any) -> Wanted:
        entry = found(objectGUID=[GUID.bytes_le], sAMAccountName=["ada"], **more)
        wanted = ACTIVE.entry("USER", entry)
        assert isinstance(wanted, Wanted)
        return wanted

    assert not read(userAccountControl=["512"]).locked
    assert read(userAccountControl=["514"]).locked
    assert read(objectSid=[sid(500)]).props.user_role == "SYSTEM_USER"
    assert read(objectSid=[sid(1500)]).props.user_role == "USER"
    assert read(msExchRecipientTypeDetails=["16"]).props.user_role == "RESOURCE"


def test_the_digest_of_what_is_asked() -> None:
    plain = OPEN.digest("")
    assert Reading(Directory(sync_seconds=7)).digest("") == plain
    assert OPEN.digest("another server") != plain
    assert Reading(Directory(user_filter="(x=y)")).digest("") != plain
    assert Reading(Directory(attributes=("name=cn",))).digest("") != plain


@pytest.mark.parametrize(
    ("control", "locked"),
    [
        ("514", True),
        ("512", False),
        ("", False),
        ("-2", False),
        ("\u00b2", False),
        ("2" * 5000, False),
    ],
)
def test_who_is_locked(control: str, locked: bool) -> None:
    entry = found(objectGUID=[GUID.bytes_le], sAMAccountName=["ada"], userAccountControl=[control])
    for name in ("ada", "two words"):
        entry.values["samaccountname"] = [name.encode()]  # type: ignore[index]
        assert ACTIVE.entry("USER", entry).locked is locked
