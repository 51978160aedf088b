"""What is sent of a queued message: without what is ours alone, signed by its author or sealed.

Mail that was written here is signed with DKIM, also where a person of another organization
forwards it. Mail that only passes is not ours to sign: its forwarder's domain seals what it knows
of its origin with ARC (RFC 8617).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Protocol

from workpost.formats.addresses import fold_domain, split
from workpost.formats.mailauth.results import ResultsError, parse_results
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import KeyDestroyed, TryLater
from workpost.kernel.logging import logger
from workpost.operations.authentication.check import server_name
from workpost.operations.mailflow import forwarding, signing
from workpost.operations.mailflow.envelope import StoredEnvelope
from workpost.store.core import Core
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import domains

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
        if passing is None:
            fields = await sign(core, organization, content, author_domain=domain)
        else:
            fields = await _sign_as_author(core, sign, content, domain)
    else:
        fields = b""
    return fields + content if fields else content


@quick
def _owner(tx: Reader, *, domain: str) -> str:
    """The organization that has a domain, "" where nobody here has it."""
    row = domains.get_verified(tx, name=domain)
    return row.org if row is not None else ""


async def _sign_as_author(core: Core, sign: Signer, content: bytes, domain: str) -> bytes:
    """The signature of an author here whose mail somebody forwards, maybe of another organization.

    b"" where that one is gone: the forwarder's mail goes out all the same.
    """
    owner = await core.store.read(_owner, domain=fold_domain(domain))
    if not owner:
        return b""
    try:
        return await sign(core, owner, content, author_domain=domain)
    except KeyDestroyed:
        return b""


async def _seal(core: Core, organization: str, domain: str, content: bytes) -> bytes:
    """The ARC set of a forwarder; b"" where it cannot be made now, for SRS alone passes, too."""
    if not domain:
        return b""
    try:
        return await signing.seal_arc(core, organization, domain, content, _results(core, content))
    except TryLater as error:
        log.warning("forwarded mail goes out without a seal", error=error.message)
        return b""


def _results(core: Core, content: bytes) -> bytes:
    """Our Authentication-Results field; what others say of themselves is not ours to seal."""
    ours = server_name(core).lower()
    for found in _RESULTS.finditer(forwarding.header_of(content)):
        try:
            if parse_results(found[0].partition(b":")[2]).server.lower() == ours:
                return found[0]
        except ResultsError:
            continue
    return f":{ours}; none\r\n".encode()
