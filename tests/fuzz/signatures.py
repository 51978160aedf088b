"""What holds for any signature field, key record and chain."""

from __future__ import annotations

from tests.formats.mailauth.vectors import BOTH, BOTH_KEYS
from workpost.formats.mailauth.arc import read_chain, verify_chain
from workpost.formats.mailauth.canonical import RELAXED, SIMPLE, Fields
from workpost.formats.mailauth.dkim import FIELD, check_time, read_dkim, verify
from workpost.formats.mailauth.keys import BadKey, KeyRecord, open_public, parse_key
from workpost.formats.mailauth.signature import BadSignature, read_tags

NOW = 1_528_637_909
_KEYS = {
    f"{selector}._domainkey.football.example.com": parse_key(text)
    for selector, text in BOTH_KEYS.items()
}
_SIGNED = Fields(BOTH)
_FROM = _SIGNED.field(_SIGNED.places(b"from")[0], RELAXED)


def dkim_messages(data: bytes) -> None:
    """A signature that passes is one over the example's own text."""
    fields = Fields(data)
    for form in (SIMPLE, RELAXED):
        assert len(fields.body(form)) <= len(data) + 2
    for place in fields.places(FIELD)[:10]:
        try:
            signature = read_dkim(read_tags(fields.fields[place]), place)
        except BadSignature as error:
            assert str(error).isascii()
            continue
        check_time(signature, NOW)
        record = _KEYS.get(signature.key_name)
        if record is not None and verify(fields, signature, record)[0] == "pass":
            assert fields.field(fields.places(b"from")[-1], RELAXED) == _FROM
            assert fields.body(RELAXED) == _SIGNED.body(RELAXED)


def arc_chains(data: bytes) -> None:
    """A chain is read or refused; without the keys that made it none passes."""
    fields = Fields(data)
    try:
        chain = read_chain(fields)
    except BadSignature as error:
        assert str(error).isascii()
        return
    if chain:
        keys: dict[str, KeyRecord] = {
            each.seal.key_name: next(iter(_KEYS.values())) for each in chain
        }
        keys |= {each.message.key_name: next(iter(_KEYS.values())) for each in chain}
        assert verify_chain(fields, chain, keys, NOW).result == "fail"


def key_records(data: bytes) -> None:
    """A record is a key or none."""
    try:
        record = parse_key(data.decode("utf-8", "replace"))
        open_public(record.kind, record.public)
    except BadKey as error:
        assert str(error).isascii()


MESSAGES = [BOTH, BOTH.replace(b"DKIM-Signature: v=1;", b"DKIM-Signature: v=1; l=20; x=9;")]
CHAINS = [
    b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.test; s=r; t=1; b=QQ==\r\n"
    b"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; s=r; h=from:to;\r\n"
    b"\tbh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=QQ==\r\n"
    b"ARC-Authentication-Results: i=1; mx.a.test; spf=pass\r\nFrom: ada@a.test\r\n\r\nx\r\n"
]
RECORDS = [text.encode() for text in BOTH_KEYS.values()]
