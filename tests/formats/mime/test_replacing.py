"""What may be put in the place of a message in transit."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mime.replacing import (
    IMMUTABLE,
    REFUSED_TYPES,
    UNIQUE,
    ReplacementRefused,
    check_replacement,
    mend_line_ends,
)

HEADER = (
    b"Received: from mx.elsewhere.example (mx.elsewhere.example [192.0.2.1])\r\n"
    b"\tby mail.demo.test with ESMTPS id 1; Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    b"Authentication-Results: mail.demo.test; spf=pass smtp.mailfrom=elsewhere.example;"
    b" dkim=pass header.d=elsewhere.example; dmarc=pass\r\n"
    b"From: =?utf-8?q?Gr=C3=A1ce?= <grace@elsewhere.example>\r\n"
    b"Sender: office@elsewhere.example\r\n"
    b'To: ada@demo.test, "Babbage, C." <charles@demo.test>\r\n'
    b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    b"Message-ID: <1@elsewhere.example>\r\n"
    b"Subject: Hello\r\n"
)
PLAIN = HEADER + b"\r\nHow are you?\r\n"


def multipart(name: str = "notes.txt", *, end: bytes = b"--b--\r\n") -> bytes:
    return (
        HEADER + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\n\r\nHow are you?\r\n--b\r\nContent-Type: application/octet-stream\r\n"
        b'Content-Disposition: attachment; filename="' + name.encode() + b'"\r\n\r\nx\r\n' + end
    )


def why(content: bytes, original: bytes = PLAIN, *, outgoing: bool = False) -> str:
    """The reason of a refusal, "" for none."""
    try:
        check_replacement(original, content, outgoing=outgoing)
    except ReplacementRefused as error:
        return str(error)
    return ""


def changed(old: bytes, new: bytes, message: bytes = PLAIN) -> bytes:
    assert old in message
    return message.replace(old, new)


def test_subject_body_and_recipients_may_change() -> None:
    content = changed(b"Subject: Hello", b"Subject: [outside] Hello\r\nX-Tag: 1")
    content = content.replace(b"ada@demo.test", b"others@demo.test") + b"\r\nA disclaimer.\r\n"
    assert why(content) == ""
    assert why(content, outgoing=True) == ""


@pytest.mark.parametrize("policy", [email.policy.compat32, email.policy.default, email.policy.SMTP])
@pytest.mark.parametrize("raw", [PLAIN, multipart()])
def test_what_pythons_library_writes_again_is_accepted(
    policy: email.policy.Policy[EmailMessage], raw: bytes
) -> None:
    message = email.message_from_bytes(raw, policy=policy)
    del message["Subject"]
    message["Subject"] = "[outside] Hello"
    content = mend_line_ends(message.as_bytes())
    assert content != raw
    assert why(content, raw) == ""
    assert why(content, raw, outgoing=True) == ""


def test_what_is_not_changed_is_accepted_whatever_it_is() -> None:
    broken = b"no field\r\n" + multipart("virus.exe", end=b"") + b"x" * 2000 + b"\r\n"
    assert why(broken, broken) == ""
    assert why(broken + b"x\r\n", broken) != ""


# --- lines ---------------------------------------------------------------------------------------


def test_lines_have_at_most_1000_characters_with_their_ends() -> None:
    assert why(PLAIN + b"x" * 998 + b"\r\n") == ""
    assert why(PLAIN + b"x" * 999 + b"\r\n") == "A line of the message exceeds 1000 characters."
    assert "1000" in why(b"X-Long: " + b"x" * 999 + b"\r\n" + PLAIN)


def test_line_ends_are_mended() -> None:
    assert mend_line_ends(b"a\nb\r\nc") == b"a\r\nb\r\nc\r\n"
    assert mend_line_ends(b"") == b"\r\n"


@given(st.binary(max_size=60))
def test_mended_content_has_no_other_line_ends_and_stays_so(raw: bytes) -> None:
    try:
        mended = mend_line_ends(raw)
    except ReplacementRefused:
        assert b"\0" in raw or re.search(rb"\r(?!\n)", raw)
        return
    assert mended.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", mended)
    assert mend_line_ends(mended) == mended
    assert mended.replace(b"\r\n", b"\n").rstrip(b"\n") == raw.replace(b"\r\n", b"\n").rstrip(b"\n")


# --- fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["From", "Date"])
def test_required_fields(name: str) -> None:
    content = re.sub(rb"(?m)^%b: .*\r\n" % name.encode(), b"", PLAIN)
    assert why(content) == f"The required header {name} is missing."
    # What the original does not have is not asked for.
    assert why(content + b"x\r\n", content) == ""


@pytest.mark.parametrize("name", UNIQUE)
def test_unique_fields(name: str) -> None:
    field = f"{name}: 7bit\r\n".encode()
    twice = field + field.lower() + PLAIN
    assert f"The header {name} can only appear once." in why(twice)
    assert why(twice + b"x\r\n", twice) == ""


@pytest.mark.parametrize("name", IMMUTABLE)
def test_immutable_fields(name: str) -> None:
    had = b"%b: one\r\n" % name.encode() + HEADER + b"\r\n"
    unchanged = f"The value of the header {name} must remain unchanged."
    if name == "Message-ID":
        had = PLAIN
        assert why(changed(b"<1@", b"<2@"), PLAIN) == unchanged
    else:
        assert why(changed(b": one", b": two", had), had) == unchanged
        assert why(b"%b: more\r\n" % name.encode() + had, had) == unchanged
    dropped = had.replace(b"Message-ID: <1@elsewhere.example>\r\n", b"").replace(
        b"%b: one\r\n" % name.encode(), b""
    )
    assert "must remain unchanged" in why(dropped, had)


@pytest.mark.parametrize("name", ["From", "Sender"])
def test_who_sends_is_immutable_on_the_way_out(name: str) -> None:
    content = re.sub(
        rb"(?m)^%b: .*\r\n" % name.encode(), b"%b: x@demo.test\r\n" % name.encode(), PLAIN
    )
    assert why(content) == ""
    assert why(content, outgoing=True) == (f"The value of the header {name} must remain unchanged.")


def test_a_sender_cannot_be_added_on_the_way_out() -> None:
    without = changed(b"Sender: office@elsewhere.example\r\n", b"")
    assert "Sender" in why(PLAIN, without, outgoing=True)


def test_lines_that_are_no_fields_are_refused() -> None:
    assert "'From grace Thu'" in why(b"From grace Thu\r\n" + PLAIN)
    assert "no field" in why(b" folded\r\n" + PLAIN)
    assert "no field" in why(b"Sub ject: x\r\n" + PLAIN)
    assert "no field" in why(b": x\r\n" + PLAIN)
    broken = b"no field\r\n" + PLAIN
    assert why(broken + b"x\r\n", broken) == ""


def test_a_header_has_its_limits() -> None:
    long = b"".join(b"X-%d: %b\r\n" % (n, b"x" * 900) for n in range(300))
    assert "exceeds 262144 bytes" in why(long + PLAIN)


def test_a_content_says_nothing_new_of_who_has_sent_it_on() -> None:
    redirected = b"Resent-From: ada@demo.test\r\n" + PLAIN
    assert "Resent-*" in why(redirected)
    assert why(redirected + b"x\r\n", redirected) == ""
    assert why(PLAIN, redirected) == ""
    assert "Resent-*" in why(b"Resent-From: ada@demo.test\r\n" + redirected, redirected)
    assert "Resent-*" in why(b"Resent-From: eve@demo.test\r\n" + PLAIN, redirected)


# --- parts ---------------------------------------------------------------------------------------


def test_multiparts_are_well_formed() -> None:
    assert why(multipart()) == ""
    assert why(multipart(end=b"--b--") + b"\r\nepilogue\r\n") == ""
    for content in (
        multipart(end=b""),
        multipart(end=b"--c--\r\n"),
        multipart(end=b"--b\r\n"),
        changed(b'; boundary="b"', b"", multipart()),
        changed(b'boundary="b"', b'boundary="c"', multipart()),
    ):
        assert "multipart/mixed" in why(content)


def test_parts_within_parts_are_well_formed() -> None:
    inner = b'Content-Type: multipart/alternative; boundary="i"\r\n\r\n--i\r\n\r\nx\r\n'
    outer = changed(b"--b\r\n\r\nHow", b"--b\r\n" + inner + b"--i--\r\n--b\r\n\r\nHow", multipart())
    assert why(outer) == ""
    assert "multipart/alternative does not end" in why(outer.replace(b"--i--\r\n", b""))
    attached = b"Content-Type: message/rfc822\r\n\r\n" + inner
    nested = changed(b"--b\r\n\r\nHow", b"--b\r\n" + attached + b"--b\r\n\r\nHow", multipart())
    assert "multipart/alternative does not end" in why(nested)


def test_a_part_may_be_empty() -> None:
    content = changed(b"--b\r\n\r\nHow are you?\r\n", b"--b\r\n", multipart())
    assert why(content) == ""
    head = HEADER + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    assert why(head + b"--b\r\n--b--\r\n") == ""
    assert why(head + b"--b\r\n\r\n--b--\r\n") == ""


def test_multiparts_are_not_encoded() -> None:
    base64 = b"Content-Transfer-Encoding: base64\r\nMIME-Version"
    assert "cannot have the encoding 'base64'" in why(changed(b"MIME-Version", base64, multipart()))
    seven = b"Content-Transfer-Encoding: 7BIT\r\nMIME-Version"
    assert why(changed(b"MIME-Version", seven, multipart())) == ""


@pytest.mark.parametrize("name", ["setup.exe", "SETUP.Exe", "a.tar.js", "x.ps1xml", "trick.exe. "])
def test_attachments_that_are_refused(name: str) -> None:
    ending = name.rstrip(" .").rpartition(".")[2].lower()
    assert why(multipart(name)) == f"Attachments of the type .{ending} are not allowed."


def test_encoded_names_of_attachments_are_read() -> None:
    content = changed(b'filename="notes.txt"', b"filename*=utf-8''n%C3%B6.e%78e", multipart())
    assert ".exe" in why(content)
    content = changed(b"octet-stream", b"octet-stream; name=a.bat", multipart())
    content = changed(b'; filename="notes.txt"', b"", content)
    assert ".bat" in why(content)


@given(st.sampled_from(["", "exe", "a.exe.txt", "a.exes", "exe.", "a..", "résumé.pdf"]))
def test_other_attachments_are_taken(name: str) -> None:
    assert name.rpartition(".")[2] not in REFUSED_TYPES or "." not in name
    assert why(multipart(name)) == ""


@given(st.binary(max_size=200), st.integers(0, len(multipart())), st.booleans())
def test_any_bytes_are_judged(junk: bytes, at: int, outgoing: bool) -> None:
    original = multipart()
    try:
        content = mend_line_ends(original[:at] + junk + original[at:])
    except ReplacementRefused:
        return
    reason = why(content, original, outgoing=outgoing)
    if not reason:
        parsed = email.message_from_bytes(content, policy=email.policy.compat32)
        assert parsed["Message-ID"] == "<1@elsewhere.example>"
        assert max(len(line) for line in content.split(b"\r\n")) <= 998
