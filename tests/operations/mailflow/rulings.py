"""Flow rules for tests of mail flow, and what lies where."""

from __future__ import annotations

from typing import Any

from tests.support.directories import Directory
from tests.support.mailboxes import log_in
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.domain.organizations import flow_rule_shell as rules
from workpost.domain.organizations.flow_rules import FlowAction, FlowRule
from workpost.operations.mailflow.envelope import Envelope

STRANGER = "bob@elsewhere.example"


async def add_rule(
    house: Directory,
    direction: str,
    action: str,
    senders: str = "*",
    destinations: str = "*",
    **more: Any,
) -> str:
    """A rule named as what it does; patterns apart by blanks."""
    name = more.pop("name", f"{action} {senders} {destinations}")
    return await rules.create(
        house.core,
        house.grant,
        direction,
        FlowRule(
            name=name,
            action=FlowAction(type=action, **more),
            senders=tuple(senders.split()),
            destinations=tuple(destinations.split()),
        ),
    )


def outside(*recipients: str, sender: str = STRANGER, peer: str = "") -> Envelope:
    """A message that another server brings."""
    return Envelope(sender=sender, recipients=list(recipients), helo="mx.example", peer=peer)


def by(author: str = STRANGER, headers: str = "") -> bytes:
    """A message of this author."""
    return f"From: {author}\r\n{headers}Subject: Offer\r\n\r\nGood morning.\r\n".encode()


async def in_folder(house: Directory, address: str, path: str = "INBOX") -> list[bytes]:
    """What lies in a folder of a person."""
    grant = await log_in(house.core, address)
    folder = (await mailboxes.find_folder(house.core, grant, path)).id
    page = await messages.metadata_page(house.core, grant, folder, low=1, high=2**31)
    return [await messages.read_content(house.core, grant, meta) for meta in page]


async def counts(house: Directory, address: str = "grace@demo.test") -> tuple[int, int]:
    """How many messages lie in INBOX and Junk E-mail."""
    inbox = await in_folder(house, address)
    return len(inbox), len(await in_folder(house, address, "Junk E-mail"))
