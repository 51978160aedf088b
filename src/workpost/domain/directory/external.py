"""Asking a directory outside: is it there, what does it say of an entry, does a password fit.

One pool of threads for each directory and process, made when it is asked first.
"""

from __future__ import annotations

import asyncio

from workpost.domain.directory.imported import Reading, Unusable, Wanted
from workpost.formats.ldap import LdapTextError
from workpost.integrations.ldap.threads import DirectoryThreads
from workpost.kernel.directory_settings import Directory
from workpost.kernel.errors import DirectoryUnavailable, EntityNotFound, WorkpostError
from workpost.store.core import Core
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import directory_entries, organizations
from workpost.store.tables.directory_entries import EntryRow

CHECKED_SECONDS = 1.0
"""How long it is known whether a directory answers."""


class Source:
    """A configured directory and how to ask it."""

    def __init__(self, id: str, settings: Directory, threads: DirectoryThreads) -> None:
        self.id = id
        self.settings = settings
        self.reading = Reading(settings)
        self.threads = threads
        self._checked = 0.0
        self._check: asyncio.Task[bool] | None = None

    async def find(self, kind: str, guid: str) -> Wanted | Unusable | None:
        """What an entry is now; None when it is gone or no user (group) any more.

        Raises DirectoryAuthenticationFailed, DirectoryUnavailable, Busy.
        """
        reading = self.reading
        try:
            wanted = reading.filter(kind, guid=guid)
        except LdapTextError:
            return None
        found = await self.threads.find(reading.base(kind), wanted, reading.wanted(kind))
        return reading.entry(kind, found[0]) if len(found) == 1 else None

    async def answers(self, now: float) -> bool:
        """Whether it takes our credentials and answers; asked once a second, and once at a time."""
        check = self._check
        if check is None or (check.done() and now - self._checked >= CHECKED_SECONDS):
            self._checked = now
            check = self._check = asyncio.create_task(self._ask())
        return await asyncio.shield(check)

    async def _ask(self) -> bool:
        try:
            await self.threads.root(["supportedLDAPVersion"])
        except WorkpostError:
            return False
        return True


_sources: dict[tuple[str, Directory], Source] = {}


def _source(id: str, settings: Directory) -> Source:
    key = (id, settings)
    if key not in _sources:
        from workpost.integrations.ldap.real import LdapServer

        threads = DirectoryThreads(settings, LdapServer(id, settings))
        _sources[key] = Source(id, settings, threads)
    return _sources[key]


def close_sources() -> None:
    """Close all connections to directories; whoever waits for one hears that it is gone."""
    while _sources:
        _, source = _sources.popitem()
        source.threads.close()


def configured(core: Core, account: str, directory_id: str) -> Directory | None:
    """The settings of a directory that an account may use."""
    settings = core.settings.directories.get(directory_id)
    return settings if settings is not None and settings.account == account else None


def open_source(core: Core, directory_id: str) -> Source:
    """A directory by its id. Raises DirectoryUnavailable for one that is not configured."""
    settings = core.settings.directories.get(directory_id)
    if settings is None:
        raise DirectoryUnavailable(f"The directory {directory_id} is not there.")
    return _source(directory_id, settings)


async def all_answer(core: Core) -> bool:
    """Whether every configured directory answers."""
    sources = [open_source(core, id) for id in core.settings.directories]
    return all([await source.answers(core.env.monotonic()) for source in sources])


@quick
def find_entry(tx: Reader, *, org: str, entity: str) -> tuple[str, EntryRow] | None:
    """The id of the directory that a user or group is read from, and its entry there."""
    facts = organizations.get_directory(tx, organization=org)
    if facts is None or not facts.kind:
        return None
    entry = directory_entries.get_entry_of(tx, org=org, entity=entity)
    return (facts.id, entry) if entry is not None else None


async def look_up(core: Core, organization: str, entity: str) -> Wanted | None:
    """What the directory says now of one of its users or groups; None for those that are ours.

    Raises EntityNotFound when the entry is gone, DirectoryAuthenticationFailed,
    DirectoryUnavailable, Busy.
    """
    known = await core.store.read(find_entry, org=organization, entity=entity)
    if known is None:
        return None
    directory_id, entry = known
    found = await open_source(core, directory_id).find(entry.kind, entry.guid)
    if found is None or isinstance(found, Unusable):
        raise EntityNotFound(f"The directory has no {entry.kind.lower()} {entity} any more.")
    return found


async def is_password(core: Core, directory_id: str, guid: str, password: bytes) -> bool:
    """Whether a user's entry is there, not locked, and can bind with a password.

    The entry is looked up first: it may have moved, or be gone, since it was read. Raises
    DirectoryAuthenticationFailed, DirectoryUnavailable, Busy.
    """
    if not password:
        return False
    source = open_source(core, directory_id)
    found = await source.find("USER", guid)
    if found is None or isinstance(found, Unusable) or found.locked:
        return False
    return await source.threads.is_password(found.dn, password)
