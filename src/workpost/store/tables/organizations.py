"""Rows of `organization`.

Two counters live here. `policy_version` rises with every change of who may do what; grants carry
it. `gal_modseq` rises with every change of the directory; taking it is also the lock under which
all commands on one organization's directory run one after the other.
"""

from __future__ import annotations

import msgspec

from workpost.store.database.unit import Reader, Tx, quick

CREATING = "Creating"
ACTIVE = "Active"
DELETING = "Deleting"
DELETED = "Deleted"


class OrganizationRow(msgspec.Struct, frozen=True):
    """One organization; `settings` is a JSON object, `completed` when it became usable."""

    id: str
    account: str
    alias: str
    state: str
    directory_id: str
    gal_modseq: int
    policy_version: int
    created: int
    completed: int | None
    error: str | None
    settings: str
    default_domain: str | None = None
    directory_kind: str = ""
    """"" for a directory of our own, else what kind of server the organization is read from."""
    interoperability: int = 0


_COLUMNS = (
    "id, account, alias, state, directory_id, gal_modseq, policy_version, created, completed,"
    " error, settings"
)
_WITH_DOMAIN = (
    "SELECT o.id, o.account, o.alias, o.state, o.directory_id, o.gal_modseq, o.policy_version,"
    " o.created, o.completed, o.error, o.settings, d.name, o.directory_kind, o.interoperability"
    " FROM organization o LEFT JOIN domain d ON d.org = o.id AND d.is_default = 1"
)


def insert_organization(
    tx: Tx,
    *,
    organization: str,
    account: str,
    alias: str,
    state: str,
    directory_id: str,
    settings: str,
    directory_kind: str = "",
    interoperability: bool = False,
) -> bool:
    """Insert an organization, complete if it is active; False when the alias (or id) is taken."""
    now = tx.env.now()
    return (
        tx.run(
            f"INSERT INTO organization ({_COLUMNS}, directory_kind, interoperability)"
            " VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?, NULL, ?, ?, ?) ON CONFLICT DO NOTHING",
            organization,
            account,
            alias,
            state,
            directory_id,
            now,
            now if state == ACTIVE else None,
            settings,
            directory_kind,
            int(interoperability),
        )
        == 1
    )


@quick
def get_organization(tx: Reader, *, organization: str) -> OrganizationRow | None:
    """The organization in any state with its default domain; callers check the account."""
    row = tx.row(f"{_WITH_DOMAIN} WHERE o.id = ?", organization)
    return OrganizationRow(*row) if row is not None else None


def list_organizations(
    tx: Reader, *, account: str, after: str, limit: int
) -> list[OrganizationRow]:
    """The account's organizations in any state with ids above `after`, by id."""
    sql = f"{_WITH_DOMAIN} WHERE o.account = ? AND o.id > ? ORDER BY o.id LIMIT ?"
    return [OrganizationRow(*r) for r in tx.rows(sql, account, after, limit)]


@quick
def page_ids(tx: Reader, *, after: str, limit: int) -> list[str]:
    """Ids of organizations after one, in order, whatever their state."""
    rows = tx.rows("SELECT id FROM organization WHERE id > ? ORDER BY id LIMIT ?", after, limit)
    return [row[0] for row in rows]


def find_alias(tx: Reader, *, alias: str) -> str | None:
    """The organization that has an alias, deleted ones left out."""
    row = tx.row("SELECT id FROM organization WHERE alias = ? AND state <> 'Deleted'", alias)
    return str(row[0]) if row is not None else None


@quick
def get_state(tx: Reader, *, organization: str) -> tuple[str, str] | None:
    """The account and the state of an organization."""
    row = tx.row("SELECT account, state FROM organization WHERE id = ?", organization)
    return (row[0], row[1]) if row is not None else None


@quick
def is_alias_taken(tx: Reader, *, alias: str) -> bool:
    """True while an organization that is not deleted has this alias."""
    sql = "SELECT 1 FROM organization WHERE alias = ? AND state <> 'Deleted'"
    return tx.row(sql, alias) is not None


@quick
def get_policy_version(tx: Reader, *, organization: str) -> int | None:
    """The policy version, None for an organization that is not active."""
    row = tx.row(
        "SELECT policy_version FROM organization WHERE id = ? AND state = 'Active'", organization
    )
    return int(row[0]) if row is not None else None


@quick
def only_organization(tx: Reader) -> str | None:
    """The one active organization of the installation, None when there are none or several."""
    rows = tx.rows("SELECT id FROM organization WHERE state = 'Active' LIMIT 2")
    return str(rows[0][0]) if len(rows) == 1 else None


class DirectoryFacts(msgspec.Struct, frozen=True):
    """Where the users and groups of an organization come from."""

    id: str
    kind: str
    interoperability: int
    state: str


@quick
def get_directory(tx: Reader, *, organization: str) -> DirectoryFacts | None:
    """The directory of an organization in any state."""
    row = tx.row(
        "SELECT directory_id, directory_kind, interoperability, state FROM organization"
        " WHERE id = ?",
        organization,
    )
    return DirectoryFacts(*row) if row is not None else None


def set_settings(tx: Tx, *, organization: str, settings: str) -> None:
    """Replace the settings, a JSON object."""
    tx.run("UPDATE organization SET settings = ? WHERE id = ?", settings, organization)


def set_error(tx: Tx, *, organization: str, error: str | None) -> None:
    """Note what is wrong with an organization, None for nothing."""
    tx.run("UPDATE organization SET error = ? WHERE id = ?", error, organization)


def take_gal_modseq(
    tx: Tx, *, organization: str, account: str, creating: bool = False
) -> int | None:
    """Raise the directory's counter and hold the organization's lock.

    None unless the organization is active (or, with `creating`, being created) and, with an
    `account`, belongs to it.
    """
    states = "('Active', 'Creating')" if creating else "('Active')"
    row = tx.row(
        f"UPDATE organization SET gal_modseq = gal_modseq + 1 WHERE id = ? AND state IN {states}"
        " AND (? = '' OR account = ?) RETURNING gal_modseq",
        organization,
        account,
        account,
    )
    return int(row[0]) if row is not None else None


def raise_policy_version(tx: Tx, *, organization: str) -> int:
    """Raise the policy version and return it."""
    row = tx.row(
        "UPDATE organization SET policy_version = policy_version + 1"
        " WHERE id = ? RETURNING policy_version",
        organization,
    )
    return int(row[0]) if row is not None else 0


def set_state(tx: Tx, *, organization: str, state: str) -> None:
    """Set the state."""
    tx.run("UPDATE organization SET state = ? WHERE id = ?", state, organization)


def change_users(tx: Tx, *, organization: str, by: int, limit: int) -> bool:
    """Count users that come or go; False, and no change, when more than `limit` would be there.

    Those who go are always counted.
    """
    return (
        tx.run(
            "UPDATE organization SET users = users + ? WHERE id = ? AND (? < 0 OR users + ? <= ?)",
            by,
            organization,
            by,
            by,
            limit,
        )
        == 1
    )


def lock_account(tx: Tx, *, account: str) -> None:
    """Let creations of organizations for one account come one after the other."""
    if tx.engine == "postgresql":
        tx.row("SELECT 1 FROM account WHERE id = ? FOR UPDATE", account)


def count_organizations(tx: Reader, *, account: str) -> int:
    """How many organizations an account has that are not deleted."""
    sql = "SELECT COUNT(*) FROM organization WHERE account = ? AND state <> 'Deleted'"
    row = tx.row(sql, account)
    return int(row[0]) if row is not None else 0


@quick
def find_directory(
    tx: Reader, *, account: str, directory_id: str
) -> list[tuple[str, str, str, int]]:
    """(id, alias, state, left_directory) of the account's organizations with a directory."""
    rows = tx.rows(
        "SELECT id, alias, state, left_directory FROM organization"
        " WHERE account = ? AND directory_id = ?",
        account,
        directory_id,
    )
    return [(row[0], row[1], row[2], int(row[3])) for row in rows]


def set_left_directory(tx: Tx, *, organization: str, left: bool) -> None:
    """Note whether a deleted organization has left its directory behind."""
    tx.run("UPDATE organization SET left_directory = ? WHERE id = ?", int(left), organization)


def take_directory(tx: Tx, *, organization: str) -> bool:
    """Take the directory that a deleted organization has left; False when somebody else did."""
    sql = "UPDATE organization SET left_directory = 0 WHERE id = ? AND left_directory = 1"
    return tx.run(sql, organization) == 1


def complete_organization(tx: Tx, *, organization: str) -> None:
    """Make an organization active whose directory is complete."""
    tx.run(
        "UPDATE organization SET state = ?, completed = ? WHERE id = ?",
        ACTIVE,
        tx.env.now(),
        organization,
    )


def lock_organization(tx: Tx, *, organization: str) -> None:
    """Hold an organization's lock without a change of its directory."""
    if tx.engine == "postgresql":
        tx.row("SELECT 1 FROM organization WHERE id = ? FOR UPDATE", organization)


def recount_users(tx: Tx, *, organization: str) -> None:
    """Count the users anew, where rows were moved as a whole."""
    tx.run(
        "UPDATE organization SET users = (SELECT COUNT(*) FROM entity WHERE entity.org = ?"
        " AND entity.kind = 'USER' AND entity.state <> 'DELETED') WHERE id = ?",
        organization,
        organization,
    )


def page_user_counts(tx: Reader, *, after: str, limit: int) -> list[tuple[str, int, int]]:
    """(id, users as stated, users as counted) of organizations with ids above `after`, by id.

    Without those whose directory is on its way: erased, or moved to another organization.
    """
    rows = tx.rows(
        "SELECT o.id, o.users, (SELECT COUNT(*) FROM entity e WHERE e.org = o.id"
        " AND e.kind = 'USER' AND e.state <> 'DELETED') FROM organization o"
        " WHERE o.id > ? AND (o.state = 'Active' OR (o.state = 'Deleted'"
        " AND (o.left_directory = 1 OR o.users = 0))) ORDER BY o.id LIMIT ?",
        after,
        limit,
    )
    return [(row[0], int(row[1]), int(row[2])) for row in rows]
