"""Authentication-Results: RFC 8601 2.2, 2.3, 5."""

from __future__ import annotations

import email
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workpost.formats.mailauth.results import (
    MethodResult,
    ResultsError,
    find_results,
    parse_results,
    strip_results,
    write_results,
)

OURS = "mx.demo.test"
texts = st.text(max_size=30)
methods = st.builds(
    MethodResult,
    method=st.sampled_from(["spf", "dkim", "dmarc", "arc", "x-odd"]),
    result=st.sampled_from(["pass", "fail", "temperror"]),
    properties=st.dictionaries(st.sampled_from(["header.d", "smtp.mailfrom", "policy.p"]), texts),
    reason=texts,
    comment=texts,
)


@given(st.lists(methods, max_size=4))
def test_whatever_is_written_is_one_field_and_reads_back(written: list[MethodResult]) -> None:
    field = write_results(OURS, written)
    assert field.isascii()
    name, _, value = field.partition(b":")
    assert name == b"Authentication-Results"
    for line in field.removesuffix(b"\r\n").split(b"\r\n")[1:]:
        assert line.startswith(b"\t")
        assert line.strip()
    read = parse_results(value)
    assert read.server == OURS
    assert [(each.method, each.result) for each in read.methods] == [
        (each.method, each.result) for each in written
    ]
    for before, after in zip(written, read.methods, strict=True):
        for key, text in before.properties.items():
            if text.isascii() and text.isalnum():
                assert after.properties[key] == text


def test_lines_are_short() -> None:
    places = {"header.d": "a" * 40 + ".example", "header.s": "b" * 30, "header.a": "rsa-sha256"}
    field = write_results(OURS, [MethodResult("dkim", "pass", places)])
    assert max(len(line) for line in field.split(b"\r\n")) <= 80


@given(st.binary(max_size=200) | st.text(st.sampled_from('a;=.()"\\ \r\n\té/1')).map(str.encode))
def test_any_value_is_read_or_refused_with_its_own_error(value: bytes) -> None:
    try:
        parse_results(value)
    except ResultsError:
        return


@pytest.mark.parametrize(
    "piece", ["(", ")", '"', "\\", ";", " ", "a=", "a.b=c ", "()", "; a=b", "(\\"]
)
def test_hostile_values_take_no_time(piece: str) -> None:
    value = ("x;dkim=pass " + piece * (60_000 // len(piece))).encode()
    start = time.process_time()
    try:
        parse_results(value)
    except ResultsError:
        pass
    strip_results(b"Authentication-Results: " + value + b"\r\n\r\nbody", OURS)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    ("value", "server", "found"),
    [
        (b" example.org 1; none", "example.org", []),
        (
            b" example.com;\r\n          spf=pass smtp.mailfrom=example.net",
            "example.com",
            [("spf", "pass", {"smtp.mailfrom": "example.net"})],
        ),
        (
            b' example.com; dkim/1 = pass (good (very) signature) reason="as \\"said\\""\r\n'
            b" header . d = mail.example ; auth=pass (cram-md5) smtp.auth=sender@example.net;",
            "example.com",
            [
                ("dkim", "pass", {"header.d": "mail.example"}),
                ("auth", "pass", {"smtp.auth": "sender@example.net"}),
            ],
        ),
        (
            b' "odd; server" ; dkim=fail header.b="a=b;c" (( ( " ) ; dmarc=pass ( " ))) ;x=y',
            "odd; server",
            [("dkim", "fail", {"header.b": "a=b;c"}), ("x", "y", {})],
        ),
    ],
)
def test_what_others_write(
    value: bytes, server: str, found: list[tuple[str, str, dict[str, str]]]
) -> None:
    read = parse_results(value)
    assert read.server == server
    assert [(each.method, each.result, each.properties) for each in read.methods] == found


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"; spf=pass",
        b'""; spf=pass',
        b"a b c; spf=pass",
        b"x; spf",
        b"x; spf=pass nonsense",
        b'x; spf=pass reason="open',
        b"x; spf=pass (open",
        b"x" * 70_000,
        b"x" + b"; spf=pass" * 101,
        b"x; spf=pass" + b"".join(b" a.b%d=c" % n for n in range(51)),
        b"x; spf=pass " + b"()" * 2_000,
    ],
)
def test_what_is_no_value(value: bytes) -> None:
    with pytest.raises(ResultsError):
        parse_results(value)


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.demo.test; none\r\n",
        b"AUTHENTICATION-RESULTS:MX.Demo.Test.;none\r\n",
        b"Authentication-Results: (hello)\r\n mx.demo.test 1; none\r\n",
        b'Authentication-Results:\r\n\t"mx.demo.test"; none\r\n',
        b'Authentication-Results: "mx.demo\\.test"; none\r\n',
        b"Authentication-Results: mx.demo.test (open; dmarc=pass\r\n",
        b"Authentication-Results: a mx.demo.test; dmarc=pass\r\n",
        b"Authentication-Results \t: mx.demo.test\r\n ;dmarc=pass\r\n",
        b"Authentication-Results\r\n \r\n\t: mx.demo.test; dmarc=pass\r\n",
        b"Authentication-Results: " + b"()" * 200 + b"mx.demo.test; dmarc=pass\r\n",
    ],
)
@pytest.mark.parametrize("where", [0, 1, 2])
def test_fields_in_our_name_are_taken_out_rfc8601_5(field: bytes, where: int) -> None:
    others = [b"Subject: x\r\n", b"Authentication-Results: mx.other.test; none\r\n"]
    body = b"\r\nAuthentication-Results: mx.demo.test; in the body\r\n"
    raw = b"".join([*others[:where], field, *others[where:], body])
    assert strip_results(raw, OURS) == b"".join([*others, body])


@given(
    st.lists(
        st.sampled_from(
            [
                b"Authentication-Results: mx.demo.test; a=b",
                b"authentication-results:",
                b"X: mx.demo.test",
                b"\tmx.demo.test",
                b" (mx.demo.test",
                b"",
            ]
        ),
        max_size=8,
    ).map(b"\r\n".join)
)
@example(b"Authentication-Results: mx.demo.test")
def test_nothing_in_our_name_is_left(raw: bytes) -> None:
    left = strip_results(raw, OURS)
    for value in email.message_from_bytes(left).get_all("Authentication-Results", []):
        assert not value.strip().lower().startswith(OURS)
    assert strip_results(left, OURS) == left


def test_a_message_without_any_is_the_same_object() -> None:
    raw = b"Subject: x\r\n\r\nAuthentication-Results: mx.demo.test; none\r\n"
    assert strip_results(raw, OURS) is raw


def test_a_message_of_nothing_but_results_takes_no_time_and_keeps_none() -> None:
    field = b"authentication-results: mx.demo.test;\r\n x=y\r\n"
    raw = b"X: y\r\n" + field * 20_000 + b"Y: z\r\n\r\n" + field
    start = time.process_time()
    assert strip_results(raw, OURS) == b"X: y\r\nY: z\r\n\r\n" + field
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "raw",
    [
        b"X: y\r\n" * 2_000_000,
        b"Authentication-Results: mx.demo.test\r\n " + b"\r\n " * 5_000_000,
        b"Authentication-Results:" * 800_000,
    ],
)
def test_a_header_without_an_end_takes_no_time(raw: bytes) -> None:
    start = time.process_time()
    strip_results(raw, OURS)
    assert time.process_time() - start < 1


RELAYS = ("Mx.Demo.test", "spam.demo.test")


def test_fields_of_named_servers_are_found_from_the_top() -> None:
    raw = (
        b"Authentication-Results: mx.demo.test 1; spf=pass smtp.mailfrom=a.example\r\n"
        b"Authentication-Results: elsewhere.example; dkim=pass\r\n"
        b"Authentication-Results: spam.demo.test.;\r\n\tdkim=fail header.d=b.example\r\n"
        b"Authentication-Results: mx.demo.test; (not closed\r\n"
        b"Subject: x\r\n\r\nAuthentication-Results: mx.demo.test; dmarc=pass\r\n"
    )
    found = find_results(raw, RELAYS)
    assert [[(each.method, each.result) for each in one.methods] for one in found] == [
        [("spf", "pass")],
        [("dkim", "fail")],
    ]
    many = b"Authentication-Results: mx.demo.test; spf=pass\r\n" * 101 + b"\r\n"
    assert len(find_results(many, RELAYS)) == 100


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_finding_fields_raises_nothing(one: bytes, other: bytes) -> None:
    raw = b"Authentication-Results: mx.demo.test" + one + b"\nauthentication-results:" + other
    assert len(find_results(raw, RELAYS)) <= 2
