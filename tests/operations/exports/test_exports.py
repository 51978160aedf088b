"""Mailbox exports: every message, byte for byte, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.operations.exports.conftest import Exporter, Gate
from tests.operations.jobs.conftest import MovedClock
from tests.support.mailboxes import fill, inbox, message
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import exporting, removing
from workpost.domain.messages import shell as messages
from workpost.integrations.s3.depot import PART_BYTES
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import EntityNotFound, InvalidParameter, LimitExceeded
from workpost.kernel.principal import Grant
from workpost.operations.audit.reading import read_audit
from workpost.operations.exports.spool import BLOCK, Spool
from workpost.operations.exports.uploading import part_bytes
from workpost.operations.upkeep.expiry import KEPT_MS, expire
from workpost.store.tables.exports import COMPLETED, RUNNING

HOUR_MS = 3_600_000


def numbered(count: int) -> list[bytes]:
    return [message(f"Number {n}") for n in range(count)]


async def put(exporter: Exporter, grant: Grant, path: str, raw: bytes) -> int:
    folder = await mailboxes.find_folder(exporter.house.core, grant, path)
    return (await messages.append(exporter.house.core, grant, folder.id, raw)).uid


# --- what is exported -----------------------------------------------------------------------------


async def test_folders_and_messages_are_exported_byte_for_byte(
    exporter: Exporter, ada: Grant
) -> None:
    core = exporter.house.core
    await fill(core, ada, 3)
    await mailboxes.create_folder(core, ada, "Projects/Bridge: “new”")
    strange = b"From: \xff\xfe\nno line ends\r\r\n\n\x00 here" * 9000
    await put(exporter, ada, "Projects/Bridge: “new”", strange)
    await put(exporter, ada, "Sent Items", b"")
    id = await exporter.start(description="for the auditors")
    assert (await exporter.row(id)).state == RUNNING
    assert await exporter.work() == 1
    row = await exporter.row(id)
    assert (row.state, row.progress, row.error, row.upload) == (COMPLETED, 100, "", "")
    assert row.path == f"mail/{id}.zip"
    assert row.ended is not None
    assert exporter.files == [f"mail/{id}.json", f"mail/{id}.zip"]
    assert exporter.messages(id) == {
        **{f"INBOX/000000000{n + 1}.eml": raw for n, raw in enumerate(numbered(3))},
        "Projects/Bridge_ “new”/0000000001.eml": strange,
        "Sent Items/0000000001.eml": b"",
    }
    with exporter.archive(id) as archive:
        folders = {name for name in archive.namelist() if name.endswith("/")}
    assert folders >= {"INBOX/", "Projects/", "Projects/Bridge_ “new”/", "Junk E-mail/"}
    raw = (exporter.folder / "mail" / f"{id}.zip").read_bytes()
    assert exporter.log(id) == {
        "totalNonExportableItems": "0",
        "totalMessages": "5",
        "sha384Hash": hashlib.sha384(raw).hexdigest(),
        "totalBytes": str(sum(map(len, numbered(3))) + len(strange)),
        "totalFolders": str(len(folders)),
        "startTime": str(row.started),
        "endTime": exporter.log(id)["endTime"],
    }
    assert row.started <= int(exporter.log(id)["endTime"]) <= row.ended


async def test_items_that_are_no_messages_are_counted(exporter: Exporter, ada: Grant) -> None:
    await fill(exporter.house.core, ada, 3)
    await exporter.house.change("UPDATE item SET kind = 3 WHERE uid = 2")
    id = await exporter.start()
    await exporter.work()
    assert sorted(exporter.messages(id)) == ["INBOX/0000000001.eml", "INBOX/0000000003.eml"]
    log = exporter.log(id)
    assert (log["totalMessages"], log["totalNonExportableItems"]) == ("2", "1")


async def test_what_stays_is_exported_once_while_others_move_and_delete(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = exporter.house.core
    monkeypatch.setattr(exporting, "PAGE", 4)
    raws = [message(f"Inbox {n}") for n in range(12)]
    for raw in raws:
        await put(exporter, ada, "INBOX", raw)
    await mailboxes.create_folder(core, ada, "Work")
    kept = await put(exporter, ada, "Archive", message("Kept"))
    box, archive = await inbox(core, ada), (await mailboxes.find_folder(core, ada, "Archive")).id
    work = (await mailboxes.find_folder(core, ada, "Work")).id
    junk = (await mailboxes.find_folder(core, ada, "Junk E-mail")).id
    gate = Gate(monkeypatch)
    id = await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    # The first four are read. One of them goes, one of the others, too; two move, one comes.
    await removing.withdraw(core, ada, box, [2, 6])
    async for _ in messages.move(core, ada, box, [3, 7], archive):
        pass
    async for _ in messages.move(core, ada, archive, [kept], junk):
        pass
    await put(exporter, ada, "INBOX", message("Late"))
    await messages.append(core, ada, work, message("Old"))
    await mailboxes.rename_folder(core, ada, "Work", "Done")
    await mailboxes.create_folder(core, ada, "Work")
    await put(exporter, ada, "Work", message("New"))
    gate.go.set()
    await working_on
    exported = exporter.messages(id)
    stayed = [n for n in range(12) if n + 1 not in {2, 3, 6, 7}]
    for n in stayed:
        assert exported[f"INBOX/{n + 1:010}.eml"] == raws[n]
        assert list(exported.values()).count(raws[n]) == 1
    held = list(exported.values())
    for subject in ("Inbox 6", "Kept", "Late", "Old", "New"):
        assert held.count(message(subject)) == 1
    assert raws[5] not in held
    assert len({name.casefold() for name in exported}) == len(exported)


async def test_what_is_moved_into_a_folder_that_was_done_is_exported(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = exporter.house.core
    raw = message("Moved back")
    await put(exporter, ada, "INBOX", message("First"))
    uid = await put(exporter, ada, "Sent Items", raw)
    sent = (await mailboxes.find_folder(core, ada, "Sent Items")).id
    gate = Gate(monkeypatch)
    id = await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    archive = (await mailboxes.find_folder(core, ada, "Archive")).id
    async for _ in messages.move(core, ada, sent, [uid], archive):
        pass
    gate.go.set()
    await working_on
    assert list(exporter.messages(id).values()).count(raw) == 1


async def test_progress_tells_how_much_of_the_mailbox_is_done(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    await fill(exporter.house.core, ada, 12)
    gate = Gate(monkeypatch, at=3)
    id = await exporter.start()
    working_on = asyncio.create_task(exporter.work())
    await gate.reached.wait()
    progress = 0
    for _ in range(3_000):
        if (progress := (await exporter.row(id)).progress) >= 49:
            break
        await asyncio.sleep(0.01)
    # Six of twelve messages of nearly the same size; the rest of a percent is rounded off.
    assert 49 <= progress <= 50
    gate.go.set()
    await working_on
    assert (await exporter.row(id)).progress == 100


# --- limits, names, records -----------------------------------------------------------------------


async def test_a_mailbox_is_exported_once_a_day(
    exporter: Exporter, ada: Grant, env: MovedClock
) -> None:
    await exporter.start()
    await exporter.work()
    with pytest.raises(LimitExceeded, match="24 hours"):
        await exporter.start()
    assert await exporter.work() == 0
    await exporter.start(entity="grace")
    env.moved = 24 * HOUR_MS
    await exporter.start()


@pytest.mark.parametrize("prefix", ["/", "/mail", "a//b", "../a", "a/..", ".", "a/./b", "a\0b"])
async def test_prefixes_that_lead_elsewhere(prefix: str, exporter: Exporter) -> None:
    with pytest.raises(InvalidParameter, match="S3Prefix"):
        await exporter.start(prefix=prefix)
    with pytest.raises(InvalidParameter, match="1023"):
        await exporter.start(prefix="x" * 990)


async def test_names_that_are_not_mapped(exporter: Exporter) -> None:
    account = exporter.house.account
    for changes, said in (
        ({"bucket": "others"}, "bucket others does not exist"),
        ({"kms_key": f"arn:aws:kms:us-east-1:{account}:key/2"}, "KMS key .* does not exist"),
        ({"kms_key": f"arn:aws:kms:eu-west-1:{account}:key/1"}, "not in us-east-1"),
        ({"role": f"arn:aws:iam::{account}:role/other"}, "role .* does not exist"),
        ({"role": "arn:aws:iam::999999999999:role/exporter"}, "no role of the account"),
        ({"role": f"arn:aws:iam::{account}:user/exporter"}, "no role of the account"),
        ({"role": "arn:aws:iam::nobody:role/exporter"}, "malformed"),
    ):
        with pytest.raises(InvalidParameter, match=said):
            await exporter.start(**changes)
    with pytest.raises(EntityNotFound):
        await exporter.start(entity="nobody", bucket="others")
    assert await exporter.house.run("SELECT 1 FROM export_job") == []


async def test_reading_is_in_the_audit_log(exporter: Exporter, ada: Grant) -> None:
    house = exporter.house
    await fill(house.core, ada, 2)
    id = await exporter.start()
    await exporter.work()
    records = [
        record async for record in read_audit(house.core, house.account, event_name="ExportMailbox")
    ]
    begun, ended = (record["serviceEventDetails"] for record in records)
    assert (begun["jobId"], begun["state"]) == (id, RUNNING)
    assert (ended["state"], ended["messages"]) == (COMPLETED, 2)
    assert records[0]["userIdentity"] == {"type": "AWSService", "invokedBy": "system:export"}


async def test_ended_exports_are_forgotten_after_90_days(
    exporter: Exporter, ada: Grant, env: MovedClock
) -> None:
    id = await exporter.start()
    await exporter.work()
    running = await exporter.start(entity="grace")
    env.moved = KEPT_MS - HOUR_MS
    await expire(exporter.house.core)
    assert (await exporter.row(id)).state == COMPLETED
    env.moved = KEPT_MS + HOUR_MS
    await expire(exporter.house.core)
    with pytest.raises(EntityNotFound):
        await exporter.row(id)
    assert (await exporter.row(running)).state == RUNNING


def test_parts_grow_only_where_there_would_be_too_many() -> None:
    assert part_bytes(0) == part_bytes(50 << 30) == PART_BYTES
    assert part_bytes(1 << 40) * 9000 >= 1 << 40
    assert part_bytes(1 << 40) % (1 << 20) == 0


def test_what_is_spooled_is_encrypted_and_read_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "run", SystemEnvironment())
    assert list((tmp_path / "run").iterdir()) == []
    pieces = [b"Projects/Bridge/" * 1000] * 40
    for piece in pieces:
        spool.append(piece)
    spool._file.seek(0)
    assert b"Bridge" not in spool._file.read(BLOCK)
    spool._file.seek(0, 2)
    assert b"".join(spool.read()) == b"".join(pieces)
    assert spool.size == sum(map(len, pieces))
    spool.close()
