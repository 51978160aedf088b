"""The authors of a message as DMARC sees them: RFC 9989 4.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mailauth.authors import AuthorsError, author_domains
from workpost.formats.mime.summary import summarize


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"From: Bob <bob@Author.EXAMPLE.>", ["author.example"]),
        (b"From: a@one.test, b@two.test, c@one.test", ["one.test", "two.test"]),
        (b"From: a@one.test\r\nfrom : b@two.test", ["one.test", "two.test"]),
        (b"From:\r\n a@one.test,\r\n\tb@two.test", ["one.test", "two.test"]),
        (b"From: group: a@one.test, b@two.test;", ["one.test", "two.test"]),
        ("From: a@bücher.example".encode(), ["xn--bcher-kva.example"]),
        (b"From: a@XN--BCHER-KVA.example", ["xn--bcher-kva.example"]),
        (b"From: ceo@bank.test x", ["bank.test"]),  # words behind a domain are not its end
        (b"From: ceo@bank.test =?utf-8?q?x?=", ["bank.test"]),
        (b"From: CEO <ceo@bank.test (c) x>", ["bank.test"]),
        (b"From: ceo @ bank . test", ["bank.test"]),
        (b"From: nobody", []),
        (b"Subject: none", []),
        (b"X: y\r\n\r\nFrom: in@the.body", []),
        (b'From: "bank@bank.test" <eve@evil.test>', ["evil.test"]),
    ],
)
def test_domains(header: bytes, expected: list[str]) -> None:
    assert author_domains(header + b"\r\n\r\nHello\r\n") == expected


@pytest.mark.parametrize(
    "written",
    [
        "bank\u00ad.test",  # a hyphen that nobody sees
        "bank.test\u200b",
        "ba\u200dnk.test",
        "b\ufe0fank.test",
        "\u3164bank.test",
        "\uff42\uff41\uff4e\uff4b.test",  # letters of full width
        "bank\u2024test",  # a dot of its own
    ],
)
def test_what_readers_take_for_a_domain_counts_too(written: str) -> None:
    found = author_domains(f"From: ceo@{written}\r\n\r\n".encode())
    assert len(found) == 2
    assert found[1] == "bank.test"


def test_a_joiner_that_belongs_to_a_name_stays() -> None:
    name = "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.test"
    [only] = author_domains(f"From: a@{name}\r\n\r\n".encode())
    assert only.startswith("xn--")


@pytest.mark.parametrize(
    "raw",
    [
        b"X: y\r\n" * 2_000 + b"From: a@one.test\r\n\r\n",
        b"X: " + b"y" * 300_000 + b"\r\nFrom: a@one.test\r\n\r\n",
        b"From: " + b"a@one.test, " * 2_000 + b"b@two.test\r\n\r\n",
    ],
)
def test_a_header_that_may_hide_an_author(raw: bytes) -> None:
    with pytest.raises(AuthorsError):
        author_domains(raw)


@given(
    st.lists(
        st.sampled_from(
            [
                b"From: ",
                b"a@one.test",
                b"<b@two.test>",
                b",",
                b"\r\n",
                b" ",
                b'"',
                b"(",
                b"\0",
                b";",
            ]
        ),
        max_size=30,
    ).map(b"".join)
    | st.binary(max_size=200)
)
def test_they_are_those_that_people_are_shown(raw: bytes) -> None:
    shown = {address for _, address in summarize(raw).from_}
    domains = {address.rpartition("@")[2].lower() for address in shown if "@" in address}
    found = set(author_domains(raw))
    assert {each for each in domains if each.isascii() and not each.endswith(".")} <= found | {""}
