"""RFC 5322 3.6.3: Bcc goes to nobody; everything else stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mime.blind import drop_blind_copies

BODY = b"\r\nBcc: in the body\r\n"


def drop(header: bytes) -> bytes:
    return drop_blind_copies(header + BODY).removesuffix(BODY)


@pytest.mark.parametrize(
    "field",
    [
        b"Bcc: eve@far.test\r\n",
        b"BCC:\r\n",
        b"bcc : eve@far.test\r\n",
        b"Bcc: eve@far.test,\r\n dora@far.test,\r\n\tcarl@far.test\r\n",
        b"Resent-Bcc: eve@far.test\r\n",
    ],
)
def test_blind_copies_go_with_their_folded_lines(field: bytes) -> None:
    before, after = b"From: ada@a.test\r\n", b"To: bob@b.test\r\n\tX: folded\r\n"
    assert drop(before + field + after) == before + after
    assert drop(field + before + field) == before
    assert drop_blind_copies(before + field[:-2]) == before


@pytest.mark.parametrize(
    "field", [b"X-Bcc: 1\r\n", b"Subject: x\r\n bcc: folded\r\n", b"Bccs: 1\r\n", b"Bcc\r\n"]
)
def test_what_only_looks_like_one_stays(field: bytes) -> None:
    raw = field + BODY
    assert drop_blind_copies(raw) is raw


@pytest.mark.parametrize("raw", [b"\r\nBcc: in the body\r\n\r\n", b"To: a\n\nBcc: b\r\n\r\n"])
def test_a_body_stays_whatever_follows_its_lines(raw: bytes) -> None:
    assert drop_blind_copies(raw) is raw


def test_the_attached_message_keeps_its_own() -> None:
    attached = b"--b\r\nContent-Type: message/rfc822\r\n\r\nBcc: eve@far.test\r\n\r\n--b--\r\n"
    header = b'Content-Type: multipart/mixed; boundary="b"\r\n'
    assert drop_blind_copies(header + b"Bcc: x\r\n\r\n" + attached) == header + b"\r\n" + attached


@given(st.lists(st.sampled_from([b"Bcc: a\r\n", b" bcc: b\r\n", b"To: c\r\n", b"\tBcc:\r\n"])))
def test_of_any_header_the_other_fields_stay_in_their_order(lines: list[bytes]) -> None:
    kept, blind = [], False
    for line in lines:
        blind = line.startswith(b"Bcc") or (blind and line[:1] in b" \t")
        if not blind:
            kept.append(line)
    assert drop(b"".join(lines)) == b"".join(kept)
