"""The life of a domain's DKIM keys: waiting until the DNS shows them, signing, retiring, gone.

A domain has three selectors and two keys that sign, RSA and Ed25519. A rotation makes a key under
the selector that is free; once the DNS shows it, it signs instead of the one of its algorithm,
which stays published while mail that it signed may still be on its way. Nothing signs that no
receiver can verify, and at every moment what `key_records` shows is what receivers need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import msgspec

from workpost.domain.organizations.dkim import make_key
from workpost.domain.organizations.dns_records import SELECTORS, selector
from workpost.domain.organizations.state import begin, require_active
from workpost.formats.addresses import fold_domain
from workpost.kernel.errors import Conflict, MailDomainNotFound, MailDomainStateInvalid
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import dkim_keys, domains, jobs
from workpost.store.tables.dkim_keys import ACTIVE, RETIRING, WAITING, DkimKeyRow
from workpost.store.tables.domains import DomainRow
from workpost.store.tables.jobs import Lease

TEND = "domain.dkim"
"""The kind of the jobs that look after the keys of one domain; the cursor is its name."""
KEEP_MS = 7 * 24 * 60 * 60 * 1000
"""How long a key that signs no more stays published: longer than any server keeps trying."""
SOON_MS = 60_000
LATEST_MS = 6 * 60 * 60 * 1000
"""Between two looks for a waiting key: as long as it has waited, within these bounds."""


class Keyring(msgspec.Struct, frozen=True):
    """A domain with all of its keys, by selector."""

    row: DomainRow
    keys: list[DkimKeyRow]


class Tended(msgspec.Struct, frozen=True):
    """What a job has to write: keys that the DNS shows, a key made because one is old.

    The age of those in `later` counts from `until`, so that they are asked after again some hours
    later and not at once.
    """

    seen: list[str] = []
    new: DkimKeyRow | None = None
    replaces: str = ""
    later: list[str] = []
    until: int = 0


@quick
def read_keyring(tx: Reader, *, org: str, name: str) -> Keyring | None:
    """A domain (folded) and its keys, None when it was deregistered."""
    row = domains.get_domain(tx, org=org, name=name)
    return Keyring(row, dkim_keys.list_keys(tx, org=org, domain=name)) if row else None


@quick
def get_keyring(tx: Reader, *, grant: Grant, name: str) -> Keyring:
    """The same for an operator. Raises MailDomainNotFound, MailDomainStateInvalid without keys."""
    require_active(tx, grant)
    found = read_keyring(tx, org=grant.organization, name=name)
    if found is None:
        raise MailDomainNotFound(f"The organization has no mail domain {name}.")
    if not found.row.token:
        raise MailDomainStateInvalid(f"The test domain {name} has no DKIM keys.")
    return found


def choose(keyring: Keyring, algorithm: str = "") -> tuple[DkimKeyRow, str]:
    """The key to replace (the oldest that signs, of one algorithm if given), the free selector.

    Raises MailDomainStateInvalid while an earlier rotation is not over, or nothing signs yet.
    """
    waiting = {key.algorithm for key in keyring.keys if key.state == WAITING}
    signing = [
        key
        for key in keyring.keys
        if key.state == ACTIVE and key.algorithm not in waiting and algorithm in ("", key.algorithm)
    ]
    name = keyring.row.name
    if not signing:
        raise MailDomainStateInvalid(f"The domain {name} waits for keys that nobody published yet.")
    taken = {key.selector for key in keyring.keys}
    names = (selector(keyring.row.token, number) for number in range(SELECTORS))
    free = next((each for each in names if each not in taken), None)
    if free is None:
        raise MailDomainStateInvalid(f"The rotation before this one of {name} is not over.")
    return min(signing, key=lambda key: (key.since, key.selector)), free


async def prepare(core: Core, keyring: Keyring, old: DkimKeyRow, free: str) -> DkimKeyRow:
    """A key to replace `old` with. Raises KeyDestroyed, TryLater."""
    key = await core.keys.organization(old.org)
    made = await asyncio.to_thread(make_key, key, old.org, old.domain, free, old.algorithm)
    # Whoever rotates only verified domains: it is looked for from now on.
    return msgspec.structs.replace(made, due=core.env.now())


async def rotate_key(core: Core, grant: Grant, given: str, algorithm: str = "") -> Keyring:
    """Make a key that will replace one, once it is published; returns what the domain has then.

    Raises MailDomainNotFound, MailDomainStateInvalid, Conflict, KeyDestroyed, TryLater.
    """
    name = fold_domain(given)
    keyring = await core.store.read(get_keyring, grant=grant, name=name)
    old, free = choose(keyring, algorithm)
    new = await prepare(core, keyring, old, free)
    await core.store.write(begin_rotation, grant=grant, new=new, replaces=old.selector)
    return await core.store.read(get_keyring, grant=grant, name=name)


@command
def begin_rotation(tx: Tx, *, grant: Grant, new: DkimKeyRow, replaces: str) -> None:
    """Insert a key for an operator. Raises Conflict when someone else rotated meanwhile."""
    begin(tx, grant)
    _begin(tx, new, replaces)


def _begin(tx: Tx, new: DkimKeyRow, replaces: str) -> None:
    keyring = read_keyring(tx, org=new.org, name=new.domain)
    try:
        if keyring is None:
            raise Conflict(f"The mail domain {new.domain} was deregistered meanwhile.")
        old, free = choose(keyring, new.algorithm)
    except MailDomainStateInvalid as error:
        raise Conflict(error.message) from None
    if (old.selector, free) != (replaces, new.selector) or not dkim_keys.insert_key(tx, new):
        raise Conflict(f"The keys of {new.domain} were rotated meanwhile.")
    # Its age counts anew, so that no schedule asks for the same again while the new one waits.
    dkim_keys.set_due(tx, org=old.org, domain=old.domain, selector=old.selector, due=tx.env.now())


def settle_keys(tx: Tx, org: str, name: str, seen: Collection[str]) -> None:
    """Write down which keys the DNS shows, and let those go whose time is over.

    `seen` are selectors of keys that were looked for and found. A key that is seen signs from now
    on, and retires the one that it replaces.
    """
    now = tx.env.now()
    keys = dkim_keys.list_keys(tx, org=org, domain=name)
    for key in keys:
        place = {"org": org, "domain": name, "selector": key.selector}
        if key.state == RETIRING and key.due is not None and key.due <= now:
            dkim_keys.delete_key(tx, **place)
        elif key.state == WAITING and key.selector in seen:
            _retire(tx, keys, key.algorithm)
            dkim_keys.set_state(tx, **place, state=ACTIVE, due=now)
        elif key.state == WAITING and key.due is not None and key.due <= now:
            pause = min(max(now - key.since, SOON_MS), LATEST_MS)
            dkim_keys.set_due(tx, **place, due=now + pause)


def _retire(tx: Tx, keys: Sequence[DkimKeyRow], algorithm: str) -> None:
    for key in keys:
        if key.state == ACTIVE and key.algorithm == algorithm:
            dkim_keys.set_state(
                tx,
                org=key.org,
                domain=key.domain,
                selector=key.selector,
                state=RETIRING,
                due=tx.env.now() + KEEP_MS,
            )


def list_due(tx: Reader, *, rotate_ms: int, limit: int) -> list[tuple[str, str]]:
    """(organization, domain) whose keys are due, or older than `rotate_ms` unless it is 0."""
    now = tx.env.now()
    old = now - rotate_ms if rotate_ms else -1
    return dkim_keys.due_domains(tx, now=now, old=old, limit=limit)


@command
def schedule(tx: Tx, *, found: list[tuple[str, str, int]]) -> None:
    """Make a job for each (organization, domain, id of the job) that has none."""
    now = tx.env.now()
    for org, name, id in found:
        jobs.insert_job(
            tx,
            id=id,
            org=org,
            kind=TEND,
            dedupe=f"{TEND}/{org}/{name}",
            due=now,
            cursor=name.encode(),
        )


@command
def finish_tending(tx: Tx, *, lease: Lease, work: Tended) -> None:
    """End a job with what it found and made. Raises Conflict when the lease is lost."""
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    name = (lease.cursor or b"").decode()
    settle_keys(tx, lease.org, name, work.seen)
    for each in work.later:
        dkim_keys.set_due(tx, org=lease.org, domain=name, selector=each, due=work.until)
    if work.new is not None:
        try:
            _begin(tx, work.new, work.replaces)
        except Conflict:
            # An operator was quicker: the next round sees what is there now.
            pass
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)
