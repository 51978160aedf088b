"""Messages of our own making: notices, demo mail, delivery reports. CRLF, never injectable."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.generator import BytesGenerator
from email.headerregistry import Address
from email.message import EmailMessage, Message
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


def compose_report(
    *,
    from_: Person,
    to: str,
    subject: str,
    epoch: float,
    message_id: str,
    text: str,
    reporting_mta: str,
    recipients: Sequence[tuple[str, str, str, str]],
    original_header: bytes,
) -> bytes:
    """Return a delivery status notification (RFC 3464) as multipart/report (RFC 6522).

    `recipients` are (address, action, status, diagnostic) with actions such as `failed` and
    `delayed` and statuses such as `5.1.1`; `original_header` is the header of the message that
    could not be delivered. The null sender belongs into the envelope, not here.
    """
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_date(epoch)
    message["From"] = _person(from_)
    message["To"] = _person(("", to))
    message["Subject"] = subject
    message["Message-ID"] = f"<{message_id}>"
    message["Auto-Submitted"] = "auto-replied"
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = 'multipart/report; report-type="delivery-status"'
    body = EmailMessage(policy=SMTP)
    body.set_content(text)
    status = Message(policy=SMTP)
    status["Content-Type"] = "message/delivery-status"
    groups: list[Message | str] = [_fields([("Reporting-MTA", f"dns; {reporting_mta}")])]
    for address, action, code, diagnostic in recipients:
        fields = [
            ("Final-Recipient", f"rfc822; {address}"),
            ("Action", action),
            ("Status", code),
        ]
        if diagnostic:
            fields.append(("Diagnostic-Code", f"smtp; {diagnostic}"))
        groups.append(_fields(fields))
    status.set_payload(groups)
    header = Message(policy=SMTP)
    header["Content-Type"] = "text/rfc822-headers; charset=utf-8"
    header["Content-Transfer-Encoding"] = "8bit"
    header.set_payload(original_header.decode("ascii", "surrogateescape").replace("\r\n", "\n"))
    message.set_payload([_without_version(body), status, header])
    return _finish(message, message_id)


def _without_version(message: EmailMessage) -> EmailMessage:
    del message["MIME-Version"]
    return message


def _fields(fields: Sequence[tuple[str, str]]) -> Message:
    group = Message(policy=SMTP)
    for name, value in fields:
        group[name] = " ".join(value.split())
    return group


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
