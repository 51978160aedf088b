"""DKIM signatures, as RFC 6376, RFC 8301 and RFC 8463 have them."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.mailauth.vectors import BOTH, BOTH_KEYS
from tests.support.signers import (
    DOMAIN,
    MESSAGE,
    NOW,
    ed25519_signer,
    messages,
    rsa_key,
    rsa_record,
    rsa_signer,
    texts,
)
from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import (
    FIELD,
    Signer,
    check_time,
    names_to_sign,
    read_dkim,
    sign,
    verify,
)
from workpost.formats.mailauth.keys import BadKey, WeakKey, open_public, parse_key, sign_digest
from workpost.formats.mailauth.signature import (
    BadSignature,
    Signature,
    own_form,
    read_tags,
    without_value,
)

WHOLE = len(Fields(MESSAGE).body("simple"))


def read(raw: bytes) -> list[tuple[Fields, Signature]]:
    fields = Fields(raw)
    places = fields.places(FIELD)
    return [(fields, read_dkim(read_tags(fields.fields[place]), place)) for place in places]


def results(raw: bytes) -> list[str]:
    return [
        verify(fields, each, parse_key(texts()[each.key_name]))[0] for fields, each in read(raw)
    ]


def signed(message: bytes = MESSAGE) -> bytes:
    return sign(Fields(message), [rsa_signer(), ed25519_signer()], NOW) + message


def hand_signed(more: str, message: bytes = MESSAGE, signer: Signer | None = None) -> bytes:
    """A message signed with tags of one's own choice, simple forms."""
    signer = signer or rsa_signer()
    tags = {
        "v": "1",
        "a": signer.algorithm,
        "d": DOMAIN,
        "s": signer.selector,
        "h": "From",
        "bh": base64.b64encode(Fields(message).body_hash("simple")).decode(),
        **dict(each.split("=", 1) for each in more.split("; ") if each),
        "b": "QQ==",
    }
    field = "DKIM-Signature: " + "; ".join(f"{name}={value}" for name, value in tags.items())
    fields = Fields(field.encode() + b"\r\n" + message)
    each = read_dkim(read_tags(fields.fields[0]), 0)
    chosen = fields.choose(each.names, each.header_form) + own_form(fields, each)
    value = base64.b64encode(sign_digest(signer.key, sha256(chosen).digest()))
    return field.removesuffix("QQ==").encode() + value + b"\r\n" + message


def test_the_example_of_rfc_8463_verifies_under_both_keys() -> None:
    for fields, each in read(BOTH):
        assert verify(fields, each, parse_key(BOTH_KEYS[each.selector])) == ("pass", "")


def test_what_we_sign_verifies() -> None:
    assert results(signed()) == ["pass", "pass"]


@given(messages())
@settings(max_examples=50)
def test_any_message_that_we_sign_verifies(message: bytes) -> None:
    assert results(signed(message)) == ["pass", "pass"]


@given(messages(), st.data())
@settings(max_examples=60)
def test_a_changed_octet_of_what_is_signed_fails(message: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(message) - 1))
    changed = message[:at] + bytes([message[at] ^ 0x10]) + message[at + 1 :]
    fields = Fields(changed)
    before, after = Fields(message), fields
    names = names_to_sign(before)
    same = before.choose(names, "relaxed") == after.choose(names, "relaxed")
    same &= before.body("relaxed") == after.body("relaxed")
    raw = signed(message)[: -len(message)] + changed
    assert results(raw) == (["pass", "pass"] if same else ["fail", "fail"])


@pytest.mark.parametrize("name", [b"From", b"Subject", b"To", b"Cc", b"Reply-To", b"Date"])
def test_nobody_adds_a_second_field_or_a_missing_one(name: bytes) -> None:
    forged = name + b": someone else <mallory@example.org>\r\n" + signed()
    assert results(forged) == ["fail", "fail"]


def test_what_servers_put_in_front_changes_nothing() -> None:
    for field in (b"Received: from a by b", b"Return-Path: <>", b"List-Id: x", b"X-Spam: no"):
        assert results(field + b"\r\n" + signed()) == ["pass", "pass"]


def test_our_fields_have_short_lines() -> None:
    raw = signed(b"References: a\r\n" * 40 + MESSAGE)
    head = raw[: raw.index(b"References")]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert head.count(b"references") == 2 * 16


def test_a_message_that_is_signed_and_signed_again_verifies_everywhere() -> None:
    assert results(signed(signed())) == ["pass"] * 4


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ("", "pass"),
        ("c=simple", "pass"),
        ("c=relaxed", "pass"),
        ("i=ada@mail.example.test", "pass"),
        ("q=dns/txt", "pass"),
        ("q=other : dns/txt", "pass"),
        ("z=From:Ada|To:Grace", "pass"),
        ("unknown=tag", "pass"),
        (f"t={NOW}; x={NOW + 1}", "pass"),
        (f"l={WHOLE + 1}", "fail"),
        (f"l={WHOLE}", "pass"),
        (f"l={WHOLE - 1}", "policy"),
        ("l=0", "policy"),
        ("l=" + "9" * 76, "fail"),
    ],
)
def test_tags(more: str, result: str) -> None:
    assert results(hand_signed(more)) == [result]


@pytest.mark.parametrize(
    "more",
    [
        "v=2",
        "v=",
        "a=rsa-sha1",
        "a=ed25519-sha1",
        "c=loose",
        "c=relaxed/relaxed/relaxed",
        "d=",
        "d=-example.test",
        "d=example..test",
        f"d={'a' * 64}.test",
        f"s={'a.' * 120}a",
        "s=a b",
        "h=",
        "h=To:Subject",
        "h=From:T o:\x01",
        "h=From::To",
        "h=From:\u212a",
        "h=From" + ":x" * 600,
        "i=ada@example.org",
        "i=ada@notexample.test",
        "i=example.test",
        "q=dns",
        "l=-1",
        "l=1a",
        "l=" + "1" * 77,
        "t=now",
        "x=1; t=2",
        "x=2; t=2",
        "bh=AAAA",
        "bh=*",
    ],
)
def test_signatures_that_are_none(more: str) -> None:
    with pytest.raises(BadSignature) as caught:
        hand_signed(more)
    assert str(caught.value).isascii()


@pytest.mark.parametrize("tag", ["v", "a", "b", "bh", "d", "h", "s"])
def test_required_tags(tag: str) -> None:
    tags = read_tags(Fields(signed()).fields[0])
    del tags[tag]
    with pytest.raises(BadSignature):
        read_dkim(tags, 0)


def test_times() -> None:
    ((_, each),) = read(hand_signed(f"t={NOW}; x={NOW + 60}"))
    assert check_time(each, NOW) == check_time(each, NOW + 60) == ""
    assert check_time(each, NOW + 61) == "the signature expired"
    assert check_time(each, NOW - 15 * 3600) == "the signature is of the future"


def test_the_signature_is_taken_out_of_its_own_field_and_nothing_else() -> None:
    field = b"DKIM-Signature: b = AAA\r\n BBB ; bh=CCC; h=from:b=x; xb=D"
    assert without_value(field) == b"DKIM-Signature: b =; bh=CCC; h=from:b=x; xb=D"
    assert without_value(b"D: a=1;\r\n\tb=A") == b"D: a=1;\r\n\tb="


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("p", "invalid key record"),
        ("v=DKIM1; k=rsa", "no key"),
        ("v=DKIM2; p=QQ==", "another version"),
        ("p=QQ==; v=DKIM1", "another version"),
        ("k=dsa; p=QQ==", "unknown kind"),
        ("h=sha1; p=QQ==", "SHA-256"),
        ("s=tlsrpt; p=QQ==", "not for mail"),
        ("p=", "revoked"),
        ("p=*", "base64"),
        ("p=" + "A" * 1400, "longer than"),
    ],
)
def test_key_records_that_are_none(text: str, reason: str) -> None:
    with pytest.raises(BadKey, match=reason):
        parse_key(text)


def test_key_records() -> None:
    record = parse_key("p=Q U\r\n E=; t=y : s; h=sha1:sha256; s=other:email; n=note; g=*")
    assert (record.kind, record.public) == ("rsa", b"AA")
    assert record.testing
    assert record.strict
    assert not parse_key("v=DKIM1; p=QUE=; s=*").testing


def test_a_strict_key_is_not_for_subdomains() -> None:
    ((fields, each),) = read(hand_signed("i=@mail.example.test"))
    assert verify(fields, each, parse_key(rsa_record(rsa_key(), " t=s;")))[0] == "permerror"
    assert verify(fields, each, parse_key(rsa_record(rsa_key(), " t=y;")))[0] == "pass"


def test_a_key_of_another_kind_is_no_key_for_the_signature() -> None:
    fields, each = read(signed())[0]
    record = parse_key(texts()[f"e._domainkey.{DOMAIN}"])
    assert verify(fields, each, record) == ("permerror", "the key is of another kind")


@pytest.mark.parametrize(
    ("bits", "result"), [(1024, "pass"), (512, "policy"), (1016, "policy"), (4096, "pass")]
)
def test_rsa_keys_have_1024_to_4096_bits(bits: int, result: str) -> None:
    # RFC 8301 3.2. What is too small for cryptography to make is made here by hand.
    key = rsa_key(1024) if bits < 1024 else rsa_key(bits)
    ((fields, each),) = read(hand_signed("", signer=Signer("rsa-sha256", DOMAIN, "r", key)))
    record = parse_key(rsa_record(key) if bits >= 1024 else rsa_numbers(bits, 65537))
    assert verify(fields, each, record)[0] == result


def rsa_numbers(bits: int, exponent: int) -> str:
    """The record of a key of any size that nobody has the private part of."""
    modulus = (1 << (bits - 1)) | 1

    def integer(value: int) -> bytes:
        octets = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return b"\x02" + length(octets) + octets

    def length(octets: bytes) -> bytes:
        count = len(octets)
        if count < 128:
            return bytes([count])
        written = count.to_bytes((count.bit_length() + 7) // 8, "big")
        return bytes([0x80 | len(written)]) + written

    inner = integer(modulus) + integer(exponent)
    return "p=" + base64.b64encode(b"\x30" + length(inner) + inner).decode()


@pytest.mark.parametrize(
    ("bits", "exponent"), [(4104, 65537), (8000, 65537), (16384, 3), (2048, (1 << 2000) + 1)]
)
def test_keys_that_cost_more_than_they_protect(bits: int, exponent: int) -> None:
    with pytest.raises(WeakKey):
        opened(rsa_numbers(bits, exponent))


def opened(text: str) -> None:
    record = parse_key(text)
    open_public(record.kind, record.public)


def test_keys_that_are_no_keys() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = elliptic.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for kind, public in (("rsa", der), ("rsa", b"x"), ("ed25519", b"x" * 31), ("ed25519", der)):
        with pytest.raises(BadKey):
            open_public(kind, public)


def test_the_bare_form_of_an_rsa_key_is_read_too() -> None:
    # RFC 6376 3.6.1 names RSAPublicKey; everybody publishes SubjectPublicKeyInfo.
    key = rsa_key()
    bare = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.PKCS1
    )
    ready = open_public("rsa", bare)
    assert isinstance(ready, rsa.RSAPublicKey)
    assert ready.public_numbers() == key.public_key().public_numbers()


def test_a_key_that_cannot_be_read_is_a_permanent_error() -> None:
    ((fields, each),) = read(hand_signed(""))
    found = verify(fields, each, parse_key("k=rsa; p=QUFB"))
    assert found == ("permerror", "the key cannot be read")


def test_a_message_without_signers_gets_no_signature() -> None:
    assert sign(Fields(MESSAGE), [], NOW) == b""


@given(st.binary(max_size=200), st.sampled_from([b"", b" v=1; a=rsa-sha256; d=a.test; s=x;"]))
def test_fields_of_any_content_are_read_or_refused(value: bytes, start: bytes) -> None:
    fields = Fields(b"DKIM-Signature:" + start + value + b"\r\n\r\n")
    said = ""
    for place in fields.places(FIELD):
        try:
            read_dkim(read_tags(fields.fields[place]), place)
        except BadSignature as error:
            said += str(error)
    assert re.fullmatch(r"[ -~]*", said)


@given(st.text(max_size=200))
def test_records_of_any_content_are_read_or_refused(text: str) -> None:
    said = ""
    for each in (text, f"v=DKIM1; {text}", f"k=ed25519; p={text}"):
        try:
            opened(each)
        except BadKey as error:
            said += str(error)
    assert re.fullmatch(r"[ -~]*", said)
