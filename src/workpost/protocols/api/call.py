"""What a handler knows of the call that it answers."""

from __future__ import annotations

import msgspec

from workpost.domain.access.credentials import Credential
from workpost.formats.arn import organization_arn
from workpost.protocols.api.model import Operation


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One authenticated call."""

    request_id: str
    operation: Operation
    credential: Credential
    region: str
    """Where the answer's ARNs say that things are: the configured region."""
    requested_region: str
    """Of the credential scope."""
    peer: str
    is_tls: bool
    user_agent: str
    now: int
    """Milliseconds since the epoch, at the start of the call."""

    @property
    def account(self) -> str:
        """Twelve digits."""
        return self.credential.account

    @property
    def caller(self) -> str:
        """The ARN of who calls."""
        return self.credential.principal_arn

    def organization_arn(self, organization: str) -> str:
        """The ARN of an organization of the caller's account."""
        return organization_arn(self.region, self.account, organization)
