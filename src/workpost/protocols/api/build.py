"""Puts the API together: services, handlers, and what dispatch asks of the domain."""

from __future__ import annotations

import hashlib

from workpost.domain.access.accounts import credential
from workpost.domain.access.credentials import Credential
from workpost.protocols.api.actions import bind, registry
from workpost.protocols.api.actions.context import Api
from workpost.protocols.api.dispatch import (
    ApiOptions,
    Dispatcher,
    Observer,
    OrganizationFacts,
    Throttle,
)
from workpost.protocols.api.model import load_services
from workpost.protocols.api.pagination import PageTokens
from workpost.store.core import Core
from workpost.store.tables.organizations import get_organization


class AccessKeys:
    """Looks access keys up in the store."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def lookup(self, access_key_id: str) -> Credential | None:
        """The key with its secret, or None when there is none of this id."""
        return await credential(self._core, access_key_id)


class StoredOrganizations:
    """Looks up the state of organizations."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def facts(self, account: str, organization: str) -> OrganizationFacts | None:
        """None when the account has no such organization."""
        row = await self._core.store.read(get_organization, organization=organization)
        if row is None or row.account != account:
            return None
        return OrganizationFacts(row.state, {})


async def build_dispatcher(
    core: Core,
    *,
    options: ApiOptions | None = None,
    throttle: Throttle | None = None,
    observer: Observer | None = None,
) -> Dispatcher:
    """The API over a core. Raises TryLater when the system key is out of reach."""
    services = load_services()
    names = [name for service in services.values() for name in service.operations]
    api = Api(core, PageTokens(await _token_key(core), core.env))
    return Dispatcher(
        services=services,
        handlers=bind(api, registry(names)),
        credentials=AccessKeys(core),
        environment=core.env,
        options=options or ApiOptions(region=core.settings.api.region),
        organizations=StoredOrganizations(core),
        throttle=throttle,
        observer=observer,
    )


async def _token_key(core: Core) -> bytes:
    # Rotation never replaces it: every node has the same, and the tokens of a day stay good.
    key = await core.keys.token_key("api")
    return hashlib.blake2b(key, digest_size=32, person=b"api page tokens").digest()
