"""`workpost check`: clean data is clean, and each kind of damage is found and mended or told."""

from __future__ import annotations

import asyncio

import pytest

from tests.operations.upkeep.conftest import Mail, MovedClock, message
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.operations.upkeep import check as checking
from workpost.operations.upkeep.check import check
from workpost.operations.upkeep.findings import MOST, Report
from workpost.operations.upkeep.rebuild import Rebuilt, rebuild
from workpost.store.core import Core

BIG = 90_000


async def fill(mail: Mail) -> None:
    """Some mail in several folders, flagged, copied, moved and removed."""
    grant = mail.grant("ada")
    for number in range(12):
        await mail.append("ada", message(number, BIG if number % 5 == 0 else 0), flags=number % 2)
    inbox, archive = await mail.folder("ada"), await mail.folder("ada", "archive")
    await messages.copy(mail.core, grant, inbox, [1, 2, 3], archive)
    async for _ in messages.move(mail.core, grant, inbox, [4, 5], archive):
        pass
    async for _ in messages.change_flags(
        mail.core, grant, inbox, [6, 7], action="add", flags=2, keywords=[b"$Later"]
    ):
        pass
    await mail.remove("ada", [8, 9])
    await mailboxes.create_folder(mail.core, grant, "Projects")


def kinds(report: Report) -> dict[str, int]:
    return report.found


async def test_what_people_did_leaves_everything_clean(mail: Mail, core: Core) -> None:
    await fill(mail)
    report = await check(core, full=True)
    assert report.findings == []
    assert report.clean
    assert (report.mailboxes, report.items, report.opened) == (2, 13, 13)
    assert report.contents == 12
    sampled = await check(core, seed=1)
    assert sampled.clean
    assert 1 <= sampled.opened <= 13


async def test_nothing_at_all_is_clean(core: Core) -> None:
    assert await check(core) == Report()


DAMAGE: dict[str, dict[str, int]] = {
    "UPDATE organization SET users = users + 1": {"sums": 1},
    "UPDATE mailbox SET bytes = bytes + 7, items = 0": {"sums": 3},
    "UPDATE mailbox SET modseq = 2 WHERE items > 0": {"sums": 1},
    "UPDATE folder SET total = 99 WHERE role = 'inbox' AND total > 0": {"sums": 1},
    "UPDATE folder SET unread = unread + 1, bytes = 0 WHERE role = 'archive'": {"sums": 3},
    "UPDATE folder SET uidnext = 5 WHERE role = 'inbox' AND total > 0": {"sums": 1},
    "DELETE FROM item WHERE uid = 12": {"sums": 4, "stray": 1, "content": 1},
    "INSERT INTO item_tag SELECT mailbox, 1, name_tag, 7 FROM folder WHERE role = 'inbox'": {
        "stray": 2
    },
    "UPDATE address SET entity = 'nobody' WHERE addr_fold LIKE 'ada%'": {"address": 1},
    "INSERT INTO content_bytes (id, sealed) SELECT id, id FROM command_done LIMIT 1": {"stray": 1},
    "DELETE FROM content_garbage": {"content": 3},
    "INSERT INTO queue_rcpt VALUES (1, 0, 'x', 'waiting', 0, 0, 0, 0, 'x', 0, '')": {"queue": 1},
}


async def test_damage_is_found_and_mended(mail: Mail, core: Core) -> None:
    await fill(mail)
    for damage, found in DAMAGE.items():
        if core.store.engine == "postgresql":
            damage = damage.replace("'x')", "'x'::bytea)")
        await mail.directory.change(damage)
        assert kinds(await check(core)) == found, damage
        mended = await check(core, repair=True)
        assert kinds(mended) == found, damage
        assert mended.repaired == sum(found.values())
        assert all(finding.repaired for finding in mended.findings)
        assert (await check(core, full=True)).clean, damage


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM summary WHERE item IN (SELECT id FROM item WHERE uid = 12)", {"summary": 1}),
        (
            "DELETE FROM content_bytes WHERE id IN (SELECT content FROM item WHERE uid = 10)",
            "content",
        ),
        ("DELETE FROM content WHERE id IN (SELECT content FROM item WHERE uid = 10)", "content"),
        ("UPDATE content SET size = size + 1", "content"),
        ("UPDATE item SET folder = 4711 WHERE uid > 9", "stray"),
        ("UPDATE summary SET gen = 9", "unsealing"),
        ("DELETE FROM mailbox WHERE items > 0", "stray"),
        ("UPDATE item SET size = size + 1", "content"),
    ],
)
async def test_damage_that_cannot_be_mended_is_told_again_and_again(
    mail: Mail, core: Core, damage: str, found: str | dict[str, int]
) -> None:
    await fill(mail)
    await mail.directory.change(damage)
    report = await check(core, full=True)
    assert set(found) <= set(report.found) if isinstance(found, dict) else found in report.found
    await check(core, full=True, repair=True)
    assert not (await check(core, full=True)).clean


async def test_a_queue_entry_without_recipients_or_content_is_found(mail: Mail, core: Core) -> None:
    await fill(mail)
    insert = (
        "INSERT INTO queue (id, org, content, wrapped_key, gen, sealed_envelope, direction,"
        " created) SELECT {}, 'm', {}, content, 1, content, 'outgoing', 0 FROM item WHERE uid = 10"
    )
    await mail.directory.change(insert.format(1, "content"))
    assert kinds(await check(core, repair=True)) == {"queue": 1}
    assert (await check(core)).clean
    await mail.directory.change(
        insert.format(2, "wrapped.id").replace(
            "FROM item", "FROM item, (SELECT id FROM command_done LIMIT 1) wrapped"
        )
    )
    assert "queue" in kinds(await check(core))


async def test_a_file_that_is_gone_or_damaged_is_found(mail: Mail, core: Core) -> None:
    await fill(mail)
    files = sorted(file for file in core.settings.content_dir.rglob("*") if file.is_file())
    files[0].unlink()
    body = bytearray(files[1].read_bytes())
    body[1000] ^= 1
    files[1].write_bytes(body)
    files[2].write_bytes(files[2].read_bytes()[:-1])
    report = await check(core, full=True, repair=True)
    # The first message lies in two folders, and so does its damage.
    assert set(report.found) == {"content", "unsealing"}
    assert report.repaired == 0


async def test_a_mailbox_without_its_key_is_found_but_not_that_of_a_deleted_organization(
    mail: Mail, core: Core
) -> None:
    await fill(mail)
    await core.keys.shred_mailbox(mail.organization, mail.boxes["ada"])
    report = await check(core)
    assert kinds(report) == {"key": 1}
    assert f"mailbox {mail.boxes['ada']}" in report.findings[0].place
    await mail.directory.change("UPDATE organization SET state = 'Deleted'")
    assert (await check(core)).clean


async def test_a_check_beside_deliveries_finds_nothing(mail: Mail, core: Core) -> None:
    async def deliver() -> None:
        for number in range(40):
            await mail.append("ada", message(number))

    task = asyncio.create_task(deliver())
    while not task.done():
        report = await check(core, full=True)
        assert report.findings == []
    await task
    report = await check(core)
    assert report.clean
    assert report.unsettled == []


async def test_large_mailboxes_are_counted_in_slices(
    mail: Mail, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(mail)
    monkeypatch.setattr(checking, "COUNT_PAGE", 2)
    monkeypatch.setattr(checking, "PAGE", 3)
    assert (await check(core, full=True)).clean
    await mail.directory.change("UPDATE folder SET total = total + 1 WHERE role = 'inbox'")
    assert kinds(await check(core, repair=True)) == {"sums": 2}
    assert (await check(core)).clean


def test_a_report_keeps_a_bounded_number_of_findings() -> None:
    report = Report()
    for number in range(MOST + 5):
        report.add("sums", str(number), "")
    assert report.found == {"sums": MOST + 5}
    assert len(report.findings) == MOST


# --- rebuild -------------------------------------------------------------------------------------


async def test_rebuilding_sound_data_changes_nothing(mail: Mail, core: Core) -> None:
    await fill(mail)
    await rebuild(core)
    assert await rebuild(core) == Rebuilt(items=13)


async def test_derived_data_is_made_again(mail: Mail, core: Core, env: MovedClock) -> None:
    await fill(mail)
    await mail.directory.change("UPDATE summary SET sealed = wrapped_content_key")
    await mail.directory.change("UPDATE item SET message_tag = NULL WHERE uid < 5")
    await mail.directory.change("UPDATE folder SET total = 0 WHERE role = 'inbox' AND total > 0")
    assert not (await check(core, full=True)).clean
    done = await rebuild(core, only=mail.boxes["ada"])
    assert (done.items, done.summaries, done.sums, done.unreadable) == (13, 13, 1, 0)
    assert done.tags > 0
    assert (await check(core, full=True)).clean
    page = await messages.metadata_page(
        core, mail.grant("ada"), await mail.folder("ada"), low=1, high=99
    )
    assert b"marker-subject-0" in page[0].packed


async def test_what_cannot_be_read_is_counted_and_left(mail: Mail, core: Core) -> None:
    await fill(mail)
    await mail.directory.change("DELETE FROM content_bytes")
    done = await rebuild(core)
    assert done.unreadable > 0
    assert done.summaries == 0
    await core.keys.shred_mailbox(mail.organization, mail.boxes["ada"])
    assert (await rebuild(core)).items == 0
