"""Messages that a mailbox sends by itself: answers, notices, refusals (RFC 3834, 5230, 5436, 8098).

Each says so in Auto-Submitted; the null sender belongs into the envelope, not here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from workpost.formats.dates import format_date
from workpost.formats.mime.foreign import UNDISCLOSED, is_id, one_line, person, recipient

REPLIED = "auto-replied"
NOTIFIED = "auto-notified"


def compose_answer(
    *,
    from_: tuple[str, str],
    to: Sequence[str],
    subject: str,
    epoch: float,
    message_id: str,
    text: str,
    mime: bool = False,
    kind: str = REPLIED,
    answers: str = "",
    references: Sequence[str] = (),
    fields: Sequence[tuple[str, str]] = (),
) -> bytes:
    """A message with CRLF line ends. With `mime`, `text` is a MIME entity with its own header.

    `answers` and `references` are message ids without brackets. Raises ValueError for an address or
    a MIME entity that fits in no message.
    """
    message = _entity(text) if mime else EmailMessage(policy=SMTP)
    if not mime:
        message.set_content(text, cte="7bit" if _is_plain(text) else "quoted-printable")
    head = EmailMessage(policy=SMTP)
    head["Date"] = format_date(epoch)
    head["From"] = person(*from_)
    head["To"] = _recipients(to)
    head["Subject"] = one_line(subject)
    head["Message-ID"] = f"<{message_id}>"
    if is_id(answers):
        head["In-Reply-To"] = f"<{answers}>"
        known = [one for one in references if is_id(one) and one != answers][-20:]
        head["References"] = " ".join(f"<{one}>" for one in [*known, answers])
    head["Auto-Submitted"] = one_line(kind)
    for name, value in fields:
        head[name] = one_line(value)
    if "MIME-Version" not in message:
        head["MIME-Version"] = "1.0"
    try:
        return bytes(head).removesuffix(b"\r\n") + bytes(message)
    except (MessageError, UnicodeError, LookupError) as error:
        raise ValueError(str(error)) from None


def compose_refusal(
    *,
    from_: tuple[str, str],
    to: str,
    subject: str,
    epoch: float,
    message_id: str,
    text: str,
    reporting: str,
    recipient: str,
    original_id: str,
) -> bytes:
    """A message disposition notification that says "deleted" (RFC 8098 3, RFC 5429 2.2)."""
    said = EmailMessage(policy=SMTP)
    said.set_content(text, cte="7bit" if _is_plain(text) else "quoted-printable")
    del said["MIME-Version"]
    lines = [
        f"Reporting-UA: {reporting}; Workpost",
        f"Final-Recipient: rfc822; {one_line(recipient)}",
    ]
    if is_id(original_id):
        lines.append(f"Original-Message-ID: <{original_id}>")
    lines.append("Disposition: automatic-action/MDN-sent-automatically; deleted")
    boundary = f"=_mdn_{_UNSAFE.sub('', message_id)[:40]}"
    body = b"".join(
        [
            f"--{boundary}\r\n".encode(),
            bytes(said),
            f"\r\n--{boundary}\r\nContent-Type: message/disposition-notification\r\n\r\n".encode(),
            "".join(f"{line}\r\n" for line in lines).encode(),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )
    head = EmailMessage(policy=SMTP)
    head["Date"] = format_date(epoch)
    head["From"] = person(*from_)
    head["To"] = _recipients([to])
    head["Subject"] = one_line(subject)
    head["Message-ID"] = f"<{message_id}>"
    if is_id(original_id):
        head["In-Reply-To"] = f"<{original_id}>"
        head["References"] = f"<{original_id}>"
    head["Auto-Submitted"] = REPLIED
    head["MIME-Version"] = "1.0"
    kind = (
        'Content-Type: multipart/report; report-type="disposition-notification";\r\n'
        f' boundary="{boundary}"\r\n\r\n'
    )
    return bytes(head).removesuffix(b"\r\n") + kind.encode() + body


_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


def _entity(text: str) -> EmailMessage:
    """The MIME entity of `vacation :mime`; its fields other than Content-* are left out."""
    octets = "\r\n".join(text.splitlines()).encode() + b"\r\n"
    # Folding anew would decode what a script's variables have brought from strangers.
    kept = SMTP.clone(refold_source="none")
    made: EmailMessage = message_from_bytes(octets, _class=EmailMessage, policy=kept)
    for name in list(made.keys()):
        if not name.lower().startswith("content-") and name.lower() != "mime-version":
            del made[name]
    if "Content-Type" not in made:
        made["Content-Type"] = 'text/plain; charset="utf-8"'
    if not text.isascii() and "Content-Transfer-Encoding" not in made:
        made["Content-Transfer-Encoding"] = "8bit"
    return made


def _recipients(to: Sequence[str]) -> str | list[Address]:
    found = [recipient(address) for address in to]
    known = [one for one in found if isinstance(one, Address)]
    return known if len(known) == len(found) else UNDISCLOSED


def _is_plain(text: str) -> bool:
    return text.isascii() and all(len(line) <= 900 for line in text.split("\n"))
