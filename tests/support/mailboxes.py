"""People with mailboxes for tests, and the recount that every counter must equal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.support.directories import PASSWORD, Directory, new_directory
from tests.support.stores import Run
from workpost.domain.access import shell as access
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.kernel.principal import Grant
from workpost.store.content.facade import open_contents
from workpost.store.core import Core
from workpost.store.tables import recoverable

LogIn = Callable[[str], Awaitable[Grant]]


def message(subject: str = "Hello", *, size: int = 0, headers: str = "") -> bytes:
    """A small message; `size` pads the body."""
    head = f"From: ada@demo.test\r\nTo: grace@demo.test\r\nSubject: {subject}\r\n{headers}\r\n"
    return head.encode() + b"Good morning.\r\n" + b"x" * size + b"\r\n" * bool(size)


async def log_in(core: Core, address: str) -> Grant:
    """A person's grant."""
    return await access.log_in(
        core, username=address, password=PASSWORD.encode(), protocol="IMAP", address="127.0.0.1"
    )


@pytest.fixture
def mail_core(bare_core: Core) -> Core:
    """A core with contents."""
    contents = open_contents(bare_core.settings, bare_core.store)
    return msgspec.structs.replace(bare_core, contents=contents)


@pytest.fixture
def house(run: Run[Any], mail_core: Core) -> Directory:
    """The organization `demo` with the users ada and grace."""

    async def make() -> Directory:
        directory = await new_directory(mail_core)
        await directory.user("ada")
        await directory.user("grace")
        return directory

    made: Directory = run(make())
    return made


@pytest.fixture
def ada(run: Run[Any], house: Directory) -> Grant:
    """Ada's grant to her mailbox."""
    grant: Grant = run(log_in(house.core, "ada@demo.test"))
    return grant


async def inbox(core: Core, grant: Grant) -> int:
    """The id of INBOX."""
    return (await mailboxes.find_folder(core, grant, "INBOX")).id


async def fill(core: Core, grant: Grant, count: int, folder: int | None = None) -> list[int]:
    """Append messages and return their uids."""
    where = folder if folder is not None else await inbox(core, grant)
    return [
        (await messages.append(core, grant, where, message(f"Number {n}"))).uid
        for n in range(count)
    ]


async def assert_numbers_are_true(house: Directory) -> None:
    """Invariant 8: counters, quota, uidnext and unread equal a recount."""
    folders = await house.run(
        "SELECT f.mailbox, f.id, f.total, f.unread, f.bytes, f.uidnext, f.modseq FROM folder f"
    )
    for mailbox, folder, total, unread, size, uidnext, modseq in folders:
        rows = await house.run(
            "SELECT uid, flags, size, modseq FROM item WHERE mailbox = ? AND folder = ?",
            mailbox,
            folder,
        )
        assert total == len(rows)
        assert unread == sum(1 for _, flags, _, _ in rows if not flags & 1)
        assert size == sum(row[2] for row in rows)
        assert all(row[0] < uidnext for row in rows)
        assert all(row[3] <= modseq for row in rows)
    for mailbox, total, size, modseq in await house.run(
        "SELECT id, items, bytes, modseq FROM mailbox"
    ):
        rows = await house.run(
            "SELECT i.size, i.modseq, f.hidden FROM item i JOIN folder f"
            " ON f.mailbox = i.mailbox AND f.id = i.folder WHERE i.mailbox = ?",
            mailbox,
        )
        own = [row[0] for row in rows if row[2] != recoverable.HIDDEN]
        assert (total, size) == (len(own), sum(own))
        assert all(row[1] <= modseq for row in rows)
    orphans = await house.run(
        "SELECT s.item FROM summary s WHERE NOT EXISTS"
        " (SELECT 1 FROM item i WHERE i.mailbox = s.mailbox AND i.id = s.item)"
    )
    assert orphans == []
    tags = await house.run(
        "SELECT t.item FROM item_tag t WHERE NOT EXISTS"
        " (SELECT 1 FROM item i WHERE i.mailbox = t.mailbox AND i.id = t.item)"
    )
    assert tags == []
