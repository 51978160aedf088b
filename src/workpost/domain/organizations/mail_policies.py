"""Policies that a domain publishes beside its records: MTA-STS (RFC 8461). Pure."""

from __future__ import annotations

import hashlib
from typing import Literal

from workpost.formats.mta_sts import Policy

LABEL = "mta-sts."
DAY = 86_400
Mode = Literal["none", "testing", "enforce"]


def mta_sts_policy(mode: Mode, host: str, days: int) -> str:
    """The text of a policy (RFC 8461 3.2) that names our only host."""
    policy = Policy(mode, (host,), days * DAY)
    return "".join(f"{line}\r\n" for line in policy.lines)


def mta_sts_id(policy: str) -> str:
    """The id that tells this policy from others (RFC 8461 3.1): up to 32 letters and digits."""
    return hashlib.blake2b(policy.encode(), digest_size=10).hexdigest()
