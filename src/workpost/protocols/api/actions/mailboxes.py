"""GetMailboxDetails, UpdateMailboxQuota."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.mailboxes import quota
from workpost.domain.mailboxes.registration import MEGABYTE
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def GetMailboxDetails(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell quota and size of a user's mailbox, in MB."""
    details = await quota.get_mailbox_details(
        api.core, grant_of(call, document), document["UserId"]
    )
    return {
        "MailboxQuota": max(details.quota // MEGABYTE, 1),
        "MailboxSize": details.size / MEGABYTE,
    }


async def UpdateMailboxQuota(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Set the quota of a user's mailbox, in MB."""
    await quota.update_mailbox_quota(
        api.core, grant_of(call, document), document["UserId"], document["MailboxQuota"]
    )
    return {}
