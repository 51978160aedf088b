"""PutRetentionPolicy, GetDefaultRetentionPolicy, DeleteRetentionPolicy."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.organizations import retention
from workpost.domain.organizations.retention import FolderRule
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def PutRetentionPolicy(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create the organization's retention policy, or replace it."""
    rules = [
        FolderRule(each["Name"], each["Action"], each.get("Period"))
        for each in document["FolderConfigurations"]
    ]
    await retention.put_retention_policy(
        api.core,
        grant_of(call, document),
        id=document.get("Id"),
        name=document["Name"],
        description=document.get("Description"),
        rules=rules,
    )
    return {}


async def GetDefaultRetentionPolicy(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Show the organization's retention policy."""
    policy = await retention.get_retention_policy(api.core, grant_of(call, document))
    shown: dict[str, Any] = {
        "Id": policy.id,
        "Name": policy.name,
        "FolderConfigurations": [_folder(rule) for rule in policy.rules],
    }
    if policy.description is not None:
        shown["Description"] = policy.description
    return shown


def _folder(rule: FolderRule) -> dict[str, Any]:
    shown: dict[str, Any] = {"Name": rule.folder, "Action": rule.action}
    if rule.days is not None:
        shown["Period"] = rule.days
    return shown


async def DeleteRetentionPolicy(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete the organization's retention policy, if it has this id."""
    await retention.delete_retention_policy(api.core, grant_of(call, document), document["Id"])
    return {}
