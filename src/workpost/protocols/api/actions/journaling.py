"""GetJournalingRules, SetJournalingRules: of the console, in an API of our own."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.organizations import journaling as shell
from workpost.domain.organizations.journaling import Journaling
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def GetJournalingRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell who gets a report of every message, and who hears of those that fail."""
    found = await shell.get_journaling(api.core, grant_of(call, document))
    return {
        "JournalRecipient": found.recipient or None,
        "ReportRecipient": found.fallback or None,
    }


async def SetJournalingRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Begin, change or end journaling."""
    journaling = Journaling(
        document.get("JournalRecipient", ""), document.get("ReportRecipient", "")
    )
    await shell.set_journaling(api.core, grant_of(call, document), journaling)
    return {}
