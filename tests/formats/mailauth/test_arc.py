"""ARC chains, as RFC 8617 has them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.signers import MESSAGE, NOW, ed25519_signer, messages, rsa_signer, texts
from workpost.formats.mailauth.arc import (
    MOST_SETS,
    NONE,
    Verified,
    payload,
    read_chain,
    seal,
    verify_chain,
)
from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import PASS
from workpost.formats.mailauth.keys import KeyRecord, parse_key
from workpost.formats.mailauth.signature import BadSignature

RESULTS = b"mx.example.test; spf=pass;\r\n\tdkim=pass header.d=example.test"


def keys() -> dict[str, KeyRecord]:
    return {name: parse_key(text) for name, text in texts().items()}


def sealed(message: bytes = MESSAGE, times: int = 1) -> bytes:
    for _ in range(times):
        fields = Fields(message)
        validation = PASS if fields.places(b"arc-seal") else NONE
        message = seal(fields, rsa_signer(), RESULTS, validation, NOW) + message
    return message


def verified(message: bytes, now: int = NOW) -> Verified:
    fields = Fields(message)
    return verify_chain(fields, read_chain(fields), keys(), now)


def test_a_message_without_sets_has_no_chain() -> None:
    assert read_chain(Fields(MESSAGE)) == []


@pytest.mark.parametrize("times", [1, 2, 7, MOST_SETS])
def test_what_we_seal_passes(times: int) -> None:
    message = sealed(times=times)
    assert verified(message) == Verified(PASS, 0)
    fields = Fields(message)
    told = [payload(fields, each) for each in read_chain(fields)]
    assert told == [b"mx.example.test; spf=pass; dkim=pass header.d=example.test"] * times
    assert [each.seal.domain for each in read_chain(fields)] == ["example.test"] * times


@given(messages())
@settings(max_examples=40)
def test_any_message_that_we_seal_passes(message: bytes) -> None:
    assert verified(sealed(message, 2)) == Verified(PASS, 0)


def test_our_fields_have_short_lines() -> None:
    head = sealed(times=3).partition(b"From:")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78


def test_the_oldest_pass_tells_since_when_nobody_changed_the_message() -> None:
    # A list changes the subject and seals again.
    changed = sealed(sealed(times=2).replace(b"Subject: Two", b"Subject: [list] Two"), 2)
    assert verified(changed) == Verified(PASS, 3)


def test_a_change_after_the_last_seal_breaks_the_chain() -> None:
    message = sealed(times=2)
    for old, new in (
        (b"Grace.", b"Grase."),
        (b"Subject: Two", b"Subject: One"),
        (b"spf=pass", b"spf=fail"),
    ):
        assert verified(message.replace(old, new)).result == "fail"
    assert verified(b"Received: from a by b\r\n" + message).result == PASS


def test_a_chain_without_its_newest_set_is_that_of_the_message_before() -> None:
    one, two = sealed(), sealed(times=2)
    assert two.endswith(one)
    assert verified(two[-len(one) :]).result == PASS


def _lines(message: bytes) -> list[bytes]:
    return re.split(rb"\r\n(?![ \t])", message)


@pytest.mark.parametrize("left_out", range(6))
def test_a_chain_lacks_nothing(left_out: int) -> None:
    lines = _lines(sealed(times=2))
    del lines[left_out]
    with pytest.raises(BadSignature):
        read_chain(Fields(b"\r\n".join(lines)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"i=2", b"i=3"),
        (rb"i=2", b"i=1"),
        (rb"i=2", b"i=0"),
        (rb"i=2", b"i=x"),
        (rb"i=2", b"j=2"),
        (rb"cv=none", b"cv=pass"),
        (rb"cv=pass", b"cv=fail"),
        (rb"cv=pass", b"cv=none"),
        (rb"cv=pass", b"cv=other"),
        (rb"cv=pass;", b""),
        (rb"cv=pass", b"cv=pass; h=from"),
        (rb"cv=pass", b"cv=pass; bh=AAAA"),
        (rb"h=from:from:", b"h=to:"),
        (rb"h=from:", b"h=from:arc-seal:"),
        (rb"a=rsa-sha256", b"a=rsa-sha1"),
    ],
)
def test_chains_that_are_none(old: bytes, new: bytes) -> None:
    message, count = re.subn(old, new, sealed(times=2))
    assert count
    with pytest.raises(BadSignature) as caught:
        read_chain(Fields(message))
    assert str(caught.value).isascii()


def test_fifty_sets_are_the_most() -> None:
    message = sealed(times=MOST_SETS)
    with pytest.raises(BadSignature):
        sealed(message)
    more = [line.replace(b"i=50", b"i=51") for line in _lines(message)[:3]]
    with pytest.raises(BadSignature):
        read_chain(Fields(b"\r\n".join([*more, message])))


def test_a_seal_says_the_truth_of_what_is_there() -> None:
    for message, validation in ((MESSAGE, PASS), (sealed(), NONE), (sealed(), "fail")):
        with pytest.raises(BadSignature):
            seal(Fields(message), rsa_signer(), RESULTS, validation, NOW)


def test_keys_that_are_not_there() -> None:
    fields = Fields(sealed(times=2))
    chain = read_chain(fields)
    assert verify_chain(fields, chain, {}, NOW).reason == "instance 2: there is no key"


def test_an_older_message_signature_without_its_key_only_ends_the_oldest_pass() -> None:
    one = seal(Fields(MESSAGE), ed25519_signer(), RESULTS, NONE, NOW) + MESSAGE
    fields = Fields(sealed(one))
    (first, second) = read_chain(fields)
    assert verify_chain(fields, [first, second], keys(), NOW) == Verified(PASS, 0)
    only = {second.seal.key_name: keys()[second.seal.key_name]}
    found = verify_chain(fields, [first, second], only, NOW)
    assert found.result == "fail"
    assert found.reason == "seal 1: there is no key"


def test_a_seal_of_the_future() -> None:
    assert (
        verified(sealed(), NOW - 20 * 3600).reason == "instance 1: the signature is of the future"
    )


@given(st.lists(st.sampled_from(_lines(sealed(times=2))[:6]), max_size=8), st.binary(max_size=30))
def test_sets_in_any_order_and_number_are_read_or_refused(lines: list[bytes], more: bytes) -> None:
    fields = Fields(b"\r\n".join([*lines, b"ARC-Seal: i=1; " + more, MESSAGE]))
    try:
        chain = read_chain(fields)
    except BadSignature:
        return
    assert verify_chain(fields, chain, keys(), NOW).result == "fail"
