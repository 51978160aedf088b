"""RFC 3501 6.4.6, 6.4.7, RFC 6851, RFC 4315, RFC 7162 3.1.3: STORE, COPY, MOVE."""

import itertools
import re

import pytest

from tests.protocols.imap.test_select import code, fill
from workpost.domain.messages import across
from workpost.domain.messages import shell as messages
from workpost.protocols.imap.commands import copy as copying


class TestStore:
    def test_set_add_remove(self, log_in):
        fill(log_in(), 2)
        log_in("INBOX")
        wire = log_in("INBOX")
        first = b"* 1 FETCH (UID 1 FLAGS (%b))"
        assert wire.ok("STORE 1 FLAGS (\\Seen $Work)") == [first % b"\\Seen $Work"]
        assert wire.ok("STORE 1 +FLAGS (\\Flagged $work)") == [first % b"\\Seen \\Flagged $Work"]
        assert wire.ok("UID STORE 1 -FLAGS (\\Seen $WORK)") == [first % b"\\Flagged"]
        assert wire.ok("STORE 1 FLAGS ()") == [first % b""]
        assert wire.ok("STORE 1:2 +FLAGS.SILENT (\\Answered)") == []
        assert wire.ok("NOOP") == []

    def test_the_other_session_hears_it(self, log_in):
        wire, other = log_in("INBOX"), log_in("INBOX")
        fill(wire, 2)
        other.ok("NOOP")
        wire.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
        [line] = other.ok("NOOP")
        assert line.startswith(b"* 2 FETCH (UID 2 FLAGS (\\Flagged")

    def test_keywords_of_a_message_are_bounded_over_many_stores(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 1)
        some = " ".join(f"a{n}" for n in range(40))
        wire.ok(f"STORE 1 +FLAGS.SILENT ({some})")
        more = " ".join(f"b{n}" for n in range(40))
        assert wire.do(f"STORE 1 +FLAGS (\\Seen {more})")[-1].startswith(b"NO [LIMIT]")
        wire.ok(f"STORE 1 FLAGS.SILENT ({more})")
        [line] = wire.ok("FETCH 1 (FLAGS)")
        assert b"b39" in line
        assert b"a1 " not in line

    def test_unknown_messages(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 1)
        assert wire.do("STORE 2 +FLAGS (\\Seen)") == [b"BAD No such message"]
        assert wire.ok("UID STORE 77 +FLAGS (\\Seen)") == []
        assert wire.do("STORE 1 +FLAGS (\\Foo)")[-1].startswith(b"BAD")

    def test_rfc7162_3_1_3_unchangedsince(self, log_in):
        wire, other = log_in("INBOX"), log_in("INBOX")
        fill(wire, 3)
        modseq = code(wire.ok("SELECT INBOX"), b"HIGHESTMODSEQ")
        other.ok("NOOP")
        other.ok("STORE 2 +FLAGS.SILENT (\\Seen)")
        *lines, last = wire.do(f"STORE 1:3 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\\Deleted)")
        assert last == b"OK [MODIFIED 2] Some were changed meanwhile"
        silent = [line for line in lines if b"FLAGS" not in line]
        assert [re.sub(rb"\(\d+\)", b"(n)", line) for line in silent] == [
            b"* 1 FETCH (UID 1 MODSEQ (n))",
            b"* 3 FETCH (UID 3 MODSEQ (n))",
        ]
        *lines, last = wire.do(f"UID STORE 2 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Deleted)")
        assert last.startswith(b"OK [MODIFIED 2]")
        [line] = wire.ok("STORE 3 +FLAGS (\\Seen)")
        assert b" MODSEQ (" in line


class TestCopy:
    def test_rfc4315_copyuid(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 4)
        *_, last = wire.do("COPY 2:4 Archive")
        assert re.fullmatch(rb"OK \[COPYUID \d+ 2:4 1:3\] COPY completed", last)
        assert wire.ok("STATUS Archive (MESSAGES UNSEEN)") == [
            b"* STATUS Archive (MESSAGES 3 UNSEEN 3)"
        ]
        assert wire.do("UID COPY 99 Archive")[-1] == b"OK COPY completed"
        assert wire.do("COPY 1 nothing")[-1].startswith(b"NO [TRYCREATE]")

    def test_flags_and_dates_go_with_it(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 1)
        wire.ok("STORE 1 +FLAGS.SILENT (\\Flagged $Work)")
        [before] = wire.ok("FETCH 1 (INTERNALDATE RFC822.SIZE ENVELOPE)")
        wire.ok("COPY 1 Archive")
        wire.ok("EXAMINE Archive")
        assert wire.ok("FETCH 1 (INTERNALDATE RFC822.SIZE ENVELOPE)") == [before]
        assert wire.ok("FETCH 1 FLAGS") == [b"* 1 FETCH (FLAGS (\\Flagged $Work \\Recent))"]

    def test_into_the_same_folder(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 1)
        assert b"* 2 EXISTS" in wire.ok("COPY 1 INBOX")


class TestMove:
    def test_rfc6851_4_3_copyuid_then_expunge(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 4)
        lines = wire.ok("MOVE 2:3 Archive")
        assert re.fullmatch(rb"\* OK \[COPYUID \d+ 2:3 1:2\] Moved", lines[0])
        assert lines[1:] == [b"* 3 EXPUNGE", b"* 2 EXPUNGE"]
        lines = wire.ok("UID MOVE 4 Archive")
        assert lines[1:] == [b"* 2 EXPUNGE"]
        assert wire.ok("STATUS Archive (MESSAGES)") == [b"* STATUS Archive (MESSAGES 3)"]
        assert wire.do("MOVE 1 INBOX")[-1].startswith(b"NO [CANNOT]")
        assert wire.do("MOVE 1 nothing")[-1].startswith(b"NO [TRYCREATE]")


class TestCopyInSlices:
    @pytest.fixture
    def small_slices(self, monkeypatch):
        for module in (messages, across, copying):
            monkeypatch.setattr(module, "SLICE", 2)

    @pytest.fixture
    def at_the_third(self, monkeypatch):
        """Let something happen while the third message is copied."""
        happening: list[object] = []
        copy_item = messages._copy_item
        count = itertools.count(1)

        async def copied(*args):
            if next(count) == 3:
                await happening[0]()
            return await copy_item(*args)

        monkeypatch.setattr(messages, "_copy_item", copied)
        return happening.append

    def test_a_change_of_policy_in_the_middle_doubles_nothing(
        self, log_in, world, small_slices, at_the_third
    ):
        wire = log_in("INBOX")
        fill(wire, 5)
        raise_it = "UPDATE organization SET policy_version = policy_version + 1"
        at_the_third(lambda: world.demo.change(raise_it))
        *_, last = wire.do("COPY 1:5 Archive")
        assert re.fullmatch(rb"OK \[COPYUID \d+ 1:5 1:5\] COPY completed", last)
        assert b"* STATUS Archive (MESSAGES 5)" in wire.ok("STATUS Archive (MESSAGES)")

    def test_what_was_copied_before_a_failure_is_withdrawn(
        self, log_in, world, user, small_slices, at_the_third
    ):
        wire = log_in("INBOX")
        fill(wire, 5)
        mailbox = world.grant(user).mailbox
        fill_it = "UPDATE mailbox SET quota = bytes WHERE id = ?"
        at_the_third(lambda: world.demo.change(fill_it, mailbox))
        assert wire.do("COPY 1:5 Archive")[-1].startswith(b"NO [OVERQUOTA]")
        assert b"* STATUS Archive (MESSAGES 0)" in wire.ok("STATUS Archive (MESSAGES)")
