"""Recoverable items as people see them: what leaves Deleted Items is gone for IMAP, and comes back.

On both engines, by the wire.
"""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.protocols.imap.conftest import Wire, World, message
from tests.protocols.imap.test_retention import DAY_MS, MovedClock, subjects
from tests.support.mailboxes import assert_numbers_are_true
from tests.support.stores import ENGINES, settings_of
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import recovering
from workpost.operations.upkeep.check import check

TRASH = '"Deleted Items"'


@pytest.fixture(scope="module")
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="module", params=ENGINES)
def world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Any,
    clock: MovedClock,
) -> Iterator[World]:
    """A server on each engine, whose clock the tests move."""
    data = tmp_path_factory.mktemp("recoverable")
    with settings_of(request, request.param, data) as settings:
        built = World(settings, certificate, clock)
        yield built
        built.close()


def delete(client: imaplib.IMAP4, folder: str, what: str = "1:*") -> None:
    """As a mail program empties a folder."""
    client.select(folder)
    client.store(what, "+FLAGS.SILENT", r"(\Deleted)")
    assert client.expunge()[0] == "OK"


def kept(world: World, user: str) -> list[recovering.Kept]:
    found: list[recovering.Kept] = world.run(recovering.list_items(world.core, world.grant(user)))
    return found


def restore(world: World, user: str, folder: str = "") -> list[Any]:
    async def work() -> list[Any]:
        grant = await world.enter(user)
        numbers = await recovering.all_numbers(world.core, grant)
        target = None
        if folder:
            target = (await mailboxes.find_folder(world.core, grant, folder)).id
        return list(await recovering.restore(world.core, grant, numbers, folder=target))

    found: list[Any] = world.run(work())
    return found


def assert_all_is_well(world: World) -> None:
    world.run(assert_numbers_are_true(world.demo))
    assert world.run(check(world.core, full=True)).clean


def test_what_is_moved_to_deleted_items_and_expunged_there_comes_back_to_where_it_was(
    world: World, user: str, client: imaplib.IMAP4, clock: MovedClock
) -> None:
    client.create("Projects")
    client.append("Projects", r"(\Seen \Flagged $Label1)", "", message("Plan"))
    client.append("INBOX", "", "", message("Lunch"))
    for folder in ("Projects", "INBOX"):
        client.select(folder)
        assert client._simple_command("MOVE", "1", TRASH)[0] == "OK"
    before = clock.now()
    delete(client, TRASH)
    assert subjects(client, "Deleted Items") == []
    found = kept(world, user)
    assert [(each.subject, each.from_, each.seen) for each in found] == [
        ("Lunch", "ada@demo.test", False),
        ("Plan", "ada@demo.test", True),
    ]
    assert all(each.deleted >= before for each in found)
    assert_all_is_well(world)
    assert len(restore(world, user)) == 2
    assert subjects(client, "Projects") == [b"Subject: Plan"]
    assert subjects(client, "INBOX") == [b"Subject: Lunch"]
    client.select("Projects")
    flags = imaplib.ParseFlags(client.fetch("1", "(FLAGS)")[1][0])
    assert set(flags) - {rb"\Recent"} == {rb"\Seen", rb"\Flagged", b"$Label1"}
    assert kept(world, user) == []
    assert_all_is_well(world)


def test_nothing_of_it_shows_in_imap(
    world: World, user: str, client: imaplib.IMAP4, log_in: Callable[..., Wire]
) -> None:
    folders = client.list()[1]
    client.append(TRASH, "", "", message("Secret"))
    delete(client, TRASH)
    assert [each.subject for each in kept(world, user)] == ["Secret"]
    assert client.list()[1] == folders
    wire = log_in()
    assert wire.do('SELECT "Recoverable Items"')[-1].startswith(b"NO [NONEXISTENT]")
    assert wire.do('CREATE "Recoverable Items"')[-1].startswith(b"OK")
    assert wire.ok('STATUS "Recoverable Items" (MESSAGES)')[0].endswith(b"(MESSAGES 0)")
    wire.ok(f"SELECT {TRASH}")
    assert wire.ok("SEARCH ALL") == [b"* SEARCH"]


def test_open_sessions_and_qresync_hear_of_the_expunge_and_of_what_comes_back(
    world: World, user: str, log_in: Callable[..., Wire]
) -> None:
    first = log_in()
    for number in range(3):
        first.append(message(str(number)), TRASH, "(\\Deleted) " if number < 2 else "")
    told = b"\r\n".join(first.do(f"SELECT {TRASH} (CONDSTORE)"))
    validity = int(told.split(b"UIDVALIDITY ")[1].split(b"]")[0])
    modseq = int(told.split(b"HIGHESTMODSEQ ")[1].split(b"]")[0])
    second = log_in(TRASH)
    first.ok("EXPUNGE")
    heard = [line for line in second.do("NOOP") if b"EXPUNGE" in line]
    assert heard == [b"* 2 EXPUNGE", b"* 1 EXPUNGE"]
    third = log_in()
    third.ok("ENABLE QRESYNC")
    lines = third.do(f"SELECT {TRASH} (QRESYNC ({validity} {modseq}))")
    assert b"* VANISHED (EARLIER) 1:2" in lines
    inbox = log_in("INBOX")
    assert [each.uid for each in restore(world, user)] == [1, 2]
    assert b"* 2 EXISTS" in inbox.do("NOOP")
    # Without \Deleted: the next EXPUNGE takes nothing back.
    assert inbox.ok("EXPUNGE") == []


def test_other_folders_are_expunged_for_good_and_so_is_what_is_moved_elsewhere(
    world: World, user: str, client: imaplib.IMAP4
) -> None:
    client.append("INBOX", "", "", message("Final"))
    delete(client, "INBOX")
    client.append(TRASH, "", "", message("Moved on"))
    client.select(TRASH)
    client._simple_command("MOVE", "1", "Archive")
    client.create("Old")
    client.append("Old", "", "", message("With its folder"))
    client.delete("Old")
    assert kept(world, user) == []
    assert_all_is_well(world)


def test_folders_under_deleted_items_count_as_it_does(
    world: World, user: str, client: imaplib.IMAP4
) -> None:
    # As Thunderbird deletes a folder, and then empties Deleted Items.
    client.create("Project/Plans")
    client.append("Project", "", "", message("Above"))
    client.append("Project/Plans", "", "", message("Below"))
    client.append("Project/Plans", "", "", message("Expunged"))
    assert client.rename("Project", '"Deleted Items/Project"')[0] == "OK"
    delete(client, '"Deleted Items/Project/Plans"', "2")
    client.unselect()
    assert client.delete('"Deleted Items/Project/Plans"')[0] == "OK"
    assert client.delete('"Deleted Items/Project"')[0] == "OK"
    found = [each.subject for each in kept(world, user)]
    assert sorted(found) == ["Above", "Below", "Expunged"]
    assert_all_is_well(world)
    restore(world, user)
    assert sorted(subjects(client, "INBOX")) == [
        b"Subject: Above",
        b"Subject: Below",
        b"Subject: Expunged",
    ]
    assert_all_is_well(world)


def test_after_the_period_it_is_destroyed_and_before_it_is_not(
    world: World, user: str, client: imaplib.IMAP4, clock: MovedClock
) -> None:
    client.append(TRASH, "", "", message("Early"))
    delete(client, TRASH)
    clock.moved += 20 * DAY_MS
    client.append(TRASH, "", "", message("Late"))
    delete(client, TRASH)
    world.run(world.demo.work())
    assert [each.subject for each in kept(world, user)] == ["Late", "Early"]
    clock.moved += 10 * DAY_MS + 1
    world.run(world.demo.work())
    assert [each.subject for each in kept(world, user)] == ["Late"]
    assert_all_is_well(world)
