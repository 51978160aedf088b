"""Rotation of keys while everything runs.

A rotation adds a generation, which wraps from then on, and then moves what older generations wrap
to the newest, in slices of the background lane. Content and summaries are never rewritten: only
the wraps of their keys are. Tag keys are wrapped anew and never replaced.

Every `rewrap_*` can be repeated, at the same time as another, and after a crash; the sweeper does
so for every superseded generation until it finds that nothing refers to it (`sweep.py`). Other
processes keep wrapping with the generation before for up to 60 s; the sweeper finds that too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workpost.domain.mailboxes import out_of_office as away
from workpost.domain.mailboxes import script_shell
from workpost.domain.messages import transit
from workpost.domain.organizations import availability, dkim, smtp_gateways, suppression
from workpost.operations.filtering import model
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.keys.hierarchy import START, Cursor
from workpost.store.keys.records import SYSTEM, org_scope
from workpost.store.tables import out_of_office, rewrap, sieve_scripts, spam
from workpost.store.tables.sealed_columns import Key, page_sealed, rewrap_sealed

PAGE = 250
CHILDREN = 100
RUN = 50
"""Values opened and sealed before the loop gets its turn (about 0.3 ms)."""


async def rotate_mailbox(core: Core, organization: str, mailbox: int) -> int:
    """Give a mailbox a new key; returns its generation when all wraps are moved to it.

    Raises KeyDestroyed, TryLater.
    """
    gen = await core.keys.rotate_mailbox(organization, mailbox)
    await rewrap_mailbox(core, organization, mailbox)
    return gen


async def rotate_organization(core: Core, organization: str, *, mailboxes: bool = False) -> int:
    """Give an organization a new data key (and, if asked, each of its mailboxes a new key)."""
    gen = await core.keys.rotate_organization(organization)
    await rewrap_organization(core, organization)
    if mailboxes:
        after = 0
        while page := await core.store.read(
            rewrap.mailboxes_of, organization=organization, after=after, limit=PAGE
        ):
            for mailbox in page:
                await rotate_mailbox(core, organization, mailbox)
            after = page[-1]
    return gen


async def rotate_system(core: Core) -> int:
    """Replace the system key; returns its generation when access keys are sealed by it."""
    gen = await core.keys.rotate_system()
    await rewrap_system(core)
    return gen


async def rotate_master(core: Core) -> int:
    """Replace the topmost wrap of the system key and of all organizations' keys.

    With the local key ring: a new version of it. Where the settings name a KMS key: what the ring
    still wraps moves to KMS (KMS rotates its own key by itself). Returns the number of keys
    wrapped anew.
    """
    return await core.keys.run(core.keys.hierarchy.rotate_master)


async def rewrap_mailbox(core: Core, organization: str, mailbox: int) -> int:
    """Wrap all of a mailbox's content keys and names by its current key; returns how many."""
    current = await core.keys.mailbox(organization, mailbox)
    moved = await _rewrap_names(core, organization, mailbox)
    moved += await _rewrap_rules(core, organization, mailbox)
    after = 0
    while True:
        page = await core.store.read(rewrap.page_wraps, mailbox=mailbox, after=after, limit=PAGE)
        old = [(item, gen, bytes(wrapped)) for item, gen, wrapped in page if gen < current.gen]
        rows: list[rewrap.Rewrapped] = []
        for start in range(0, len(old), RUN):
            some = old[start : start + RUN]
            keys = {
                gen: (await core.keys.mailbox(organization, mailbox, gen)).key
                for gen in {gen for _, gen, _ in some}
            }
            opened = sealing.unwrap_content_keys(keys, organization, mailbox, some)
            for (item, _, wrapped), content_key in zip(some, opened, strict=True):
                ad = sealing.place("summary", "wrapped_content_key", organization, mailbox, item)
                rows.append((item, wrapped, sealing.seal(current.key, content_key, ad)))
            await asyncio.sleep(0)
        if rows:
            await core.store.write_background(
                rewrap.rewrap_summaries, mailbox=mailbox, gen=current.gen, rows=rows
            )
        moved += len(rows)
        if len(page) < PAGE:
            return moved
        after = page[-1][0]


async def _rewrap_names(core: Core, organization: str, mailbox: int) -> int:
    current = await core.keys.mailbox(organization, mailbox)
    folders: list[rewrap.Rewrapped] = []
    for folder, gen, sealed in await core.store.read(
        rewrap.old_folders, mailbox=mailbox, below=current.gen
    ):
        old = await core.keys.mailbox(organization, mailbox, gen)
        ad = sealing.place("folder", "sealed", organization, mailbox, folder)
        folders.append((folder, sealed, _reseal(old.key, current.key, sealed, ad)))
    subscriptions: list[tuple[bytes, bytes, bytes]] = []
    for tag, gen, sealed in await core.store.read(
        rewrap.old_subscriptions, mailbox=mailbox, below=current.gen
    ):
        old = await core.keys.mailbox(organization, mailbox, gen)
        ad = sealing.place("subscription", "sealed", organization, mailbox, bytes(tag).hex())
        subscriptions.append((tag, sealed, _reseal(old.key, current.key, sealed, ad)))
    longest = max(len(folders), len(subscriptions))
    for start in range(0, longest, PAGE):
        await core.store.write_background(
            rewrap.rewrap_names,
            mailbox=mailbox,
            gen=current.gen,
            folders=folders[start : start + PAGE],
            subscriptions=subscriptions[start : start + PAGE],
        )
    return len(folders) + len(subscriptions)


async def _rewrap_rules(core: Core, organization: str, mailbox: int) -> int:
    """Sieve scripts, one at a time, and the out-of-office setting."""
    current = await core.keys.mailbox(organization, mailbox)
    scripts = await core.store.read(sieve_scripts.old_scripts, mailbox=mailbox, below=current.gen)
    for tag, gen, name, text in scripts:
        old = await core.keys.mailbox(organization, mailbox, gen)
        named = script_shell.place("sealed_name", organization, mailbox, tag)
        written = script_shell.place("sealed", organization, mailbox, tag)
        await core.store.write_background(
            sieve_scripts.rewrap_script,
            mailbox=mailbox,
            gen=current.gen,
            name_tag=tag,
            old=text,
            sealed_name=_reseal(old.key, current.key, name, named),
            new=_reseal(old.key, current.key, text, written),
        )
    setting = await core.store.read(out_of_office.old_setting, mailbox=mailbox, below=current.gen)
    if setting is None:
        return len(scripts)
    gen, sealed = setting
    old = await core.keys.mailbox(organization, mailbox, gen)
    ad = away.place(organization, mailbox)
    await core.store.write_background(
        out_of_office.rewrap_setting,
        mailbox=mailbox,
        gen=current.gen,
        old=sealed,
        new=_reseal(old.key, current.key, sealed, ad),
    )
    return len(scripts) + 1


def _reseal(old: bytes, new: bytes, sealed: bytes, ad: bytes) -> bytes:
    return sealing.seal(new, sealing.unseal(old, sealed, ad), ad)


async def rewrap_organization(core: Core, organization: str) -> int:
    """Wrap what hangs from an organization's data key by its current generation.

    Mailbox and tag keys, DKIM keys, passwords of availability providers and of SMTP gateways, the
    key of learned words, queue entries, messages in transit, suppressed addresses, service logs,
    events. Entries on which somebody works at this moment are left for the next pass; they count as
    well. Returns how many were of an older generation.
    """
    moved = await rewrap_children(core, org_scope(organization))
    moved += await _rewrap_spam_model(core, organization)
    moved += await _rewrap_queue(core, organization)
    for table in PLACES:
        moved += await _rewrap_column(core, organization, table)
    return moved


async def rewrap_children(core: Core, parent: str) -> int:
    """Wrap the key store's children of a key by its newest generation; returns how many."""
    hierarchy = core.keys.hierarchy
    newest = await core.keys.run(hierarchy.store.load, parent)
    if newest is None or newest.destroyed_at is not None:
        return 0
    moved = 0
    cursor: Cursor | None = START
    while cursor is not None:
        count, cursor = await core.keys.run(
            hierarchy.rewrap_children, parent, newest.gen, cursor, CHILDREN
        )
        moved += count
    return moved


def _place_of(table: str) -> Callable[..., bytes]:
    """The place of a row that is keyed by time and id."""
    return lambda organization, _, row: sealing.place(table, "sealed", organization, table, row)


PLACES: dict[str, Callable[..., bytes]] = {
    "dkim_key": dkim.place,
    "availability": availability.place,
    "smtp_gateway": smtp_gateways.place,
    "in_transit": transit.place,
    "suppression": suppression.place,
    "service_log": _place_of("service_log"),
    "event": _place_of("event"),
}
"""By table of `sealed_columns`, what a value is bound to: from the organization and its key."""


async def _rewrap_column(core: Core, organization: str, table: str) -> int:
    current = await core.keys.organization(organization)
    moved = 0
    after: Key | None = None
    while page := await core.store.read(
        page_sealed, table=table, organization=organization, after=after, limit=PAGE
    ):
        rows: list[tuple[Key, bytes, bytes]] = []
        for *key, gen, sealed in page:
            if gen < current.gen:
                old = await core.keys.organization(organization, gen)
                ad = PLACES[table](organization, *key)
                rows.append((tuple(key), sealed, _reseal(old.key, current.key, sealed, ad)))
        if rows:
            await core.store.write_background(
                rewrap_sealed, table=table, organization=organization, gen=current.gen, rows=rows
            )
        moved += len(rows)
        after = tuple(page[-1][:-2])
    return moved


async def _rewrap_spam_model(core: Core, organization: str) -> int:
    current = await core.keys.organization(organization)
    row = await core.store.read(spam.get_model, org=organization)
    if row is None or row.gen >= current.gen:
        return 0
    old = await core.keys.organization(organization, row.gen)
    new = _reseal(old.key, current.key, row.sealed, model.place(organization))
    await core.store.write_background(
        spam.rewrap_model, org=organization, gen=current.gen, old=row.sealed, new=new
    )
    return 1


async def _rewrap_queue(core: Core, organization: str) -> int:
    current = await core.keys.organization(organization)
    moved = 0
    after = (0, 0)
    while page := await core.store.read(
        rewrap.page_queue, organization=organization, after=after, limit=PAGE
    ):
        after = (page[-1][0], page[-1][1])
        for _, queue, gen, wrapped_key, envelope in page:
            if gen >= current.gen:
                continue
            moved += 1
            old = await core.keys.organization(organization, gen)
            rows = await core.store.read(rewrap.queue_recipients, queue=queue)
            recipients = []
            for n, sealed in rows:
                ad = sealing.place("queue_rcpt", "sealed", organization, queue, n)
                recipients.append((n, sealed, _reseal(old.key, current.key, sealed, ad)))
            place = sealing.place("queue", "wrapped_key", organization, "queue", queue)
            envelope_place = sealing.place("queue", "sealed_envelope", organization, "queue", queue)
            await core.store.write_background(
                rewrap.rewrap_queue,
                queue=queue,
                old_gen=gen,
                gen=current.gen,
                wrapped_key=_reseal(old.key, current.key, wrapped_key, place),
                sealed_envelope=_reseal(old.key, current.key, envelope, envelope_place),
                recipients=recipients,
            )
    return moved


async def rewrap_system(core: Core) -> int:
    """Seal by the current system key what older generations sealed; returns how many."""
    current = await core.keys.system()
    moved = await rewrap_children(core, SYSTEM)
    after = ""
    while page := await core.store.read(rewrap.page_access_keys, after=after, limit=PAGE):
        after = page[-1][0]
        rows = []
        for key, account, gen, sealed in page:
            if gen < current.gen:
                old = await core.keys.system(gen)
                ad = sealing.place("access_key", "sealed_secret", account, "access_key", key)
                rows.append((key, sealed, _reseal(old.key, current.key, sealed, ad)))
        if rows:
            await core.store.write_background(rewrap.rewrap_access_keys, gen=current.gen, rows=rows)
        moved += len(rows)
    return moved


async def rewrap_master(core: Core) -> int:
    """Wrap by the newest version of the key ring what older versions wrap; returns how many."""
    return await core.keys.run(core.keys.hierarchy.rewrap_master)
