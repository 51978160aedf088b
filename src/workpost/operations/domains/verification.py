"""Looking into DNS for the records of mail domains: who owns them, and do they sign for us.

Each registered domain has a job. It is due at once, then every minute for an hour, then every ten
minutes; it ends when ownership and DKIM are verified, or 72 hours after the registration.
"""

from __future__ import annotations

import asyncio

import msgspec

from workpost.domain.organizations import mail_domains
from workpost.domain.organizations.dns_records import OWNERSHIP_LABEL
from workpost.domain.organizations.mail_domains import VERIFY, WAIT_MS
from workpost.formats.addresses import ascii_domain
from workpost.integrations.dns.base import Resolver
from workpost.kernel.errors import Conflict, MailDomainNotFound, WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.principal import Grant
from workpost.kernel.waiting import happened
from workpost.operations.domains.published import find_published, is_delegated
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import dkim_keys, domains, jobs
from workpost.store.tables.dkim_keys import RSA, WAITING, DkimKeyRow
from workpost.store.tables.domains import PENDING, DomainRow
from workpost.store.tables.jobs import Lease

LEASE_MS = 60_000
AT_ONCE = 8
"""Domains looked up at the same time."""
SOON_MS = 60_000
LATER_MS = 10 * 60_000
EAGER_MS = 60 * 60_000
IDLE_SECONDS = 30.0

log = logger("domains")


class Sought(msgspec.Struct, frozen=True):
    """A domain and its keys, as they were when DNS was asked."""

    row: DomainRow
    keys: list[DkimKeyRow]


class Found(msgspec.Struct, frozen=True):
    """What DNS has of a domain; `seen` are the selectors of keys that receivers find."""

    ownership: bool
    dkim: bool
    seen: list[str] = []


async def look_up(resolver: Resolver, sought: Sought, host: str) -> Found:
    """Ask for the records of a domain. Raises TryLater.

    The token may also stand at the bare domain, where a zone allows no underscore. DKIM counts
    when the name of the RSA key is an alias of ours, or shows the key itself.
    """
    name, token = ascii_domain(sought.row.name), sought.row.token
    if not token:
        return Found(ownership=False, dkim=False)
    texts = (await resolver.txt(f"{OWNERSHIP_LABEL}.{name}")).values
    if token not in texts:
        texts = (await resolver.txt(name)).values
    delegated = [
        await is_delegated(resolver, name, key, host) for key in sought.keys if key.algorithm == RSA
    ]
    waiting = [key for key in sought.keys if key.state == WAITING]
    seen = await find_published(resolver, name, waiting)
    return Found(ownership=token in texts, dkim=any(delegated), seen=seen)


def read_sought(tx: Reader, *, org: str, name: str) -> Sought | None:
    """The domain with its keys, None when it was deregistered."""
    row = domains.get_domain(tx, org=org, name=name)
    return Sought(row, dkim_keys.list_keys(tx, org=org, domain=name)) if row else None


@command
def lease_due(tx: Tx, *, limit: int, lease_ms: int) -> list[Lease]:
    """Lease domains that are to be looked up."""
    now = tx.env.now()
    return jobs.lease_jobs(tx, kinds=[VERIFY], now=now, limit=limit, lease_ms=lease_ms)


@command
def settle_job(tx: Tx, *, lease: Lease, name: str, found: Found | None, token: str) -> None:
    """Write down what was found and end the job, or put it back; `found` None: DNS was silent.

    An answer for an older `token` counts for nothing. Raises Conflict when the lease is lost.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    row = domains.get_domain(tx, org=lease.org, name=name)
    if row is None:
        jobs.finish_job(tx, id=lease.id, fence=lease.fence)
        return
    if found is None or row.token != token:
        found = Found(ownership=False, dkim=False)
    settled = mail_domains.settle(
        tx, row, ownership=found.ownership, dkim=found.dkim, seen=found.seen
    )
    if PENDING not in (settled.state, settled.dkim):
        jobs.finish_job(tx, id=lease.id, fence=lease.fence)
        return
    now = tx.env.now()
    delay = SOON_MS if now - row.since < EAGER_MS else LATER_MS
    # The last look is not before the time is over.
    due = min(now + delay, max(row.since + WAIT_MS, now + SOON_MS))
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=due)


async def verify_due(core: Core, resolver: Resolver) -> int:
    """Look up some domains that are due; returns how many there were."""
    leases = await core.store.write_background(lease_due, limit=AT_ONCE, lease_ms=LEASE_MS)
    await asyncio.gather(*(_verify(core, resolver, lease) for lease in leases))
    return len(leases)


async def _verify(core: Core, resolver: Resolver, lease: Lease) -> None:
    name = (lease.cursor or b"").decode()
    sought = await core.store.read(read_sought, org=lease.org, name=name)
    found = None
    if sought is not None:
        try:
            found = await look_up(resolver, sought, core.settings.host_name)
        except WorkpostError as error:
            log.info("a domain could not be looked up", domain=name, reason=error.message)
    token = sought.row.token if sought is not None else ""
    try:
        await core.store.write_background(
            settle_job, lease=lease, name=name, found=found, token=token
        )
    except Conflict:
        # Someone else has the job by now, or verified the same name in this moment.
        log.info("a domain is looked up again", domain=name)


async def verify_now(
    core: Core, resolver: Resolver, grant: Grant, name: str, *, force: bool = False
) -> tuple[str, str]:
    """Look a domain (folded) up for an operator, or take it as verified with `force`.

    Returns the states of ownership and DKIM. Raises MailDomainNotFound, MailDomainInUse, TryLater.
    """
    sought = await core.store.read(read_sought, org=grant.organization, name=name)
    if sought is None:
        raise MailDomainNotFound(f"The organization has no mail domain {name}.")
    found = Found(ownership=True, dkim=True, seen=[key.selector for key in sought.keys])
    if not force:
        found = await look_up(resolver, sought, core.settings.host_name)
    try:
        return await _settle(core, grant, name, found)
    except Conflict:
        # Another organization had it verified in this moment, and can be seen by now.
        return await _settle(core, grant, name, found)


async def _settle(core: Core, grant: Grant, name: str, found: Found) -> tuple[str, str]:
    return await core.store.write(
        mail_domains.settle_by_hand,
        grant=grant,
        name=name,
        ownership=found.ownership,
        dkim=found.dkim,
        seen=found.seen,
    )


class DomainVerifier:
    """Looks domains up as they become due; one or more per installation, leases keep them apart."""

    def __init__(self, core: Core, resolver: Resolver) -> None:
        self._core = core
        self._resolver = resolver
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        watch = self._core.store.watch(jobs.KIND, VERIFY, lambda _: self._wake.set())
        try:
            while True:
                self._wake.clear()
                try:
                    worked = await verify_due(self._core, self._resolver)
                except WorkpostError as error:
                    log.warning("domains are not looked up now", reason=error.message)
                    worked = 0
                if not worked:
                    await self._rest()
        finally:
            watch.close()

    async def _rest(self) -> None:
        await happened(self._wake, IDLE_SECONDS)
