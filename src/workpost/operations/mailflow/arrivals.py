"""What an event tells of a message that arrives here: for whom, and into which folders it went.

One event tells of all mailboxes of an organization that were delivered to in the accepting
transaction; those that wait have events of their own when they are delivered to.
"""

from __future__ import annotations

from workpost.domain.directory.routing import Expansion
from workpost.domain.mailboxes.provision import STANDARD_FOLDERS
from workpost.domain.messages.delivery import Outgoing
from workpost.formats.addresses import fold
from workpost.operations.mailflow import routes, trace
from workpost.operations.mailflow.entries import Message
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent
from workpost.store.tables.folders import INBOX

RECEIVED = "ORGANIZATION_EMAIL_RECEIVED"
_NAMES = {role: name for name, role in STANDARD_FOLDERS}


def folder_of(role: str) -> str:
    """The name of the folder of a role, as every mailbox has it in the beginning."""
    return _NAMES.get(role, _NAMES[INBOX])


def delivered(made: Outgoing, routed: Expansion, organization: str) -> dict[str, object]:
    """The mailboxes of an organization that are delivered to at once, each with its folder."""
    roles = {item.mailbox: item.role for item in made.deliveries}
    return {
        "delivered": [
            {"recipient": one.address, "folder": folder_of(roles[one.mailbox])}
            for one in routed.local
            if one.organization == organization and one.mailbox in roles
        ]
    }


def arrived(message: Message, routed: Expansion, organization: str) -> list[str]:
    """The recipients by which a message came to an organization, as they were written."""
    folded = {one.rcpt for one in routed.local if one.organization == organization}
    return [each for each in message.envelope.recipients if fold(each) in folded]


async def tell_others(
    core: Core, home: str, message: Message, made: Outgoing, routed: Expansion
) -> list[NewEvent]:
    """The events of other organizations here that a person of `home` has sent to."""
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
                **delivered(made, routed, each),
            },
        )
        for each in routes.organizations_of(routed)
        if each != home
    ]
