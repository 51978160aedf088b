"""Policies of MTA-STS (RFC 8461): found in the DNS, fetched over HTTPS, kept while they last."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import msgspec

from workpost.formats.mta_sts import MAX_BYTES, Policy, PolicyError, parse_policy, parse_record
from workpost.integrations.egress.client import Bounds, EgressFailed, Problem, get
from workpost.integrations.egress.messages import parse_target
from workpost.kernel.errors import TryLater
from workpost.operations.outbound.hosts import find_addresses
from workpost.operations.outbound.policy_files import Kept, PolicyFiles
from workpost.store.core import Core

SECONDS = 20.0
"""For a policy file; mail waits for it."""
AGAIN = 300.0
"""Seconds after which a file that could not be fetched is tried again (RFC 8461 3.3)."""
REFRESH = 86_400.0
"""Seconds after which a policy that is still good is fetched anew, so that it does not end."""
SIZE = 10_000
"""Domains that a process remembers."""


class Found(msgspec.Struct, frozen=True):
    """The policy in force, None for none, and what was wrong with the last fetch."""

    policy: Policy | None = None
    problem: str = ""


class StsPolicies:
    """Asks and remembers; one for each process. `port` is where policy hosts listen."""

    def __init__(self, core: Core, port: int = 443) -> None:
        self._core = core
        self._port = port
        self._files = PolicyFiles(core.settings.policies_dir)
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._asking: dict[str, asyncio.Lock] = {}

    async def find(self, domain: str) -> Found:
        """The policy of a domain. Never raises: where nothing is known, there is none."""
        lock = self._asking.setdefault(domain, asyncio.Lock())
        try:
            async with lock:
                return await self._find(domain)
        finally:
            if not lock.locked():
                self._asking.pop(domain, None)

    async def _find(self, domain: str) -> Found:
        now = self._core.env.now() / 1000
        kept = self._kept.get(domain)
        if kept is None:
            kept = await self._files.load(domain)
            self._keep(domain, kept)
        policy = kept.policy if kept.expires > now else None
        id = await self._look_up(domain)
        if id is None and policy is None:
            return Found()
        # No record, but a policy that has not ended: it stays in force (RFC 8461 5.1).
        fresh = policy is not None and id in {None, kept.id} and kept.fetched + REFRESH > now
        if fresh or kept.failed + AGAIN > now:
            return Found(policy, kept.problem)
        fetched, problem = await self._fetch(domain)
        if fetched is None:
            kept.failed, kept.problem = now, problem
        else:
            kept = Kept(id or kept.id, fetched, now + fetched.max_age, now)
            policy = fetched
            await self._files.save(domain, kept)
        self._keep(domain, kept)
        return Found(policy, problem)

    def _keep(self, domain: str, kept: Kept) -> None:
        self._kept[domain] = kept
        self._kept.move_to_end(domain)
        if len(self._kept) > SIZE:
            self._kept.popitem(last=False)

    async def _look_up(self, domain: str) -> str | None:
        try:
            return parse_record((await self._core.resolver.txt(f"_mta-sts.{domain}")).values)
        except TryLater:
            return None

    async def _fetch(self, domain: str) -> tuple[Policy | None, str]:
        settings = self._core.settings.outbound
        bounds = Bounds(
            allow=settings.allow,
            ca_file=settings.ca_file,
            seconds=SECONDS,
            response_bytes=MAX_BYTES,
            # RFC 8461 3.3: redirects are not followed.
            redirects=0,
        )
        place = "" if self._port == 443 else f":{self._port}"
        url = f"https://mta-sts.{domain}{place}/.well-known/mta-sts.txt"
        try:
            parse_target(url)
            response = await get(bounds, url, resolver=self._resolve)
        except EgressFailed as error:
            if error.problem is Problem.CERTIFICATE:
                return None, "sts-webpki-invalid"
            return None, "sts-policy-fetch-error"
        except (TryLater, ValueError):
            return None, "sts-policy-fetch-error"
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status != 200 or kind != "text/plain":
            return None, "sts-policy-fetch-error"
        try:
            return parse_policy(response.body), ""
        except PolicyError:
            return None, "sts-policy-invalid"

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            return (await find_addresses(self._core.resolver, host)).values
        except TryLater as error:
            raise OSError(str(error)) from error
