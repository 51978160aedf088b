"""What access knows of an API caller's key."""

from __future__ import annotations

import msgspec

from workpost.domain.access.policies import Policy


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """An access key in clear, made for the span of a call and never logged."""

    access_key_id: str
    account: str
    """Twelve digits."""
    secret: bytes
    principal_arn: str
    """`arn:aws:iam::<account>:root` or `...:user/<name>`."""
    user_name: str = ""
    user_id: str = ""
    active: bool = True
    policy: Policy | None = None
    """None allows everything in the account."""
    session_token: str | None = None
    """Given for temporary keys only."""
    expires: int | None = None
    """Milliseconds since the epoch; None never expires."""

    def __repr__(self) -> str:
        return f"Credential({self.access_key_id!r}, account={self.account!r})"
