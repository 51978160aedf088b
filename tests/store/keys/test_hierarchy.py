"""The key hierarchy on both engines: making, opening, rotating and shredding keys."""

from __future__ import annotations

import threading

import pytest

from workpost.integrations.kms.base import RING
from workpost.kernel.errors import Conflict, KeyDestroyed
from workpost.store.keys.hierarchy import START, Hierarchy
from workpost.store.keys.records import KeyRow, Shred

ORG = "m-0123456789abcdef0123456789abcdef"


def other(hierarchy: Hierarchy, reopen) -> Hierarchy:
    """The hierarchy as another process sees it, its cache empty."""
    return Hierarchy(reopen(), hierarchy._masters, hierarchy._env)


def rewrap(hierarchy: Hierarchy, parent: str, below: int) -> None:
    cursor = START
    while cursor is not None:
        _, cursor = hierarchy.rewrap_children(parent, below, cursor, 2)


# --- making and opening --------------------------------------------------------------------------


def test_a_key_is_the_same_for_every_process(hierarchy, reopen):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    for scope in (f"org/{ORG}", "mailbox/7", "tag/7"):
        assert other(hierarchy, reopen).open(scope) == hierarchy.open(scope)
        assert hierarchy.open(scope).gen == 1


def test_making_a_key_again_changes_nothing(hierarchy):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    before = hierarchy.open("mailbox/7")
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    hierarchy.clear.clear()
    assert hierarchy.open("mailbox/7") == before


def test_the_system_key_is_made_once_by_whoever_asks_first(hierarchy, reopen):
    keys = []
    asking = [
        threading.Thread(target=lambda h=h: keys.append(h.system()))
        for h in [other(hierarchy, reopen) for _ in range(4)]
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(keys) == 4
    assert len({key.key for key in keys}) == 1


def test_a_mailbox_key_cannot_be_had_through_another_organization(hierarchy):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_organization("m-other", None)
    hierarchy.create_mailbox(ORG, 7)
    for _ in range(2):  # from the store, then from the cache
        with pytest.raises(KeyDestroyed):
            hierarchy.open("mailbox/7", parent="org/m-other")
        hierarchy.open("mailbox/7")


def test_a_mailbox_needs_its_organization(hierarchy):
    with pytest.raises(KeyDestroyed):
        hierarchy.create_mailbox(ORG, 7)


def test_a_wrapped_key_moved_to_another_row_is_refused(hierarchy, key_store):
    from workpost.kernel.errors import Fault

    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    hierarchy.create_mailbox(ORG, 8)
    theirs, ours = key_store.load("mailbox/8"), key_store.load("mailbox/7")
    key_store.rewrap(ours, ours.parent, ours.parent_gen, theirs.wrapped)
    with pytest.raises(Fault):
        hierarchy.open("mailbox/7")


# --- the cache -----------------------------------------------------------------------------------


def test_a_clear_key_is_kept_for_sixty_seconds(hierarchy, key_store, env):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    hierarchy.open("mailbox/7")
    key_store.destroy("mailbox/7", None, env.now())
    env.advance(59_999)
    hierarchy.open("mailbox/7")
    env.advance(1)
    with pytest.raises(KeyDestroyed):
        hierarchy.open("mailbox/7")
    hierarchy.clear.prune()
    assert len(hierarchy.clear) == 0


# --- rotation ------------------------------------------------------------------------------------


def test_rotation_of_an_organization_rewraps_its_mailboxes_and_keeps_their_keys(
    hierarchy, key_store, reopen
):
    hierarchy.create_organization(ORG, None)
    for mailbox in range(5):
        hierarchy.create_mailbox(ORG, mailbox)
    before = [hierarchy.open(f"mailbox/{n}") for n in range(5)]
    tags = [hierarchy.open(f"tag/{n}") for n in range(5)]
    assert hierarchy.rotate(f"org/{ORG}") == 2
    rewrap(hierarchy, f"org/{ORG}", 2)
    assert key_store.children(f"org/{ORG}", below=2, after=START, limit=100) == []
    assert not key_store.has_children(f"org/{ORG}", 1)
    assert key_store.has_children(f"org/{ORG}", 2)
    key_store.destroy(f"org/{ORG}", 1, 1)
    fresh = other(hierarchy, reopen)
    assert [fresh.open(f"mailbox/{n}") for n in range(5)] == before
    assert [fresh.open(f"tag/{n}") for n in range(5)] == tags


def test_rotation_of_a_mailbox_keeps_the_old_generation_until_it_is_destroyed(
    hierarchy, key_store, env
):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    old = hierarchy.open("mailbox/7")
    assert hierarchy.rotate("mailbox/7", f"org/{ORG}") == 2
    new = hierarchy.open("mailbox/7")
    assert new.gen == 2
    assert new.key != old.key
    assert hierarchy.open("mailbox/7", 1) == old
    assert [row.gen for row in key_store.superseded(after=START, limit=9)] == [1]
    key_store.destroy("mailbox/7", 1, env.now())
    hierarchy.clear.clear()
    with pytest.raises(KeyDestroyed):
        hierarchy.open("mailbox/7", 1)
    assert hierarchy.open("mailbox/7") == new
    assert key_store.superseded(after=START, limit=9) == []


def test_a_mailbox_made_during_a_rotation_by_a_process_that_has_not_heard_of_it(
    hierarchy, key_store, reopen
):
    hierarchy.create_organization(ORG, None)
    late = other(hierarchy, reopen)
    late.open(f"org/{ORG}")
    hierarchy.rotate(f"org/{ORG}")
    late.create_mailbox(ORG, 7)
    assert key_store.load("mailbox/7").parent_gen == 1
    rewrap(hierarchy, f"org/{ORG}", 2)
    assert key_store.load("mailbox/7").parent_gen == 2
    key_store.destroy(f"org/{ORG}", 1, 1)
    with pytest.raises(KeyDestroyed):
        late.create_mailbox(ORG, 8)


def test_two_rotations_at_once_make_two_generations_or_one_conflict(hierarchy, key_store):
    hierarchy.create_organization(ORG, None)
    row = key_store.load(f"org/{ORG}")
    hierarchy.rotate(f"org/{ORG}")
    with pytest.raises(Conflict):
        key_store.add([KeyRow(row.scope, 2, RING, 1, b"x", 1)], [row])


def test_rotation_of_the_master_rewraps_what_it_wraps(hierarchy, key_store, ring, reopen, env):
    assert hierarchy.rewrap_master() == 0
    assert hierarchy.drop_ring_versions(env.now()) == 0
    hierarchy.create_organization(ORG, None)
    system = hierarchy.system()
    assert hierarchy.rotate_master() == 2
    assert not key_store.has_children(RING, 1)
    assert hierarchy.drop_ring_versions(env.now()) == 0
    env.advance(1)
    assert hierarchy.drop_ring_versions(env.now()) == 1
    assert other(hierarchy, reopen).system() == system
    assert list(ring.versions()) == [2]


def test_a_token_key_is_rewrapped_and_never_replaced(hierarchy, key_store, reopen):
    before = hierarchy.token("api")
    assert hierarchy.token("api") == before
    assert hierarchy.token("web") != before
    assert hierarchy.rotate("system") == 2
    rewrap(hierarchy, "system", 2)
    key_store.destroy("system", 1, 1)
    assert other(hierarchy, reopen).token("api") == before


# --- shredding -----------------------------------------------------------------------------------


def test_a_shredded_mailbox_is_gone_with_its_tag_key(hierarchy, key_store, reopen):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    hierarchy.create_mailbox(ORG, 8)
    hierarchy.rotate("mailbox/7")
    hierarchy.shred("mailbox/7", f"org/{ORG}")
    for scope, gen in (("mailbox/7", 1), ("mailbox/7", 2), ("tag/7", None)):
        for process in (hierarchy, other(hierarchy, reopen)):
            with pytest.raises(KeyDestroyed):
                process.open(scope, gen)
    assert set(key_store.load("mailbox/7", 1).wrapped) == {0}
    assert hierarchy.open("mailbox/8")
    assert [entry.scope for entry in key_store.shred_list()] == ["mailbox/7"]
    with pytest.raises(KeyDestroyed):
        hierarchy.create_mailbox(ORG, 7)
    with pytest.raises(KeyDestroyed):
        hierarchy.rotate("mailbox/7")


def test_a_shredded_organization_takes_its_mailboxes_along(hierarchy, reopen):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_organization("m-other", None)
    hierarchy.create_mailbox(ORG, 7)
    hierarchy.create_mailbox("m-other", 8)
    hierarchy.shred(f"org/{ORG}")
    for scope in (f"org/{ORG}", "mailbox/7", "tag/7"):
        with pytest.raises(KeyDestroyed):
            hierarchy.open(scope)
    assert other(hierarchy, reopen).open("mailbox/8")


def test_a_mailbox_of_another_organization_cannot_be_shredded(hierarchy, key_store):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    with pytest.raises(KeyDestroyed):
        hierarchy.shred("mailbox/7", "org/m-other")
    assert key_store.shred_list() == []


def test_a_shredding_cut_short_after_the_list_is_finished_at_the_next_start(
    hierarchy, key_store, reopen
):
    hierarchy.create_organization(ORG, None)
    hierarchy.create_mailbox(ORG, 7)
    key_store.append_shred(Shred(at=1, scope="mailbox/7"))
    fresh = other(hierarchy, reopen)
    assert fresh.apply_shred_list() == 2
    assert fresh.apply_shred_list() == 0
    with pytest.raises(KeyDestroyed):
        fresh.open("mailbox/7")


def test_restored_rows_do_not_replace_what_is_there(hierarchy, key_store):
    hierarchy.create_organization(ORG, None)
    row = key_store.load(f"org/{ORG}")
    key_store.restore([KeyRow(row.scope, 1, RING, 1, b"other", 5), KeyRow("x", 1, RING, 1, b"", 5)])
    assert key_store.load(f"org/{ORG}") == row
    assert key_store.load("x").created == 5
    assert [r.scope for r in key_store.page(after=START, limit=9)] == [f"org/{ORG}", "x"]
