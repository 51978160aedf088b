"""The key store's files: their modes, what shredding leaves in them, and the key ring."""

from __future__ import annotations

import os
import stat

import pytest

from workpost.integrations.kms.ring import KeyRing
from workpost.kernel.errors import Fault, TryLater
from workpost.store.keys.records import KeyRow, Shred
from workpost.store.keys.sqlite import SqliteKeyStore


@pytest.fixture
def store(tmp_path):
    store = SqliteKeyStore(tmp_path / "keys" / "keys.db")
    yield store
    store.close()


def test_only_the_owner_may_read_them(tmp_path, store, ring):
    store.add([KeyRow("org/m-1", 1, "ring", 1, b"wrapped", 1)])
    store.append_shred(Shred(at=1, scope="mailbox/1"))
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    files = list((tmp_path / "keys").iterdir())
    assert {"keys.db", "keyring.json", "shred.log"} <= {file.name for file in files}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_destroyed_key_is_in_no_file_any_more(tmp_path, store):
    marker = os.urandom(60)
    store.add([KeyRow("mailbox/1", 1, "org/m-1", 1, marker, 1)])
    assert any(marker in file.read_bytes() for file in (tmp_path / "keys").iterdir())
    assert store.destroy("mailbox/1", None, 5) == 1
    store.scrub()
    assert not any(marker in file.read_bytes() for file in (tmp_path / "keys").iterdir())
    assert store.load("mailbox/1").destroyed_at == 5


def test_a_line_that_the_full_disk_cuts_short_is_told(store, monkeypatch):
    monkeypatch.setattr(os, "write", lambda _log, line: len(line) - 1)
    with pytest.raises(TryLater):
        store.append_shred(Shred(at=1, scope="mailbox/1"))


def test_a_line_of_the_shred_list_cut_short_is_left_out(store):
    store.append_shred(Shred(at=1, scope="mailbox/1"))
    with store.shred_path.open("ab") as log:
        log.write(b'{"at":2,"sco')
    assert store.shred_list() == [Shred(at=1, scope="mailbox/1")]


def test_a_line_after_one_cut_short_counts(store):
    with store.shred_path.open("ab") as log:
        log.write(b'{"at":2,"sco')
    store.append_shred(Shred(at=1, scope="mailbox/1"))
    assert store.shred_list() == [Shred(at=1, scope="mailbox/1")]


def test_a_key_store_from_the_future_is_refused(tmp_path, store):
    store._connect().execute("PRAGMA user_version=99").fetchall()
    with pytest.raises(TryLater, match="newer"):
        SqliteKeyStore(tmp_path / "keys" / "keys.db")


# --- the key ring --------------------------------------------------------------------------------


def test_a_wrap_fits_its_scope_and_generation_only(ring):
    version, wrapped = ring.wrap("org/m-1", 1, bytes(32))
    assert ring.unwrap("org/m-1", 1, version, wrapped) == bytes(32)
    for scope, gen, which, blob in (
        ("org/m-2", 1, version, wrapped),
        ("org/m-1", 2, version, wrapped),
        ("org/m-1", 1, 9, wrapped),
        ("org/m-1", 1, version, wrapped[:-1]),
        ("org/m-1", 1, version, b""),
    ):
        with pytest.raises(Fault):
            ring.unwrap(scope, gen, which, blob)


def test_a_rotation_reaches_other_processes_and_old_wraps_still_open(tmp_path, ring, env):
    version, wrapped = ring.wrap("system", 1, bytes(32))
    KeyRing(tmp_path / "keys" / "keyring.json", env).rotate()
    assert ring.wrap("system", 1, bytes(32))[0] == 2
    assert ring.unwrap("system", 1, version, wrapped) == bytes(32)
    with pytest.raises(Fault):
        ring.drop(2)
    ring.drop(1)
    ring.drop(1)
    with pytest.raises(Fault):
        ring.unwrap("system", 1, version, wrapped)


def test_a_missing_or_damaged_ring_is_a_temporary_error_and_never_made_anew(tmp_path, ring):
    file = tmp_path / "keys" / "keyring.json"
    good = file.read_bytes()
    file.write_bytes(good[:20])
    with pytest.raises(TryLater):
        ring.wrap("system", 1, bytes(32))
    file.unlink()
    with pytest.raises(TryLater):
        ring.wrap("system", 1, bytes(32))
    assert not file.exists()
    file.write_bytes(good)
    ring.wrap("system", 1, bytes(32))


def test_making_a_ring_leaves_an_existing_one_alone(tmp_path, ring):
    before = (tmp_path / "keys" / "keyring.json").read_bytes()
    ring.create()
    assert (tmp_path / "keys" / "keyring.json").read_bytes() == before


def test_a_version_that_cannot_be_written_wraps_nothing(tmp_path, env, monkeypatch):
    ring = KeyRing(tmp_path / "ring.json", env)
    ring.create()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(TryLater):
            ring.rotate()
    version, wrapped = ring.wrap("system", 1, b"k" * 32)
    assert version == ring.current() == 1
    assert KeyRing(tmp_path / "ring.json", env).unwrap("system", 1, version, wrapped) == b"k" * 32
