"""Signing a self-test's message as mail that leaves is signed, verifying it as others do."""

from __future__ import annotations

import msgspec

from workpost.operations.authentication.dkim import DkimResult, verify_dkim
from workpost.operations.mailflow.signing import sign
from workpost.operations.selftest.clients import Failed
from workpost.store.core import Core

PASS = "pass"
UNSIGNED = "no key signs yet: DNS does not show them, `workpost doctor` says more"


class Signed(msgspec.Struct, frozen=True):
    """A message with its signatures, if its domain has keys in use."""

    raw: bytes
    is_signed: bool


async def signed(core: Core, organization: str, domain: str, raw: bytes) -> Signed:
    """Sign a message of the domain. Raises TryLater, KeyDestroyed."""
    fields = await sign(core, organization, raw, author_domain=domain)
    return Signed(fields + raw, bool(fields))


async def judge(core: Core, found: bytes) -> str:
    """What others would make of the signatures, in words. Raises Failed for a bad one."""
    results = await verify_dkim(core.resolver, found, core.env.now())
    bad = [one for one in results if one.result != PASS]
    if bad or not results:
        raise Failed("; ".join(map(_told, bad)) or "the signatures are gone")
    return ", ".join(map(_told, results))


def _told(one: DkimResult) -> str:
    return f"{one.result} {one.algorithm} {one.reason}".rstrip()
