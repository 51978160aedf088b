"""Rows of `directory_entry`, `directory_member`, `directory_problem`: an LDAP server's data."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, quick


class EntryRow(msgspec.Struct, frozen=True):
    """An entry of the directory that is a user or group here."""

    org: str
    guid: str
    entity: str
    kind: str
    dn: str
    dn_fold: str
    stamp: bytes
    run: int
    locked: int
    password_changed: str
    wanted_fold: str


class ProblemRow(msgspec.Struct, frozen=True):
    """An entry that cannot be a user or group here, or lacks something, and why."""

    guid: str
    dn: str
    reason: str


_COLUMNS = "org, guid, entity, kind, dn, dn_fold, stamp, run, locked, password_changed, wanted_fold"


def get_entry(tx: Reader, *, org: str, guid: str) -> EntryRow | None:
    """The entry by the identifier that it keeps for ever."""
    return _one(tx, "guid", org, guid)


@quick
def get_entry_of(tx: Reader, *, org: str, entity: str) -> EntryRow | None:
    """The entry of a user or group."""
    return _one(tx, "entity", org, entity)


def _one(tx: Reader, column: str, org: str, value: str) -> EntryRow | None:
    row = tx.row(
        f"SELECT {_COLUMNS} FROM directory_entry WHERE org = ? AND {column} = ?", org, value
    )
    return _entry(row) if row is not None else None


def _entry(row: Row) -> EntryRow:
    *texts, stamp, run, locked, password_changed, wanted_fold = row
    org, guid, entity, kind, dn, dn_fold = texts
    return EntryRow(
        org,
        guid,
        entity,
        kind,
        dn,
        dn_fold,
        bytes(stamp),
        run,
        locked,
        password_changed,
        wanted_fold,
    )


def put_entry(tx: Tx, row: EntryRow) -> None:
    """Insert an entry, or write what changed of it."""
    tx.run(
        f"INSERT INTO directory_entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (org, guid) DO UPDATE SET dn = excluded.dn, dn_fold = excluded.dn_fold,"
        " stamp = excluded.stamp, run = excluded.run, locked = excluded.locked,"
        " password_changed = excluded.password_changed, wanted_fold = excluded.wanted_fold",
        *msgspec.structs.astuple(row),
    )


def mark_entry(tx: Tx, *, org: str, guid: str, run: int) -> None:
    """Note that a synchronization met an entry that did not change."""
    tx.run("UPDATE directory_entry SET run = ? WHERE org = ? AND guid = ?", run, org, guid)


def note_wanted_name(tx: Tx, *, org: str, guid: str, run: int, wanted_fold: str) -> None:
    """Note that a synchronization met an entry that cannot have its name here."""
    tx.run(
        "UPDATE directory_entry SET run = ?, wanted_fold = ? WHERE org = ? AND guid = ?",
        run,
        wanted_fold,
        org,
        guid,
    )


def delete_entry(tx: Tx, *, org: str, guid: str) -> None:
    """Forget an entry."""
    tx.run("DELETE FROM directory_entry WHERE org = ? AND guid = ?", org, guid)


def count_entries(tx: Reader, *, org: str, before: int) -> dict[str, tuple[int, int]]:
    """By kind, how many entries there are and how many no synchronization since `before` met."""
    rows = tx.rows(
        "SELECT kind, COUNT(*), SUM(CASE WHEN run < ? THEN 1 ELSE 0 END) FROM directory_entry"
        " WHERE org = ? GROUP BY kind",
        before,
        org,
    )
    return {str(kind): (int(known), int(gone)) for kind, known, gone in rows}


def list_unmet(tx: Reader, *, org: str, before: int, limit: int) -> list[EntryRow]:
    """Some entries that no synchronization since `before` has met."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM directory_entry WHERE org = ? AND run < ? ORDER BY guid LIMIT ?",
        org,
        before,
        limit,
    )
    return [_entry(row) for row in rows]


# --- members --------------------------------------------------------------------------------------


def put_members(tx: Tx, *, org: str, grp: str, dns: Sequence[str], run: int) -> None:
    """Note members of a group by their folded names."""
    tx.many(
        "INSERT INTO directory_member (org, grp, dn_fold, run) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (org, grp, dn_fold) DO UPDATE SET run = excluded.run",
        [(org, grp, dn, run) for dn in dns],
    )


def delete_unmet_members(tx: Tx, *, org: str, grp: str, run: int) -> None:
    """Forget members of a group that a synchronization did not meet."""
    tx.run("DELETE FROM directory_member WHERE org = ? AND grp = ? AND run <> ?", org, grp, run)


def delete_members(tx: Tx, *, org: str, grp: str) -> None:
    """Forget all members of a group."""
    tx.run("DELETE FROM directory_member WHERE org = ? AND grp = ?", org, grp)


def page_members(
    tx: Reader, *, org: str, grp: str, after: str, limit: int
) -> list[tuple[str, str | None]]:
    """A page of (folded name, user or group that has it) of a group's members, by name."""
    rows = tx.rows(
        "SELECT m.dn_fold, e.entity FROM directory_member m"
        " LEFT JOIN directory_entry e ON e.org = m.org AND e.dn_fold = m.dn_fold"
        " WHERE m.org = ? AND m.grp = ? AND m.dn_fold > ? ORDER BY m.dn_fold, e.guid LIMIT ?",
        org,
        grp,
        after,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


def names_member(tx: Reader, *, org: str, grp: str, entity: str) -> bool:
    """Whether the directory names a user or group as a member of a group."""
    row = tx.row(
        "SELECT 1 FROM directory_entry e JOIN directory_member m"
        " ON m.org = e.org AND m.dn_fold = e.dn_fold"
        " WHERE e.org = ? AND e.entity = ? AND m.grp = ?",
        org,
        entity,
        grp,
    )
    return row is not None


def list_groups_naming(tx: Reader, *, org: str, dn_fold: str) -> list[str]:
    """The groups whose members in the directory have this name among them."""
    rows = tx.rows(
        "SELECT grp FROM directory_member WHERE org = ? AND dn_fold = ? ORDER BY grp", org, dn_fold
    )
    return [str(row[0]) for row in rows]


# --- problems -------------------------------------------------------------------------------------


def put_problem(tx: Tx, *, org: str, guid: str, dn: str, reason: str, run: int) -> None:
    """Note what is wrong with an entry."""
    tx.run(
        "INSERT INTO directory_problem (org, guid, dn, reason, run) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (org, guid) DO UPDATE SET dn = excluded.dn, reason = excluded.reason,"
        " run = excluded.run",
        org,
        guid,
        dn,
        reason,
        run,
    )


def delete_problem(tx: Tx, *, org: str, guid: str) -> None:
    """Nothing is wrong with an entry any more."""
    tx.run("DELETE FROM directory_problem WHERE org = ? AND guid = ?", org, guid)


def delete_problems_before(tx: Tx, *, org: str, run: int) -> None:
    """Forget what was wrong with entries that the synchronization `run` did not meet."""
    tx.run("DELETE FROM directory_problem WHERE org = ? AND run < ?", org, run)


def list_problems(tx: Reader, *, org: str, limit: int) -> list[ProblemRow]:
    """What is wrong with entries, by name."""
    rows = tx.rows(
        "SELECT guid, dn, reason FROM directory_problem WHERE org = ? ORDER BY dn, guid LIMIT ?",
        org,
        limit,
    )
    return [ProblemRow(*row) for row in rows]
