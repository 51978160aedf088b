"""Messages: appended, flagged, copied, moved, removed, on both engines."""

from __future__ import annotations

import threading

import pytest

from tests.support.directories import Directory
from tests.support.mailboxes import (
    assert_numbers_are_true,
    fill,
    inbox,
    log_in,
    message,
)
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import flags as bits
from workpost.domain.messages import removing
from workpost.domain.messages import shell as messages
from workpost.formats.mime.summary import Summary, packed_envelope, summarize
from workpost.kernel.errors import FolderNotFound, QuotaExceeded, StaleGrant
from workpost.kernel.principal import Grant


async def test_an_appended_message_is_read_back_byte_for_byte(house: Directory, ada: Grant) -> None:
    raw = message("Grüße")
    done = await messages.append(
        house.core, ada, await inbox(house.core, ada), raw, flags=bits.SEEN, keywords=[b"$Label1"]
    )
    found = await messages.find_message(house.core, ada, await inbox(house.core, ada), done.uid)
    assert found is not None
    assert await messages.read_content(house.core, ada, found) == raw
    assert (found.size, found.flags & bits.SYSTEM) == (len(raw), bits.SEEN)
    assert found.keywords == (b"$Label1",)
    assert packed_envelope(found.packed).startswith(b"(NIL ")
    await assert_numbers_are_true(house)


async def test_a_header_made_to_be_slow_does_not_hold_up_the_loop(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []

    def summarized(raw: bytes) -> Summary:
        where.append(threading.current_thread().name)
        return summarize(raw)

    monkeypatch.setattr(messages, "summarize", summarized)
    folder = await inbox(house.core, ada)
    await messages.append(house.core, ada, folder, message("short"))
    await messages.append(house.core, ada, folder, b'Cc: "' + b"\\" * 20_000 + b"\r\n\r\n")
    assert where[0] == threading.main_thread().name != where[1]


async def test_uids_rise_and_are_never_reused(house: Directory, ada: Grant) -> None:
    folder = await inbox(house.core, ada)
    first = await fill(house.core, ada, 3)
    async for _ in messages.change_flags(
        house.core, ada, folder, first, action="add", flags=bits.DELETED
    ):
        pass
    assert await removing.expunge(house.core, ada, folder) == first
    second = await fill(house.core, ada, 2)
    assert min(second) > max(first)
    await assert_numbers_are_true(house)


async def test_a_store_changes_flags_keywords_and_unread_once(house: Directory, ada: Grant) -> None:
    folder = await inbox(house.core, ada)
    uids = await fill(house.core, ada, 4)
    changed = [
        slice_
        async for slice_ in messages.change_flags(
            house.core,
            ada,
            folder,
            uids[:2],
            action="add",
            flags=bits.SEEN,
            keywords=[b"Work", b"WORK"],
        )
    ]
    modseq = {row.modseq for row in changed[0].rows}
    assert len(modseq) == 1
    status = await mailboxes.status(house.core, ada, folder)
    assert (status.total, status.unread, status.modseq) == (4, 2, modseq.pop())
    again = [
        slice_
        async for slice_ in messages.change_flags(
            house.core, ada, folder, uids[:2], action="add", flags=bits.SEEN, keywords=[b"work"]
        )
    ]
    assert again[0].rows == changed[0].rows, "a STORE that changes nothing takes no modseq"
    await assert_numbers_are_true(house)


async def test_unchangedsince_refuses_what_changed_later_rfc7162_3_1_3(
    house: Directory, ada: Grant
) -> None:
    folder = await inbox(house.core, ada)
    uids = await fill(house.core, ada, 2)
    before = (await mailboxes.status(house.core, ada, folder)).modseq
    async for _ in messages.change_flags(
        house.core, ada, folder, uids[:1], action="add", flags=bits.FLAGGED
    ):
        pass
    result = [
        slice_
        async for slice_ in messages.change_flags(
            house.core,
            ada,
            folder,
            uids,
            action="add",
            flags=bits.SEEN,
            unchanged_since=before,
        )
    ]
    assert result[0].failed == uids[:1]
    assert [row.uid for row in result[0].rows] == uids[1:]


async def test_a_copy_is_another_item_of_the_same_object(house: Directory, ada: Grant) -> None:
    folder = await inbox(house.core, ada)
    target = await mailboxes.find_folder(house.core, ada, "Archive")
    uids = await fill(house.core, ada, 3)
    copied = await messages.copy(house.core, ada, folder, uids, target.id)
    assert [source for source, _ in copied.pairs] == uids
    assert copied.uidvalidity == target.uidvalidity
    rows = await house.run("SELECT id, object, content FROM item")
    assert (len({row[0] for row in rows}), len({row[1] for row in rows})) == (6, 3)
    assert len({bytes(row[2]) for row in rows}) == 3
    for source, twin in copied.pairs:
        one = await messages.find_message(house.core, ada, folder, source)
        two = await messages.find_message(house.core, ada, target.id, twin)
        assert one is not None
        assert two is not None
        assert one.packed == two.packed
        assert await messages.read_content(house.core, ada, two) == await messages.read_content(
            house.core, ada, one
        )
    await assert_numbers_are_true(house)


async def test_a_copy_is_found_by_its_message_id_after_the_original_has_gone(
    house: Directory, ada: Grant
) -> None:
    folder = await inbox(house.core, ada)
    archive = await mailboxes.find_folder(house.core, ada, "Archive")
    raw = message(headers="Message-ID: <one@demo.test>\r\n")
    first = await messages.append(house.core, ada, folder, raw, flags=bits.DELETED)
    await messages.copy(house.core, ada, folder, [first.uid], archive.id)
    await removing.expunge(house.core, ada, folder)
    answer = message(headers="In-Reply-To: <one@demo.test>\r\n")
    await messages.append(house.core, ada, folder, answer)
    assert len({row[0] for row in await house.run("SELECT thread FROM item")}) == 1


async def test_a_copy_that_cannot_end_leaves_nothing_behind(house: Directory, ada: Grant) -> None:
    folder = await inbox(house.core, ada)
    uids = await fill(house.core, ada, 3)
    with pytest.raises(FolderNotFound):
        await messages.copy(house.core, ada, folder, uids, 12345)
    await house.change("UPDATE mailbox SET quota = bytes + 10 WHERE id = ?", ada.mailbox)
    target = await mailboxes.find_folder(house.core, ada, "Archive")
    with pytest.raises(QuotaExceeded):
        await messages.copy(house.core, ada, folder, uids, target.id)
    assert (await mailboxes.status(house.core, ada, target.id)).total == 0
    await assert_numbers_are_true(house)


async def test_a_move_keeps_the_item_and_leaves_a_tombstone_rfc6851(
    house: Directory, ada: Grant
) -> None:
    folder = await inbox(house.core, ada)
    target = await mailboxes.find_folder(house.core, ada, "Archive")
    uids = await fill(house.core, ada, 3)
    before = await house.run("SELECT id FROM item ORDER BY id")
    since = (await mailboxes.status(house.core, ada, folder)).modseq
    moved = [m async for m in messages.move(house.core, ada, folder, uids[1:], target.id)]
    assert [source for source, _ in moved[0].pairs] == uids[1:]
    assert await house.run("SELECT id FROM item ORDER BY id") == before
    changes = await messages.changes_since(house.core, ada, folder, since)
    assert changes.gone == uids[1:]
    there = await messages.changes_since(house.core, ada, target.id, since)
    assert [row.uid for row in there.rows] == [new for _, new in moved[0].pairs]
    await assert_numbers_are_true(house)


async def test_changes_since_tells_each_change_once_and_only_later_ones(
    house: Directory, ada: Grant
) -> None:
    folder = await inbox(house.core, ada)
    uids = await fill(house.core, ada, 5)
    first = await messages.changes_since(house.core, ada, folder, 0)
    assert [row.uid for row in first.rows] == uids
    assert await messages.changes_since(house.core, ada, folder, first.modseq) == messages.Changes(
        first.modseq, True, [], []
    )
    async for _ in messages.change_flags(
        house.core, ada, folder, uids[2:3], action="set", flags=bits.DELETED
    ):
        pass
    await removing.expunge(house.core, ada, folder)
    later = await messages.changes_since(house.core, ada, folder, first.modseq)
    assert (later.rows, later.gone) == ([], uids[2:3])


async def test_a_full_mailbox_takes_nothing_more(house: Directory, ada: Grant) -> None:
    await house.change("UPDATE mailbox SET quota = 50 WHERE id = ?", ada.mailbox)
    with pytest.raises(QuotaExceeded):
        await fill(house.core, ada, 1)
    assert await house.run("SELECT id FROM content") == []
    await assert_numbers_are_true(house)


async def test_a_deleted_folder_takes_its_messages_along(house: Directory, ada: Grant) -> None:
    folder = await mailboxes.create_folder(house.core, ada, "Projects/Apollo")
    await fill(house.core, ada, 3, folder.id)
    await removing.delete_folder(house.core, ada, "Projects/Apollo")
    assert await house.run("SELECT id FROM item") == []
    assert len(await house.run("SELECT id FROM content_garbage")) == 3
    with pytest.raises(FolderNotFound):
        await mailboxes.find_folder(house.core, ada, "Projects/Apollo")
    await assert_numbers_are_true(house)


async def test_an_answer_joins_the_thread_of_what_it_answers(house: Directory, ada: Grant) -> None:
    folder = await inbox(house.core, ada)
    await messages.append(
        house.core, ada, folder, message(headers="Message-ID: <one@demo.test>\r\n")
    )
    await messages.append(
        house.core,
        ada,
        folder,
        message(headers="Message-ID: <two@demo.test>\r\nIn-Reply-To: <one@demo.test>\r\n"),
    )
    await messages.append(
        house.core, ada, folder, message(headers="Message-ID: <three@demo.test>\r\n")
    )
    threads = [row[0] for row in await house.run("SELECT thread FROM item ORDER BY uid")]
    assert threads[0] == threads[1] != threads[2]


async def test_a_grant_is_stale_after_a_change_of_password_decision_2(
    house: Directory, ada: Grant
) -> None:
    folder = await inbox(house.core, ada)
    await directory.reset_password(house.core, house.grant, "ada", "Another-Horse8")
    with pytest.raises(StaleGrant):
        await fill(house.core, ada, 1, folder)
    with pytest.raises(StaleGrant):
        await messages.flags_page(house.core, ada, folder, low=1, high=9)


async def test_one_persons_grant_opens_no_other_mailbox(house: Directory, ada: Grant) -> None:
    grace = await log_in(house.core, "grace@demo.test")
    uids = await fill(house.core, ada, 1)
    folder = await inbox(house.core, ada)
    assert await messages.find_message(house.core, grace, folder, uids[0]) is None
    with pytest.raises(FolderNotFound):
        await fill(house.core, grace, 1, folder)
    assert await messages.copy(house.core, grace, folder, uids, folder) == messages.Copied(0, [])
