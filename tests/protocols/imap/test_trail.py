"""What a session does to a mailbox, in the audit log of mailbox access (Administrator Guide)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.protocols.imap.conftest import MESSAGE, Wire, World
from tests.support.trails import Remembered
from workpost.kernel.principal import Grant, Right
from workpost.kernel.trail import MAILBOX_ACCESS, NO_TRAIL
from workpost.store.core import Core


@pytest.fixture
def trail(world: World) -> Iterator[Remembered]:
    made = world.core.trail = Remembered()
    yield made
    world.core.trail = NO_TRAIL


def steps(trail: Remembered) -> list[tuple[str, str, str, bool]]:
    """(action, object, folder, allowed) of what was told since the last look."""
    told = trail.of(MAILBOX_ACCESS)
    trail.told.clear()
    return [
        (each["action"], each["object_type"], each.get("folder_path", ""), each["action_allowed"])
        for each in told
    ]


def test_messages_are_told_one_by_one(log_in: Callable[..., Wire], trail: Remembered) -> None:
    wire = log_in("INBOX")
    steps(trail)
    wire.append(MESSAGE)
    told = trail.of(MAILBOX_ACCESS)[0]
    assert told["protocol"] == "IMAP"
    assert told["source_ip"] == "127.0.0.1"
    assert told["user_id"] == told["owner_id"]
    assert told["item_id"] == f"{told['folder_id']}-1"
    assert steps(trail) == [("create", "Message", "INBOX", True)]
    wire.ok("FETCH 1 (FLAGS)")
    assert steps(trail) == [("read_summary", "Folder", "INBOX", True)]
    wire.ok("FETCH 1 BODY.PEEK[]")
    assert steps(trail) == [("read", "Message", "INBOX", True)]
    wire.ok("FETCH 1 BODY[TEXT]")
    assert steps(trail) == [
        ("read", "Message", "INBOX", True),
        ("update_read_state", "Message", "INBOX", True),
    ]
    wire.ok("STORE 1 -FLAGS (\\Seen)")
    wire.ok("STORE 1 +FLAGS (\\Flagged)")
    assert [step[0] for step in steps(trail)] == ["update_read_state", "update"]
    wire.ok("COPY 1 Archive")
    assert steps(trail) == [
        ("copy", "Message", "INBOX", True),
        ("copy_to", "Message", "Archive", True),
    ]
    wire.ok('MOVE 1 "Deleted Items"')
    assert steps(trail) == [
        ("move", "Message", "INBOX", True),
        ("move_to", "Message", "Deleted Items", True),
    ]
    wire.ok('SELECT "Deleted Items"')
    wire.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    steps(trail)
    wire.ok("EXPUNGE")
    assert steps(trail) == [("delete", "Message", "Deleted Items", True)]


def test_folders_and_lists_are_told(log_in: Callable[..., Wire], trail: Remembered) -> None:
    wire = log_in("INBOX")
    steps(trail)
    for command, action, path in (
        ("CREATE Plans", "create", "Plans"),
        ("RENAME Plans Ideas", "update", "Plans"),
        ("STATUS Ideas (MESSAGES)", "read_summary", "Ideas"),
        ("DELETE Ideas", "delete", "Ideas"),
        ('LIST "" *', "read_hierarchy", ""),
        ("SEARCH ALL", "read_summary", "INBOX"),
    ):
        wire.ok(command)
        assert steps(trail) == [(action, "Folder", path, True)], command


class ReadOnly:
    """Access that lets people read and no more, as an impersonation role may."""

    def __init__(self, access: Any) -> None:
        self.renew = access.renew
        self._access = access

    async def log_in(self, core: Core, **login: Any) -> Grant:
        grant: Grant = await self._access.log_in(core, **login)
        return msgspec.structs.replace(grant, rights=int(Right.READ))


def test_what_is_not_allowed_is_told_as_such(
    log_in: Callable[..., Wire],
    world: World,
    trail: Remembered,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = world.servers["plain"]
    monkeypatch.setattr(server, "access", ReadOnly(server.access))
    wire = log_in("INBOX", "EXAMINE")
    steps(trail)
    assert wire.do("CREATE New")[-1].startswith(b"NO")
    assert steps(trail) == [("create", "Folder", "New", False)]
    assert wire.do(f"APPEND INBOX {{{len(MESSAGE)}+}}\r\n".encode() + MESSAGE)[-1][:2] == b"NO"
    assert steps(trail) == [("create", "Message", "INBOX", False)]
