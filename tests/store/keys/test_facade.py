"""`Keys`: answers from the cache at once, together from the store, and temporary errors."""

from __future__ import annotations

import asyncio

import pytest

from workpost.integrations.kms.base import RING
from workpost.kernel.errors import KeyDestroyed, TryLater
from workpost.kernel.settings import Keys as KeySettings
from workpost.kernel.settings import Settings
from workpost.store.keys.build import open_key_store, open_keys
from workpost.store.keys.facade import Keys
from workpost.store.keys.records import Shred

ORG = "m-0123456789abcdef0123456789abcdef"


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=str(tmp_path))


@pytest.fixture
def keys(settings, env, run):
    keys = open_keys(settings, env)
    yield keys
    run(keys.close())


def at_once(coroutine):
    """The result of a coroutine that must not suspend."""
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    return stop.value.value


async def test_a_cached_key_is_answered_without_suspension(keys):
    await keys.create_organization(ORG)
    await keys.create_mailbox(ORG, 7)
    first = [await keys.mailbox(ORG, 7), await keys.organization(ORG), await keys.system()]
    again = [at_once(keys.mailbox(ORG, 7)), at_once(keys.organization(ORG)), at_once(keys.system())]
    assert first == again
    assert await keys.tag_key(ORG, 7) == at_once(keys.tag_key(ORG, 7))
    assert await keys.token_key("api") == at_once(keys.token_key("api"))
    assert await keys.mailbox(ORG, 7, 1) == first[0]
    assert "key=" not in repr(first[0])


async def test_many_callers_share_one_question(keys, monkeypatch):
    await keys.create_organization(ORG)
    asked = []
    load = keys.hierarchy.store.load
    monkeypatch.setattr(
        keys.hierarchy.store, "load", lambda *args: (asked.append(args), load(*args))[1]
    )
    keys.hierarchy.clear.clear()
    found = await asyncio.gather(*(keys.organization(ORG) for _ in range(20)))
    assert len({key.key for key in found}) == 1
    assert len(asked) == 1


async def test_a_cancelled_caller_does_not_take_the_answer_from_others(keys):
    await keys.create_organization(ORG)
    keys.hierarchy.clear.clear()
    one, two = (asyncio.create_task(keys.organization(ORG)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert (await two).gen == 1


async def test_rotation_and_shredding_are_seen_at_once_by_the_process_that_did_them(keys):
    await keys.create_organization(ORG)
    await keys.create_mailbox(ORG, 7)
    system = await keys.system()
    tag_key = await keys.tag_key(ORG, 7)
    assert await keys.rotate_system() == 2
    assert await keys.rotate_organization(ORG) == 2
    assert await keys.rotate_mailbox(ORG, 7) == 2
    assert (await keys.system()).gen == (await keys.mailbox(ORG, 7)).gen == 2
    assert await keys.system(1) == system
    assert await keys.tag_key(ORG, 7) == tag_key
    await keys.shred_mailbox(ORG, 7)
    with pytest.raises(KeyDestroyed):
        await keys.mailbox(ORG, 7)
    await keys.shred_organization(ORG)
    with pytest.raises(KeyDestroyed):
        await keys.organization(ORG)


async def test_a_lost_key_ring_is_try_later_and_heals(keys, settings, env):
    await keys.create_organization(ORG)
    ring = settings.keyring_path.read_bytes()
    settings.keyring_path.unlink()
    restarted = open_keys(settings, env)
    with pytest.raises(TryLater):
        await restarted.organization(ORG)
    settings.keyring_path.write_bytes(ring)
    assert await restarted.organization(ORG)
    await restarted.close()


async def test_clear_keys_leave_the_memory_of_an_idle_process(keys, env):
    await keys.create_organization(ORG)
    await keys.organization(ORG)
    assert len(keys.hierarchy.clear) > 0
    keys._prune()
    assert len(keys.hierarchy.clear) > 0
    env.advance(61_000)
    keys._prune()
    assert len(keys.hierarchy.clear) == 0


async def test_the_shred_list_is_applied_at_every_start(keys, settings, env):
    await keys.create_organization(ORG)
    await keys.create_mailbox(ORG, 7)
    open_key_store(settings).append_shred(Shred(at=1, scope="mailbox/7"))
    restarted = open_keys(settings, env)
    with pytest.raises(KeyDestroyed):
        await restarted.mailbox(ORG, 7)
    await restarted.close()


@pytest.mark.peer("postgres")
async def test_keys_may_live_in_a_postgresql_database_of_their_own(
    tmp_path, env, postgres_database
):
    settings = Settings(data_dir=str(tmp_path), keys=KeySettings(url=postgres_database))
    keys = open_keys(settings, env)
    await keys.create_organization(ORG)
    await keys.create_mailbox(ORG, 7)
    key = await keys.mailbox(ORG, 7)
    await keys.close()
    again = open_keys(settings, env)
    assert await again.mailbox(ORG, 7) == key
    await again.close()
    assert not (tmp_path / "keys" / "keys.db").exists()


async def test_the_first_generation_of_the_system_key_can_be_asked_for_before_there_is_one(keys):
    assert (await keys.system(1)).gen == 1


def test_keys_opens_with_the_ring_as_its_master(keys):
    assert isinstance(keys, Keys)
    assert keys.hierarchy.store.load("system") is None
    keys.hierarchy.system()
    assert keys.hierarchy.store.load("system").parent == RING
