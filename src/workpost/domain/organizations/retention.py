"""Retention policies: what the API keeps, and the rules that a run reads in its transaction.

An organization has one policy. A run asks `rules_in_force` in every slice, so that a policy that
was changed or deleted counts from the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.organizations.state import begin, require_active
from workpost.kernel.errors import EntityNotFound, InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import jobs, organizations, retention
from workpost.store.tables.organizations import ACTIVE
from workpost.store.tables.retention import PolicyRow

RETAIN = "retention.run"
"""Kind of the job; its dedupe is `retention/<organization>`, so that runs never overlap."""
SCHEDULED = 100

FOLDERS: dict[str, str] = {
    "INBOX": "inbox",
    "SENT_ITEMS": "sent",
    "DRAFTS": "drafts",
    "JUNK_EMAIL": "junk",
    "DELETED_ITEMS": "trash",
}
"""The API's folders and their roles, in the order in which a run goes through them."""

NONE = "NONE"
DELETE = "DELETE"
PERMANENTLY_DELETE = "PERMANENTLY_DELETE"


class FolderRule(msgspec.Struct, frozen=True, array_like=True):
    """What happens in one folder after `days`; None where none were given."""

    folder: str
    action: str
    days: int | None = None


class Policy(msgspec.Struct, frozen=True):
    """A policy as it was put."""

    id: str
    name: str
    description: str | None
    rules: tuple[FolderRule, ...]


def _check(rules: Sequence[FolderRule]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.folder in seen:
            raise InvalidParameter(f"The folder {rule.folder} is configured twice.")
        seen.add(rule.folder)
        if rule.action != NONE and rule.days is None:
            raise InvalidParameter(f"{rule.action} in {rule.folder} needs a Period.")


def _read(row: PolicyRow) -> Policy:
    rules = msgspec.json.decode(row.folders, type=tuple[FolderRule, ...])
    return Policy(row.id, row.name, row.description, rules)


@command
def put_policy(
    tx: Tx,
    *,
    grant: Grant,
    id: str | None,
    name: str,
    description: str | None,
    rules: list[FolderRule],
) -> None:
    """Insert or replace the policy; the first run of a new one is due at once.

    Raises InvalidParameter for an id that is not the policy's.
    """
    begin(tx, grant)
    known = retention.get_policy(tx, org=grant.organization)
    if id is not None and (known is None or known.id != id):
        raise InvalidParameter(f"The organization has no retention policy {id}.")
    row = PolicyRow(
        id=known.id if known is not None else tx.env.new_uuid(),
        name=name,
        description=description,
        folders=msgspec.json.encode(rules).decode(),
    )
    retention.put_policy(tx, org=grant.organization, row=row, due=tx.env.now())


@command
def delete_policy(tx: Tx, *, grant: Grant, id: str) -> None:
    """Delete the policy; one that is not there is no error."""
    begin(tx, grant)
    retention.delete_policy(tx, org=grant.organization, id=id)


@quick
def get_policy(tx: Reader, *, grant: Grant) -> Policy:
    """The organization's policy. Raises EntityNotFound before one was put."""
    require_active(tx, grant)
    row = retention.get_policy(tx, org=grant.organization)
    if row is None:
        raise EntityNotFound("The organization has no retention policy.")
    return _read(row)


def rules_in_force(tx: Reader, org: str) -> dict[str, FolderRule] | None:
    """The rules that do something, by folder; None while the organization is not active, or
    without a policy."""
    known = organizations.get_state(tx, organization=org)
    row = retention.get_policy(tx, org=org)
    if known is None or known[1] != ACTIVE or row is None:
        return None
    return {rule.folder: rule for rule in _read(row).rules if rule.action != NONE and rule.days}


@command
def schedule_runs(tx: Tx, *, every_ms: int) -> int:
    """Make a job for each policy that is due; returns how many were.

    Where the last run still goes on it is that one which goes on. Runs that were planned while the
    time between them was longer are brought forward.
    """
    now = tx.env.now()
    retention.hasten(tx, latest=now + every_ms)
    due = retention.due_policies(tx, now=now, limit=SCHEDULED)
    for org in due:
        if retention.take_due(tx, org=org, now=now, due=now + every_ms):
            jobs.insert_job(
                tx, id=tx.env.new_id(), org=org, kind=RETAIN, dedupe=f"retention/{org}", due=now
            )
    return len(due)


async def put_retention_policy(
    core: Core,
    grant: Grant,
    *,
    id: str | None,
    name: str,
    description: str | None,
    rules: list[FolderRule],
) -> None:
    """Create the policy or replace it.

    Raises InvalidParameter for a folder that is named twice, an action without a period and an
    unknown id; OrganizationNotFound, OrganizationStateInvalid.
    """
    _check(rules)
    await core.store.write(
        put_policy, grant=grant, id=id, name=name, description=description, rules=rules
    )


async def delete_retention_policy(core: Core, grant: Grant, id: str) -> None:
    """Delete the policy, if it is there; a run that goes on ends with its slice."""
    await core.store.write(delete_policy, grant=grant, id=id)


async def get_retention_policy(core: Core, grant: Grant) -> Policy:
    """The policy. Raises EntityNotFound."""
    return await core.store.read(get_policy, grant=grant)
