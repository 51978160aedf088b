"""Who acts, and what access allowed: the types that `domain/access` turns into one another.

A protocol builds a Principal from a connection or a request; `domain/access` answers with a Grant;
domain functions require the Grant. Code without a Grant cannot reach data.
"""

from __future__ import annotations

import enum

import msgspec


class Right(enum.IntFlag):
    """What a Grant allows on its mailbox or organization."""

    READ = 1
    WRITE = 2
    SEND = 4
    ADMINISTER = 8
    """Everything an API caller may do to the organization (IAM has said yes)."""


OWNER = Right.READ | Right.WRITE | Right.SEND


class Principal(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The full story of an actor, as audit tells it."""

    actor: str
    """Entity id of a user, `account:<id>/<caller>` of an API caller, `system:<job>`."""
    organization: str = ""
    on_behalf_of: str = ""
    role: str = ""
    scope: str = ""
    protocol: str = ""
    """IMAP, SMTP, API, ... as WorkMail's audit logs spell them."""
    device: str = ""
    address: str = ""
    """IP address of the peer."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Access's yes: to one mailbox (or, with mailbox 0, to one organization).

    `policy_version` is the organization's at the time of the yes. A command with an older one
    raises StaleGrant; 0 is never checked and belongs to system actors and API callers, whose
    authorization is made anew with every call.
    """

    principal: Principal
    organization: str
    entity: str = ""
    mailbox: int = 0
    rights: int = 0
    policy_version: int = 0
    password_version: int = 0
    """Which password opened this: a login does not outlive the next reset."""
    token: str = ""
    """The id of the personal access token that opened this instead of a password."""
    identity: str = ""
    """Who the identity provider said that it is, where it opened this instead of a password."""
    expires: int = 0
    """Milliseconds since the epoch after which the grant is stale; 0: never."""
    provider: int = 0
    """With `identity`, the configuration under which it said so."""

    def allows(self, right: Right) -> bool:
        """True when every bit of `right` was granted."""
        return self.rights & right == right

    @staticmethod
    def system(job: str, organization: str, mailbox: int = 0) -> Grant:
        """The grant of a system actor; made only in operations, visible in audit."""
        return Grant(
            principal=Principal(actor=f"system:{job}", organization=organization),
            organization=organization,
            mailbox=mailbox,
            rights=int(OWNER | Right.ADMINISTER),
        )
