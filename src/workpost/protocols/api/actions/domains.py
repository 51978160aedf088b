"""Mail domains: Register-, Deregister-, Get-, List- and UpdateDefaultMailDomain."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.organizations import domains_shell as shell
from workpost.formats.addresses import ascii_domain
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.actions.repeats import client_token
from workpost.protocols.api.call import Call
from workpost.store.tables.domains import DomainRow


async def RegisterMailDomain(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Add a domain; its records are looked for from now on."""
    await shell.register_domain(
        api.core,
        grant_of(call, document),
        document["DomainName"],
        await client_token(api, call, document),
    )
    return {}


async def DeregisterMailDomain(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Remove a domain that no address uses."""
    await shell.deregister_domain(api.core, grant_of(call, document), document["DomainName"])
    return {}


async def GetMailDomain(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell a domain's states and the records that its owner publishes."""
    domain = await shell.get_domain(api.core, grant_of(call, document), document["DomainName"])
    return {
        "Records": [
            {"Type": record.type, "Hostname": record.name, "Value": record.value}
            for record in domain.records
        ],
        "IsTestDomain": bool(domain.row.is_test),
        "IsDefault": bool(domain.row.is_default),
        "OwnershipVerificationStatus": domain.row.state,
        "DkimVerificationStatus": domain.row.dkim,
    }


async def ListMailDomains(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the organization's domains by name."""
    read = partial(shell.list_domains, api.core, grant_of(call, document))
    return await one_page(api, call, document, "MailDomains", read, _listed)


def _listed(row: DomainRow) -> dict[str, Any]:
    return {"DomainName": ascii_domain(row.name), "DefaultDomain": bool(row.is_default)}


async def UpdateDefaultMailDomain(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Choose the default domain among the verified ones."""
    await shell.set_default_domain(api.core, grant_of(call, document), document["DomainName"])
    return {}
