"""Fetching the certificate, and renewing it when a third of its life is left.

One process of a machine does this (the files are the machine's own); the listeners of all of them
take up what it writes. The names are `hostname`, `acme.names`, and of each verified domain
`mta-sts.` and `autodiscover.` where DNS leads them to an address of `hostname`. A name that the
authority cannot prove is left out at once, so that it does not cost the others their certificate.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

import msgspec

from workpost.formats.addresses import ascii_domain
from workpost.integrations.acme import client
from workpost.integrations.acme.client import Authority, AuthorityAway, OrderFailed
from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.waiting import happened
from workpost.operations.certificates.files import AcmeFiles, State, csr_of
from workpost.operations.certificates.inspecting import Facts, read_facts
from workpost.store.core import Core
from workpost.store.tables.domains import list_verified

MOST_NAMES = 100
"""What Let's Encrypt puts into one certificate."""
MOST_DOMAINS = 500
"""Domains that are asked for in DNS, by name; those after them need a certificate of their own."""
RENEW_LEFT = 1 / 3
LOOK_SECONDS = 300.0
ORDER_SECONDS = 120.0
FIRST_PAUSE_MS = 15 * 60_000
AWAY_PAUSE_MS = 5 * 60_000
"""Without a network there is nothing to count."""
LONGEST_PAUSE_MS = 12 * 3_600_000
"""An authority counts failures; those of an hour are few enough."""

log = logger("certificates")


async def wanted_names(core: Core) -> list[str]:
    """The names that the certificate should have, `hostname` first."""
    settings = core.settings
    names = list(dict.fromkeys([settings.host_name.lower(), *map(str.lower, settings.acme.names)]))
    ours = await _addresses(core, names[0])
    rows = await core.store.read(list_verified, after="", limit=MOST_DOMAINS) if ours else []
    for row in rows:
        domain = ascii_domain(row.name)
        for name in (f"mta-sts.{domain}", f"autodiscover.{domain}"):
            if name not in names and len(names) < MOST_NAMES:
                found = await _addresses(core, name)
                if found and found <= ours:
                    names.append(name)
    return names


async def _addresses(core: Core, name: str) -> set[str]:
    """The addresses of a name, none where DNS does not tell them."""
    try:
        v4, v6 = await core.resolver.a(name), await core.resolver.aaaa(name)
    except WorkpostError:
        return set()
    return {*v4.values, *v6.values}


def is_due(facts: Facts | None, names: list[str], now: dt.datetime) -> bool:
    """Whether a certificate is missing, comes to its end, or lacks a name."""
    if facts is None or facts.left(now) <= RENEW_LEFT:
        return True
    return not all(map(facts.covers, names))


def pause_ms(failures: int) -> int:
    """How long to wait after so many failures in a row."""
    doubled: int = FIRST_PAUSE_MS << min(failures - 1, 10)
    return min(doubled, LONGEST_PAUSE_MS)


async def renew_if_due(core: Core, files: AcmeFiles, *, at_once: bool = False) -> bool:
    """Look, and order a certificate where one is due; True when there is a new one.

    After a failure the next attempt waits, also in a process that starts anew, unless `at_once`.
    Raises OSError when the files cannot be written, ValueError when the account's key is broken.
    """
    await asyncio.to_thread(files.prepare)
    state = files.state()
    now = core.env.now()
    if now < state.not_before and not at_once:
        return False
    names = await wanted_names(core)
    held, moment = _facts(files), dt.datetime.fromtimestamp(now / 1000, dt.UTC)
    if not is_due(held, names, moment):
        if state.reason:
            files.put_state(State(tried=state.tried))
        return False
    # Written before the attempt: who dies in it does not begin anew at once, again and again.
    failures = state.failures + 1
    after = State(now, failures, now + pause_ms(failures), "the attempt did not come to its end")
    files.put_state(after)
    try:
        left_out = await _order(core, files, names, lambda rest: is_due(held, rest, moment))
    except AuthorityAway as error:
        soon = State(now, state.failures, now + AWAY_PAUSE_MS, str(error))
        files.put_state(soon)
        log.warning("the certificate authority cannot be asked", reason=str(error))
        return False
    except (OrderFailed, ValueError) as error:
        files.put_state(msgspec.structs.replace(after, reason=str(error)))
        log.error("there is no new certificate", reason=str(error), names=names)
        return False
    if left_out is None:
        files.put_state(State(tried=now))
    else:
        files.put_state(msgspec.structs.replace(after, reason=str(left_out)))
        log.warning("the certificate lacks names", reason=str(left_out), names=left_out.names)
    log.info("there is a new certificate", names=names)
    return True


async def _order(
    core: Core, files: AcmeFiles, names: list[str], is_needed: Callable[[list[str]], bool]
) -> OrderFailed | None:
    """Order and keep a certificate; what failed of it where some names were left out.

    Without them another one is ordered only if it `is_needed`: authorities count the certificates
    of the same names. Raises OrderFailed, ValueError.
    """
    acme = core.settings.acme
    authority = Authority(directory=acme.directory, contact=acme.contact, ca_file=acme.ca_file)

    def order(wanted: list[str]) -> None:
        csr = csr_of(files.private_key(), wanted)
        key = files.account_key()
        files.put(client.order(authority, key, csr, seconds=ORDER_SECONDS))

    try:
        await asyncio.to_thread(order, names)
    except OrderFailed as error:
        rest = [name for name in names if name not in error.names]
        if names[0] not in rest or rest == names or not is_needed(rest):
            raise
        await asyncio.to_thread(order, rest)
        return error
    return None


def _facts(files: AcmeFiles) -> Facts | None:
    try:
        return read_facts(files.certificate.read_bytes())
    except (OSError, ValueError):
        return None


class CertificateKeeper:
    """Keeps the certificate new; `hasten` makes it look at once, whatever failed before."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._files = AcmeFiles(core.settings.tls_dir)
        self._wake = asyncio.Event()

    def hasten(self) -> None:
        """Look now."""
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        at_once = False
        while True:
            try:
                await renew_if_due(self._core, self._files, at_once=at_once)
            except (OSError, ValueError, WorkpostError) as error:
                log.error("the certificate cannot be looked after", reason=str(error))
            at_once = await self._rest()

    async def _rest(self) -> bool:
        """Wait; True when somebody asked for a look."""
        asked = await happened(self._wake, LOOK_SECONDS)
        if asked:
            self._wake.clear()
        return asked
