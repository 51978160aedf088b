"""A message that is to be sent, and what became of each of its recipients."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["delivered", "deferred", "failed"]


class MailRecipient(msgspec.Struct, frozen=True):
    """One recipient; `number` is the caller's own, and comes back in the outcome.

    `notify` and `orcpt` are the parameters of RFC 3461 4.1 and 4.2 as they came (ORCPT in xtext).
    """

    number: int
    address: str
    notify: tuple[str, ...] = ()
    orcpt: str = ""


class Progress:
    """How far an attempt is, for whoever may have to break it off."""

    __slots__ = ("awaits_reply",)

    def __init__(self) -> None:
        self.awaits_reply = False
        """The final dot is sent and not answered: broken off now, the message may arrive twice."""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One message for recipients on one route; `sender` is empty for the null sender.

    `content` is what is sent, header first, lines ended by CRLF. `envid` is in xtext.
    """

    sender: str
    recipients: list[MailRecipient]
    content: bytes
    smtputf8: bool = False
    body: str = "7BIT"
    requiretls: bool = False
    ret: str = ""
    envid: str = ""
    progress: Progress | None = None
    """Kept up to date where it is given."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recipient in one attempt.

    `delivered` is said only after the server's final reply to the message. `deferred` is to be
    tried again: by a server's 4xx, by anything of the network, also where the message was sent and
    no reply came, so that it may arrive twice (RFC 5321 4.5.3.2.6). `failed` is for good.
    """

    number: int
    state: State
    status: str
    """Enhanced status code (RFC 3463): the server's, else the nearest of ours."""
    text: str
    """The server's reply in one line (`code` tells), else what we have to say; printable."""
    host: str = ""
    """Name of the server that this is about, empty where none was reached."""
    code: int = 0
    """Of the server's reply; 0: `text` is ours, not a server's."""
    dsn: bool = False
    """The server has taken over reports about this recipient (RFC 3461 5.2.2)."""
    reached: bool = True
    """False: no server took a connection, so the destination as a whole is in trouble."""
    tls: str = ""
    """How the session was protected, as Received fields say it; empty: it was not."""
