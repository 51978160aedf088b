"""Backup beside a running server, restore into an empty place, on both engines and across them."""

from __future__ import annotations

import asyncio
import stat
import tarfile
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.operations.upkeep.conftest import Mail, MovedClock, files_with, message
from tests.support.directories import Directory, grant_for, new_directory
from tests.support.transit import begin
from workpost.domain.access.accounts import create_access_key, credential
from workpost.domain.directory.shell import list_members
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.organizations.shell import (
    NewOrganization,
    create_organization,
    delete_organization,
    describe_organization,
)
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import KeyDestroyed
from workpost.kernel.settings import Content, Database, Settings
from workpost.kernel.settings import Keys as KeySettings
from workpost.operations.upkeep import rotation
from workpost.operations.upkeep.archive import (
    Archive,
    ArchiveWriter,
    BackupDamaged,
    Head,
    RestoreRefused,
)
from workpost.operations.upkeep.backup import back_up_data, back_up_keys
from workpost.operations.upkeep.check import check
from workpost.operations.upkeep.restore import Restored, restore
from workpost.operations.upkeep.sweep import DAY_MS, sweep
from workpost.store.content.facade import open_contents
from workpost.store.core import Core
from workpost.store.database.build import open_store
from workpost.store.keys.build import open_keys

BIG = 90_000
BODIES = [message(n, BIG if n % 3 == 0 else 0) for n in range(7)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Where the two backups go."""
    return tmp_path / "backups" / "data.tar", tmp_path / "backups" / "keys.tar"


@pytest.fixture
def target(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path, core: Core
) -> Settings:
    """An empty place of the same engine."""
    fresh = msgspec.structs.replace(settings, data_dir=str(tmp_path / "new"))
    if core.store.engine == "postgresql":
        url = request.getfixturevalue("postgres_database")
        fresh = msgspec.structs.replace(fresh, database=Database(url=url))
    return fresh


async def back_up(core: Core, files: tuple[Path, Path], env: MovedClock) -> None:
    files[0].parent.mkdir(exist_ok=True)
    done = await asyncio.to_thread(back_up_data, core.settings, files[0], env)
    assert done.missing == []
    await asyncio.to_thread(back_up_keys, core.settings, files[1], env)


@asynccontextmanager
async def served(settings: Settings, mail: Mail, env: MovedClock):
    """The same people over restored data."""
    store = await open_store(settings, env)
    keys = open_keys(settings, env)
    contents = open_contents(settings, store)
    core = Core(
        store=store,
        keys=keys,
        contents=contents,
        resolver=MemoryResolver(),
        env=env,
        settings=settings,
    )
    directory = Directory(core, mail.directory.account, mail.organization, mail.directory.domain)
    again = Mail(directory)
    again.boxes = dict(mail.boxes)
    try:
        yield again
    finally:
        await store.close()
        await keys.close()


async def fill(mail: Mail) -> None:
    for body in BODIES:
        await mail.append("ada", body)
    await mail.append("grace", message(100, BIG))
    await mailboxes.create_folder(mail.core, mail.grant("ada"), "Projects/Engine")


# --- the round trip ------------------------------------------------------------------------------


async def test_what_was_backed_up_is_there_again(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    await fill(mail)
    key = await create_access_key(core, mail.directory.account)
    await rotation.rotate_mailbox(core, mail.organization, mail.boxes["ada"])
    await back_up(core, files, env)
    await mail.append("ada", message(200))
    before = await mailboxes.find_folder(core, mail.grant("ada"), "INBOX")

    env.advance(1000)
    done = await asyncio.to_thread(restore, target, *files, env)

    assert (done.contents, done.shredded, done.mailboxes_without_key) == (4, 0, 0)
    async with served(target, mail, env) as again:
        assert await again.read_all("ada") == BODIES
        assert await again.read_all("grace") == [message(100, BIG)]
        inbox = await mailboxes.find_folder(again.core, mail.grant("ada"), "INBOX")
        # RFC 3501 2.3.1.1: what clients remember of uids given out after the backup is void.
        assert inbox.uidvalidity > before.uidvalidity
        folders = await mailboxes.list_folders(again.core, mail.grant("ada"))
        assert "Projects/Engine" in [folder.path for folder in folders]
        found = await credential(again.core, key.access_key_id)
        assert found is not None
        assert found.secret == key.secret_access_key.encode()
        assert (await check(again.core, full=True)).clean
        await again.append("ada", message(300))
        assert await again.read_all("ada") == [*BODIES, message(300)]


@pytest.mark.peer("postgres")
async def test_a_backup_of_one_engine_restores_into_the_other(
    mail: Mail,
    core: Core,
    env: MovedClock,
    files: tuple[Path, Path],
    tmp_path: Path,
    postgres_database: str,
) -> None:
    await fill(mail)
    await back_up(core, files, env)
    url = postgres_database if core.store.engine == "sqlite" else ""
    target = Settings(data_dir=str(tmp_path / "other"), database=Database(url=url))
    await asyncio.to_thread(restore, target, *files, env)
    async with served(target, mail, env) as again:
        assert again.core.store.engine != core.store.engine
        assert await again.read_all("ada") == BODIES
        assert (await check(again.core, full=True)).clean


async def test_a_backup_beside_deliveries_is_one_moment(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    stop = asyncio.Event()
    bodies: list[bytes] = []

    async def deliver() -> None:
        while not stop.is_set():
            bodies.append(message(len(bodies), BIG if len(bodies) % 5 == 0 else 0))
            await mail.append("ada", bodies[-1])
            if len(bodies) % 7 == 0:
                await rotation.rotate_organization(core, mail.organization)
            await sweep(core)

    task = asyncio.create_task(deliver())
    for _ in range(10):
        await core.store.compare_now()
    await back_up(core, files, env)
    stop.set()
    await task
    await asyncio.to_thread(restore, target, *files, env)
    async with served(target, mail, env) as again:
        found = await again.read_all("ada")
        assert len(found) <= len(bodies)
        assert found == bodies[: len(found)]
        assert (await check(again.core, full=True)).clean


async def test_contents_in_s3_are_in_the_file_and_go_where_the_settings_say(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings, moto_server
) -> None:
    from botocore.session import get_session

    client = get_session().create_client("s3")
    client.create_bucket(Bucket="mail-contents")
    settings = msgspec.structs.replace(core.settings, content=Content(s3_bucket="mail-contents"))
    contents = open_contents(settings, core.store)
    mail.core = core = msgspec.structs.replace(core, contents=contents, settings=settings)
    await mail.append("ada", message(1, BIG))
    await back_up(core, files, env)
    done = await asyncio.to_thread(restore, target, *files, env)
    assert done.contents == 1
    async with served(target, mail, env) as again:
        assert await again.directory.run("SELECT place FROM content") == [(1,)]
        assert await again.read_all("ada") == [message(1, BIG)]


async def test_what_lies_in_s3_can_be_left_out_and_is_found_there_again(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings, moto_server
) -> None:
    from botocore.session import get_session

    get_session().create_client("s3").create_bucket(Bucket="mail-contents")
    bucket = Content(s3_bucket="mail-contents")
    settings = msgspec.structs.replace(core.settings, content=bucket)
    contents = open_contents(settings, core.store)
    mail.core = core = msgspec.structs.replace(core, contents=contents, settings=settings)
    await mail.append("ada", message(1, BIG))
    files[0].parent.mkdir()
    back_up_data(settings, files[0], env, objects=False)
    back_up_keys(settings, files[1], env)
    with pytest.raises(RestoreRefused, match="s3_bucket"):
        restore(target, *files, env)
    elsewhere = msgspec.structs.replace(target, content=bucket)
    done = await asyncio.to_thread(restore, elsewhere, *files, env)
    assert done.contents == 0
    async with served(elsewhere, mail, env) as again:
        assert await again.read_all("ada") == [message(1, BIG)]


# --- shredded means gone -------------------------------------------------------------------------


async def test_a_mailbox_shredded_after_the_backups_does_not_come_back(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    await fill(mail)
    await back_up(core, files, env)
    await core.keys.shred_mailbox(mail.organization, mail.boxes["ada"])
    log = files[0].with_name("shred.log")
    entries = core.keys.hierarchy.store.shred_list()
    log.write_bytes(b"".join(msgspec.json.encode(e) + b"\n" for e in entries) + b'{"at":5,"sc')

    done = await asyncio.to_thread(restore, target, *files, env, shred_lists=[log])

    assert (done.shredded, done.mailboxes_without_key) == (1, 0)
    async with served(target, mail, env) as again:
        with pytest.raises(KeyDestroyed):
            await again.core.keys.mailbox(mail.organization, mail.boxes["ada"])
        for table in ("item", "folder", "summary", "item_tag"):
            rows = await again.directory.run(f"SELECT DISTINCT mailbox FROM {table}")
            assert set(rows) <= {(mail.boxes["grace"],)}
        assert await again.read_all("grace") == [message(100, BIG)]
        owners = await again.directory.run("SELECT name, state, mailbox FROM entity ORDER BY name")
        assert ("ada", "DISABLED", None) in owners
        assert (await check(again.core, full=True)).clean
        env.advance(DAY_MS + 1)
        assert (await sweep(again.core)).contents == len(BODIES)
        # Its list is the restored server's own from now on, and the next restore's.
        assert again.core.keys.hierarchy.store.shred_list() == entries


async def test_the_list_of_an_older_shredding_travels_with_either_file(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    """Keys backed up before the shredding, data after it: the data's file knows."""
    await fill(mail)
    files[0].parent.mkdir()
    back_up_keys(core.settings, files[1], env)
    await core.keys.shred_mailbox(mail.organization, mail.boxes["ada"])
    back_up_data(core.settings, files[0], env)
    done = await asyncio.to_thread(restore, target, *files, env)
    assert done.shredded == 1
    async with served(target, mail, env) as again:
        with pytest.raises(KeyDestroyed):
            await again.core.keys.mailbox(mail.organization, mail.boxes["ada"])


async def test_a_deleted_organization_comes_back_as_its_tombstone_only(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    await fill(mail)
    await begin(core, mail.organization)
    await back_up(core, files, env)
    await delete_organization(core, mail.directory.grant, force=True)
    await mail.directory.work()
    log = files[0].with_name("shred.log")
    entries = core.keys.hierarchy.store.shred_list()
    log.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
    await asyncio.to_thread(restore, target, *files, env, shred_lists=[log])
    async with served(target, mail, env) as again:
        assert await again.directory.run("SELECT state FROM organization") == [("Deleted",)]
        for table in (
            "mailbox",
            "item",
            "entity",
            "address",
            "domain",
            "event",
            "queue",
            "in_transit",
        ):
            assert await again.directory.run(f"SELECT * FROM {table}") == []
        with pytest.raises(KeyDestroyed):
            await again.core.keys.organization(mail.organization)
        assert (await check(again.core)).clean


async def test_a_directory_that_was_left_behind_comes_back_and_can_be_taken_over(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    group = await mail.directory.group("everyone", "ada")
    directory = (await describe_organization(core, mail.directory.grant)).directory_id
    await delete_organization(core, mail.directory.grant, force=True, with_directory=False)
    await mail.directory.work()
    await back_up(core, files, env)
    await asyncio.to_thread(restore, target, *files, env)
    async with served(target, mail, env) as again:
        assert (await check(again.core)).clean
        account = mail.directory.account
        new = NewOrganization(alias="demo", directory_id=directory)
        organization = await create_organization(again.core, grant_for(account), account, new)
        await again.directory.work()
        grant = grant_for(account, organization)
        [member] = (await list_members(again.core, grant, group, after="", limit=9))[0]
        assert (member.name, member.state) == ("ada", "DISABLED")


# --- what is in the files ------------------------------------------------------------------------


async def test_neither_file_nor_directory_tells_a_word_of_the_mail(
    mail: Mail,
    core: Core,
    env: MovedClock,
    files: tuple[Path, Path],
    target: Settings,
    tmp_path: Path,
) -> None:
    await fill(mail)
    await back_up(core, files, env)
    await asyncio.to_thread(restore, target, *files, env)
    for marker in (b"marker-subject", b"marker-body", b"Engine"):
        assert files_with(tmp_path, marker) == []
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


async def test_the_backup_of_the_data_holds_no_key(
    mail: Mail, core: Core, env: MovedClock, files
) -> None:
    await fill(mail)
    await back_up(core, files, env)
    data = files[0].read_bytes()
    for row in core.keys.hierarchy.store.page(after=("", 0), limit=100):
        assert row.wrapped not in data
    assert b'"current"' not in data
    with tarfile.open(files[1]) as tar:
        assert "keyring.json" in tar.getnames()


async def test_keys_older_than_the_data_are_told(
    mail: Mail, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    files[0].parent.mkdir()
    back_up_keys(core.settings, files[1], env)
    await mail.person("edsger")
    back_up_data(core.settings, files[0], env)
    done = await asyncio.to_thread(restore, target, *files, env)
    assert done.mailboxes_without_key == 1


async def test_a_content_that_is_missing_is_told_unless_it_was_swept_meanwhile(
    mail: Mail,
    core: Core,
    env: MovedClock,
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await fill(mail)
    files[0].parent.mkdir()
    lost = next(file for file in core.settings.content_dir.rglob("*") if file.is_file())
    lost.unlink()
    done = await asyncio.to_thread(back_up_data, core.settings, files[0], env)
    assert done.missing == [lost.name]
    assert done.contents == 3


# --- refusals ------------------------------------------------------------------------------------


def test_a_place_that_is_not_empty_is_refused(
    run, core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings, tmp_path: Path
) -> None:
    run(new_directory(core))
    run(back_up(core, files, env))
    target.data.mkdir()
    (target.data / "something").write_text("")
    with pytest.raises(RestoreRefused, match="not empty"):
        restore(target, *files, env)
    (target.data / "something").unlink()
    Path(f"{target.data}.restoring").mkdir()
    with pytest.raises(RestoreRefused, match="cut short"):
        restore(target, *files, env)
    Path(f"{target.data}.restoring").rmdir()
    occupied = msgspec.structs.replace(target, keys=KeySettings(keyring=str(tmp_path / "ring")))
    (tmp_path / "ring").write_text("another")
    with pytest.raises(RestoreRefused, match="key ring"):
        restore(occupied, *files, env)
    assert isinstance(restore(target, *files, env), Restored)
    assert not Path(f"{target.data}.restoring").exists()
    if core.store.engine == "postgresql":
        again = msgspec.structs.replace(target, data_dir=str(tmp_path / "again"))
        with pytest.raises(RestoreRefused, match="not empty"):
            restore(again, *files, env)


async def test_files_in_the_wrong_order_or_missing_are_refused(
    core: Core, env: MovedClock, files: tuple[Path, Path], target: Settings
) -> None:
    await core.keys.system()
    await back_up(core, files, env)
    with pytest.raises(RestoreRefused, match="backup of keys"):
        restore(target, files[1], files[1], env)
    with pytest.raises(RestoreRefused, match="--keys"):
        restore(target, files[0], files[0], env)
    with pytest.raises(BackupDamaged, match="not there"):
        restore(target, files[0], files[1].with_name("nothing"), env)
    with pytest.raises(RestoreRefused, match="shred list"):
        restore(target, *files, env, shred_lists=[files[1].with_name("nothing")])
    assert not target.data.exists()


def archive(path: Path) -> Path:
    with ArchiveWriter(path, Head("data", 1_000_000, 1)) as written:
        written.add("tables/account/00000000", b"\x90")
        written.add("content/00", b"sealed" * 50)
    return path


def test_an_archive_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ArchiveWriter(tmp_path / "x", Head("data", 1)):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    assert Archive(archive(tmp_path / "x")).verify() == 3
    assert [name for name, _ in Archive(tmp_path / "x").entries()] == [
        "tables/account/00000000",
        "content/00",
    ]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_or_missing_byte_of_an_archive_is_found(tmp_path: Path, data) -> None:
    whole = bytearray(archive(tmp_path / "x").read_bytes())
    # The padding behind entries and behind the end of a tar says nothing.
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, 3000))]
    else:
        start = data.draw(st.sampled_from([0, 512, 1536, 2048, 2560, 3072]))
        whole[start + data.draw(st.integers(0, 100))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "y").write_bytes(whole)
    try:
        read = Archive(tmp_path / "y")
        entries = list(read.entries())
        read.verify()
    except BackupDamaged:
        return
    # What passes says the same, word for word.
    assert entries == list(Archive(tmp_path / "x").entries())


def test_a_format_of_the_future_and_other_tars_are_refused(tmp_path: Path) -> None:
    with ArchiveWriter(tmp_path / "x", Head("data", 1, format=2)):
        pass
    with pytest.raises(BackupDamaged, match="format 2"):
        Archive(tmp_path / "x")
    with tarfile.open(tmp_path / "y", "w") as tar:
        tar.add(tmp_path / "x", "backup.json")
    with pytest.raises(BackupDamaged, match="no backup"):
        Archive(tmp_path / "y")
    with tarfile.open(tmp_path / "z", "w") as tar:
        tar.addfile(tarfile.TarInfo("folder"))
    with pytest.raises(BackupDamaged, match="no backup"):
        Archive(tmp_path / "z")
