"""Journal reports as Exchange makes them: who sent what to whom, and the message as it was.

A report has two parts: lines for archives to read (`Sender:`, `Subject:`, `Message-Id:` and one
for each recipient, by the field that names it), and the original as message/rfc822. The empty field
X-MS-Journal-Report is what archives know it by.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP

from workpost.formats.dates import format_date
from workpost.formats.mailauth.canonical import RELAXED, SIMPLE, Fields
from workpost.formats.mime.foreign import one_line, recipient

_OWN = frozenset((
    *(b"date", b"from", b"to", b"subject", b"x-ms-journal-report", b"auto-submitted"),
    *(b"mime-version", b"content-transfer-encoding", b"content-type"),
))  # fmt: skip
"""The fields of a report beside its Message-ID, each at most once."""
_TRACE = frozenset((
    *(b"return-path", b"received", b"received-spf", b"delivered-to", b"x-original-to"),
    *(b"authentication-results", b"dkim-signature", b"arc-seal", b"arc-message-signature"),
    b"arc-authentication-results",
))  # fmt: skip
"""Fields that hosts on the way put on top, which mail programs do not show."""
_SCAN = b"x-workpost-scan"
"""Ours, put on top once when it comes back."""
MAX_TRACE = 64 * 1024
"""Bytes of such fields together."""
_BARE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")
"""What ends a line for many programs: behind it more fields, and a body, could be shown."""
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]+")

Recipient = tuple[str, str]
"""(`To`, `Cc`, `Bcc` or `Recipient`, where the message does not tell; address)."""


def compose_journal(
    *,
    from_: str,
    to: str,
    epoch: float,
    message_id: str,
    sender: str,
    on_behalf: str,
    subject: str,
    original_id: str,
    recipients: Sequence[Recipient],
    original: bytes,
) -> bytes:
    """Return a report with CRLF line ends; ids without angle brackets.

    `from_` and `to` are addresses in ASCII that RFC 5321 allows; what else came with the message
    may be anything. `on_behalf` is the author that `sender` has written for, "" for none.
    """
    head = EmailMessage(policy=SMTP)
    head["Date"] = format_date(epoch)
    head["From"] = from_
    head["To"] = recipient(to)
    head["Subject"] = one_line(subject)
    head["Message-ID"] = f"<{message_id}>"
    head["X-MS-Journal-Report"] = ""
    head["Auto-Submitted"] = "auto-generated"
    head["MIME-Version"] = "1.0"
    lines = [f"Sender: {_line(sender)}"]
    if on_behalf:
        lines.append(f"On-Behalf-Of: {_line(on_behalf)}")
    lines += [f"Subject: {_line(subject)}", f"Message-Id: <{_line(original_id)}>"]
    lines += [f"{field}: {_line(address)}" for field, address in recipients]
    said = EmailMessage(policy=SMTP)
    text = "\n".join(lines) + "\n"
    short = text.isascii() and max(map(len, lines)) < 900
    said.set_content(text, cte="7bit" if short else "base64")
    del said["MIME-Version"]
    boundary = "=_" + hashlib.sha256(message_id.encode() + original).hexdigest()[:32]
    header, _, _ = original.partition(b"\r\n\r\n")
    kind = b"message/rfc822" if header.isascii() else b"message/global"
    eight = b"" if original.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    mark = b"--" + boundary.encode()
    return b"".join(
        (
            head.as_bytes().removesuffix(b"\r\n"),
            eight,
            b'Content-Type: multipart/mixed; boundary="' + boundary.encode() + b'"\r\n\r\n',
            mark + b"\r\n" + said.as_bytes() + b"\r\n",
            mark + b"\r\nContent-Type: " + kind + b"\r\n" + eight + b"\r\n" + original + b"\r\n",
            mark + b"--\r\n",
        )
    )


def digest_of(report: bytes) -> bytes | None:
    """A digest of what a report holds, but for its Message-ID and what hosts on its way add.

    None for a message with a field that no report has, or has twice: it is none.
    """
    header = Fields(report)
    own: dict[bytes, bytes] = {}
    ids = scans = trace = 0
    for number, field in enumerate(header.fields):
        name, colon, _ = field.partition(b":")
        name = name.rstrip(b" \t").lower()
        if name == b"message-id":
            ids += 1
            trace += len(field)
        elif colon and name in _OWN and name not in own:
            own[name] = header.field(number, RELAXED)
        elif colon and (name in _TRACE or name == _SCAN):
            trace += len(field)
            scans += name == _SCAN
        else:
            return None
        if name not in own and _BARE_END.search(field):
            return None
    if ids != 1 or scans > 1 or trace > MAX_TRACE:
        return None
    whole = hashlib.sha256(b"\r\n".join(own[name] for name in sorted(own)) + b"\r\n\r\n")
    whole.update(header.body(SIMPLE))
    return whole.digest()


def _line(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode()
    return " ".join(_UNPRINTED.sub(" ", whole).split())
