"""CreateUser, DescribeUser, UpdateUser, ListUsers, DeleteUser, ResetPassword."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.directory import shell
from workpost.domain.directory.entities import Entity, Props
from workpost.domain.directory.users import UserChanges
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.actions.listing import list_entities
from workpost.protocols.api.call import Call
from workpost.store.tables.entities import USER

FILTERS = {
    "UsernamePrefix": "name",
    "DisplayNamePrefix": "display",
    "PrimaryEmailPrefix": "address",
    "State": "state",
    "IdentityProviderUserIdPrefix": "identity",
}

PROPS = {
    "Role": "user_role",
    "FirstName": "first_name",
    "LastName": "last_name",
    "Initials": "initials",
    "Telephone": "telephone",
    "Street": "street",
    "JobTitle": "job_title",
    "City": "city",
    "Company": "company",
    "ZipCode": "zip_code",
    "Department": "department",
    "Country": "country",
    "Office": "office",
    "IdentityProviderUserId": "identity_provider_user_id",
}
"""The members of UpdateUser that are properties."""


async def CreateUser(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a user, not yet enabled for mail."""
    user = await shell.create_user(
        api.core,
        grant_of(call, document),
        name=document["Name"],
        display=document["DisplayName"],
        password=document.get("Password"),
        hidden=document.get("HiddenFromGlobalAddressList", False),
        props=Props(
            user_role=document.get("Role", "USER"),
            first_name=document.get("FirstName", ""),
            last_name=document.get("LastName", ""),
            identity_provider_user_id=document.get("IdentityProviderUserId", ""),
        ),
    )
    return {"UserId": user}


async def DescribeUser(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a user; attributes that are not set are left out."""
    user = await shell.describe_user(api.core, grant_of(call, document), document["UserId"])
    row, props = user.row, user.props
    return {
        "UserId": row.id,
        "Name": row.name,
        "Email": row.primary_address,
        "DisplayName": row.display or None,
        "State": row.state,
        "UserRole": props.user_role,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
        "MailboxProvisionedDate": row.provisioned_at,
        "MailboxDeprovisionedDate": row.deprovisioned_at,
        "FirstName": props.first_name or None,
        "LastName": props.last_name or None,
        "HiddenFromGlobalAddressList": bool(row.hidden),
        "Initials": props.initials or None,
        "Telephone": props.telephone or None,
        "Street": props.street or None,
        "JobTitle": props.job_title or None,
        "City": props.city or None,
        "Company": props.company or None,
        "ZipCode": props.zip_code or None,
        "Department": props.department or None,
        "Country": props.country or None,
        "Office": props.office or None,
        "IdentityProviderUserId": props.identity_provider_user_id or None,
        "IdentityProviderIdentityStoreId": props.identity_provider_identity_store_id or None,
    }


async def UpdateUser(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Change a user's attributes: what is absent stays, an empty text clears."""
    changes = UserChanges(
        display=document.get("DisplayName"),
        hidden=document.get("HiddenFromGlobalAddressList"),
        props={field: document[name] for name, field in PROPS.items() if name in document},
    )
    await shell.update_user(api.core, grant_of(call, document), document["UserId"], changes)
    return {}


async def ListUsers(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the organization's users by at most one filter."""
    users, token = await list_entities(api, call, document, USER, FILTERS, _summary)
    return {"Users": users, "NextToken": token}


def _summary(user: Entity) -> dict[str, Any]:
    row, props = user.row, user.props
    return {
        "Id": row.id,
        "Email": row.primary_address,
        "Name": row.name,
        "DisplayName": row.display or None,
        "State": row.state,
        "UserRole": props.user_role,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
        "IdentityProviderUserId": props.identity_provider_user_id or None,
        "IdentityProviderIdentityStoreId": props.identity_provider_identity_store_id or None,
    }


async def DeleteUser(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a disabled user."""
    await shell.delete_user(api.core, grant_of(call, document), document["UserId"])
    return {}


async def ResetPassword(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Set a user's password; sessions that the old one opened end."""
    await shell.reset_password(
        api.core, grant_of(call, document), document["UserId"], document["Password"]
    )
    return {}
