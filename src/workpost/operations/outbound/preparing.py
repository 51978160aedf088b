"""What is sent of a queued message: without what is ours alone, signed by its author or sealed.

Mail that was written here is signed with DKIM. Mail that only passes is not ours to sign: its
forwarder's domain seals what it knows of its origin with ARC (RFC 8617).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Protocol

from workpost.formats.addresses import split
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import TryLater
from workpost.kernel.logging import logger
from workpost.operations.authentication.check import server_name
from workpost.operations.mailflow import forwarding, signing
from workpost.operations.mailflow.envelope import StoredEnvelope
from workpost.store.core import Core

_RESULTS = re.compile(
    rb"^authentication-results:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE
)

log = logger("outbound")


class Signer(Protocol):
    """What signs (`mailflow.signing.sign`)."""

    def __call__(
        self, core: Core, organization: str, raw: bytes, /, *, author_domain: str
    ) -> Awaitable[bytes]:
        """The fields to put in front of a message, b"" for none."""
        ...


async def prepare(
    core: Core,
    sign: Signer,
    organization: str,
    envelope: StoredEnvelope,
    raw: bytes,
    summary: Summary,
) -> bytes:
    """The content of a queued message as it goes out. Raises TryLater, KeyDestroyed."""
    content = forwarding.as_sent(envelope, raw)
    passing = envelope.forwarded
    if passing is not None and not passing.authored:
        fields = await _seal(core, organization, passing.domain, content)
    elif summary.from_:
        domain = split(summary.from_[0][1])[1]
        fields = await sign(core, organization, content, author_domain=domain)
    else:
        fields = b""
    return fields + content if fields else content


async def _seal(core: Core, organization: str, domain: str, content: bytes) -> bytes:
    """The ARC set of a forwarder; b"" where it cannot be made now, for SRS alone passes, too."""
    if not domain:
        return b""
    found = _RESULTS.search(forwarding.header_of(content))
    results = found[0] if found is not None else f":{server_name(core)}; none\r\n".encode()
    try:
        return await signing.seal_arc(core, organization, domain, content, results)
    except TryLater as error:
        log.warning("forwarded mail goes out without a seal", error=error.message)
        return b""
