"""May the caller do this? What a call asks of the policies, and how a no is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workpost.domain.access.policies import Context, Decision, decide
from workpost.protocols.api.call import Call
from workpost.protocols.api.errors import ApiError


def resource_of(call: Call, document: Mapping[str, Any]) -> str:
    """The ARN that a call is about; `*` for actions above all organizations."""
    if call.operation.rest:
        message = document.get("messageId", "*")
        return f"arn:aws:workmailmessageflow:{call.region}:{call.account}:message/*/*/{message}"
    organization = document.get("OrganizationId")
    if isinstance(organization, str):
        return call.organization_arn(organization)
    arn = document.get("ResourceARN")
    return arn if isinstance(arn, str) else "*"


def context_of(
    call: Call, document: Mapping[str, Any], resource_tags: Mapping[str, str]
) -> Context:
    """The condition keys of a call, in lower case."""
    credential = call.credential
    moment = datetime.fromtimestamp(call.now // 1000, UTC)
    context: dict[str, tuple[str, ...]] = {
        "aws:currenttime": (moment.strftime("%Y-%m-%dT%H:%M:%SZ"),),
        "aws:epochtime": (str(call.now // 1000),),
        "aws:securetransport": ("true" if call.is_tls else "false",),
        "aws:principalarn": (credential.principal_arn,),
        "aws:principalaccount": (credential.account,),
        "aws:requestedregion": (call.requested_region,),
    }
    optional = {
        "aws:sourceip": call.peer,
        "aws:useragent": call.user_agent,
        "aws:username": credential.user_name,
        "aws:userid": credential.user_id,
        "workmail:impersonationroleid": document.get("ImpersonationRoleId"),
    }
    for key, value in optional.items():
        if value:
            context[key] = (value,)
    for key, value in resource_tags.items():
        context[f"aws:resourcetag/{key.lower()}"] = (value,)
    tags = document.get("Tags")
    keys = document.get("TagKeys")
    if isinstance(tags, list):
        for tag in tags:
            context[f"aws:requesttag/{tag['Key'].lower()}"] = (tag["Value"],)
        keys = [tag["Key"] for tag in tags]
    if isinstance(keys, list):
        context["aws:tagkeys"] = tuple(keys)
    return context


def authorize(call: Call, action: str, resource_arn: str, context: Context) -> None:
    """Raise ApiError AccessDeniedException unless the caller's policy allows the action.

    A caller without a policy may do everything in the account.
    """
    policy = call.credential.policy
    if policy is None:
        return
    decision = decide(policy, action=action, resource=resource_arn, context=context)
    if decision is Decision.ALLOWED:
        return
    reason = (
        "with an explicit deny in an identity-based policy"
        if decision is Decision.DENIED
        else f"because no identity-based policy allows the {action} action"
    )
    raise ApiError(
        "AccessDeniedException",
        f"User: {call.caller} is not authorized to perform: {action} "
        f"on resource: {resource_arn} {reason}",
    )
