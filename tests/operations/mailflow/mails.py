"""Envelopes for the tests of mail flow, and what came of them."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.support.directories import Directory
from tests.support.mailboxes import inbox, log_in
from workpost.domain.messages import shell as messages
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.keys import sealing


def envelope(*recipients: str, sender: str = "ada@demo.test") -> Envelope:
    return Envelope(
        sender=sender,
        recipients=list(recipients),
        helo="client.example",
        peer="127.0.0.1",
        protocol="ESMTPSA",
        tls="TLSv1.3",
    )


async def received(house: Directory, address: str) -> list[bytes]:
    """What lies in a person's INBOX."""
    grant = await log_in(house.core, address)
    folder = await inbox(house.core, grant)
    page = await messages.metadata_page(house.core, grant, folder, low=1, high=2**31)
    return [await messages.read_content(house.core, grant, meta) for meta in page]


async def stories(house: Directory, kind: str = "%") -> list[dict[str, Any]]:
    """What the organization's events tell, opened."""
    found = []
    for event, sealed in await house.run(
        "SELECT id, sealed FROM event WHERE org = ? AND kind LIKE ? ORDER BY at, id",
        house.organization,
        kind,
    ):
        key = await house.core.keys.organization(house.organization)
        place = sealing.place("event", "sealed", house.organization, "event", event)
        found.append(msgspec.json.decode(sealing.unseal(key.key, sealed, place)))
    return found
