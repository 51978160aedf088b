"""`workpost keys`, `check`, `rebuild`, `backup` and `restore`, as an operator types them."""

import asyncio
import json
import shutil
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.operations.mailflow.mails import envelope
from tests.support.directories import CHEAP, new_directory
from tests.support.mailboxes import log_in, message
from workpost.cli.main import main
from workpost.domain.messages import shell as messages
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core
from workpost.operations.mailflow import pipeline
from workpost.store.database.unit import Tx, command
from workpost.store.keys.build import open_key_store

Out = pytest.CaptureFixture[str]


class Place:
    """A data directory with a message for Ada in it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.organization = ""
        self.mailbox = 0

    def run(self, *arguments: str) -> int:
        return main([*arguments, "--data", str(self.data)])

    async def fill(self) -> None:
        settings = Settings(data_dir=str(self.data), passwords=CHEAP)
        async with attached_core(settings, SystemEnvironment()) as core:
            directory = await new_directory(core)
            await directory.user("ada")
            self.organization = directory.organization
            [(self.mailbox,)] = await directory.run("SELECT id FROM mailbox")
            grant = Grant.system("test", self.organization, self.mailbox)
            [(inbox,)] = await directory.run("SELECT id FROM folder WHERE role = 'inbox'")
            await messages.append(core, grant, inbox, b"Subject: hello\r\n\r\nworld\r\n" * 9_000)

    def damage(self, statement: str) -> None:
        async def change() -> None:
            async with attached_core(
                Settings(data_dir=str(self.data)), SystemEnvironment()
            ) as core:
                await core.store.write(_change, statement=statement)

        asyncio.run(change())


@command
def _change(tx: Tx, *, statement: str) -> None:
    tx.run(statement)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "data")
    asyncio.run(place.fill())
    return place


def test_check_tells_and_repairs(place: Place, capsys: Out) -> None:
    assert place.run("check") == 0
    assert capsys.readouterr().out.endswith("1 items, 1 contents, 1 messages opened: clean\n")
    place.damage("UPDATE mailbox SET items = 9")
    assert place.run("check", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["clean"], report["found"]) == (False, {"sums": 1})
    assert place.run("check", "--repair", "--full") == 0
    out = capsys.readouterr().out
    assert f"sums: mailbox {place.mailbox}: items is 9, counted 1 (repaired)" in out
    assert "1 found, 1 repaired" in out
    assert place.run("check") == 0


def test_rebuild_says_how_much_it_made(place: Place, capsys: Out) -> None:
    place.damage("UPDATE summary SET sealed = wrapped_content_key")
    assert place.run("rebuild", "--mailbox", str(place.mailbox)) == 0
    assert json.loads(capsys.readouterr().out)["summaries"] == 1
    place.damage("DELETE FROM content")
    assert place.run("rebuild") == 1


def test_every_key_can_be_rotated(place: Place, capsys: Out) -> None:
    for which in (
        ["--mailbox", str(place.mailbox)],
        ["--mailbox", "Ada@demo.test"],
        ["--organization", place.organization, "--mailboxes"],
        ["--system"],
    ):
        assert place.run("keys", "rotate", *which) == 0
        assert json.loads(capsys.readouterr().out)["Generation"] >= 2
    assert place.run("keys", "rotate", "--master") == 0
    assert json.loads(capsys.readouterr().out)["Rewrapped"] >= 3
    assert place.run("check", "--full") == 0


def test_a_mailbox_that_is_not_there_is_said(place: Place, capsys: Out) -> None:
    for who in ("nobody@demo.test", "4", "9" * 30):
        for verb in (["keys", "rotate"], ["rebuild"]):
            assert place.run(*verb, "--mailbox", who) == 1
            assert capsys.readouterr().err == f"workpost: there is no mailbox {who}\n"


def test_the_queue_shows_times_for_people(place: Place, capsys: Out) -> None:
    async def send() -> None:
        settings = Settings(data_dir=str(place.data), passwords=CHEAP)
        async with attached_core(settings, SystemEnvironment()) as core:
            ada = await log_in(core, "ada@demo.test")
            await pipeline.submit(core, ada, envelope("grace@elsewhere.example"), message())

    asyncio.run(send())
    assert place.run("queue", "list") == 0
    (waiting,) = json.loads(capsys.readouterr().out)
    assert waiting["recipient"] == "grace@elsewhere.example"
    for moment in (waiting["created"], waiting["due"]):
        assert abs(datetime.fromisoformat(moment).timestamp() - time.time()) < 60


def test_a_key_store_that_is_not_the_datas_is_refused_and_left_alone(
    place: Place, tmp_path: Path, capsys: Out
) -> None:
    """As without the --config that names it: nothing is sealed there, and no backup is empty."""
    shutil.move(place.data / "keys", tmp_path / "elsewhere")
    backup = tmp_path / "keys.tar"
    assert place.run("serve", "--random-ports") == 78
    for verb in (["keys", "backup", str(backup)], ["check"]):
        assert place.run(*verb) == 78
        assert f"{place.data}/keys/keys.db holds no key" in capsys.readouterr().err
    assert not backup.exists()
    assert not (place.data / "keys").exists()
    open_key_store(Settings(data_dir=str(place.data))).close()
    for verb in (["keys", "backup", str(backup)], ["check"]):
        assert place.run(*verb) == 78
    assert not backup.exists()
    config = tmp_path / "workpost.toml"
    elsewhere = tmp_path / "elsewhere"
    config.write_text(
        f'[keys]\nurl = "sqlite:{elsewhere}/keys.db"\nkeyring = "{elsewhere}/keyring.json"\n'
    )
    assert place.run("check", "--full", "--config", str(config)) == 0


def test_a_backup_of_data_and_keys_restores(place: Place, tmp_path: Path, capsys: Out) -> None:
    data, keys, log = tmp_path / "data.tar", tmp_path / "keys.tar", tmp_path / "shred.log"
    assert place.run("backup", str(data)) == 0
    assert json.loads(capsys.readouterr().out)["Contents"] == 1
    assert place.run("keys", "backup", str(keys)) == 0
    assert json.loads(capsys.readouterr().out)["Keys"] >= 3
    new = Place(tmp_path / "new")
    assert new.run("restore", str(data), "--keys", str(keys)) == 0
    assert json.loads(capsys.readouterr().out)["MailboxesWithoutKey"] == 0
    assert new.run("check", "--full") == 0
    assert new.run("keys", "shredded") == 0
    assert "[]" in capsys.readouterr().out
    assert new.run("restore", str(data), "--keys", str(keys)) == 1
    assert "not empty" in capsys.readouterr().err
    log.write_text(f'{{"at": 5, "scope": "mailbox/{place.mailbox}"}}\n')
    third = Place(tmp_path / "third")
    arguments = [str(data), "--keys", str(keys), "--shred-list", str(log)]
    assert third.run("restore", *arguments) == 0
    assert json.loads(capsys.readouterr().out)["Shredded"] == 1


def test_a_backup_that_lacks_something_is_written_and_fails(
    place: Place, tmp_path: Path, capsys: Out
) -> None:
    early = tmp_path / "keys.tar"
    assert place.run("keys", "backup", str(early)) == 0
    place.damage("INSERT INTO mailbox SELECT id + 1, org, owner, state, 0, 1, 1, 0, 0, 0, 1"
                 " FROM mailbox")  # fmt: skip
    for file in (place.data / "content").rglob("*"):
        if file.is_file():
            file.unlink()
    capsys.readouterr()
    assert place.run("backup", str(tmp_path / "data.tar")) == 1
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["Missing"]) == 1
    assert "workpost check" in captured.err
    new = Place(tmp_path / "new")
    assert new.run("restore", str(tmp_path / "data.tar"), "--keys", str(early)) == 1
    assert "1 mailboxes have no key" in capsys.readouterr().err


def test_what_is_wrong_is_said_in_one_line(place: Place, tmp_path: Path, capsys: Out) -> None:
    nowhere = Place(tmp_path / "typo")
    missing = str(tmp_path / "no" / "folder" / "file")
    for at, arguments, code, words in (
        (nowhere, ["check"], 78, "no data"),
        (nowhere, ["rebuild"], 78, "no data"),
        (nowhere, ["backup", "x"], 78, "no data"),
        (nowhere, ["keys", "backup", "x"], 78, "no data"),
        (place, ["backup", missing], 1, "cannot be written"),
        (place, ["keys", "backup", missing], 1, "cannot be written"),
        (place, ["keys", "rotate", "--mailbox", "5"], 1, "no mailbox 5"),
        (place, ["keys", "rotate", "--organization", "m-none"], 1, "no key"),
        (place, ["keys", "rotate", "--system", "--mailboxes"], 2, "--organization"),
        (nowhere, ["restore", missing, "--keys", missing], 1, "not there"),
    ):
        assert at.run(*arguments) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert words in captured.err
        assert captured.err.count("\n") == 1
    assert not nowhere.data.exists()
