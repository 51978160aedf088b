"""Puts the API together: services, handlers, and what dispatch asks of the domain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from workpost.domain.access.credentials import Credential
from workpost.domain.access.sessions import find_credential
from workpost.domain.messages.transit import find_in_account
from workpost.operations.audit.log import AuditLog
from workpost.protocols.api.actions import bind, registry
from workpost.protocols.api.actions.context import Api
from workpost.protocols.api.auditing import CallAudit
from workpost.protocols.api.dispatch import ApiOptions, Dispatcher, Observer, Throttle
from workpost.protocols.api.model import STS, load_services, load_sts
from workpost.protocols.api.pagination import PageTokens
from workpost.protocols.api.throttling import Throttling
from workpost.store.core import Core
from workpost.store.tables.organization_tags import tags_of

REMEMBERED = 1.0
"""Seconds."""
MAX_KNOWN = 1024


class AccessKeys:
    """Looks access keys up, and remembers each for a second.

    A key that was withdrawn works for no longer than that (decisions 2 allow two), and a policy
    that was changed; a key that was just made works at once.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[tuple[str, str | None], tuple[float, Credential]] = {}

    async def lookup(
        self, access_key_id: str, session_token: str | None = None
    ) -> Credential | None:
        """The key with its secret, or None when there is none of this id (or of this token)."""
        now = self._core.env.monotonic()
        place = (access_key_id, session_token)
        until, known = self._known.get(place, (now, None))
        if until > now:
            return known
        found = await find_credential(self._core, access_key_id, session_token)
        if found is None:
            self._known.pop(place, None)
            return None
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[place] = now + REMEMBERED, found
        return found


class OrganizationTags:
    """Looks up the tags that conditions ask for, and remembers each organization's for a second.

    A change of tags announces a change of policy, and is seen at once by the process that made it.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[tuple[str, str], tuple[float, Mapping[str, str]]] = {}
        self._watch = core.store.watch("policy", "", lambda _: self._forget())

    def _forget(self) -> None:
        # A new dictionary: what is being read at this moment goes into the old one.
        self._known = {}

    async def tags(self, account: str, organization: str) -> Mapping[str, str]:
        """The tags by key; empty for an organization that is not the account's."""
        now = self._core.env.monotonic()
        memory = self._known
        until, known = memory.get((account, organization), (now, {}))
        if until > now:
            return known
        found = await self._core.store.read(tags_of, account=account, organization=organization)
        if len(memory) >= MAX_KNOWN:
            memory.clear()
        memory[account, organization] = now + REMEMBERED, found
        return found

    def close(self) -> None:
        """Listen no more."""
        self._watch.close()


class MessagesInTransit:
    """Looks up whose a message in transit is, for policies on organizations and directions."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def locate(self, account: str, message: str) -> tuple[str, str] | None:
        """Its organization and direction; None for one that is not the account's."""
        row = await self._core.store.read(find_in_account, account=account, id=message)
        return (row.org, row.direction) if row is not None else None


class Front:
    """The API of one process: its dispatcher, and what has to be settled at its end."""

    def __init__(self, dispatcher: Dispatcher, tags: OrganizationTags, audit: AuditLog) -> None:
        self.dispatcher = dispatcher
        self.audit = audit
        self._tags = tags

    async def close(self) -> None:
        """Write what is left of the audit log; call it before the store is closed."""
        self._tags.close()
        await self.audit.close()


async def build_dispatcher(
    core: Core,
    *,
    options: ApiOptions | None = None,
    throttle: Throttle | None = None,
    observer: Observer | None = None,
) -> Dispatcher:
    """The dispatcher of `build_front`, for who has no need to settle its audit log."""
    return (
        await build_front(core, options=options, throttle=throttle, observer=observer)
    ).dispatcher


async def build_front(
    core: Core,
    *,
    options: ApiOptions | None = None,
    throttle: Throttle | None = None,
    observer: Observer | None = None,
) -> Front:
    """The API over a core. Raises TryLater when the system key is out of reach.

    Whose an organization is and whether it is active is checked by the domain, in the same
    transaction as the call's effect, so dispatch is given no way to ask for it beforehand.
    """
    services = {**load_services(), STS: load_sts()}
    names = [name for service in services.values() for name in service.operations]
    api = Api(core, PageTokens(await _token_key(core), core.env))
    audit, tags = AuditLog(core), OrganizationTags(core)
    throttling = Throttling(core.settings, core.env)
    dispatcher = Dispatcher(
        services=services,
        handlers=bind(api, registry(names)),
        credentials=AccessKeys(core),
        environment=core.env,
        options=options or ApiOptions(region=core.settings.api.region),
        throttle=throttle or (None if throttling.idle else throttling),
        observer=observer,
        audit=CallAudit(audit),
        tags=tags,
        messages=MessagesInTransit(core),
    )
    return Front(dispatcher, tags, audit)


async def _token_key(core: Core) -> bytes:
    # Rotation never replaces it: every node has the same, and the tokens of a day stay good.
    key = await core.keys.token_key("api")
    return hashlib.blake2b(key, digest_size=32, person=b"api page tokens").digest()
