"""CreateOrganization, DescribeOrganization, ListOrganizations, DeleteOrganization."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.directory.founding import create_organization
from workpost.domain.directory.imported import ACTIVE
from workpost.domain.organizations import shell
from workpost.domain.organizations.shell import NewOrganization
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.actions.repeats import client_token
from workpost.protocols.api.call import Call
from workpost.store.tables.organizations import OrganizationRow

DIRECTORY_TYPES = {"": "VpcDirectory", ACTIVE: "ADConnector"}
"""By the kind of directory; an LDAP server is none that Directory Service knows."""
LDAP = "LDAP"


async def CreateOrganization(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create an organization; one over a directory of its own is active when this answers."""
    new = NewOrganization(
        alias=document["Alias"],
        domains=[domain["DomainName"] for domain in document.get("Domains", ()) if domain],
        directory_id=document.get("DirectoryId", ""),
        interoperability=document.get("EnableInteroperability", False),
        kms_key=document.get("KmsKeyArn", ""),
    )
    grant = grant_of(call, document)
    token = await client_token(api, call, document)
    organization = await create_organization(api.core, grant, call.account, new, token)
    return {"OrganizationId": organization}


async def DescribeOrganization(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe an organization in any state."""
    row = await shell.describe_organization(api.core, grant_of(call, document))
    return {
        "OrganizationId": row.id,
        "Alias": row.alias,
        "State": row.state,
        "DirectoryId": row.directory_id,
        "DirectoryType": DIRECTORY_TYPES.get(row.directory_kind, LDAP),
        "DefaultMailDomain": row.default_domain,
        "CompletedDate": row.completed,
        "ErrorMessage": row.error,
        "ARN": call.organization_arn(row.id),
        "InteroperabilityEnabled": bool(row.interoperability),
    }


async def ListOrganizations(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the account's organizations, deleted ones included."""
    read = partial(shell.list_organizations, api.core, grant_of(call, document), call.account)
    return await one_page(api, call, document, "OrganizationSummaries", read, _summary)


def _summary(row: OrganizationRow) -> dict[str, Any]:
    return {
        "OrganizationId": row.id,
        "Alias": row.alias,
        "DefaultMailDomain": row.default_domain,
        "ErrorMessage": row.error,
        "State": row.state,
    }


async def DeleteOrganization(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete an organization; access has ended when this answers, a job does the rest."""
    grant = grant_of(call, document)
    state = await shell.delete_organization(
        api.core,
        grant,
        force=document.get("ForceDelete", False),
        with_directory=document.get("DeleteDirectory", False),
        with_application=document.get("DeleteIdentityCenterApplication", False),
        token=await client_token(api, call, document),
    )
    return {"OrganizationId": grant.organization, "State": state}
