"""What an event tells of a message that arrives here: for whom, and into which folders it went.

One event tells of all mailboxes of an organization that were delivered to in the accepting
transaction; those that wait have events of their own when they are delivered to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workpost.domain.directory.routing import Expansion
from workpost.domain.mailboxes.provision import STANDARD_FOLDERS
from workpost.domain.messages.prepare import NewItem
from workpost.formats.addresses import fold
from workpost.operations.mailflow import routes, trace
from workpost.operations.mailflow.entries import Message
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent
from workpost.store.tables.folders import INBOX

RECEIVED = "ORGANIZATION_EMAIL_RECEIVED"
DELIVERED = "MAILBOX_EMAIL_DELIVERED"
NAMES = {role: name for name, role in STANDARD_FOLDERS}
"""The folders that every mailbox has, as they are called in the beginning, by role."""
NO_PATHS: Mapping[int, str] = {}


def people_of(routed: Expansion, organization: str) -> dict[int, str]:
    """The addresses of the people of an organization whom a message reaches, by mailbox."""
    return {one.mailbox: one.address for one in routed.local if one.organization == organization}


def delivered(
    items: Sequence[NewItem], people: Mapping[int, str], paths: Mapping[int, str] = NO_PATHS
) -> dict[str, object]:
    """The mailboxes among `people` that are delivered to, with each folder that takes an item.

    `paths` are those that personal rules have named, by item; the others are known by their roles.
    """
    return {
        "delivered": [
            {
                "recipient": people[item.mailbox],
                "folder": paths.get(item.id) or NAMES.get(item.role, NAMES[INBOX]),
            }
            for item in items
            if item.mailbox in people
        ]
    }


def reached(routed: Expansion, organization: str) -> set[str]:
    """The folded recipients by which a message comes into mailboxes of an organization."""
    return {one.rcpt for one in routed.local if one.organization == organization}


def arrived(message: Message, routed: Expansion, organization: str) -> list[str]:
    """The recipients by which a message came to an organization, as they were written."""
    folded = reached(routed, organization)
    return [each for each in message.envelope.recipients if fold(each) in folded]


async def tell_others(
    core: Core,
    home: str,
    message: Message,
    items: Sequence[NewItem],
    routed: Expansion,
    paths: Mapping[int, str],
) -> list[NewEvent]:
    """The events of other organizations here that a person of `home` has sent to."""
    others = [each for each in routes.organizations_of(routed) if each != home]
    if not others:
        return []
    return [
        await trace.make_event(
            core,
            each,
            RECEIVED,
            message.stamped,
            message.envelope,
            message.summary,
            "",
            more={
                "results": routes.results_of(routed, each, sent=False),
                **delivered(items, people_of(routed, each), paths),
            },
            known=reached(routed, each),
        )
        for each in others
    ]
