"""Looking after DKIM keys: used once the DNS shows them, rotated when old, removed at last."""

from __future__ import annotations

import msgspec

from workpost.domain.organizations import dkim_rotation
from workpost.domain.organizations.dkim_rotation import (
    LATEST_MS,
    Keyring,
    Tended,
    choose,
    prepare,
    read_keyring,
)
from workpost.formats.addresses import ascii_domain
from workpost.kernel.errors import KeyDestroyed, MailDomainStateInvalid, TryLater
from workpost.operations.domains.published import find_published
from workpost.store.core import Core
from workpost.store.tables.dkim_keys import ACTIVE, WAITING
from workpost.store.tables.domains import VERIFIED
from workpost.store.tables.jobs import Lease

DAY_MS = 24 * 60 * 60 * 1000
SLICE = 200
"""Domains that are made jobs of at once; the others are due a minute later."""


async def schedule_tending(core: Core) -> None:
    """Make a job for each domain with keys that are due."""
    due = await core.store.read(
        dkim_rotation.list_due, rotate_ms=core.settings.dkim.rotate_days * DAY_MS, limit=SLICE
    )
    if due:
        found = [(org, name, core.env.new_id()) for org, name in due]
        await core.store.write_background(dkim_rotation.schedule, found=found)


async def tend_keys(core: Core, lease: Lease) -> None:
    """Handle `domain.dkim`. Raises Conflict when the lease is lost."""
    name = (lease.cursor or b"").decode()
    keyring = await core.store.read(read_keyring, org=lease.org, name=name)
    work = Tended()
    if keyring is not None:
        work = await _replace_old(core, keyring)
        work = msgspec.structs.replace(work, seen=await _look(core, keyring))
    await core.store.write_background(dkim_rotation.finish_tending, lease=lease, work=work)


async def _look(core: Core, keyring: Keyring) -> list[str]:
    waiting = [key for key in keyring.keys if key.state == WAITING]
    if keyring.row.state != VERIFIED or not waiting:
        return []
    try:
        return await find_published(core.resolver, ascii_domain(keyring.row.name), waiting)
    except TryLater:
        # Asked again when it is due again.
        return []


async def _replace_old(core: Core, keyring: Keyring) -> Tended:
    days = core.settings.dkim.rotate_days
    before = core.env.now() - days * DAY_MS
    old = [
        key
        for key in keyring.keys
        if key.state == ACTIVE and key.due is not None and key.due <= before
    ]
    if not days or not old:
        return Tended()
    later = [key.selector for key in old]
    oldest = min(old, key=lambda key: key.due or 0)
    try:
        key, free = choose(keyring, oldest.algorithm)
        new = await prepare(core, keyring, key, free)
    except (MailDomainStateInvalid, KeyDestroyed):
        # The rotation before is not over, or the organization is going.
        return Tended(later=later, until=before + LATEST_MS)
    return Tended(new=new, replaces=key.selector, later=later, until=before + LATEST_MS)
