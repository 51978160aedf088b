"""Any order of changes leaves true numbers, rising modseqs and views that can be rebuilt.

A machine of random commands on one mailbox beside a dictionary that does the same. After each step
the folders equal the dictionary (invariant 8), and a client that asks only for changes since its
last modseq ends with the same messages (invariant 1: CONDSTORE, QRESYNC).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.directories import CHEAP, Directory, new_directory
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from tests.support.stores import make_core
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import flags as bits
from workpost.domain.messages import removing
from workpost.domain.messages import shell as messages
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import QuotaExceeded
from workpost.kernel.settings import Settings
from workpost.store.database.build import open_store

R = TypeVar("R")
FOLDERS = ("INBOX", "Archive", "Sent Items")
WORDS = st.sampled_from([(), (b"work",), (b"Work", b"home")])

Row = tuple[int, frozenset[bytes]]
"""Flags and keywords, as a client knows them."""


class MailboxMachine(RuleBasedStateMachine):
    """One mailbox, a dictionary of what must be in it, and a client that follows by modseq."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.runner.run(self.open())
        self.expected: dict[str, dict[int, Row]] = {name: {} for name in FOLDERS}
        self.client: dict[str, dict[int, Row]] = {name: {} for name in FOLDERS}
        self.known = dict.fromkeys(FOLDERS, 0)
        self.modseq = 0

    async def open(self) -> None:
        config = Settings(data_dir=self.folder.name, passwords=CHEAP)
        env = SystemEnvironment()
        self.core = make_core(await open_store(config, env), config, env)
        self.house: Directory = await new_directory(self.core)
        await self.house.user("ada")
        self.grant = await log_in(self.core, "ada@demo.test")
        self.ids = {
            name: (await mailboxes.find_folder(self.core, self.grant, name)).id for name in FOLDERS
        }

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        return self.runner.run(work)

    def teardown(self) -> None:
        async def close() -> None:
            await self.core.store.close()
            await self.core.keys.close()

        self.run(close())
        self.runner.close()
        self.folder.cleanup()

    def some(self, data: st.DataObject, name: str) -> list[int]:
        uids = sorted(self.expected[name])
        return sorted(data.draw(st.sets(st.sampled_from(uids), max_size=5))) if uids else []

    @rule(name=st.sampled_from(FOLDERS), flags=st.integers(0, 31), words=WORDS)
    def append(self, name: str, flags: int, words: tuple[bytes, ...]) -> None:
        kept = {word.lower(): word for word in words}
        done = self.run(
            messages.append(
                self.core,
                self.grant,
                self.ids[name],
                message(),
                flags=flags,
                keywords=list(kept.values()),
            )
        )
        self.expected[name][done.uid] = (flags, frozenset(kept))

    @rule(
        name=st.sampled_from(FOLDERS),
        action=st.sampled_from(["set", "add", "remove"]),
        flags=st.integers(0, 31),
        words=WORDS,
        data=st.data(),
    )
    def store(
        self,
        name: str,
        action: bits.Action,
        flags: int,
        words: tuple[bytes, ...],
        data: st.DataObject,
    ) -> None:
        uids = self.some(data, name)

        async def change() -> None:
            async for _ in messages.change_flags(
                self.core,
                self.grant,
                self.ids[name],
                uids,
                action=action,
                flags=flags,
                keywords=words,
            ):
                pass

        self.run(change())
        lower = {word.lower() for word in words}
        for uid in uids:
            old, have = self.expected[name][uid]
            new = {"set": lower, "add": have | lower, "remove": have - lower}[action]
            self.expected[name][uid] = (bits.change_bits(old, action, flags), frozenset(new))

    @rule(name=st.sampled_from(FOLDERS))
    def expunge(self, name: str) -> None:
        removed = self.run(removing.expunge(self.core, self.grant, self.ids[name]))
        marked = [uid for uid, (flags, _) in self.expected[name].items() if flags & bits.DELETED]
        assert sorted(removed) == sorted(marked)
        for uid in marked:
            del self.expected[name][uid]

    @rule(
        source=st.sampled_from(FOLDERS),
        place=st.sampled_from(FOLDERS),
        moving=st.booleans(),
        data=st.data(),
    )
    def transfer(self, source: str, place: str, moving: bool, data: st.DataObject) -> None:
        uids = self.some(data, source)

        async def move() -> list[tuple[int, int]]:
            pairs: list[tuple[int, int]] = []
            async for done in messages.move(
                self.core, self.grant, self.ids[source], uids, self.ids[place]
            ):
                pairs += done.pairs
            return pairs

        if moving:
            pairs = self.run(move())
        else:
            pairs = self.run(
                messages.copy(self.core, self.grant, self.ids[source], uids, self.ids[place])
            ).pairs
        rows = {uid: self.expected[source][uid] for uid in uids}
        assert [old for old, _ in pairs] == uids
        for old, new in pairs:
            if moving:
                del self.expected[source][old]
            self.expected[place][new] = rows[old]

    @precondition(lambda self: any(self.expected.values()))
    @rule(name=st.sampled_from(FOLDERS), data=st.data())
    def a_copy_over_quota_changes_nothing(self, name: str, data: st.DataObject) -> None:
        uids = self.some(data, name)
        if not uids:
            return
        statement = "UPDATE mailbox SET quota = bytes WHERE id = ?"
        self.run(self.house.change(statement, self.grant.mailbox))
        try:
            self.run(
                messages.copy(self.core, self.grant, self.ids[name], uids, self.ids["Archive"])
            )
            raise AssertionError("a full mailbox took a copy")
        except QuotaExceeded:
            statement = "UPDATE mailbox SET quota = 1000000000 WHERE id = ?"
            self.run(self.house.change(statement, self.grant.mailbox))

    @invariant()
    def numbers_are_true(self) -> None:
        self.run(assert_numbers_are_true(self.house))

    @invariant()
    def the_counter_never_goes_back(self) -> None:
        statement = "SELECT modseq FROM mailbox WHERE id = ?"
        ((modseq,),) = self.run(self.house.run(statement, self.grant.mailbox))
        assert modseq >= self.modseq
        self.modseq = modseq

    @invariant()
    def a_client_that_asks_for_changes_sees_what_is_there(self) -> None:
        for name in FOLDERS:
            seen = self.client[name]
            changes = self.run(
                messages.changes_since(self.core, self.grant, self.ids[name], self.known[name])
            )
            assert changes.complete
            for uid in changes.gone:
                seen.pop(uid, None)
            for row in changes.rows:
                words = frozenset(word.lower() for word in row.keywords)
                seen[row.uid] = (row.flags & bits.SYSTEM, words)
            self.known[name] = changes.modseq
            assert seen == self.expected[name]


MailboxMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMailbox = MailboxMachine.TestCase
