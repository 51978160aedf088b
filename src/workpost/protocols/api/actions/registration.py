"""RegisterToWorkMail, DeregisterFromWorkMail."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.mailboxes import registration
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def RegisterToWorkMail(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Enable an entity for mail under its primary address."""
    await registration.register_to_workmail(
        api.core, grant_of(call, document), document["EntityId"], document["Email"]
    )
    return {}


async def DeregisterFromWorkMail(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Disable an entity; its mailbox is kept for 30 days."""
    await registration.deregister_from_workmail(
        api.core, grant_of(call, document), document["EntityId"]
    )
    return {}
