"""What access knows of an API caller's key."""

from __future__ import annotations

import msgspec

from workpost.domain.access.policies import Policy

ROOT = "Root"
USER = "IAMUser"
ROLE = "AssumedRole"


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What temporary keys have beside a secret."""

    issued: int
    """Milliseconds since the epoch."""
    issuer_arn: str = ""
    """The role's ARN; empty for the sessions of users and accounts."""
    issuer_id: str = ""
    issuer_name: str = ""
    tags: dict[str, str] = {}


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """An access key in clear, made for the span of a call and never logged."""

    access_key_id: str
    account: str
    """Twelve digits."""
    secret: bytes
    principal_arn: str
    """`arn:aws:iam::<account>:root`, `...:user/<name>`, or the ARN of a role's session."""
    user_name: str = ""
    user_id: str = ""
    """As `aws:userid`: the account, the user's id, or `<role id>:<session name>`."""
    kind: str = ROOT
    active: bool = True
    policy: Policy | None = None
    """None allows everything in the account."""
    limits: tuple[Policy, ...] = ()
    """Policies that must allow a call as well: of a session, or of the key itself."""
    session_token: str | None = None
    """Given for temporary keys only."""
    expires: int | None = None
    """Milliseconds since the epoch; None never expires."""
    session: SessionFacts | None = None
    function: str = ""
    """The ARN of the function that calls by the key of its own session; empty for all others."""

    @property
    def restricted(self) -> bool:
        """False for who may do everything in the account."""
        return self.policy is not None or bool(self.limits)

    @property
    def needs_tags(self) -> bool:
        """True when tags of the resource may decide."""
        identity = self.policy is not None and self.policy.needs_tags
        return identity or any(limit.needs_tags for limit in self.limits)

    @property
    def arns(self) -> tuple[str, ...]:
        """All names by which a policy may speak of the caller."""
        if self.session is not None and self.session.issuer_arn:
            return (self.principal_arn, self.session.issuer_arn)
        return (self.principal_arn,)

    def __repr__(self) -> str:
        return f"Credential({self.access_key_id!r}, account={self.account!r})"
