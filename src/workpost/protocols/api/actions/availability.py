"""Create-, Update-, Delete-, List- and TestAvailabilityConfiguration."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.organizations import availability
from workpost.domain.organizations.availability import EwsProvider, LambdaProvider, Provider
from workpost.kernel.errors import InvalidParameter
from workpost.operations.availability.trying import try_provider
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.actions.repeats import client_token
from workpost.protocols.api.call import Call
from workpost.store.tables.availability import EWS, ConfigurationRow


def _provider(document: Document) -> Provider | None:
    """The provider that is given. Raises InvalidParameter for two."""
    ews, function = document.get("EwsProvider"), document.get("LambdaProvider")
    if ews is not None and function is not None:
        raise InvalidParameter("Either an EwsProvider or a LambdaProvider is needed, not both.")
    if ews is not None:
        return EwsProvider(ews["EwsEndpoint"], ews["EwsUsername"], ews["EwsPassword"])
    return LambdaProvider(function["LambdaArn"]) if function is not None else None


def _one_provider(document: Document) -> Provider:
    provider = _provider(document)
    if provider is None:
        raise InvalidParameter("An EwsProvider or a LambdaProvider is needed.")
    return provider


async def CreateAvailabilityConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Say where free/busy of a domain is asked."""
    await availability.create(
        api.core,
        grant_of(call, document),
        document["DomainName"],
        _one_provider(document),
        token=await client_token(api, call, document),
    )
    return {}


async def UpdateAvailabilityConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Replace the provider of a domain."""
    provider = _one_provider(document)
    grant = grant_of(call, document)
    await availability.update(api.core, grant, document["DomainName"], provider)
    return {}


async def DeleteAvailabilityConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Delete the configuration of a domain, if it is there."""
    await availability.delete(api.core, grant_of(call, document), document["DomainName"])
    return {}


async def ListAvailabilityConfigurations(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """List the organization's availability configurations, without passwords."""
    read = partial(availability.list_configurations, api.core, grant_of(call, document))
    return await one_page(api, call, document, "AvailabilityConfigurations", read, _configuration)


def _configuration(row: ConfigurationRow) -> dict[str, Any]:
    provider = row.provider
    shown: dict[str, Any] = {
        "DomainName": row.domain,
        "ProviderType": provider.kind,
        "DateCreated": row.created,
        "DateModified": row.modified,
    }
    if provider.kind == EWS:
        shown["EwsProvider"] = {
            "EwsEndpoint": provider.target,
            "EwsUsername": provider.username,
        }
    else:
        shown["LambdaProvider"] = {"LambdaArn": provider.target}
    return shown


async def TestAvailabilityConfiguration(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Ask a provider, or the one of a domain, and tell whether it answers."""
    provider, domain = _provider(document), document.get("DomainName", "")
    if (provider is None) == (not domain):
        raise InvalidParameter("Either a DomainName or a provider is needed, not both.")
    reason = await try_provider(
        api.core, grant_of(call, document), provider=provider, domain=domain
    )
    return {"TestPassed": False, "FailureReason": reason} if reason else {"TestPassed": True}
