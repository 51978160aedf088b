"""The narrow interface between SMTP and what accepts mail.

SMTP translates; it decides nothing about people, addresses or rules. Whatever implements
``MailService`` is asked step by step and refuses by raising: ``Refused`` where it knows the reply,
or a domain error of the kernel, which ``errors.py`` turns into one. It never sees a socket.
"""

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from workpost.protocols.smtp.wire.paths import Address

_STATUS = re.compile(r"[45]\.\d{1,3}\.\d{1,3}")


class Role(enum.Enum):
    """What a listener is for."""

    MX = "mx"
    """Mail from anywhere for local recipients; AUTH is not offered."""
    SUBMISSION = "submission"
    """Mail of people who log in (RFC 6409)."""
    LMTP = "lmtp"
    """Mail that a server of our own has accepted, for local recipients (RFC 2033)."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end: textual IP address and port."""

    host: str
    port: int


class Login:
    """Who logged in. The service may return a subclass that carries its own grant.

    The object is given back in each transaction of the session and is never looked into.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass(slots=True)
class Recipient:
    """An accepted (or just proposed) recipient; ``notes`` belongs to the service.

    ``notify`` and ``orcpt`` are the parameters of RFC 3461 4.1 and 4.2; ``orcpt`` is as it came.
    """

    address: Address
    notes: object = None
    notify: tuple[str, ...] = ()
    orcpt: str = ""


@dataclass(slots=True)
class Transaction:
    """One mail transaction: RFC 5321 3.3.

    ``sender`` None is the null sender; ``size`` is the declared one (0: none); ``auth`` is the AUTH
    parameter of MAIL; ``tls`` names version and cipher, None in clear. ``ret``, ``envid`` and
    ``requiretls`` are the parameters of RFC 3461 and 8689. Before ``hold_until`` (milliseconds)
    nobody is to get the message (RFC 4865). ``recipients`` holds those that were accepted.
    ``notes`` belongs to the service.
    """

    peer: Peer
    role: Role
    helo: str
    esmtp: bool
    tls: str | None
    login: Login | None
    sender: Address | None
    size: int = 0
    body: str = "7BIT"
    smtputf8: bool = False
    auth: str | None = None
    ret: str = ""
    envid: str = ""
    requiretls: bool = False
    hold_until: int | None = None
    recipients: list[Recipient] = field(default_factory=list)
    notes: object = None

    @property
    def protocol(self) -> str:
        """The keyword for ``with`` in Received: RFC 3848, RFC 6531 4.3."""
        if self.role is Role.LMTP:
            return ("UTF8LMTP" if self.smtputf8 else "LMTP") + ("S" if self.tls else "")
        if not self.esmtp:
            return "SMTP"
        name = "UTF8SMTP" if self.smtputf8 else "ESMTP"
        return name + ("S" if self.tls else "") + ("A" if self.login else "")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that is durable; ``text`` follows ``250 2.0.0`` and should name its trace id.

    ``refused`` has those of the transaction's recipients, by their index, who get it not after all:
    LMTP tells each (RFC 2033 4.2), SMTP has one reply for all and does not.
    """

    text: str = "Message accepted"
    refused: Mapping[int, "Refused"] = field(default_factory=dict)


class Refused(Exception):
    """No, with the reply to send: ``code`` 400 to 599, ``status`` as in RFC 3463, one-line text.

    Code 421 also ends the session. Raises ValueError where code and status do not fit.
    """

    def __init__(self, code: int, status: str, text: str) -> None:
        if not 400 <= code <= 599 or not _STATUS.fullmatch(status) or int(status[0]) != code // 100:
            raise ValueError(f"{code} {status} is not a refusal")
        super().__init__(text)
        self.code = code
        self.status = status
        self.text = text


class MailService(Protocol):
    """What the protocol asks. Calls of one session come one at a time, in order.

    A session that ends, resets or is refused simply asks no more about its transaction. The client
    may be gone before ``message`` returns; the call is finished all the same.
    """

    async def authenticate(
        self, peer: Peer, username: str, password: bytes, mechanism: str
    ) -> Login:
        """Check a password; raises AuthenticationFailed, AccessDenied or TryLater (kernel)."""

    def follow(self, login: Login, ended: Callable[[], None]) -> Callable[[], None]:
        """Call `ended` once the person may not stay; returns what stops it."""

    async def mail_from(self, transaction: Transaction) -> None:
        """May this sender send? ``transaction.recipients`` is empty."""

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> None:
        """Is this recipient accepted? The protocol adds it to the transaction afterwards."""

    async def message(self, transaction: Transaction, content: bytes) -> Accepted:
        """Take responsibility: returns after the durable commit, for all recipients."""
