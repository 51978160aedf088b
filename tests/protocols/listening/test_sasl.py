"""RFC 4616 (PLAIN), LOGIN, and the base64 of RFC 4954 and RFC 4959."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.listening.sasl import (
    MAX_FIELD,
    MECHANISMS,
    Credentials,
    SaslError,
    decode_base64,
    decode_plain,
    exchange,
)

names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
passwords = st.binary(min_size=1, max_size=40).filter(lambda octets: b"\0" not in octets)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\0ada@a.test\0secret", Credentials("ada@a.test", b"secret")),
        (b"grace\0ada\0secret", Credentials("ada", b"secret", "grace")),
        (b"\0\xc3\xa5d\xc3\xa5\0\xff\xfe", Credentials("ådå", b"\xff\xfe")),
    ],
)
def test_rfc_4616_section_2_plain(message, expected):
    assert decode_plain(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        b"", b"ada", b"\0ada", b"\0\0secret", b"\0ada\0", b"\0ada\0a\0b", b"\0\xff\0secret",
        b"\xff\0ada\0secret", b"\0a\nda\0secret", b"\0" + b"a" * (MAX_FIELD + 1) + b"\0x",
        b"\0ada\0" + b"x" * (MAX_FIELD + 1), b"\0a\xc2\x85\0secret",
    ],
)  # fmt: skip
def test_rfc_4616_section_2_what_is_no_plain_message(message):
    with pytest.raises(SaslError):
        decode_plain(message)


@given(names, passwords, st.just("") | names)
def test_plain_round_trip(name, password, authorization):
    message = b"\0".join((authorization.encode(), name.encode(), password))
    assert decode_plain(message) == Credentials(name, password, authorization)


def test_plain_with_initial_response_takes_one_step():
    plain = exchange("plain")
    assert plain.step(b"\0ada\0secret") == Credentials("ada", b"secret")


def test_plain_without_initial_response_is_asked_with_an_empty_challenge():
    plain = exchange("PLAIN")
    assert plain.step(None) == b""
    assert plain.step(b"\0ada\0secret") == Credentials("ada", b"secret")


@pytest.mark.parametrize("initial", [True, False])
def test_login_asks_for_name_and_password(initial):
    login = exchange("Login")
    if not initial:
        assert login.step(None) == b"Username:"
    assert login.step(b"ada") == b"Password:"
    assert login.step(b"secret") == Credentials("ada", b"secret")


@pytest.mark.parametrize("responses", [[b""], [b"ada", b""], [b"\xff"], [b"ada", b"a\0b"]])
def test_login_refuses_what_cannot_be_a_name_or_password(responses):
    login = exchange("LOGIN")
    *before, last = responses
    for response in before:
        login.step(response)
    with pytest.raises(SaslError):
        login.step(last)


def test_other_mechanisms_are_not_offered():
    assert all(exchange(mechanism) is not None for mechanism in MECHANISMS)
    assert exchange("CRAM-MD5") is None


@given(st.binary(max_size=60))
def test_base64_round_trip(octets):
    assert decode_base64(base64.b64encode(octets)) == octets


def test_rfc_4954_section_4_an_equals_sign_is_the_empty_response():
    assert decode_base64(b"=") == b""


@pytest.mark.parametrize("line", [b"a", b"AA=A", b"A A=", b"\xff\xff\xff\xff", b"AAA", b"AA==AA=="])
def test_base64_is_strict(line):
    with pytest.raises(SaslError):
        decode_base64(line)


@given(st.sampled_from(MECHANISMS), st.lists(st.none() | st.binary(max_size=30), max_size=4))
def test_arbitrary_responses_end_in_credentials_a_challenge_or_an_error(mechanism, responses):
    steps = exchange(mechanism)
    for response in responses:
        try:
            step = steps.step(response)
        except SaslError:
            return
        assert isinstance(step, bytes | Credentials)
