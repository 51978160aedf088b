"""Messages of our own making: notices, demo mail. CRLF, never injectable (`report.py`: reports)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.generator import BytesGenerator
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from typing import cast

from workpost.formats.dates import format_date

Person = tuple[str, str]
"""Display name and address."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file; with `content_id` an inline image that the HTML shows as `cid:content_id`."""

    filename: str
    content: bytes
    media_type: str = "application/octet-stream"
    content_id: str = ""


def compose(
    *,
    from_: Person,
    to: Sequence[Person],
    subject: str,
    epoch: float,
    message_id: str,
    text: str,
    html: str = "",
    cc: Sequence[Person] = (),
    in_reply_to: str = "",
    references: Sequence[str] = (),
    headers: Sequence[tuple[str, str]] = (),
    attachments: Sequence[Attachment] = (),
    messages: Sequence[bytes] = (),
) -> bytes:
    """Return a message with CRLF line ends, 7-bit clean except for SMTPUTF8 addresses.

    `message_id`, `in_reply_to` and `references` come without brackets. `messages` are attached
    as message/rfc822, byte for byte as the standard parser reads them. The result depends on the
    arguments alone. Raises ValueError if a header value holds a line end.
    """
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_date(epoch)
    message["From"] = _person(from_)
    message["To"] = [_person(person) for person in to]
    if cc:
        message["Cc"] = [_person(person) for person in cc]
    message["Subject"] = subject
    message["Message-ID"] = f"<{message_id}>"
    if in_reply_to:
        message["In-Reply-To"] = f"<{in_reply_to}>"
    if references:
        message["References"] = " ".join(f"<{reference}>" for reference in references)
    for name, value in headers:
        message[name] = value
    message.set_content(text)
    if html:
        _add_html(message, html, attachments)
    for attachment in attachments:
        if not (html and attachment.content_id):
            major, _, minor = attachment.media_type.partition("/")
            message.add_attachment(
                attachment.content, maintype=major, subtype=minor, filename=attachment.filename
            )
    for raw in messages:
        message.add_attachment(_parsed(raw))
    return _finish(message, message_id)


def _add_html(message: EmailMessage, html: str, attachments: Sequence[Attachment]) -> None:
    message.add_alternative(html, subtype="html")
    *_, shown = message.iter_parts()
    for image in attachments:
        if image.content_id:
            major, _, minor = image.media_type.partition("/")
            cast(EmailMessage, shown).add_related(
                image.content,
                maintype=major,
                subtype=minor,
                filename=image.filename,
                disposition="inline",
                cid=f"<{image.content_id}>",
            )


def _person(person: Person) -> Address:
    name, address = person
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=SMTP)


def _finish(message: EmailMessage, message_id: str) -> bytes:
    """Write the message with boundaries made from its own id instead of at random."""
    seed = hashlib.sha256(message_id.encode()).hexdigest()[:24]
    for number, part in enumerate(message.walk()):
        if part.get_content_maintype() == "multipart" and part.get_boundary() is None:
            part.set_boundary(f"=_{seed}_{number}")
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, policy=SMTP).flatten(message)
    return out.getvalue()
