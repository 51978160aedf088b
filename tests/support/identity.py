"""An organization whose people sign in through an identity provider."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.support.api_server import ApiServer, Tenant
from tests.support.directories import Directory, grant_for
from tests.support.oidc import CLIENT, INSTANCE
from workpost.domain.access import identity, token_shell
from workpost.domain.access.identity import Wanted
from workpost.domain.access.tokens import NewToken
from workpost.kernel.outside_settings import Identity, IdentityProvider
from workpost.store.core import Core

ISSUER = "https://id.example"
PROVIDER_AND_DIRECTORY = "IDENTITY_PROVIDER_AND_DIRECTORY"
UUID = "9f2d3c4b-1111-2222-3333-0123456789ab"


def configure(core: Core, account: str, **more: Any) -> None:
    """Let an OpenID Connect provider stand for the account's instance, in the settings."""
    given = {"account": account, "instance_arn": INSTANCE, "client_id": CLIENT, "issuer": ISSUER}
    provider = msgspec.convert({**given, **more}, IdentityProvider)
    providers = (*core.settings.identity.providers, provider)
    core.settings = msgspec.structs.replace(core.settings, identity=Identity(providers=providers))


async def put_provider(directory: Directory, **more: Any) -> str:
    """Create an application and put the configuration; returns the application's ARN."""
    arn = await identity.create_identity_center_application(
        directory.core, directory.grant, name="mail", instance_arn=INSTANCE
    )
    await change_provider(directory, arn, **more)
    return arn


async def change_provider(directory: Directory, arn: str, **more: Any) -> None:
    """Put the configuration again."""
    wanted = {
        "mode": PROVIDER_AND_DIRECTORY,
        "instance_arn": INSTANCE,
        "application_arn": arn,
        "token_status": "ACTIVE",
        "token_days": 365,
    }
    await identity.put_identity_provider(
        directory.core, directory.grant, Wanted(**{**wanted, **more})
    )


class Center:
    """What boto3 does with the instance of a tenant's account."""

    def __init__(self, api: ApiServer, tenant: Tenant) -> None:
        self.api, self.tenant = api, tenant

    def application(self, **more: Any) -> str:
        values = {"Name": "mail", "InstanceArn": INSTANCE, **more}
        answer = self.tenant.client.create_identity_center_application(**values)
        return str(answer["ApplicationArn"])

    def configuration(self, application: str, **tokens: Any) -> dict[str, Any]:
        """Parameters of PutIdentityProviderConfiguration."""
        return {
            "AuthenticationMode": PROVIDER_AND_DIRECTORY,
            "IdentityCenterConfiguration": {
                "InstanceArn": INSTANCE,
                "ApplicationArn": application,
            },
            "PersonalAccessTokenConfiguration": {"Status": "ACTIVE", **tokens},
        }

    def put(self, **tokens: Any) -> str:
        """Let the organization use a new application; returns its ARN."""
        application = self.application()
        wanted = self.configuration(application, **tokens)
        self.tenant("PutIdentityProviderConfiguration", **wanted)
        return application

    def token(self, user: str, **more: Any) -> NewToken:
        """A token of a user, as the operator makes it."""
        tenant = self.tenant
        grant = grant_for(tenant.account, tenant.organization)
        values = {"name": "phone", **more}
        work = token_shell.create_token(self.api.core, grant, user, **values)
        return self.api.run(work)
