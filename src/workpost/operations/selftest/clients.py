"""The two mail programs of a self-test, those of the standard library; blocking.

They do not judge certificates: `workpost doctor` does.
"""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import ssl
import time
from collections.abc import Iterator

import msgspec

SECONDS = 20.0
"""For a connection, and for a message to arrive."""
PAUSE = 0.02
SOON = 1.0
"""Seconds after which a message that did not arrive is sought elsewhere."""
JUNK = "Junk E-mail"


class Failed(Exception):
    """A step did not go as it has to; the message says how it went."""


class Place(msgspec.Struct, frozen=True):
    """A listener of the running server."""

    host: str
    port: int


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def send(
    place: Place,
    helo: str,
    sender: str,
    recipient: str,
    message: bytes,
    *,
    password: str = "",
) -> str:
    """Hand a message in over STARTTLS, logged in where a password is given; the server's reply.

    Raises Failed.
    """
    try:
        client = smtplib.SMTP(place.host, place.port, helo, SECONDS)
        try:
            return _transact(client, sender, recipient, message, password)
        finally:
            client.close()
    except (smtplib.SMTPException, OSError) as error:
        raise Failed(f"the message was not taken: {_told(error)}") from error


def _transact(
    client: smtplib.SMTP, sender: str, recipient: str, message: bytes, password: str
) -> str:
    client.starttls(context=_context())
    if password:
        client.login(sender, password)
    client.ehlo_or_helo_if_needed()
    code, reply = client.mail(sender)
    if code == 250:
        code, reply = client.rcpt(recipient)
    if code == 250:
        code, reply = client.data(message)
    told = reply.decode("utf-8", "replace")
    if code != 250:
        raise Failed(f"the server answers {code} {told}")
    return told


@contextlib.contextmanager
def mailbox(place: Place, address: str, password: str) -> Iterator[imaplib.IMAP4]:
    """INBOX over IMAP with TLS from the start. Raises Failed."""
    try:
        client = imaplib.IMAP4_SSL(place.host, place.port, ssl_context=_context(), timeout=SECONDS)
        try:
            client.login(address, password)
            client.select("INBOX")
            yield client
        finally:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                client.logout()
    except (imaplib.IMAP4.error, OSError) as error:
        raise Failed(f"the mailbox cannot be read: {_told(error)}") from error


def await_message(client: imaplib.IMAP4, message_id: str) -> bytes:
    """The message with this Message-ID as soon as it is there. Raises Failed."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        client.noop()
        found = _search(client, message_id)
        if found:
            answer = client.uid("FETCH", found.split()[-1].decode(), "(BODY.PEEK[])")[1]
            return bytes(answer[0][1])
        if time.monotonic() > deadline - SECONDS + SOON and _is_in_junk(client, message_id):
            raise Failed(f"it was taken for junk and is in {JUNK}: see `workpost doctor`")
        time.sleep(PAUSE)
    raise Failed(f"it was accepted, but not in INBOX within {SECONDS:.0f} s")


def _search(client: imaplib.IMAP4, message_id: str) -> bytes:
    found: bytes = client.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"')[1][0]
    return found


def _is_in_junk(client: imaplib.IMAP4, message_id: str) -> bool:
    client.select(f'"{JUNK}"', readonly=True)
    found = _search(client, message_id)
    client.select("INBOX")
    return bool(found)


def _told(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        return f"{error.smtp_code} {text}"
    return str(error) or type(error).__name__
