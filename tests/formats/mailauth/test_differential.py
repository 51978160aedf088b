"""DKIM and ARC beside dkimpy, in both directions, on messages of every shape."""

from __future__ import annotations

import base64
import time

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.mailauth.test_arc import keys, sealed, verified
from tests.formats.mailauth.test_dkim import results
from tests.support.signers import (
    DOMAIN,
    ask,
    ed25519_key,
    ed25519_signer,
    pem,
    rsa_key,
    rsa_signer,
    sent,
)
from workpost.formats.mailauth.arc import read_chain, verify_chain
from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import sign
from workpost.formats.mailauth.signature import BadSignature

FORMS = [(a, b) for a in (b"simple", b"relaxed") for b in (b"simple", b"relaxed")]


def theirs(raw: bytes, count: int) -> list[str]:
    """What dkimpy says of the first signatures."""
    found = []
    for number in range(count):
        try:
            good = dkim.DKIM(raw).verify(number, dnsfunc=ask)
        except dkim.DKIMException:
            good = False
        found.append("pass" if good else "fail")
    return found


@given(sent())
@settings(max_examples=30)
def test_dkimpy_verifies_what_we_sign(message: bytes) -> None:
    now = int(time.time())
    raw = sign(Fields(message), [rsa_signer(), ed25519_signer()], now) + message
    assert theirs(raw, 2) == ["pass", "pass"]


@given(sent(), st.sampled_from(FORMS), st.booleans())
@settings(max_examples=30)
def test_we_verify_what_dkimpy_signs(
    message: bytes, forms: tuple[bytes, bytes], length: bool
) -> None:
    made = [
        dkim.sign(message, b"r", DOMAIN.encode(), pem(rsa_key()), canonicalize=forms, length=length)
    ]
    seed = base64.b64encode(ed25519_key().private_bytes_raw())
    made.append(
        dkim.sign(
            message,
            b"e",
            DOMAIN.encode(),
            seed,
            canonicalize=forms,
            length=length,
            signature_algorithm=b"ed25519-sha256",
        )
    )
    assert [each for field in made for each in results(field + message)] == ["pass", "pass"]


@given(sent(), st.sampled_from(FORMS), st.data())
@settings(max_examples=40)
def test_both_say_the_same_of_a_message_that_was_changed(
    message: bytes, forms: tuple[bytes, bytes], data: st.DataObject
) -> None:
    field = dkim.sign(message, b"r", DOMAIN.encode(), pem(rsa_key()), canonicalize=forms)
    at = data.draw(st.integers(0, len(message)))
    cut = data.draw(st.integers(0, 2))
    put = data.draw(st.sampled_from([b"", b" ", b"\t", b"\r\n", b"\r\n ", b"x", b":"]))
    changed = message[:at] + put + message[at + cut :]
    if b"\r" in changed.replace(b"\r\n", b"") or b"\n" in changed.replace(b"\r\n", b""):
        # Where a CR or LF stands alone dkimpy sees a line end, RFC 6376 2.8 does not.
        return
    if not changed.endswith(b"\r\n"):
        # dkimpy keeps the space at the end of a line without its CRLF; SMTP has no such lines.
        return
    raw = field + changed
    if b"\r\nFrom " in raw:
        # The obsolete space before a colon: dkimpy takes the line for the first one of an mbox.
        return
    try:
        dkim.rfc822_parse(raw)
    except dkim.MessageFormatError:
        # A line that is no field: dkimpy gives up, we let such a line be.
        return
    try:
        ours = results(raw)
    except BadSignature:
        ours = ["fail"]
    assert ours == theirs(raw, 1)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_dkimpy_verifies_our_chains(times: int) -> None:
    validation, found, reason = dkim.ARC(sealed(times=times)).verify(dnsfunc=ask)
    assert (validation, len(found)) == (b"pass", times), reason


@given(sent())
@settings(max_examples=10)
def test_chains_of_both_go_on_with_each_other(message: bytes) -> None:
    one = sealed(message)
    told = _told(one)
    two = b"".join(_their_seal(told)) + told
    three = sealed(two)
    for each in (one, two, three):
        assert dkim.ARC(each).verify(dnsfunc=ask)[0] == b"pass"
    fields = Fields(three)
    assert verify_chain(fields, read_chain(fields), keys(), int(time.time())).result == "pass"
    assert verified(three).oldest_pass == 0


def _told(message: bytes) -> bytes:
    return b"Authentication-Results: mx.example.test; arc=pass; spf=pass\r\n" + message


def _their_seal(message: bytes) -> list[bytes]:
    fields: list[bytes] = dkim.arc_sign(
        message,
        b"r",
        DOMAIN.encode(),
        pem(rsa_key()),
        b"mx.example.test",
        timestamp=int(time.time()),
    )
    assert fields
    return fields
