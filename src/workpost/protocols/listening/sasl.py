"""SASL mechanisms by password: PLAIN (RFC 4616) and LOGIN (the draft every client implements).

Pure: an exchange is given responses and gives challenges. SMTP and IMAP carry both in base64 and
differ in what stands around it.
"""

import base64
import binascii
from typing import NamedTuple, Protocol

MAX_FIELD = 1024
"""Octets of a name or password: argon2 hashes anything, an attacker pays nothing for length."""


class SaslError(Exception):
    """The response of the client does not follow its mechanism."""


class Credentials(NamedTuple):
    """What the client presented. ``authorization`` is empty where it asks to act as itself."""

    username: str
    password: bytes
    authorization: str = ""


class Exchange(Protocol):
    """One authentication exchange.

    ``step`` takes the client's next decoded response (None: it sent no initial response) and
    returns the next challenge or, at the end, the credentials. Raises SaslError.
    """

    def step(self, response: bytes | None) -> bytes | Credentials: ...


MECHANISMS = ("PLAIN", "LOGIN")


def exchange(mechanism: str) -> Exchange | None:
    """A new exchange of the mechanism (any case); None where it is not offered."""
    match mechanism.upper():
        case "PLAIN":
            return PlainExchange()
        case "LOGIN":
            return LoginExchange()
        case _:
            return None


def decode_base64(line: bytes) -> bytes:
    """Strict base64 of RFC 4648 4; ``=`` alone is the empty response (RFC 4954 4, RFC 4959 3)."""
    if line == b"=":
        return b""
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise SaslError("response is not base64") from None


def decode_plain(message: bytes) -> Credentials:
    """``[authzid] NUL authcid NUL password`` (RFC 4616 2); raises SaslError."""
    fields = message.split(b"\0")
    if len(fields) != 3:
        raise SaslError("PLAIN needs an authorization identity, a name and a password")
    authorization, username, password = fields
    return Credentials(_name(username), _password(password), _text(authorization))


class PlainExchange:
    """PLAIN: one response, asked for with an empty challenge where it did not come at once."""

    def step(self, response: bytes | None) -> bytes | Credentials:
        return b"" if response is None else decode_plain(response)


class LoginExchange:
    """LOGIN: name and password, each asked for; the name may be the initial response."""

    def __init__(self) -> None:
        self._username: str | None = None

    def step(self, response: bytes | None) -> bytes | Credentials:
        if response is None:
            return b"Username:"
        if self._username is None:
            self._username = _name(response)
            return b"Password:"
        return Credentials(self._username, _password(response))


def _name(field: bytes) -> str:
    if not field:
        raise SaslError("name is empty")
    return _text(field)


def _text(field: bytes) -> str:
    """RFC 4616 2: UTF-8 without NUL; other controls would only help to forge log lines."""
    if len(field) > MAX_FIELD:
        raise SaslError("name is too long")
    try:
        text = field.decode()
    except UnicodeDecodeError:
        raise SaslError("name is not UTF-8") from None
    if any(character < " " or "\x7f" <= character < "\xa0" for character in text):
        raise SaslError("name holds control characters")
    return text


def _password(field: bytes) -> bytes:
    if not field or len(field) > MAX_FIELD or b"\0" in field:
        raise SaslError("password is empty, too long or holds NUL")
    return field
