"""Running the active script of a mailbox over one message, in a thread, within bounds.

What a script may ask of the world is looked up around the run: folders before it, ids that
`duplicate` asks for after a run that found none, which is then repeated with what is remembered. A
run changes nothing, so it may be repeated.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import ParamSpec, TypeVar

import msgspec

from workpost.domain.mailboxes.names import name_tag, split_path
from workpost.domain.mailboxes.personal_rules import Owner
from workpost.domain.messages.prepare import MailboxKeys
from workpost.formats.sieve.actions import Keep, Result, World
from workpost.formats.sieve.checker import Script, compile_script
from workpost.formats.sieve.errors import SieveError
from workpost.formats.sieve.interpreter import run_script
from workpost.kernel.errors import InvalidParameter, TryLater
from workpost.kernel.logging import logger
from workpost.kernel.queue_settings import time_zone
from workpost.kernel.rooms import Rooms
from workpost.operations.mailflow.entries import Message
from workpost.store.core import Core
from workpost.store.database.unit import Reader, quick
from workpost.store.keys import sealing
from workpost.store.tables import folders, sieve_memory
from workpost.store.tables.folders import FolderRow
from workpost.store.tables.sieve_memory import SEEN, Memory

SECONDS = 2.0
"""Time of one run, all of its rounds together; ordinary scripts take a millisecond."""
ROUNDS = 8
"""How often a run is repeated because it asked for more ids."""
THREADS = 4
EACH = 2
"""Those of one organization."""
PATIENCE_SECONDS = 60.0
"""How long a message waits until scripts of its organization are done with others; this is no time
of its own."""
KEPT_SCRIPTS = 200
KEPT_OCTETS = 4 * 1024 * 1024
"""Compiled scripts that a process remembers, and octets of their texts."""

USES = {
    "\\archive": "archive",
    "\\drafts": "drafts",
    "\\junk": "junk",
    "\\sent": "sent",
    "\\trash": "trash",
}
"""Special uses (RFC 6154) as roles of folders."""

P = ParamSpec("P")
T = TypeVar("T")

ROOMS = Rooms("sieve", THREADS, EACH, "The scripts of this organization take too long.")

log = logger("mailflow")


class Mailbox(msgspec.Struct, frozen=True):
    """A mailbox whose rules are applied; `rcpt` is the folded recipient of the envelope."""

    owner: Owner
    rcpt: str
    keys: MailboxKeys


class Tree:
    """The folders of a mailbox as they were before the delivery."""

    def __init__(self, rows: Sequence[FolderRow], tag_key: bytes) -> None:
        self._tag_key = tag_key
        self._children = {(row.parent, bytes(row.name_tag)): row for row in rows}
        self._roles = {row.role: row for row in rows if row.role}

    def find(self, path: str) -> FolderRow | None:
        """The folder of an IMAP path."""
        try:
            parts = split_path(path)
        except InvalidParameter:
            return None
        parent, row = 0, None
        for part in parts:
            row = self._children.get((parent, name_tag(self._tag_key, part)))
            if row is None:
                return None
            parent = row.id
        return row

    def of_use(self, use: str) -> FolderRow | None:
        """The folder of a special use."""
        return self._roles.get(USES.get(use.lower(), ""))

    def exists(self, path: str) -> bool:
        """`mailboxexists` (RFC 5490 3.1)."""
        return self.find(path) is not None

    def has_uses(self, path: str, uses: Sequence[str]) -> bool:
        """`specialuse_exists` (RFC 8579 4): of any folder, or all of one."""
        found = [self.of_use(use) for use in uses]
        if not path:
            return all(row is not None for row in found)
        wanted = self.find(path)
        return wanted is not None and all(row is not None and row.id == wanted.id for row in found)


async def read_tree(core: Core, mailbox: Mailbox) -> Tree:
    """The folders of a mailbox."""
    rows = await core.store.read(folders.list_rows, mailbox=mailbox.owner.mailbox)
    return Tree(rows, mailbox.keys.tag_key)


class _Watch:
    """Counts the time of the rounds themselves; they are run one after the other."""

    def __init__(self, core: Core) -> None:
        self._now = core.env.monotonic
        self._before = 0.0
        self._began = 0.0

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a round."""
        self._began = self._now()
        try:
            return work(*args, **kwargs)
        finally:
            self._before += self._now() - self._began

    def is_over(self) -> bool:
        """Whether the rounds have taken all that they may."""
        return self._before + self._now() - self._began > SECONDS


async def run(core: Core, message: Message, mailbox: Mailbox, source: bytes) -> Result:
    """What the script says of the message; an error keeps it. Raises TryLater."""
    try:
        script = await _compiled(source)
    except SieveError as error:
        # It could run when it was put: another version of Workpost took it.
        return Result([Keep()], [], error=str(error))
    tree = await read_tree(core, mailbox) if _asks_for_folders(script) else None
    watch = _Watch(core)
    known: dict[tuple[str, str], bool] = {}
    for _ in range(ROUNDS):
        world = World(
            sender=message.envelope.sender,
            recipient=mailbox.rcpt,
            now=core.env.now() / 1000,
            zone=time_zone(core.settings.sieve.time_zone),
            folder_exists=tree.exists if tree is not None else lambda _: False,
            special_use_exists=tree.has_uses if tree is not None else lambda _, __: False,
            was_seen=_lookup(known),
            is_late=watch.is_over,
        )
        raw = message.stamped.raw
        try:
            async with ROOMS.enter(mailbox.owner.organization, PATIENCE_SECONDS) as room:
                result = await room.run(watch.run, run_script, script, raw, world, message.summary)
        except TryLater:
            raise
        except Exception:
            log.exception("a script made the interpreter fail", mailbox=mailbox.owner.mailbox)
            return Result([Keep()], [], error="internal error, reported to the administrator")
        asked = {(one.handle, one.identity) for one in result.seen} - known.keys()
        if not asked:
            break
        tags = {one: _tag(mailbox, *one) for one in asked}
        remembered = await core.store.read(
            read_remembered, mailbox=mailbox.owner.mailbox, tags=list(tags.values())
        )
        known.update({one: tag in remembered for one, tag in tags.items()})
        if not any(known[one] for one in asked):
            break
    return result


def memories(core: Core, mailbox: Mailbox, result: Result) -> list[Memory]:
    """What `duplicate` remembers of a run that ended well (RFC 7352 3)."""
    now = core.env.now()
    return [
        Memory(
            mailbox.owner.mailbox,
            SEEN,
            _tag(mailbox, one.handle, one.identity),
            now + one.seconds * 1000,
            one.renew,
        )
        for one in result.seen
    ]


@quick
def read_remembered(tx: Reader, *, mailbox: int, tags: list[bytes]) -> list[bytes]:
    """Those of the tags that `duplicate` has seen."""
    return [
        tag for tag in tags if sieve_memory.is_remembered(tx, mailbox=mailbox, kind=SEEN, tag=tag)
    ]


def _lookup(known: dict[tuple[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda handle, identity: known.get((handle, identity), False)


def _tag(mailbox: Mailbox, handle: str, identity: str) -> bytes:
    return sealing.tag(mailbox.keys.tag_key, "sieve-seen", f"{handle}\0{identity}")


def _asks_for_folders(script: Script) -> bool:
    return not script.capabilities.isdisjoint({"mailbox", "special-use"})


_scripts: OrderedDict[bytes, tuple[Script, int]] = OrderedDict()


async def _compiled(source: bytes) -> Script:
    """The script of a text, remembered by its digest. Raises SieveError."""
    digest = blake2b(source, digest_size=16).digest()
    found = _scripts.get(digest)
    if found is not None:
        _scripts.move_to_end(digest)
        return found[0]
    script = await asyncio.to_thread(compile_script, source)
    _scripts[digest] = script, len(source)
    size = sum(octets for _, octets in _scripts.values())
    while len(_scripts) > KEPT_SCRIPTS or (size > KEPT_OCTETS and len(_scripts) > 1):
        _, (_, octets) = _scripts.popitem(last=False)
        size -= octets
    return script
