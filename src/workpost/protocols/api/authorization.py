"""May the caller do this? What a call asks of the policies, and how a no is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from workpost.domain.access.calls import decide_call
from workpost.domain.access.credentials import ROLE, ROOT, USER
from workpost.domain.access.policies import Context, Decision
from workpost.formats.arn import message_arn
from workpost.protocols.api.call import Call
from workpost.protocols.api.errors import ApiError
from workpost.protocols.api.model import MESSAGE_FLOW

ASSUME = "AssumeImpersonationRole"
"""The one action that has the condition key workmail:ImpersonationRoleId."""
PRINCIPAL_TYPES = {ROOT: "Account", USER: "User", ROLE: "AssumedRole"}


def resource_of(
    call: Call, document: Mapping[str, Any], place: tuple[str, str] | None = None
) -> str:
    """The ARN that a call is about; `*` for actions above all organizations.

    `place` is the organization and direction of a message in transit. Of one that is not there,
    or not the account's, the ARN has stars, so that policies on single organizations tell nothing.
    """
    if call.operation.service == MESSAGE_FLOW:
        owner, direction = place or ("*", "*")
        return message_arn(call.region, call.account, owner, direction, document["messageId"])
    organization = document.get("OrganizationId")
    if isinstance(organization, str):
        return call.organization_arn(organization)
    arn = document.get("ResourceARN")
    return arn if isinstance(arn, str) else "*"


_ORGANIZATION = re.compile(r"arn:aws:workmail:[a-z0-9-]*:[0-9]{12}:organization/(m-[0-9a-f]{32})")


def organization_of(document: Mapping[str, Any]) -> str | None:
    """The organization that a call is about, named by its id or its ARN."""
    organization = document.get("OrganizationId")
    if isinstance(organization, str):
        return organization
    arn = document.get("ResourceARN")
    match = _ORGANIZATION.fullmatch(arn) if isinstance(arn, str) else None
    return match[1] if match is not None else None


def context_of(
    call: Call, document: Mapping[str, Any], resource_tags: Mapping[str, str]
) -> Context:
    """The condition keys of a call, in lower case."""
    credential = call.credential
    context: dict[str, tuple[str, ...]] = {
        "aws:currenttime": (_iso(call.now),),
        "aws:epochtime": (str(call.now // 1000),),
        "aws:securetransport": ("true" if call.is_tls else "false",),
        "aws:principalarn": credential.arns[-1:],
        "aws:principaltype": (PRINCIPAL_TYPES[credential.kind],),
        "aws:viaawsservice": ("false",),
        "aws:principalaccount": (credential.account,),
        "aws:requestedregion": (call.requested_region,),
    }
    optional = {
        "aws:sourceip": call.peer,
        "aws:useragent": call.user_agent,
        "aws:username": credential.user_name,
        "aws:userid": credential.user_id,
        "workmail:impersonationroleid": (
            document.get("ImpersonationRoleId") if call.operation.name == ASSUME else None
        ),
    }
    for key, value in optional.items():
        if value:
            context[key] = (value,)
    session = credential.session
    if session is not None:
        context["aws:tokenissuetime"] = (_iso(session.issued),)
        for key, value in session.tags.items():
            context[f"aws:principaltag/{key.lower()}"] = (value,)
    _add_tags(context, "aws:resourcetag/", resource_tags.items())
    tags = document.get("Tags")
    keys = document.get("TagKeys")
    if isinstance(tags, list):
        pairs = [(tag["Key"], tag["Value"]) for tag in tags]
        _add_tags(context, "aws:requesttag/", pairs)
        keys = [key for key, _ in pairs]
    if isinstance(keys, list):
        context["aws:tagkeys"] = tuple(keys)
    return context


def _add_tags(
    context: dict[str, tuple[str, ...]], prefix: str, tags: Iterable[tuple[str, str]]
) -> None:
    """Tags that differ in nothing but upper case have one condition key, which gets all values."""
    for key, value in tags:
        name = prefix + key.lower()
        context[name] = (*context.get(name, ()), value)


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authorize(call: Call, action: str, resource_arn: str, context: Context) -> None:
    """Raise ApiError AccessDeniedException unless the caller's policies allow the action.

    A caller without any may do everything in the account.
    """
    answer = decide_call(call.credential, action=action, resource=resource_arn, context=context)
    if answer.allowed:
        return
    kind = "session" if answer.by_limit else "identity-based"
    reason = (
        f"with an explicit deny in {'a' if answer.by_limit else 'an'} {kind} policy"
        if answer.decision is Decision.DENIED
        else f"because no {kind} policy allows the {action} action"
    )
    raise ApiError(
        "AccessDeniedException",
        f"User: {call.caller} is not authorized to perform: {action} "
        f"on resource: {resource_arn} {reason}",
    )
