"""RFC 5321 4.1.2 and 4.1.3: paths and mailboxes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.paths import Address, parse_path


def parse(text: str) -> Address:
    address, end = parse_path(text, 0, "5.1.3")
    assert end == len(text)
    return address


@pytest.mark.parametrize(
    ("path", "local", "domain"),
    [
        ("<ada@a.test>", "ada", "a.test"),
        ("<Ada.Lovelace+x@A.Test>", "Ada.Lovelace+x", "A.Test"),
        ("<!#$%&'*+/=?^_`{|}~-@a.test>", "!#$%&'*+/=?^_`{|}~-", "a.test"),
        ("<ada@localhost>", "ada", "localhost"),
        ("<ada@[192.0.2.1]>", "ada", "[192.0.2.1]"),
        ("<ada@[IPv6:2001:db8::1]>", "ada", "[IPv6:2001:db8::1]"),
        ("<ådå@höhle.test>", "ådå", "höhle.test"),
        ('<"ada lovelace"@a.test>', "ada lovelace", "a.test"),
        ('<"a\\"b\\\\c@d>"@a.test>', 'a"b\\c@d>', "a.test"),
        ('<"ada"@a.test>', "ada", "a.test"),
        ('<""@a.test>', "", "a.test"),
    ],
)
def test_section_4_1_2_mailboxes(path, local, domain):
    assert parse(path) == Address(local, domain)


@pytest.mark.parametrize("path", ["<@b.test:ada@a.test>", "<@b.test,@c.test:ada@a.test>"])
def test_appendix_c_source_routes_are_ignored(path):
    assert parse(path) == Address("ada", "a.test")


@pytest.mark.parametrize(
    "path",
    [
        "", "<", "<>", "ada@a.test", "<ada>", "<@a.test>", "<ada@>", "<ada@a.test",
        "<.ada@a.test>", "<ada.@a.test>", "<a..b@a.test>", "<a b@a.test>", "<a@b@a.test>",
        "<ada@-a.test>", "<ada@a-.test>", "<ada@.a.test>", "<ada@a.test.>", "<ada@a..test>",
        "<ada@a_b.test>", "<ada@[192.0.2]>", "<ada@[192.0.2.256]>", "<ada@[2001:db8::1]>",
        "<ada@[IPv6:192.0.2.1]>", "<ada@[IPv6:fe80::1%eth0]>", "<ada@[x:y]>", "<ada@[]>",
        '<"ada@a.test>', '<"a"b"@a.test>', '<"a\\"@a.test>', '<"a\tb"@a.test>', "<a\x85b@a.test>",
        "<@b.test ada@a.test>", "<@-b.test:ada@a.test>", "<@b.test,c.test:ada@a.test>",
        "<ada@" + "a" * 64 + ".test>",
    ],
)  # fmt: skip
def test_section_4_1_2_what_is_no_path_is_refused(path):
    with pytest.raises(CommandError) as caught:
        parse(path)
    assert (caught.value.code, caught.value.status) == (501, "5.1.3")


def test_section_4_5_3_1_lengths_are_counted_in_octets():
    label = "b" * 61
    assert parse(f"<{'a' * 64}@{label}.test>")
    assert parse(f"<{'å' * 32}@{label}.test>")
    for local, domain in [
        ("a" * 65, "b.test"),
        ("å" * 33, "b.test"),
        ("a", ".".join([label] * 5)),
        ("a" * 60, ".".join([label] * 3) + ".bcdefghi"),
        ("a", "å" * 32 + ".test"),
    ]:
        with pytest.raises(CommandError):
            parse(f"<{local}@{domain}>")


def test_senders_that_forwarding_made_may_have_longer_local_parts():
    for local in ("SRS0=" + "a" * 90, "srs1=" + "a" * 90, '"SRS0=' + "a" * 90 + ' b"'):
        assert parse(f"<{local}@b.test>")
    for local in ("SRS0=" + "a" * 250, "SRS2=" + "a" * 90, "xSRS0=" + "a" * 90):
        with pytest.raises(CommandError):
            parse(f"<{local}@b.test>")


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address("ada", "a.test"), "ada@a.test"),
        (Address("ada lovelace", "a.test"), '"ada lovelace"@a.test'),
        (Address('a"b\\', "a.test"), '"a\\"b\\\\"@a.test'),
        (Address("", "a.test"), '""@a.test'),
        (Address("Postmaster", ""), "Postmaster"),
    ],
)
def test_addresses_are_quoted_again_where_they_have_to_be(address, text):
    assert str(address) == text


def test_rfc_6531_section_3_3_addresses_know_whether_they_need_smtputf8():
    assert Address("ada", "a.test").is_ascii
    assert not Address("ådå", "a.test").is_ascii
    assert not Address("ada", "höhle.test").is_ascii


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_any_printable_local_part_survives_quoting(local):
    assert parse(f"<{Address(local, 'a.test')}>") == Address(local, "a.test")


@given(st.text(alphabet='<>@.:,"\\[] abé-%1\x00\n', max_size=60))
def test_arbitrary_text_is_a_path_or_an_error(text):
    try:
        address, end = parse_path(text, 0, "5.1.3")
    except CommandError:
        pass
    else:
        assert parse(f"<{address}>") == address
        assert text[end - 1] == ">"
