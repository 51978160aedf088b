"""DescribeInboundDmarcSettings, PutInboundDmarcSettings."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.organizations import inbound_dmarc
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def DescribeInboundDmarcSettings(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Show whether the organization enforces DMARC on mail from outside."""
    grant = grant_of(call, document)
    return {"Enforced": await inbound_dmarc.describe_inbound_dmarc_settings(api.core, grant)}


async def PutInboundDmarcSettings(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Enforce DMARC on mail from outside, or no longer."""
    await inbound_dmarc.put_inbound_dmarc_settings(
        api.core, grant_of(call, document), enforced=document["Enforced"]
    )
    return {}
