"""CreateImpersonationRole, UpdateImpersonationRole, DeleteImpersonationRole, GetImpersonationRole,
ListImpersonationRoles, GetImpersonationRoleEffect, AssumeImpersonationRole.
"""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.access import role_shell as shell
from workpost.domain.access.impersonation import ImpersonationRole, ImpersonationRule
from workpost.domain.access.role_shell import KnownRole
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.actions.repeats import client_token
from workpost.protocols.api.call import Call

MAX_LISTED = 20
"""Roles of one page: the model has no longer list."""


def _read(document: Document) -> ImpersonationRole:
    return ImpersonationRole(
        name=document["Name"],
        type=document["Type"],
        description=document.get("Description", ""),
        rules=tuple(_read_rule(each) for each in document["Rules"]),
    )


def _read_rule(rule: dict[str, Any]) -> ImpersonationRule:
    return ImpersonationRule(
        impersonation_rule_id=rule["ImpersonationRuleId"],
        effect=rule["Effect"],
        name=rule.get("Name", ""),
        description=rule.get("Description", ""),
        target_users=tuple(rule.get("TargetUsers", ())),
        not_target_users=tuple(rule.get("NotTargetUsers", ())),
    )


async def CreateImpersonationRole(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a role that acts for users."""
    role_id = await shell.create_impersonation_role(
        api.core,
        grant_of(call, document),
        _read(document),
        token=await client_token(api, call, document),
    )
    return {"ImpersonationRoleId": role_id}


async def UpdateImpersonationRole(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace a role as a whole; its tokens go on with what it may then."""
    role_id = document["ImpersonationRoleId"]
    await shell.update_impersonation_role(
        api.core, grant_of(call, document), role_id, _read(document)
    )
    return {}


async def DeleteImpersonationRole(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a role, if it is there, and with it what its tokens are good for."""
    role_id = document["ImpersonationRoleId"]
    await shell.delete_impersonation_role(api.core, grant_of(call, document), role_id)
    return {}


async def GetImpersonationRole(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a role with its rules."""
    role_id = document["ImpersonationRoleId"]
    known = await shell.get_impersonation_role(api.core, grant_of(call, document), role_id)
    return {
        **_listed(known),
        "Description": known.role.description or None,
        "Rules": [_rule(each) for each in known.role.rules],
    }


async def ListImpersonationRoles(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the organization's roles."""
    read = partial(shell.list_impersonation_roles, api.core, grant_of(call, document))
    return await one_page(api, call, document, "Roles", read, _listed, most=MAX_LISTED)


def _listed(known: KnownRole) -> dict[str, Any]:
    return {
        "ImpersonationRoleId": known.id,
        "Name": known.role.name,
        "Type": known.role.type,
        "DateCreated": known.created,
        "DateModified": known.modified,
    }


def _rule(rule: ImpersonationRule) -> dict[str, Any]:
    return {
        "ImpersonationRuleId": rule.impersonation_rule_id,
        "Name": rule.name or None,
        "Description": rule.description or None,
        "Effect": rule.effect,
        "TargetUsers": list(rule.target_users) or None,
        "NotTargetUsers": list(rule.not_target_users) or None,
    }


async def GetImpersonationRoleEffect(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell whether a role may act for a user."""
    effect = await shell.impersonation_effect(
        api.core,
        grant_of(call, document),
        document["ImpersonationRoleId"],
        document["TargetUser"],
    )
    return {
        "Type": effect.type,
        "Effect": effect.verdict.effect,
        "MatchedRules": [
            {"ImpersonationRuleId": rule.impersonation_rule_id, "Name": rule.name or None}
            for rule in effect.verdict.matched
        ],
    }


async def AssumeImpersonationRole(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Give a token for a role, good for 15 minutes."""
    token = await shell.assume_impersonation_role(
        api.core, grant_of(call, document), document["ImpersonationRoleId"]
    )
    return {"Token": token, "ExpiresIn": shell.LIFETIME_SECONDS}
