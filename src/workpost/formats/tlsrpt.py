"""TLS reports (RFC 8460): the record that asks for them, and the message that brings one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

import msgspec

from workpost.formats.addresses import AddressError, parse_mailbox
from workpost.formats.mime.report_mail import ReportMail, make_message, subject_of

MAX_URIS = 4
"""Places that one domain is told at."""
MEDIA_TYPE = "application/tlsrpt+gzip"


class Wanted(msgspec.Struct, frozen=True):
    """Where a domain wants its reports: addresses and https URLs."""

    addresses: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


def parse_record(texts: Iterable[str]) -> Wanted:
    """Read the TXT records of `_smtp._tls.DOMAIN`; nothing where there is not exactly one of ours.

    Never raises; what is no address or https URL is passed over (RFC 8460 3).
    """
    ours = [text for text in texts if re.match(r"v=TLSRPTv1[ \t]*;", text)]
    addresses: list[str] = []
    urls: list[str] = []
    for field in ours[0].split(";")[1:] if len(ours) == 1 else ():
        name, equals, value = field.partition("=")
        if not equals or name.strip() != "rua":
            continue
        for uri in value.split(",")[:MAX_URIS]:
            _take(uri.strip(), addresses, urls)
        break
    return Wanted(tuple(addresses), tuple(urls))


def _take(uri: str, addresses: list[str], urls: list[str]) -> None:
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "mailto":
        try:
            addresses.append(parse_mailbox(unquote(rest.partition("?")[0])))
        except AddressError:
            return
    elif scheme.lower() == "https" and uri.isascii() and uri.isprintable():
        try:
            if urlsplit(uri).hostname:
                urls.append(uri)
        except ValueError:
            return


def compose(
    *,
    from_: str,
    to: str,
    epoch: float,
    message_id: str,
    domain: str,
    submitter: str,
    report_id: str,
    name: str,
    report: bytes,
) -> bytes:
    """A message with a report, compressed already (RFC 8460 5.3). Raises ValueError.

    It says that it may travel without TLS, which is what it may have to tell about (RFC 8689 5).
    """
    message = make_message(
        ReportMail(
            from_=from_,
            to=to,
            epoch=epoch,
            message_id=message_id,
            subject=subject_of(domain, submitter, report_id),
            text=f"This is a report of {submitter} about TLS with the mail servers of {domain}.",
            media_type=MEDIA_TYPE,
            name=name,
            report=report,
            fields=(
                ("TLS-Report-Domain", domain),
                ("TLS-Report-Submitter", submitter),
                ("TLS-Required", "No"),
            ),
        )
    )
    message.replace_header(
        "Content-Type", f'multipart/report; report-type="tlsrpt"; boundary="{report_id}"'
    )
    return message.as_bytes()
