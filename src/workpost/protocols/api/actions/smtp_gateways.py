"""CreateSmtpGateway, UpdateSmtpGateway, DeleteSmtpGateway, DescribeSmtpGateway, ListSmtpGateways:
of the console, in an API of our own.
"""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.organizations import smtp_gateways as shell
from workpost.domain.organizations.smtp_gateways import Gateway
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.call import Call
from workpost.store.tables.smtp_gateways import GatewayRow


async def CreateSmtpGateway(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a gateway that outbound rules can send mail through."""
    gateway = _read(document)
    return {"SmtpGatewayId": await shell.create(api.core, grant_of(call, document), gateway)}


async def UpdateSmtpGateway(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace a gateway as a whole."""
    gateway_id = document["SmtpGatewayId"]
    await shell.update(api.core, grant_of(call, document), gateway_id, _read(document))
    return {}


async def DeleteSmtpGateway(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a gateway that no rule leads to, if it is there."""
    await shell.delete(api.core, grant_of(call, document), document["SmtpGatewayId"])
    return {}


async def DescribeSmtpGateway(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a gateway, all but its password."""
    return _gateway(
        await shell.describe(api.core, grant_of(call, document), document["SmtpGatewayId"])
    )


async def ListSmtpGateways(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the gateways by name."""
    read = partial(shell.list_gateways, api.core, grant_of(call, document))
    return await one_page(api, call, document, "Gateways", read, _gateway)


def _read(document: Document) -> Gateway:
    return Gateway(
        name=document["Name"],
        host=document["Host"],
        port=document["Port"],
        username=document["Username"],
        password=document["Password"],
    )


def _gateway(row: GatewayRow) -> dict[str, Any]:
    return {
        "SmtpGatewayId": row.id,
        "Name": row.name,
        "Host": row.host,
        "Port": row.port,
        "Username": row.username,
        "DateCreated": row.created,
        "DateModified": row.modified,
    }
