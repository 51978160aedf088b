"""Signing what leaves: DKIM with RSA and Ed25519, an ARC seal on what is forwarded."""

from __future__ import annotations

from workpost.store.core import Core


async def sign(core: Core, organization: str, raw: bytes, *, author_domain: str) -> bytes:
    """DKIM-Signature fields to put in front of `raw`; b"" when the domain has no keys in use.

    Raises TryLater, KeyDestroyed.
    """
    raise NotImplementedError


async def seal_arc(
    core: Core, organization: str, domain: str, raw: bytes, results_field: bytes
) -> bytes:
    """The fields of an ARC set to put in front of `raw`, made by the keys of `domain`.

    `results_field` is our Authentication-Results field of the message as it came in. b"" when the
    domain has no RSA key in use, or the chain is not to be continued. Raises TryLater,
    KeyDestroyed.
    """
    raise NotImplementedError
