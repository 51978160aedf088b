"""What log groups stand for, and which audit logs go to which: the operator's mapping.

    outside.log_groups      ACCOUNT GROUP folder | ACCOUNT GROUP logs [PROFILE OF THE AWS SDK]
    monitoring.audit_logs   ACCOUNT TYPE GROUP   | ORGANIZATION TYPE GROUP

GROUP is the name of a log group, without an ARN around it; one that ends in `*` stands for all
names that begin so. What is not mapped does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec


class MappedGroup(msgspec.Struct, frozen=True):
    """Where a log group lies: in a folder, or at the CloudWatch Logs endpoint of a profile."""

    kind: Literal["folder", "logs"]
    profile: str = ""


def find_log_group(entries: Iterable[str], account: str, name: str) -> MappedGroup | None:
    """What an account's log group stands for, None when it is not mapped.

    A whole name comes before names that end in `*`, and of those the longest.
    """
    best: tuple[int, list[str]] | None = None
    for entry in entries:
        owner, pattern, *words = entry.split()
        if owner != account:
            continue
        if pattern == name:
            best = len(name) + 1, words
            break
        fits = pattern.endswith("*") and name.startswith(pattern[:-1])
        if fits and (best is None or best[0] < len(pattern)):
            best = len(pattern), words
    if best is None:
        return None
    words = best[1]
    if words[0] == "folder":
        return MappedGroup("folder")
    return MappedGroup("logs", words[1] if len(words) > 1 else "")


def find_audit_log(
    entries: Iterable[str], account: str, organization: str, kind: str
) -> str | None:
    """The log group that takes an organization's audit log of a kind, None: nobody wants it.

    What is said of the organization comes before what is said of its account.
    """
    found = None
    for entry in entries:
        owner, type_, group = entry.split()
        if type_ != kind:
            continue
        if owner == organization:
            return group
        if owner == account and found is None:
            found = group
    return found
