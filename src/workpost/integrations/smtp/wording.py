"""Commands and content as they go over the wire, and who cannot be sent to this way; pure."""

from __future__ import annotations

import re

import msgspec

from workpost.formats.addresses import AddressError, parse_mailbox, split, with_a_labels
from workpost.integrations.smtp.base import Mail, MailRecipient
from workpost.integrations.smtp.offers import Offer

_UNSAFE = re.compile(rb"[^!-*,-<>-~]")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_NOTIFY = frozenset({"NEVER", "SUCCESS", "FAILURE", "DELAY"})
_LONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Refusal(msgspec.Struct, frozen=True):
    """Why somebody cannot be sent to, by what this server offers or what was asked for."""

    status: str
    text: str


class Wording(msgspec.Struct, frozen=True):
    """A mail transaction in this server's words."""

    mail: bytes
    recipients: list[tuple[int, bytes]]
    """(place in `Mail.recipients`, RCPT command)."""
    refused: dict[int, Refusal]
    """By place: the others."""


def word(mail: Mail, offer: Offer) -> Wording:
    """Put a message into commands; whoever cannot have it from this server is refused.

    Nothing that an address or a parameter holds can end its line.
    """
    refusal = _refuse_all(mail, offer)
    if refusal is not None:
        return Wording(b"", [], dict.fromkeys(range(len(mail.recipients)), refusal))
    utf8 = "SMTPUTF8" in offer and _is_international(mail)
    sender = _spell(mail.sender, utf8) if mail.sender else b""
    recipients, refused = [], {}
    for place, recipient in enumerate(mail.recipients):
        try:
            parse_mailbox(recipient.address, smtputf8=True)
            recipients.append((place, _recipient(recipient, offer, utf8)))
        except AddressError as error:
            refused[place] = Refusal("5.1.3", f"The address cannot be sent to: {error}.")
        except UnicodeError:
            refused[place] = Refusal(
                "5.6.7", "The server does not take addresses in UTF-8 (no SMTPUTF8)."
            )
    parameters = _parameters(mail, offer, utf8)
    return Wording(b"MAIL FROM:<%b>%b\r\n" % (sender, parameters), recipients, refused)


def _refuse_all(mail: Mail, offer: Offer) -> Refusal | None:
    limit = offer.size
    if limit and len(mail.content) > limit:
        return Refusal(
            "5.3.4", f"The message has {len(mail.content)} octets, the server takes {limit}."
        )
    if mail.sender:
        try:
            parse_mailbox(mail.sender, smtputf8=True)
        except AddressError as error:
            return Refusal("5.1.7", f"The sender's address cannot be used: {error}.")
    if "SMTPUTF8" not in offer and (
        (mail.smtputf8 and not header_of(mail.content).isascii())
        or not split(mail.sender)[0].isascii()
    ):
        return Refusal("5.6.7", "The server does not take messages in UTF-8 (no SMTPUTF8).")
    if "8BITMIME" not in offer and not mail.content.isascii():
        return Refusal("5.6.3", "The server takes ASCII only (no 8BITMIME).")
    if mail.requiretls and mail.sender and "REQUIRETLS" not in offer:
        return Refusal("5.7.30", "The sender wants TLS all the way, the server has no REQUIRETLS.")
    return None


def _is_international(mail: Mail) -> bool:
    """Whether SMTPUTF8 is to be asked for (RFC 6531 3.4)."""
    return (
        not mail.sender.isascii()
        or any(not each.address.isascii() for each in mail.recipients)
        or (mail.smtputf8 and not header_of(mail.content).isascii())
    )


def _spell(address: str, utf8: bool) -> bytes:
    """An address in octets; without SMTPUTF8 with A-labels. Raises UnicodeError."""
    return address.encode() if utf8 else with_a_labels(address).encode("ascii")


def _parameters(mail: Mail, offer: Offer, utf8: bool) -> bytes:
    words = []
    if "SIZE" in offer:
        words.append(b"SIZE=%d" % len(mail.content))
    if "8BITMIME" in offer and not mail.content.isascii():
        words.append(b"BODY=8BITMIME")
    if utf8:
        words.append(b"SMTPUTF8")
    if mail.requiretls and "REQUIRETLS" in offer:
        words.append(b"REQUIRETLS")
    if "DSN" in offer:
        if mail.ret in {"FULL", "HDRS"}:
            words.append(b"RET=%b" % mail.ret.encode("ascii"))
        if mail.envid:
            words.append(b"ENVID=%b" % xtext(mail.envid))
    return b"".join(b" " + word for word in words)


def _recipient(recipient: MailRecipient, offer: Offer, utf8: bool) -> bytes:
    line = b"RCPT TO:<%b>" % _spell(recipient.address, utf8)
    if "DSN" in offer:
        wanted = [each for each in recipient.notify if each in _NOTIFY]
        if wanted:
            line += b" NOTIFY=" + ",".join(wanted).encode("ascii")
        kind, semicolon, original = recipient.orcpt.partition(";")
        if semicolon and original and kind.isascii() and kind.replace("-", "").isalnum():
            line += b" ORCPT=%b;%b" % (kind.encode("ascii"), xtext(original))
    return line + b"\r\n"


def xtext(text: str) -> bytes:
    """Keep what is xtext (RFC 3461 4), encode what is not."""
    if _XTEXT.fullmatch(text):
        return text.encode("ascii")
    return _UNSAFE.sub(lambda found: b"+%02X" % found[0][0], text.encode("utf-8"))


def header_of(content: bytes) -> bytes:
    """The header section of a message."""
    if content.startswith(b"\r\n"):
        return b""
    end = content.find(b"\r\n\r\n")
    return content if end < 0 else content[: end + 2]


def stuff(content: bytes) -> bytes:
    """Content for DATA without its final dot (RFC 5321 4.5.2).

    Every line ends in CRLF, also where the content has a CR or LF alone: servers differ about what
    those end, and what differs can be abused to smuggle a message.
    """
    if content.count(b"\r\n") != content.count(b"\n") or content.count(b"\r") != content.count(
        b"\n"
    ):
        content = _LONE.sub(b"\r\n", content)
    if content.startswith(b"."):
        content = b"." + content
    content = content.replace(b"\r\n.", b"\r\n..")
    return content if content.endswith(b"\r\n") or not content else content + b"\r\n"
