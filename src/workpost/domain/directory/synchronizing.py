"""The command that brings users and groups to what a directory outside has.

It is a slice of the job in `operations/directories`, under the organization's lock. An entry that
cannot be what it wants to be (its name is taken, there are too many users) is noted as a problem
and left as it was.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.address_sync import follow_addresses
from workpost.domain.directory.entities import (
    ROLES_OUTSIDE,
    Props,
    fold_name,
    read_props,
    write_props,
)
from workpost.domain.directory.imported import Unusable, Wanted
from workpost.domain.directory.member_sync import follow_name
from workpost.domain.directory.sync_runs import begin_sync
from workpost.domain.organizations.state import change_policy
from workpost.formats.ldap import fold_dn
from workpost.kernel.errors import Fault
from workpost.store.database.unit import Tx, command
from workpost.store.tables import directory_entries, entities, organizations
from workpost.store.tables.directory_entries import EntryRow
from workpost.store.tables.entities import DELETED, ENABLED, USER, EntityRow
from workpost.store.tables.jobs import Lease

SLICE = 20
"""Entries of one transaction."""


class Applied(msgspec.Struct):
    """What a slice did."""

    written: int = 0
    problems: int = 0
    collisions: int = 0
    """Problems that may go away when what was removed is found, which only a full run does."""
    displaced: int = 0
    """Names taken from entries that have others by now, and have to be written again."""


class _Slice(msgspec.Struct):
    """What the steps of one slice share."""

    org: str
    run: int
    full: bool
    limit: int
    version: int
    interoperability: bool
    applied: Applied
    policy: bool = False


class _Problem(Exception):
    """An entry is left as it is; `collides` when another entry is in its way."""

    def __init__(self, reason: str, *, collides: bool = False) -> None:
        super().__init__(reason)
        self.collides = collides


@command
def apply_slice(
    tx: Tx,
    *,
    lease: Lease,
    lease_ms: int,
    run: int,
    full: bool,
    limit: int,
    wanted: list[Wanted],
    unusable: list[Unusable],
) -> Applied:
    """Write up to `SLICE` entries; `limit` is the greatest number of users.

    Raises Conflict when the lease is lost, OrganizationNotFound.
    """
    version = begin_sync(tx, lease, lease_ms)
    facts = organizations.get_directory(tx, organization=lease.org)
    work = _Slice(
        org=lease.org,
        run=run,
        full=full,
        limit=limit,
        version=version,
        interoperability=facts is not None and bool(facts.interoperability),
        applied=Applied(),
    )
    for bad in unusable:
        directory_entries.mark_entry(tx, org=work.org, guid=bad.guid, run=run)
        _hold(tx, work, bad)
        _note(tx, work, bad.guid, bad.dn, bad.reason)
    for entry in wanted:
        _apply(tx, work, entry)
    if work.policy:
        change_policy(tx, work.org)
    return work.applied


def _note(tx: Tx, work: _Slice, guid: str, dn: str, reason: str) -> None:
    work.applied.problems += 1
    directory_entries.put_problem(tx, org=work.org, guid=guid, dn=dn, reason=reason, run=work.run)


def _apply(tx: Tx, work: _Slice, wanted: Wanted) -> None:
    known = directory_entries.get_entry(tx, org=work.org, guid=wanted.guid)
    if known is not None and known.stamp == wanted.stamp:
        directory_entries.mark_entry(tx, org=work.org, guid=wanted.guid, run=work.run)
        if not work.full:
            # It wanted to be something else meanwhile. Full runs forget what is not told again.
            directory_entries.delete_problem(tx, org=work.org, guid=wanted.guid)
        elif work.interoperability:
            # A domain may be verified, or an address free, since the entry was changed.
            row = entities.get_entity(tx, org=work.org, entity=known.entity)
            _follow_addresses(tx, work, row, wanted)
        return
    try:
        written = _write(tx, work, wanted, known)
    except _Problem as problem:
        work.applied.collisions += problem.collides
        if known is not None and known.kind != wanted.kind:
            # What a user is called as a group frees nobody's name.
            directory_entries.mark_entry(tx, org=work.org, guid=wanted.guid, run=work.run)
        else:
            directory_entries.note_wanted_name(
                tx,
                org=work.org,
                guid=wanted.guid,
                run=work.run,
                wanted_fold=fold_name(wanted.name),
            )
            _hold(tx, work, wanted)
        _note(tx, work, wanted.guid, wanted.dn, str(problem))
        return
    work.applied.written += 1
    directory_entries.delete_problem(tx, org=work.org, guid=wanted.guid)
    old = known.dn_fold if known is not None else ""
    work.policy |= follow_name(tx, written, old, fold_dn(wanted.dn))
    if work.interoperability:
        _follow_addresses(tx, work, written, wanted)


def _hold(tx: Tx, work: _Slice, met: Wanted | Unusable) -> None:
    """Follow where an entry is and who may log in, though it cannot be what it wants to be.

    Otherwise a locked account would stay open for a name that is taken, and who gets the entry's
    old distinguished name would share its groups with it.
    """
    known = directory_entries.get_entry(tx, org=work.org, guid=met.guid)
    row = entities.get_entity(tx, org=work.org, entity=known.entity) if known is not None else None
    if known is None or row is None:
        return
    ended = _ends_logins(known, met)
    held = msgspec.structs.replace(
        known,
        dn=met.dn,
        dn_fold=fold_dn(met.dn),
        locked=int(met.locked),
        password_changed=met.password_changed,
    )
    if held == known:
        return
    # Its stamp is not that of what is here any more.
    directory_entries.put_entry(tx, msgspec.structs.replace(held, stamp=b""))
    work.policy = work.policy or ended or known.locked != held.locked
    if ended:
        props = msgspec.structs.replace(read_props(row), password_version=work.version)
        changed = msgspec.structs.replace(row, props=write_props(props), version=work.version)
        entities.update_entity(tx, changed)
    work.policy |= follow_name(tx, row, known.dn_fold, held.dn_fold)


def _ends_logins(known: EntryRow, met: Wanted | Unusable) -> bool:
    """Whether the account was locked, or its password changed, since it was met last.

    A server may say when only after the first change (pwdChangedTime).
    """
    locked = met.locked and not known.locked
    return locked or known.password_changed != met.password_changed


def _follow_addresses(tx: Tx, work: _Slice, row: EntityRow | None, wanted: Wanted) -> None:
    if row is None or row.state != ENABLED:
        return
    followed = follow_addresses(tx, row, wanted.addresses, work.version)
    work.policy |= followed.changed
    if followed.problems:
        _note(tx, work, wanted.guid, wanted.dn, " ".join(followed.problems))


def _write(tx: Tx, work: _Slice, wanted: Wanted, known: EntryRow | None) -> EntityRow:
    """Insert, revive or change the user or group. Raises _Problem."""
    id = known.entity if known is not None else wanted.entity
    row = entities.get_entity(tx, org=work.org, entity=id)
    if row is not None and row.kind != wanted.kind:
        raise _Problem(f"{id} is a {row.kind.lower()} already.")
    if row is not None and known is None and row.state != DELETED:
        raise _Problem(f"Another entry is {id} already.", collides=True)
    _claim_name(tx, work, id, wanted.name)
    if (row is None or row.state == DELETED) and wanted.kind == USER:
        counted = organizations.change_users(tx, organization=work.org, by=1, limit=work.limit)
        if not counted:
            raise _Problem(f"The organization has {work.limit} users, as many as it may have.")
    if row is None:
        row = _insert(tx, work, id, wanted)
    elif row.state == DELETED:
        entities.revive_entity(
            tx, org=work.org, entity=id, name_fold=fold_name(wanted.name), version=work.version
        )
        row = msgspec.structs.replace(row, state=entities.DISABLED)
    row = _update(tx, work, row, wanted, known)
    directory_entries.put_entry(
        tx,
        EntryRow(
            org=work.org,
            guid=wanted.guid,
            entity=id,
            kind=wanted.kind,
            dn=wanted.dn,
            dn_fold=fold_dn(wanted.dn),
            stamp=wanted.stamp,
            run=work.run,
            locked=int(wanted.locked),
            password_changed=wanted.password_changed,
            wanted_fold=fold_name(wanted.name),
        ),
    )
    return row


def _claim_name(tx: Tx, work: _Slice, id: str, name: str) -> None:
    """Make sure that nobody else has a name. Raises _Problem.

    Whoever has the name keeps it, unless its own entry was met under another one that it could not
    have: it makes room, and the next run writes it again. So entries may swap names.
    """
    holder = entities.get_by_name(tx, org=work.org, name_fold=fold_name(name))
    if holder is None or holder.id == id:
        return
    entry = directory_entries.get_entry_of(tx, org=work.org, entity=holder.id)
    if entry is None or entry.wanted_fold == holder.name_fold:
        raise _Problem(
            f"The name {name} is used by the {holder.kind.lower()} {holder.id}.",
            collides=entry is not None,
        )
    spare = entry.guid
    if entities.get_by_name(tx, org=work.org, name_fold=spare) is not None:
        spare = f"{work.version}-{entry.guid}"
    entities.update_entity(
        tx,
        msgspec.structs.replace(holder, name=spare, name_fold=spare, version=work.version),
    )
    directory_entries.put_entry(tx, msgspec.structs.replace(entry, stamp=b""))
    work.applied.displaced += 1


def _insert(tx: Tx, work: _Slice, id: str, wanted: Wanted) -> EntityRow:
    entities.insert_entity(
        tx,
        org=work.org,
        entity=id,
        kind=wanted.kind,
        name=wanted.name,
        name_fold=fold_name(wanted.name),
        display=wanted.display,
        display_fold=fold_name(wanted.display),
        hidden=False,
        password=None,
        props=write_props(msgspec.structs.replace(wanted.props, password_version=work.version)),
        version=work.version,
    )
    row = entities.get_entity(tx, org=work.org, entity=id)
    if row is None:
        raise Fault(f"the entity {id} could not be inserted")
    return row


def _update(
    tx: Tx, work: _Slice, row: EntityRow, wanted: Wanted, known: EntryRow | None
) -> EntityRow:
    """Write names and properties; logins of a changed password or a locked account end."""
    props = read_props(row)
    ended = known is not None and _ends_logins(known, wanted)
    fresh = msgspec.structs.replace(
        wanted.props,
        user_role=_role(props, wanted.props),
        identity_provider_user_id=props.identity_provider_user_id,
        identity_provider_identity_store_id=props.identity_provider_identity_store_id,
        # A tombstone has forgotten it.
        password_version=work.version if ended or known is None else props.password_version,
    )
    work.policy = work.policy or ended or (known is not None and known.locked != wanted.locked)
    changed = msgspec.structs.replace(
        row,
        name=wanted.name,
        name_fold=fold_name(wanted.name),
        display=wanted.display,
        display_fold=fold_name(wanted.display),
        props=write_props(fresh),
        version=work.version,
    )
    entities.update_entity(tx, changed)
    return changed


def _role(here: Props, there: Props) -> str:
    """The directory says who is built in or a room; between the others an administrator chose."""
    if not ROLES_OUTSIDE.isdisjoint((there.user_role, here.user_role)):
        return there.user_role
    return here.user_role
