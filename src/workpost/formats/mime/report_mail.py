"""Messages that bring a report to another domain: a line for people, and a compressed file."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

from workpost.formats.dates import format_date
from workpost.formats.mime.foreign import recipient


class ReportMail(msgspec.Struct, frozen=True, kw_only=True):
    """What such a message says; `epoch` is seconds, `fields` are more fields of its header."""

    from_: str
    to: str
    epoch: float
    message_id: str
    subject: str
    text: str
    media_type: str
    name: str
    report: bytes
    fields: tuple[tuple[str, str], ...] = ()


class ReportHead(msgspec.Struct, frozen=True, kw_only=True):
    """Who reports about which domain; moments are seconds since the epoch."""

    organization: str
    contact: str
    report_id: str
    begin: int
    end: int
    domain: str


def stable_id(kind: str, submitter: str, domain: str, day: int) -> str:
    """The id of a day's report of one kind: the same at every attempt (RFC 8460 4.4, RFC 9990).

    `day` counts days (UTC) since the epoch. Who gets a report twice can tell by it.
    """
    named = f"{kind} {submitter} {domain} {day}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def subject_of(domain: str, submitter: str, report_id: str) -> str:
    """The subject of a report about a domain (RFC 8460 5.3, RFC 9990)."""
    return f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{report_id}@{submitter}>"


def file_name(
    submitter: str, domain: str, begin: int, end: int, report_id: str, extension: str
) -> str:
    """The name of a report's file (RFC 8460 5.1, RFC 9990); moments in seconds since the epoch."""
    return f"{submitter}!{domain}!{begin}!{end}!{report_id}.{extension}"


def make_message(mail: ReportMail) -> EmailMessage:
    """The message, `multipart/mixed`. Raises ValueError for an address that fits in no field."""
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_date(mail.epoch)
    message["From"] = mail.from_
    message["To"] = recipient(mail.to)
    message["Subject"] = mail.subject
    message["Message-ID"] = f"<{mail.message_id}>"
    for name, value in mail.fields:
        message[name] = value
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{mail.text}\n")
    major, _, minor = mail.media_type.partition("/")
    message.add_attachment(mail.report, maintype=major, subtype=minor, filename=mail.name)
    return message
