"""Policies that a domain publishes beside its records: MTA-STS (RFC 8461). Pure."""

from __future__ import annotations

import hashlib

LABEL = "mta-sts."
DAY = 86_400


def mta_sts_policy(mode: str, host: str, days: int) -> str:
    """The text of a policy (RFC 8461 3.2) that names our only host."""
    lines = ["version: STSv1", f"mode: {mode}", f"mx: {host}", f"max_age: {days * DAY}"]
    return "".join(f"{line}\r\n" for line in lines)


def mta_sts_id(policy: str) -> str:
    """The id that tells this policy from others (RFC 8461 3.1): up to 32 letters and digits."""
    return hashlib.blake2b(policy.encode(), digest_size=10).hexdigest()
