"""The sweeper removes what nothing refers to, and never anything else."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from tests.operations.upkeep.conftest import Mail, MovedClock, message
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.domain.messages.removing import withdraw
from workpost.kernel.errors import KeyDestroyed
from workpost.kernel.settings import Content
from workpost.operations.upkeep import sweep as sweeper
from workpost.operations.upkeep.sweep import DAY_MS, Swept, sweep
from workpost.store.content.facade import open_contents
from workpost.store.core import Core

BIG = 90_000


async def contents_left(mail: Mail) -> int:
    return (await mail.directory.run("SELECT COUNT(*) FROM content"))[0][0]


def files_left(core: Core) -> int:
    return sum(1 for file in core.settings.content_dir.rglob("*") if file.is_file())


async def test_a_removed_message_is_kept_for_a_day_and_then_swept(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    small = await mail.append("ada", message(1))
    big = await mail.append("ada", message(2, BIG))
    await mail.append("ada", message(3, BIG))
    await mail.remove("ada", [small, big])
    env.advance(DAY_MS - 60_000)
    assert await sweep(core) == Swept()
    assert (await contents_left(mail), files_left(core)) == (3, 2)
    env.advance(120_000)
    assert await sweep(core) == Swept(contents=2)
    assert (await contents_left(mail), files_left(core)) == (1, 1)
    for table in ("content_bytes", "content_garbage"):
        assert await mail.directory.run(f"SELECT * FROM {table}") == []
    assert await mail.read_all("ada") == [message(3, BIG)]


async def test_a_content_that_a_copy_shares_stays_until_the_last_one_goes(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    uid = await mail.append("ada", message(1, BIG))
    folder, archive = await mail.folder("ada"), await mail.folder("ada", "archive")
    await messages.copy(core, mail.grant("ada"), folder, [uid], archive)
    await mail.remove("ada", [uid])
    env.advance(DAY_MS + 1)
    assert await sweep(core) == Swept()
    assert await mail.directory.run("SELECT * FROM content_garbage") == []
    assert await mail.read_all("ada", "archive") == [message(1, BIG)]


async def test_a_content_released_again_meanwhile_waits_for_its_later_candidate(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    uid = await mail.append("ada", message(1))
    folder, archive = await mail.folder("ada"), await mail.folder("ada", "archive")
    copied = await messages.copy(core, mail.grant("ada"), folder, [uid], archive)
    await mail.remove("ada", [uid])
    env.advance(DAY_MS // 2)
    [(_, copy)] = copied.pairs
    await withdraw(core, mail.grant("ada"), archive, [copy])
    env.advance(DAY_MS // 2 + 1)
    assert await sweep(core) == Swept()
    env.advance(DAY_MS // 2)
    assert await sweep(core) == Swept(contents=1)


async def test_a_queue_entry_keeps_its_content(mail: Mail, core: Core, env: MovedClock) -> None:
    uid = await mail.append("ada", message(1))
    await mail.directory.change(
        "INSERT INTO queue (id, org, content, wrapped_key, gen, sealed_envelope, direction,"
        " created) SELECT 5, 'm', content, content, 1, content, 'outgoing', 0 FROM item"
    )
    await mail.remove("ada", [uid])
    env.advance(DAY_MS + 1)
    assert await sweeper.sweep_contents(core) == 0
    assert await contents_left(mail) == 1


async def test_a_crash_after_the_rows_leaves_an_orphan_that_goes_too(
    mail: Mail, core: Core, env: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = await mail.append("ada", message(1, BIG))
    await mail.remove("ada", [uid])
    env.advance(DAY_MS + 1)

    async def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeper, "_delete_outside", crash)
    with pytest.raises(KeyboardInterrupt):
        await sweeper.sweep_contents(core)
    assert (await contents_left(mail), files_left(core)) == (0, 1)
    assert await sweeper.sweep_orphans(core) == 1
    assert files_left(core) == 0


async def test_files_written_for_a_command_that_never_came_go_after_a_day(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    lost = env.new_content_id()
    await core.contents.put(message(1, BIG), bytes(32), lost)
    await mail.append("ada", message(2, BIG))
    [kept] = [
        f for f in core.settings.content_dir.rglob("*") if f.is_file() and lost.hex() != f.name
    ]
    unfinished = kept.with_name(kept.name + ".new")
    unfinished.write_bytes(b"cut short")
    assert await sweep(core) == Swept()
    env.advance(DAY_MS + 60_000)
    assert await sweep(core) == Swept(orphans=2)
    assert [file for file in core.settings.content_dir.rglob("*") if file.is_file()] == [kept]


async def test_objects_in_s3_are_swept_like_files(
    mail: Mail, core: Core, env: MovedClock, moto_server
) -> None:
    from botocore.session import get_session

    client = get_session().create_client("s3")
    client.create_bucket(Bucket="mail-contents")
    settings = msgspec.structs.replace(core.settings, content=Content(s3_bucket="mail-contents"))
    contents = open_contents(settings, core.store)
    mail.core = core = msgspec.structs.replace(core, contents=contents, settings=settings)
    uid = await mail.append("ada", message(1, BIG))
    await mail.append("ada", message(2, BIG))
    await contents.put(message(3, BIG), bytes(32), env.new_content_id())
    await mail.remove("ada", [uid])
    env.advance(DAY_MS + 60_000)
    assert await sweep(core) == Swept(contents=1, orphans=1)
    assert client.list_objects_v2(Bucket="mail-contents")["KeyCount"] == 1
    assert await mail.read_all("ada") == [message(2, BIG)]


# --- keys ----------------------------------------------------------------------------------------


async def test_a_key_made_for_a_mailbox_that_never_came_goes_after_a_day(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    await core.keys.create_mailbox(mail.organization, 4711)
    await core.keys.create_organization("m-never")
    assert await sweep(core) == Swept()
    env.advance(DAY_MS + 1)
    assert await sweep(core) == Swept(keys=2)
    for missing in (core.keys.mailbox(mail.organization, 4711), core.keys.organization("m-never")):
        with pytest.raises(KeyDestroyed):
            await missing
    with pytest.raises(KeyDestroyed):
        await core.keys.tag_key(mail.organization, 4711)
    assert await core.keys.mailbox(mail.organization, mail.boxes["ada"])


async def test_a_sweep_against_an_empty_database_destroys_no_key_that_matters(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    for table in ("organization", "mailbox"):
        await mail.directory.change(f"DELETE FROM {table}")
    env.advance(DAY_MS + 1)
    assert (await sweep(core)).keys == 0
    assert await core.keys.mailbox(mail.organization, mail.boxes["ada"])


# --- folders -------------------------------------------------------------------------------------


async def test_a_folder_deletion_cut_short_is_finished(mail: Mail, core: Core) -> None:
    grant = mail.grant("ada")
    folder = await mailboxes.create_folder(core, grant, "Old")
    await messages.append(core, grant, folder.id, message(1))
    await mailboxes.hide_folder(core, grant, "Old")
    assert await sweep(core) == Swept(folders=1)
    assert await mail.directory.run("SELECT 1 FROM folder WHERE id = ?", folder.id) == []
    assert await mail.directory.run("SELECT items, bytes FROM mailbox WHERE items > 0") == []


# --- all at once ---------------------------------------------------------------------------------


async def test_sweeping_forever_goes_on_after_errors(
    mail: Mail, core: Core, env: MovedClock, tmp_path: Path
) -> None:
    uid = await mail.append("ada", message(1))
    await mail.remove("ada", [uid])
    env.advance(DAY_MS + 1)
    core.settings.keyring_path.rename(tmp_path / "ring")
    core.keys.hierarchy.clear.clear()
    task = asyncio.create_task(sweeper.sweep_forever(core, every=0.01))
    async with asyncio.timeout(30):
        while await contents_left(mail):
            await core.store.compare_now()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_one_part_cannot_do_keeps_no_other_from_its_work(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = asyncio.Event()

    async def sweep_orphans(_core: Core) -> int:
        raise PermissionError("somebody else's folder")

    async def expire(_core: Core) -> int:
        worked.set()
        return 0

    monkeypatch.setattr(sweeper, "sweep_orphans", sweep_orphans)
    monkeypatch.setattr(sweeper, "expire", expire)
    task = asyncio.create_task(sweeper.sweep_forever(core, every=0.01))
    async with asyncio.timeout(30):
        await worked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_people_do_every_message_keeps_its_content(
    mail: Mail, core: Core, env: MovedClock, seed: int
) -> None:
    """Random deliveries, copies, removals, sweeps and days: the model is a list of bodies."""
    chance = random.Random(seed)
    there: dict[str, dict[int, bytes]] = {"inbox": {}, "archive": {}}
    roles = {role: await mail.folder("ada", role) for role in there}
    for number in range(60):
        act = chance.choice(["append", "append", "copy", "remove", "sweep", "wait", "both"])
        role = chance.choice(list(there))
        uid = chance.choice(list(there[role]) or [0])
        if act == "append":
            body = message(number, chance.choice([0, 0, BIG]))
            there["inbox"][await mail.append("ada", body)] = body
        elif act == "copy" and uid:
            copied = await messages.copy(
                core, mail.grant("ada"), roles[role], [uid], roles["archive"]
            )
            there["archive"][copied.pairs[0][1]] = there[role][uid]
        elif act == "remove" and uid:
            await _remove(core, mail, roles[role], uid)
            del there[role][uid]
        elif act == "wait":
            env.advance(chance.choice([1, DAY_MS // 2, DAY_MS + 1]))
        elif act == "sweep":
            await sweep(core)
        elif act == "both" and uid:
            copied, _, _ = await asyncio.gather(
                messages.copy(core, mail.grant("ada"), roles[role], [uid], roles["archive"]),
                _remove(core, mail, roles[role], uid),
                sweep(core),
            )
            body = there[role].pop(uid)
            there["archive"] |= {new: body for _, new in copied.pairs}
    for role, bodies in there.items():
        assert sorted(await mail.read_all("ada", role)) == sorted(bodies.values())
    env.advance(DAY_MS + 1)
    await sweep(core)
    env.advance(DAY_MS + 1)
    await sweep(core)
    for role, bodies in there.items():
        assert sorted(await mail.read_all("ada", role)) == sorted(bodies.values())
    wanted = await mail.directory.run("SELECT DISTINCT content FROM item")
    assert await contents_left(mail) == len(wanted)
    big = await mail.directory.run("SELECT id FROM content WHERE place = 1")
    assert files_left(core) == len(big)


async def _remove(core: Core, mail: Mail, folder: int, uid: int) -> None:
    await withdraw(core, mail.grant("ada"), folder, [uid])
