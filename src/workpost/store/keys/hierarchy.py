"""The key hierarchy: create, unwrap, rotate, rewrap and shred. Blocking; called in threads.

A new key is wrapped by the newest generation of its parent, in a transaction that makes sure that
the parent is still there. Rotation adds a generation; `rewrap_children` moves what the old ones
wrap to the new one, slice by slice; the old ones are destroyed by the sweeper once nothing refers
to them (operations/upkeep). Tag and token keys never get a second generation.
"""

from __future__ import annotations

from typing import Protocol

from workpost.integrations.kms.base import KMS, RING, Master
from workpost.integrations.kms.ring import KeyRing
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict, KeyDestroyed
from workpost.store.keys import sealing
from workpost.store.keys.cache import ClearKeys
from workpost.store.keys.records import (
    SYSTEM,
    KeyRow,
    KeyStore,
    Shred,
    mailbox_scope,
    org_scope,
    tag_scope,
    token_scope,
)
from workpost.store.keys.types import DataKey


class Masters(Protocol):
    """The masters of one installation."""

    @property
    def ring(self) -> KeyRing:
        """The local key ring, whether it is in use or not."""
        ...

    def get(self, parent: str) -> Master:
        """The master of a topmost key's `parent`: `ring` or `kms:<ARN>`."""
        ...

    def default(self) -> str:
        """The parent of new topmost keys. Raises TryLater."""
        ...


Cursor = tuple[str, int]
START: Cursor = ("", 0)


class Hierarchy:
    """Everything that knows how keys hang together."""

    def __init__(self, store: KeyStore, masters: Masters, env: Environment) -> None:
        self.store = store
        self.clear = ClearKeys(env)
        self._masters = masters
        self._env = env

    # --- reading ---

    def open(self, scope: str, gen: int | None = None, parent: str = "") -> DataKey:
        """A key in clear, from the cache or by unwrapping.

        Raises KeyDestroyed when it was shredded, does not exist, or does not hang from `parent`;
        TryLater when the store or a master is out of reach.
        """
        cached = self.clear.get(scope, gen or 0, parent)
        if cached is not None:
            return cached
        row = self.store.load(scope, gen)
        if row is None or (parent and row.parent != parent):
            raise KeyDestroyed(f"there is no key {scope}")
        key = DataKey(gen=row.gen, key=self._unwrap(row))
        self.clear.put(scope, row.parent, key, current=gen is None)
        return key

    def _unwrap(self, row: KeyRow) -> bytes:
        if row.destroyed_at is not None:
            raise KeyDestroyed(f"the key {row.scope} was destroyed")
        if _is_master(row.parent):
            master = self._masters.get(row.parent)
            return master.unwrap(row.scope, row.gen, row.parent_gen, row.wrapped)
        above = self.open(row.parent, row.parent_gen)
        return sealing.unseal(above.key, row.wrapped, _place(row.parent, row.scope, row.gen))

    def _wrap(self, parent: str, scope: str, gen: int, key: bytes) -> tuple[int, bytes]:
        if _is_master(parent):
            return self._masters.get(parent).wrap(scope, gen, key)
        above = self.open(parent)
        return above.gen, sealing.seal(above.key, key, _place(parent, scope, gen))

    # --- making ---

    def system(self, gen: int | None = None) -> DataKey:
        """The system key, made when it is first asked for."""
        if self.store.load(SYSTEM) is None:
            self._add_once(SYSTEM, self._masters.default())
        return self.open(SYSTEM, gen)

    def token(self, purpose: str) -> DataKey:
        """A key under the system key, made when it is first asked for."""
        scope = token_scope(purpose)
        if self.store.load(scope) is None:
            self.system()
            self._add_once(scope, SYSTEM)
        return self.open(scope)

    def create_organization(self, organization: str, kms_key: str | None) -> None:
        """Make an organization's data key; one that exists already stays."""
        self._add_once(
            org_scope(organization), f"{KMS}{kms_key}" if kms_key else self._masters.default()
        )

    def create_mailbox(self, organization: str, mailbox: int) -> None:
        """Make a mailbox's key and tag key; those that exist already stay."""
        parent = org_scope(organization)
        rows = [self._fresh(scope, 1, parent) for scope in _of_mailbox(mailbox)]
        above = [self.store.load(parent, gen) for gen in {row.parent_gen for row in rows}]
        try:
            self.store.add(rows, [row for row in above if row is not None])
        except Conflict:
            self.open(mailbox_scope(mailbox), parent=parent)

    def _add_once(self, scope: str, parent: str) -> None:
        try:
            self.store.add([self._fresh(scope, 1, parent)])
        except Conflict:
            self.open(scope)

    def _fresh(self, scope: str, gen: int, parent: str) -> KeyRow:
        parent_gen, wrapped = self._wrap(parent, scope, gen, self._env.random_bytes(sealing.KEY))
        return KeyRow(
            scope=scope,
            gen=gen,
            parent=parent,
            parent_gen=parent_gen,
            wrapped=wrapped,
            created=self._env.now(),
        )

    # --- rotation ---

    def rotate(self, scope: str, parent: str = "") -> int:
        """Add a generation, which wraps from now on; returns it.

        Other processes keep using the one before for up to 60 s. Raises KeyDestroyed.
        """
        row = self.store.load(scope)
        if row is None or (parent and row.parent != parent):
            raise KeyDestroyed(f"there is no key {scope}")
        if row.destroyed_at is not None:
            raise KeyDestroyed(f"the key {scope} was destroyed")
        fresh = self._fresh(scope, row.gen + 1, row.parent)
        alive = [row]
        if not _is_master(row.parent):
            above = self.store.load(row.parent, fresh.parent_gen)
            alive += [above] if above is not None else []
        self.store.add([fresh], alive)
        self.clear.forget(scope)
        return fresh.gen

    def rewrap_children(
        self, parent: str, below: int, after: Cursor, limit: int
    ) -> tuple[int, Cursor | None]:
        """Wrap up to `limit` children of old generations anew: how many, and where to go on.

        `below` is the generation (ring: version) that children shall have at least.
        """
        rows = self.store.children(parent, below=below, after=after, limit=limit)
        moved = 0
        for row in rows:
            try:
                key = self._unwrap(row)
                parent_gen, wrapped = self._wrap(parent, row.scope, row.gen, key)
            except KeyDestroyed:
                continue
            moved += self.store.rewrap(row, parent, parent_gen, wrapped)
        return moved, (rows[-1].scope, rows[-1].gen) if len(rows) == limit else None

    def rotate_master(self) -> int:
        """A new version of the key ring, or the move from the ring to KMS where one is set.

        Returns how many keys were wrapped anew. Raises TryLater.
        """
        target = self._masters.default()
        if target == RING:
            self._masters.ring.rotate()
            return self.rewrap_master()
        topmost = self.store.children(RING, below=1 << 62, after=START, limit=1 << 30)
        for scope in {row.scope for row in topmost}:
            self.change_master(scope, target)
        return len(topmost)

    def rewrap_master(self) -> int:
        """Wrap by the newest version of the key ring what older ones wrap; returns how many."""
        if not self.store.has_children(RING):
            return 0
        version = self._masters.ring.current()
        moved = 0
        cursor: Cursor | None = START
        while cursor is not None:
            count, cursor = self.rewrap_children(RING, version, cursor, 100)
            moved += count
        return moved

    def drop_ring_versions(self, superseded_before: int) -> int:
        """Destroy versions of the key ring that wrap nothing and were replaced before that time.

        Returns how many.
        """
        if not self.store.has_children(RING):
            return 0
        ring = self._masters.ring
        made = ring.versions()
        old = [
            version
            for version in made
            if version < ring.current()
            and min(at for later, at in made.items() if later > version) < superseded_before
            and not self.store.has_children(RING, version)
        ]
        for version in old:
            ring.drop(version)
        return len(old)

    def change_master(self, scope: str, parent: str) -> None:
        """Wrap every live generation of a topmost key by another master."""
        newest = self.store.load(scope)
        for gen in range(1, newest.gen + 1 if newest is not None else 1):
            row = self.store.load(scope, gen)
            if row is not None and row.destroyed_at is None:
                key = self._unwrap(row)
                version, wrapped = self._masters.get(parent).wrap(scope, gen, key)
                self.store.rewrap(row, parent, version, wrapped)
        self.clear.forget(scope)

    # --- shredding ---

    def shred(self, scope: str, parent: str = "") -> None:
        """Destroy a mailbox's or an organization's keys for good; doing it again does nothing more.

        The list comes first: a crash in between is made good by `apply_shred_list` at the next
        start. Raises KeyDestroyed when the scope belongs to another parent.
        """
        row = self.store.load(scope)
        if row is not None and parent and row.parent != parent:
            raise KeyDestroyed(f"there is no key {scope}")
        self.store.append_shred(Shred(at=self._env.now(), scope=scope))
        self._destroy(scope)
        self.store.scrub()

    def _destroy(self, scope: str) -> int:
        now = self._env.now()
        count = self.store.destroy(scope, None, now)
        kind, _, name = scope.partition("/")
        if kind == "mailbox":
            count += self.store.destroy(tag_scope(int(name)), None, now)
            self.clear.forget(tag_scope(int(name)))
        else:
            count += self.store.destroy_family(scope, now)
        self.clear.forget(scope)
        return count

    def apply_shred_list(self) -> int:
        """Destroy whatever the shred list names and is still there; returns how many keys."""
        count = sum(self._destroy(scope) for scope in {e.scope for e in self.store.shred_list()})
        if count:
            self.store.scrub()
        return count


def _is_master(parent: str) -> bool:
    return parent == RING or parent.startswith(KMS)


def _of_mailbox(mailbox: int) -> tuple[str, str]:
    return mailbox_scope(mailbox), tag_scope(mailbox)


def _place(parent: str, scope: str, gen: int) -> bytes:
    return sealing.place("keys", "wrapped", parent, scope, gen)
