"""Organizations over the session's OpenLDAP, for tests of the API."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.support.api_server import ApiServer, Tenant
from tests.support.slapd import Slapd, Tree
from workpost.domain.access.accounts import create_account
from workpost.domain.directory import sync_runs
from workpost.domain.directory.sync_runs import Run
from workpost.domain.organizations.outside import SYNC
from workpost.store.database.unit import Tx, command

DIRECTORY = "d-0123456789"
ALIAS = "lovelace"


class Outside:
    """An account, a tree that it has as a directory, and the organization over it."""

    def __init__(self, api: ApiServer, slapd: Slapd, tree: str, **more: Any) -> None:
        self.api = api
        self.slapd = slapd
        self.tree = Tree(slapd, tree)
        self.account = api.run(create_account(api.core))
        self.client = api.client(self.account)
        self.before = api.core.settings
        self.configure(**more)

    def configure(self, **more: Any) -> None:
        """Set the directory, as a file of settings would."""
        settings = self.slapd.settings(self.tree.name, self.account, **more)
        self.api.core.settings = msgspec.structs.replace(
            self.before, directories={DIRECTORY: settings}
        )

    def create(self, **more: Any) -> Tenant:
        """Create the organization and read the directory once."""
        values = {"Alias": ALIAS, "DirectoryId": DIRECTORY, **more}
        organization = self.client.create_organization(**values)["OrganizationId"]
        self.api.work()
        return Tenant(self.client, self.account, organization, f"{ALIAS}.test")

    def sync(self, *, full: bool = True) -> None:
        """Read the directory now, whole or what was changed."""
        self.api.run(self.api.core.store.write(make_due, full=full))
        self.api.work()

    def close(self) -> None:
        self.api.core.settings = self.before


@command
def make_due(tx: Tx, *, full: bool) -> None:
    """Let the jobs that read directories be due; `full` as if the last full run were long ago."""
    for id, cursor in tx.rows("SELECT id, cursor FROM job WHERE kind = ?", SYNC):
        run = msgspec.json.decode(bytes(cursor or b"{}"), type=Run)
        if full:
            run = msgspec.structs.replace(run, full_at=0)
        tx.run("UPDATE job SET due = 0, cursor = ? WHERE id = ?", msgspec.json.encode(run), id)


def users(tenant: Tenant, **more: Any) -> dict[str, str]:
    """Ids by name."""
    return {user["Name"]: user["Id"] for user in tenant("ListUsers", **more)["Users"]}


def groups(tenant: Tenant) -> dict[str, str]:
    return {group["Name"]: group["Id"] for group in tenant("ListGroups")["Groups"]}


def members(tenant: Tenant, group: str) -> set[str]:
    answer = tenant("ListGroupMembers", GroupId=group)
    return {member["Name"] for member in answer["Members"]}


def problems(outside: Outside, tenant: Tenant) -> dict[str, str]:
    """Reasons by the first part of the entry's name."""
    query = outside.api.core.store.read(
        sync_runs.list_problems, organization=tenant.organization, limit=100
    )
    return {row.dn.partition(",")[0]: row.reason for row in outside.api.run(query)}
