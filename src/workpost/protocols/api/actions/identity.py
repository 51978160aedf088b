"""Create- and DeleteIdentityCenterApplication; Put-, Describe- and
DeleteIdentityProviderConfiguration.
"""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.access import identity as shell
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.actions.repeats import client_token
from workpost.protocols.api.call import Call


async def CreateIdentityCenterApplication(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Create an application at an instance that stands for an OpenID Connect provider."""
    arn = await shell.create_identity_center_application(
        api.core,
        grant_of(call, document),
        name=document["Name"],
        instance_arn=document["InstanceArn"],
        token=await client_token(api, call, document),
    )
    return {"ApplicationArn": arn}


async def DeleteIdentityCenterApplication(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Delete an application; nobody signs in through it any more."""
    arn = document["ApplicationArn"]
    await shell.delete_identity_center_application(api.core, grant_of(call, document), arn)
    return {}


async def PutIdentityProviderConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Let an organization's people sign in through an instance, besides passwords or only so."""
    center = document["IdentityCenterConfiguration"]
    tokens = document["PersonalAccessTokenConfiguration"]
    wanted = shell.Wanted(
        mode=document["AuthenticationMode"],
        instance_arn=center["InstanceArn"],
        application_arn=center["ApplicationArn"],
        token_status=tokens["Status"],
        token_days=tokens.get("LifetimeInDays"),
    )
    await shell.put_identity_provider(api.core, grant_of(call, document), wanted)
    return {}


async def DescribeIdentityProviderConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Describe how an organization's people sign in."""
    row = await shell.describe_identity_provider(api.core, grant_of(call, document))
    return {
        "AuthenticationMode": row.mode,
        "IdentityCenterConfiguration": {
            "InstanceArn": row.instance_arn,
            "ApplicationArn": row.application_arn,
        },
        "PersonalAccessTokenConfiguration": {
            "Status": row.token_status,
            "LifetimeInDays": row.token_days,
        },
    }


async def DeleteIdentityProviderConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Go back to directory passwords; all tokens are dead, associations stay."""
    await shell.delete_identity_provider(api.core, grant_of(call, document))
    return {}
