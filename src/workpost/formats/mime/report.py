"""Delivery status notifications: multipart/report (RFC 6522) of RFC 3464, with RFC 3461 and 6533.

A report has three parts: words for people, fields for programs, and what the report is about, whole
or its header. It is ASCII throughout but for the last part, and for To where the local part of the
sender is not: other addresses with such characters are written as RFC 6533 3 has it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from workpost.formats.addresses import with_a_labels
from workpost.formats.dates import format_date
from workpost.formats.mime.foreign import is_id, one_line, person, recipient

MAX_FIELD = 900
"""Octets of a field's value; longer replies of servers are cut."""
_LINE = 998
_XTEXT = re.compile(r"\+([0-9A-Fa-f]{2})")
_UNTOLD = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class ReportRecipient:
    """What a report says of one recipient, in the fields of RFC 3464 2.3.

    `action` is failed, delayed, delivered, relayed or expanded; `original` the ORCPT as it came
    (type, semicolon, xtext); `diagnostic` a server's reply; times in seconds, 0 for not said.
    """

    address: str
    action: str
    status: str
    diagnostic: str = ""
    remote: str = ""
    original: str = ""
    last_attempt: float = 0
    retry_until: float = 0


def compose_report(
    *,
    from_: tuple[str, str],
    to: str,
    subject: str,
    epoch: float,
    message_id: str,
    text: str,
    reporting_mta: str,
    recipients: Sequence[ReportRecipient],
    original: bytes,
    whole: bool = False,
    envid: str = "",
    arrival: float = 0,
    references: str = "",
) -> bytes:
    """Return a report with CRLF line ends; the null sender belongs into the envelope, not here.

    `original` is the message that the report is about, or its header unless `whole`. `envid` is the
    ENVID as it came (in xtext), `references` a Message-ID, passed over where it fits in no header.
    Raises ValueError for an address that fits in no header.
    """
    # An address beyond ASCII has no other form in a field (RFC 6532 3.2), its domain has one.
    to = with_a_labels(to)
    head = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    head["Date"] = format_date(epoch)
    head["From"] = person(from_[0], with_a_labels(from_[1]))
    head["To"] = recipient(to)
    head["Subject"] = one_line(subject)
    head["Message-ID"] = f"<{message_id}>"
    if is_id(references):
        head["In-Reply-To"] = f"<{references}>"
        head["References"] = f"<{references}>"
    head["Auto-Submitted"] = "auto-replied"
    head["MIME-Version"] = "1.0"
    boundary = "=_" + hashlib.sha256(message_id.encode() + original).hexdigest()[:32]
    said = EmailMessage(policy=SMTP)
    said.set_content(text, cte="7bit" if text.isascii() else "quoted-printable")
    del said["MIME-Version"]
    parts = [
        said.as_bytes(),
        _machine(reporting_mta, recipients, envid, arrival),
        _returned(original, whole=whole),
    ]
    eight = b"Content-Transfer-Encoding: 8bit\r\n" if not original.isascii() else b""
    out = head.as_bytes().removesuffix(b"\r\n") + eight
    out += (
        b'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="'
        + boundary.encode()
        + b'"\r\n\r\n'
    )
    for part in parts:
        out += b"--" + boundary.encode() + b"\r\n" + part + b"\r\n"
    return out + b"--" + boundary.encode() + b"--\r\n"


def report_fields(
    reporting_mta: str, recipients: Sequence[ReportRecipient], envid: str = "", arrival: float = 0
) -> str:
    """The fields for programs, a group for the message and one for each recipient, LF line ends."""
    groups = [[("Reporting-MTA", f"dns; {reporting_mta}")]]
    if envid:
        groups[0].append(("Original-Envelope-Id", decode_xtext(envid)))
    if arrival:
        groups[0].append(("Arrival-Date", format_date(arrival)))
    for one in recipients:
        fields = []
        if one.original:
            kind, _, address = one.original.partition(";")
            fields.append(("Original-Recipient", f"{kind.strip()}; {decode_xtext(address)}"))
        fields += [
            ("Final-Recipient", typed_address(one.address)),
            ("Action", one.action),
            ("Status", one.status),
        ]
        if one.remote:
            fields.append(("Remote-MTA", f"dns; {one.remote}"))
        if one.diagnostic:
            fields.append(("Diagnostic-Code", f"smtp; {one.diagnostic}"))
        if one.last_attempt:
            fields.append(("Last-Attempt-Date", format_date(one.last_attempt)))
        if one.retry_until:
            fields.append(("Will-Retry-Until", format_date(one.retry_until)))
        groups.append(fields)
    return "\n\n".join(
        "\n".join(f"{name}: {_value(value)}" for name, value in group) for group in groups
    )


def decode_xtext(text: str) -> str:
    """Decode xtext (RFC 3461 4); what is none stays as it is."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)


def typed_address(address: str) -> str:
    """An address with its type, in ASCII: `rfc822`, else `utf-8` with RFC 6533 3's escapes."""
    if address.isascii():
        return f"rfc822; {address}"
    text = "".join(
        each if "!" <= each <= "~" and each not in "\\+=" else f"\\x{{{ord(each):02X}}}"
        for each in address
    )
    return f"utf-8; {text}"


def _value(value: str) -> str:
    return " ".join(_UNTOLD.sub(" ", value).split())[:MAX_FIELD]


def _machine(
    reporting_mta: str, recipients: Sequence[ReportRecipient], envid: str, arrival: float
) -> bytes:
    fields = report_fields(reporting_mta, recipients, envid, arrival)
    return (
        b"Content-Type: message/delivery-status\r\n\r\n"
        + fields.replace("\n", "\r\n").encode("ascii")
        + b"\r\n"
    )


def _returned(original: bytes, *, whole: bool) -> bytes:
    header, _, _ = original.partition(b"\r\n\r\n")
    if whole:
        kind = b"message/rfc822" if header.isascii() else b"message/global"
        kind = b"Content-Type: " + kind + b"\r\n"
    elif header.isascii():
        kind = b"Content-Type: text/rfc822-headers\r\n"
    else:
        kind = b"Content-Type: text/rfc822-headers; charset=utf-8\r\n"
    if not original.isascii():
        kind += b"Content-Transfer-Encoding: 8bit\r\n"
    return kind + b"\r\n" + original


def fits_whole(raw: bytes) -> bool:
    """Whether a message may be returned whole: lines that mail can carry, and no NUL."""
    if b"\0" in raw:
        return False
    return max(map(len, raw.split(b"\r\n")), default=0) <= _LINE
