"""A retention policy as people see it: what a run takes away leaves open mailboxes properly."""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.protocols.imap.conftest import Wire, World, message
from workpost.domain.organizations.retention import FolderRule, put_retention_policy
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings

DAY_MS = 24 * 3600 * 1000
GONE = [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"* 1 EXPUNGE"]
OLD = '"01-Jan-2001 00:00:00 +0000"'


class MovedClock(SystemEnvironment):
    """The real world, some days later."""

    moved = 0

    def now(self) -> int:
        return super().now() + self.moved


@pytest.fixture(scope="module")
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, certificate: Any, clock: MovedClock
) -> Iterator[World]:
    """A server whose clock the tests move."""
    data = tmp_path_factory.mktemp("retention")
    built = World(Settings(data_dir=str(data)), certificate, clock)
    yield built
    built.close()


def put(world: World, *rules: tuple[str, str, int]) -> None:
    world.run(
        put_retention_policy(
            world.core,
            world.demo.grant,
            id=None,
            name="default",
            description=None,
            rules=[FolderRule(*rule) for rule in rules],
        )
    )


def run_policy(world: World, clock: MovedClock, days: int) -> None:
    """Some days later the period is over and the policy runs."""
    clock.moved += days * DAY_MS
    assert world.run(world.demo.work()) >= 1


def subjects(client: imaplib.IMAP4, folder: str) -> list[bytes]:
    _, [count] = client.select(f'"{folder}"', readonly=True)
    if count == b"0":
        return []
    _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [part[1].strip() for part in data if isinstance(part, tuple)]


def test_old_messages_move_to_deleted_items_and_new_ones_stay(
    world: World, clock: MovedClock, client: imaplib.IMAP4
) -> None:
    put(world, ("INBOX", "DELETE", 30), ("JUNK_EMAIL", "PERMANENTLY_DELETE", 30))
    for number in range(3):
        client.append("INBOX", "", "", message(f"Old {number}"))
    client.append('"Junk E-mail"', "", "", message("Cheap"))
    client.append("Archive", "", "", message("Kept"))
    clock.moved += 20 * DAY_MS
    # Put here just now, whatever its date says.
    client.append("INBOX", "", OLD, message("Put here lately"))
    run_policy(world, clock, 11)
    assert subjects(client, "INBOX") == [b"Subject: Put here lately"]
    assert subjects(client, "Deleted Items") == [b"Subject: Old %d" % n for n in range(3)]
    assert subjects(client, "Junk E-mail") == []
    assert subjects(client, "Archive") == [b"Subject: Kept"]


def test_a_session_that_is_open_hears_of_expunges_and_of_what_comes(
    world: World, clock: MovedClock, log_in: Callable[..., Wire]
) -> None:
    put(world, ("INBOX", "DELETE", 10))
    inbox = log_in()
    for number in range(3):
        inbox.append(message(str(number)))
    clock.moved += 9 * DAY_MS
    inbox.append(message("new"))
    inbox.ok("ENABLE CONDSTORE")
    inbox.ok("SELECT INBOX")
    trash = log_in('"Deleted Items"')
    idle = log_in("INBOX")
    idle.send(b"t9 IDLE\r\n")
    assert idle.line().startswith(b"+")
    run_policy(world, clock, 2)
    assert [idle.line() for _ in range(3)] == GONE
    idle.send(b"DONE\r\n")
    heard = inbox.do("NOOP")
    assert [line for line in heard if b"EXPUNGE" in line] == GONE
    assert b"* 3 EXISTS" in trash.do("NOOP")
    [fetched] = [line for line in inbox.do("UID FETCH 1:* (UID)") if line[:1] == b"*"]
    assert fetched.startswith(b"* 1 FETCH (UID 4")


def test_qresync_is_told_what_vanished(
    world: World, clock: MovedClock, log_in: Callable[..., Wire]
) -> None:
    put(world, ("INBOX", "PERMANENTLY_DELETE", 10))
    first = log_in()
    for number in range(4):
        first.append(message(str(number)))
    lines = first.do("SELECT INBOX (CONDSTORE)")
    told = b"\r\n".join(lines)
    validity = int(told.split(b"UIDVALIDITY ")[1].split(b"]")[0])
    modseq = int(told.split(b"HIGHESTMODSEQ ")[1].split(b"]")[0])
    run_policy(world, clock, 11)
    again = log_in()
    again.ok("ENABLE QRESYNC")
    lines = again.do(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    assert b"* VANISHED (EARLIER) 1:4" in lines
