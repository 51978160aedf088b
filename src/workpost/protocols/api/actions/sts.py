"""GetCallerIdentity, AssumeRole, GetSessionToken of the Security Token Service."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

import re
from typing import Any

from workpost.domain.access import sessions
from workpost.domain.access.calls import may_assume
from workpost.domain.access.credentials import ROLE, ROOT
from workpost.domain.access.policies import PolicyMalformed, parse_policy
from workpost.domain.access.sessions import RoleFacts, Session, session_arn
from workpost.kernel.errors import AccessDenied, InvalidParameter
from workpost.protocols.api.actions.context import Api, Document
from workpost.protocols.api.authorization import context_of
from workpost.protocols.api.call import Call
from workpost.protocols.api.errors import ApiError

HOUR = 3600
MAX_POLICY = 2048
"""Characters of a session policy: the token carries it."""
MAX_TAGS = 2048
"""Characters of the keys and values of session tags."""
MAX_PACKED = 5632
"""Bytes of both in UTF-8: what a token of `sessions.MAX_TOKEN` holds, however little it packs."""
KEY_SECONDS = 12 * HOUR

_ROLE_ARN = re.compile(r"arn:aws:iam::([0-9]{12}):role/([\w+=,.@-]{1,64})", re.ASCII)
_UNSUPPORTED = (
    "PolicyArns", "SerialNumber", "TokenCode", "SourceIdentity", "ProvidedContexts",
    "TransitiveTagKeys",
)  # fmt: skip


async def GetCallerIdentity(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell who calls; needs no permission."""
    return {"Arn": call.caller, "UserId": call.credential.user_id, "Account": call.account}


async def AssumeRole(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Make temporary keys of a role, if its trust policy and the caller's policies allow it."""
    _refuse_unsupported(document)
    arn = document["RoleArn"]
    policy = document.get("Policy")
    tags = _read_tags(document)
    _check_limits(policy, tags)
    role = await _trusting_role(api, call, document, arn, tags)
    seconds = document.get("DurationSeconds", HOUR)
    if call.credential.kind == ROLE and seconds > HOUR:
        raise InvalidParameter(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining"
        )
    if seconds > role.row.max_session:
        raise InvalidParameter(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    name = document["RoleSessionName"]
    session = await sessions.open_role_session(
        api.core, role, name=name, seconds=seconds, policy=policy, tags=tags
    )
    answer: dict[str, Any] = {
        "Credentials": _credentials(session),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.row.id}:{name}",
            "Arn": session_arn(role.row, name),
        },
    }
    if policy is not None or tags:
        answer["PackedPolicySize"] = 100 * len(policy or "") // MAX_POLICY
    return answer


def _refuse_unsupported(document: Document) -> None:
    for name in _UNSUPPORTED:
        if document.get(name):
            raise InvalidParameter(f"{name} is not supported by this server.")


def _read_tags(document: Document) -> dict[str, str]:
    tags = {tag["Key"]: tag["Value"] for tag in document.get("Tags", ())}
    # Conditions know no upper case: of two such tags one would be judged and the other one used.
    if len({key.lower() for key in tags}) != len(document.get("Tags", ())):
        raise InvalidParameter(
            "Duplicate tag keys found. Please note that tag keys are case insensitive."
        )
    return tags


def _check_limits(policy: str | None, tags: dict[str, str]) -> None:
    if policy is not None:
        if len(policy) > MAX_POLICY:
            raise ApiError(
                "PackedPolicyTooLarge", f"Session policies have at most {MAX_POLICY} characters."
            )
        try:
            parse_policy(policy)
        except PolicyMalformed as error:
            raise ApiError(
                "MalformedPolicyDocument", f"The policy cannot be used: {error}."
            ) from None
    texts = [text for pair in tags.items() for text in pair]
    if sum(map(len, texts)) > MAX_TAGS:
        raise ApiError("PackedPolicyTooLarge", f"Tags have at most {MAX_TAGS} characters in all.")
    if sum(len(text.encode()) for text in (policy or "", *texts)) > MAX_PACKED:
        raise ApiError(
            "PackedPolicyTooLarge", f"Policy and tags have at most {MAX_PACKED} bytes together."
        )


async def _trusting_role(
    api: Api, call: Call, document: Document, arn: str, tags: dict[str, str]
) -> RoleFacts:
    """The role, when the caller may assume it; who may not is not told whether it exists."""
    match = _ROLE_ARN.fullmatch(arn)
    if match is None:
        raise InvalidParameter(f"{arn} is invalid")
    role = await api.core.store.read(sessions.find_role, account=match[1], name=match[2])
    context = {**context_of(call, document, {})}
    context["sts:rolesessionname"] = (document["RoleSessionName"],)
    if "ExternalId" in document:
        context["sts:externalid"] = (document["ExternalId"],)
    actions = ("sts:AssumeRole", "sts:TagSession") if tags else ("sts:AssumeRole",)
    refused = next(
        (
            action
            for action in actions
            # Names are found in any case, ARNs are compared letter by letter.
            if role is None
            or role.arn != arn
            or not may_assume(
                call.credential,
                role.trust,
                account=match[1],
                role_arn=arn,
                action=action,
                context=context,
            )
        ),
        None,
    )
    if role is None or refused is not None:
        raise AccessDenied(
            f"User: {call.caller} is not authorized to perform: {refused} on resource: {arn}"
        )
    return role


async def GetSessionToken(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Make temporary keys of the caller's own, which may do what the lasting key may."""
    _refuse_unsupported(document)
    caller = call.credential
    if caller.session is not None:
        raise AccessDenied("Cannot call GetSessionToken with session credentials")
    longest = HOUR if caller.kind == ROOT else 36 * HOUR
    seconds = min(document.get("DurationSeconds", KEY_SECONDS), longest)
    session = await sessions.open_key_session(api.core, caller, seconds=seconds)
    return {"Credentials": _credentials(session)}


def _credentials(session: Session) -> dict[str, Any]:
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "Expiration": session.expires,
    }
