"""Both key stores, and a hierarchy over a key ring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.peers import require_peer
from workpost.integrations.kms.base import RING, Master
from workpost.integrations.kms.ring import KeyRing
from workpost.kernel.clock import FixedEnvironment
from workpost.store.keys.hierarchy import Hierarchy
from workpost.store.keys.records import KeyStore
from workpost.store.keys.sqlite import SqliteKeyStore


class Env(FixedEnvironment):
    """Real randomness, a clock that moves when told."""

    def random_bytes(self, count: int) -> bytes:
        import os

        return os.urandom(count)


class RingOnly:
    """An installation without KMS."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring

    def get(self, parent: str) -> Master:
        assert parent == RING
        return self.ring

    def default(self) -> str:
        return RING


@pytest.fixture
def env() -> Env:
    return Env()


@pytest.fixture(params=["sqlite", "postgresql"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], KeyStore]]:
    """Opens the same key store again and again, as several processes do."""
    opened: list[KeyStore] = []
    if request.param == "postgresql":
        require_peer("postgres")
        from workpost.store.keys.postgres import PostgresKeyStore

        url = request.getfixturevalue("postgres_database")
        make: Callable[[], KeyStore] = lambda: PostgresKeyStore(url)  # noqa: E731 - a choice of two
    else:
        make = lambda: SqliteKeyStore(tmp_path / "keys" / "keys.db")  # noqa: E731 - a choice of two

    def open_one() -> KeyStore:
        opened.append(make())
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def key_store(reopen: Callable[[], KeyStore]) -> KeyStore:
    return reopen()


@pytest.fixture
def ring(tmp_path: Path, env: Env) -> KeyRing:
    ring = KeyRing(tmp_path / "keys" / "keyring.json", env)
    ring.create()
    return ring


@pytest.fixture
def hierarchy(key_store: KeyStore, ring: KeyRing, env: Env) -> Hierarchy:
    return Hierarchy(key_store, RingOnly(ring), env)
