"""Signing what leaves: DKIM with RSA and Ed25519, an ARC seal on what is forwarded.

Private keys in clear live as the keys that seal them do: at most 60 s, in this process, and no
longer than the organization's key itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from weakref import WeakKeyDictionary

import msgspec

from workpost.domain.organizations.dkim import open_key
from workpost.formats.addresses import ascii_domain, fold_domain
from workpost.formats.mailauth import arc as arc_format
from workpost.formats.mailauth import dkim as dkim_format
from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import Signer
from workpost.kernel.errors import KeyDestroyed, TryLater
from workpost.operations.authentication.arc import TEMPERROR, verify_arc
from workpost.operations.authentication.signers import compute
from workpost.store.core import Core
from workpost.store.keys.facade import Keys
from workpost.store.tables.dkim_keys import ACTIVE, ED25519, RSA, list_keys

SECONDS = 60.0
REMEMBERED = 1_024
"""Domains whose keys are kept ready, those without keys included."""

_ALGORITHMS = {RSA: "rsa-sha256", ED25519: "ed25519-sha256"}


class _Ready(msgspec.Struct, frozen=True):
    expires: float
    signers: tuple[Signer, ...]


_ready: WeakKeyDictionary[Keys, OrderedDict[tuple[str, str], _Ready]] = WeakKeyDictionary()


async def sign(core: Core, organization: str, raw: bytes, *, author_domain: str) -> bytes:
    """DKIM-Signature fields to put in front of `raw`; b"" when the domain has no keys in use.

    `author_domain` is the domain of From, in any form. Raises TryLater, KeyDestroyed.
    """
    signers = await _signers(core, organization, fold_domain(author_domain))
    if not signers:
        return b""
    return await compute(raw, _sign, raw, signers, core.env.now() // 1000)


def _sign(raw: bytes, signers: tuple[Signer, ...], now: int) -> bytes:
    fields = Fields(raw)
    return b"" if fields.too_large else dkim_format.sign(fields, signers, now)


async def seal_arc(
    core: Core, organization: str, domain: str, raw: bytes, results_field: bytes
) -> bytes:
    """The fields of an ARC set to put in front of `raw`, made by the RSA key of `domain`.

    `results_field` is our Authentication-Results field of the message as it came in; what it says
    of the chain is not asked, the chain is verified here. b"" when the domain has no RSA key in
    use, or the chain is broken or full: what it says helps nobody then. Raises TryLater (also
    when the DNS does not tell of the chain), KeyDestroyed.
    """
    signers = await _signers(core, organization, fold_domain(domain))
    signer = next((each for each in signers if each.algorithm == _ALGORITHMS[RSA]), None)
    if signer is None:
        return b""
    chain = await verify_arc(core.resolver, raw, core.env.now())
    if chain.result == TEMPERROR:
        raise TryLater(f"The ARC chain of a message cannot be verified now: {chain.reason}.")
    if chain.result == arc_format.FAIL or chain.instances >= arc_format.MOST_SETS:
        return b""
    results = results_field.partition(b":")[2].strip()
    return await compute(raw, _seal, raw, signer, results, chain.result, core.env.now() // 1000)


def _seal(raw: bytes, signer: Signer, results: bytes, validation: str, now: int) -> bytes:
    return arc_format.seal(Fields(raw), signer, results, validation, now)


async def _signers(core: Core, organization: str, domain: str) -> tuple[Signer, ...]:
    """The keys in use of a domain (folded), made ready."""
    ready = _ready.setdefault(core.keys, OrderedDict())
    place = (organization, domain)
    try:
        # In its cache for 60 s; shredding drops it, and with it what it opened.
        await core.keys.organization(organization)
    except KeyDestroyed:
        for each in [each for each in ready if each[0] == organization]:
            del ready[each]
        raise
    kept = ready.get(place)
    if kept is not None and kept.expires > core.env.monotonic():
        return kept.signers
    expires = core.env.monotonic() + SECONDS
    signers = []
    for row in await core.store.read(list_keys, org=organization, domain=domain):
        if row.state == ACTIVE:
            key = await core.keys.organization(organization, row.gen)
            algorithm = _ALGORITHMS[row.algorithm]
            signers.append(
                Signer(algorithm, ascii_domain(domain), row.selector, open_key(key, row))
            )
    # RSA first: receivers that verify one signature take the first, and all of them know RSA.
    signers.sort(key=lambda each: each.algorithm, reverse=True)
    made = _Ready(expires, tuple(signers))
    ready[place] = made
    ready.move_to_end(place)
    if len(ready) > REMEMBERED:
        ready.popitem(last=False)
    asyncio.get_running_loop().call_later(SECONDS, _drop, ready, place, made)
    return made.signers


def _drop(ready: OrderedDict[tuple[str, str], _Ready], place: tuple[str, str], old: _Ready) -> None:
    if ready.get(place) is old:
        del ready[place]
