"""Puts the API together: services, handlers, and what dispatch asks of the domain."""

from __future__ import annotations

import hashlib

from workpost.domain.access.accounts import credential
from workpost.domain.access.credentials import Credential
from workpost.protocols.api.actions import bind, registry
from workpost.protocols.api.actions.context import Api
from workpost.protocols.api.dispatch import ApiOptions, Dispatcher, Observer, Throttle
from workpost.protocols.api.model import load_services
from workpost.protocols.api.pagination import PageTokens
from workpost.store.core import Core

REMEMBERED = 1.0
"""Seconds."""
MAX_KNOWN = 1024


class AccessKeys:
    """Looks access keys up, and remembers each for a second.

    A key that was withdrawn works for no longer than that (decisions 2 allow two); one that was
    just made works at once.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[str, tuple[float, Credential]] = {}

    async def lookup(self, access_key_id: str) -> Credential | None:
        """The key with its secret, or None when there is none of this id."""
        now = self._core.env.monotonic()
        until, known = self._known.get(access_key_id, (now, None))
        if until > now:
            return known
        found = await credential(self._core, access_key_id)
        if found is None:
            self._known.pop(access_key_id, None)
            return None
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[access_key_id] = now + REMEMBERED, found
        return found


async def build_dispatcher(
    core: Core,
    *,
    options: ApiOptions | None = None,
    throttle: Throttle | None = None,
    observer: Observer | None = None,
) -> Dispatcher:
    """The API over a core. Raises TryLater when the system key is out of reach.

    Whose an organization is and whether it is active is checked by the domain, in the same
    transaction as the call's effect, so dispatch is given no way to ask for it beforehand.
    """
    services = load_services()
    names = [name for service in services.values() for name in service.operations]
    api = Api(core, PageTokens(await _token_key(core), core.env))
    return Dispatcher(
        services=services,
        handlers=bind(api, registry(names)),
        credentials=AccessKeys(core),
        environment=core.env,
        options=options or ApiOptions(region=core.settings.api.region),
        throttle=throttle,
        observer=observer,
    )


async def _token_key(core: Core) -> bytes:
    # Rotation never replaces it: every node has the same, and the tokens of a day stay good.
    key = await core.keys.token_key("api")
    return hashlib.blake2b(key, digest_size=32, person=b"api page tokens").digest()
