"""RFC 3501 6.3.1, 6.4.1 to 6.4.3, RFC 3691, RFC 7162 3.1.8 and 3.2.5: opening and closing."""

import re

import pytest

from tests.protocols.imap.conftest import MESSAGE, message
from workpost.domain.messages import shell as messages


def code(lines: list[bytes], name: bytes) -> int:
    [found] = [line for line in lines if line.startswith(b"* OK [" + name)]
    return int(re.findall(rb"\d+", found)[0])


def fill(wire, count: int, folder: str = "INBOX") -> None:
    for number in range(1, count + 1):
        wire.append(message(f"Number {number}"), folder)


class TestSelect:
    def test_an_empty_folder(self, log_in):
        lines = log_in().ok("SELECT Archive")
        assert [line for line in lines if b"OK" not in line] == [
            b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)",
            b"* 0 EXISTS",
            b"* 0 RECENT",
        ]
        assert code(lines, b"UIDNEXT") == 1

    def test_select_and_examine_say_how(self, log_in):
        wire = log_in()
        assert wire.do("SELECT INBOX")[-1] == b"OK [READ-WRITE] SELECT completed"
        lines = wire.do("EXAMINE INBOX")
        assert lines[-1] == b"OK [READ-ONLY] EXAMINE completed"
        assert b"* OK [PERMANENTFLAGS ()] Flags that are kept" in lines

    def test_first_unseen(self, log_in):
        wire = log_in()
        wire.append(MESSAGE, how="(\\Seen) ")
        wire.append(MESSAGE)
        assert code(wire.ok("SELECT INBOX"), b"UNSEEN") == 2

    def test_rfc3501_2_3_2_recent_is_for_the_first_session(self, log_in):
        first = log_in()
        fill(first, 2)
        assert b"* 2 RECENT" in first.ok("EXAMINE INBOX")
        assert b"* 2 RECENT" in first.ok("SELECT INBOX")
        assert first.ok("SEARCH RECENT") == [b"* SEARCH 1 2"]
        second = log_in()
        assert b"* 0 RECENT" in second.ok("SELECT INBOX")
        assert second.ok("SEARCH NEW") == [b"* SEARCH"]
        assert second.ok("SEARCH OLD") == [b"* SEARCH 1 2"]
        assert second.ok("FETCH 1 FLAGS") == [b"* 1 FETCH (FLAGS ())"]

    def test_a_failed_select_leaves_nothing_selected(self, log_in):
        wire = log_in("INBOX")
        lines = wire.do("SELECT nothing")
        assert lines[0].startswith(b"* OK [CLOSED]")
        assert lines[-1].startswith(b"NO [NONEXISTENT]")
        assert wire.do("FETCH 1 FLAGS") == [b"BAD Please select a mailbox first"]

    def test_mail_that_arrives_meanwhile_is_not_below_the_uidnext_that_is_told(
        self, log_in, monkeypatch
    ):
        wire, other = log_in("INBOX"), log_in("INBOX")
        fill(wire, 3)
        wire.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        read = messages.uid_map

        async def with_a_later_one(core, grant, folder):
            await messages.append(core, grant, folder, MESSAGE)
            return await read(core, grant, folder)

        monkeypatch.setattr(messages, "uid_map", with_a_later_one)
        lines = other.ok("SELECT INBOX")
        monkeypatch.undo()
        assert b"* 2 EXISTS" in lines
        assert any(line.startswith(b"* OK [UIDNEXT 4]") for line in lines)
        assert b"* 3 EXISTS" in lines + other.ok("NOOP")

    def test_a_folder_with_holes(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 5)
        wire.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        lines = wire.ok("SELECT INBOX")
        assert b"* 3 EXISTS" in lines
        assert wire.ok("FETCH 1:* UID") == [
            b"* 1 FETCH (UID 1)",
            b"* 2 FETCH (UID 3)",
            b"* 3 FETCH (UID 5)",
        ]


class TestLeaving:
    def test_close_expunges_in_silence(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 2)
        wire.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        assert wire.ok("CLOSE") == []
        assert wire.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 1)"]
        assert wire.do("CLOSE") == [b"BAD Please select a mailbox first"]

    def test_unselect_and_close_after_examine_expunge_nothing(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 1)
        wire.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        wire.ok("UNSELECT")
        wire.ok("EXAMINE INBOX")
        wire.ok("CLOSE")
        assert wire.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 1)"]

    def test_rfc3501_6_4_3_expunge(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 5)
        wire.ok("CHECK")
        wire.ok("STORE 3,4 +FLAGS.SILENT (\\Deleted)")
        assert wire.ok("EXPUNGE") == [b"* 4 EXPUNGE", b"* 3 EXPUNGE"]

    def test_rfc4315_uid_expunge_touches_only_what_is_named(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 3)
        wire.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
        assert wire.ok("UID EXPUNGE 2:3,99") == [b"* 3 EXPUNGE", b"* 2 EXPUNGE"]

    def test_examine_changes_nothing(self, log_in):
        wire = log_in()
        fill(wire, 1)
        wire.ok("EXAMINE INBOX")
        for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 Archive"):
            assert wire.do(command)[-1] == b"NO The mailbox was opened read-only"
        wire.ok("FETCH 1 BODY[]")
        assert wire.ok("FETCH 1 FLAGS") == [b"* 1 FETCH (FLAGS (\\Recent))"]


class TestQresync:
    def test_rfc7162_3_2_5_what_vanished_and_changed_is_told(self, log_in):
        wire = log_in()
        assert wire.ok("ENABLE QRESYNC FOO") == [b"* ENABLED QRESYNC CONDSTORE"]
        assert wire.ok("ENABLE CONDSTORE") == [b"* ENABLED"]
        fill(wire, 6)
        before = wire.ok("SELECT INBOX")
        validity, modseq = code(before, b"UIDVALIDITY"), code(before, b"HIGHESTMODSEQ")
        wire.ok("UNSELECT")
        other = log_in("INBOX")
        other.ok("STORE 2,3,5 +FLAGS.SILENT (\\Deleted)")
        other.ok("UID EXPUNGE 2:3")
        other.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
        lines = wire.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
        assert b"* VANISHED (EARLIER) 2:3" in lines
        fetched = [re.sub(rb"MODSEQ \(\d+\)", b"MODSEQ (n)", line) for line in lines[-2:]]
        assert fetched == [
            b"* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (n))",
            b"* 3 FETCH (UID 5 FLAGS (\\Deleted) MODSEQ (n))",
        ]
        wire.ok("UNSELECT")
        lines = wire.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq} 3:4))")
        assert b"* VANISHED (EARLIER) 3" in lines
        assert not [line for line in lines if b"FETCH" in line]
        lines = wire.ok(f"SELECT INBOX (QRESYNC ({validity + 1} {modseq}))")
        assert not [line for line in lines if b"VANISHED" in line or b"FETCH" in line]

    def test_it_has_to_be_enabled(self, log_in):
        wire = log_in()
        assert wire.do("SELECT INBOX (QRESYNC (1 1))")[-1] == b"BAD QRESYNC is not enabled"
        wire.ok("SELECT INBOX")
        assert wire.do("UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)")[-1].startswith(b"BAD")

    def test_vanished_replaces_expunge(self, log_in):
        wire = log_in()
        wire.ok("ENABLE QRESYNC")
        wire.ok("SELECT INBOX")
        fill(wire, 4)
        wire.ok("STORE 1:2,4 +FLAGS.SILENT (\\Deleted)")
        *lines, last = wire.do("EXPUNGE")
        assert lines == [b"* VANISHED 1:2,4"]
        modseq = int(re.findall(rb"HIGHESTMODSEQ (\d+)", last)[0])
        assert code(wire.ok("SELECT INBOX"), b"HIGHESTMODSEQ") == modseq

    def test_where_the_store_forgot_everything_missing_is_told(self, log_in, world, user):
        wire = log_in()
        wire.ok("ENABLE QRESYNC")
        fill(wire, 4)
        before = wire.ok("SELECT INBOX")
        validity, modseq = code(before, b"UIDVALIDITY"), code(before, b"HIGHESTMODSEQ")
        wire.ok("STORE 2:3 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        mailbox = world.grant(user).mailbox
        forget = "UPDATE mailbox SET floor_modseq = modseq WHERE id = ?"
        world.run(world.demo.change(forget, mailbox))
        world.run(world.demo.change("DELETE FROM gone WHERE mailbox = ?", mailbox))
        lines = wire.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:9))")
        assert b"* VANISHED (EARLIER) 2:3" in lines
        [vanished, *_] = wire.ok(f"UID FETCH 1:4 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
        assert vanished == b"* VANISHED (EARLIER) 2:3"

    @pytest.mark.parametrize("gone", ["3:4", "1:4"])
    def test_what_the_store_forgot_may_lie_above_all_that_is_left(self, log_in, world, user, gone):
        wire = log_in()
        wire.ok("ENABLE QRESYNC")
        fill(wire, 4)
        before = wire.ok("SELECT INBOX")
        validity, modseq = code(before, b"UIDVALIDITY"), code(before, b"HIGHESTMODSEQ")
        wire.ok(f"STORE {gone} +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        mailbox = world.grant(user).mailbox
        forget = "UPDATE mailbox SET floor_modseq = modseq WHERE id = ?"
        world.run(world.demo.change(forget, mailbox))
        world.run(world.demo.change("DELETE FROM gone WHERE mailbox = ?", mailbox))
        told = b"* VANISHED (EARLIER) " + gone.encode()
        assert told in wire.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq} 1:9))")
        asked = f"UID FETCH 1:4 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)"
        assert told in wire.ok(asked)

    def test_a_session_whose_view_is_older_than_the_store_remembers(self, log_in, world, user):
        wire, other = log_in("INBOX"), log_in("INBOX")
        fill(other, 3)
        wire.ok("NOOP")
        mailbox = world.grant(user).mailbox
        other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
        session = world.connection_of(wire).session
        world.run(_deaf(session))
        other.ok("EXPUNGE")
        world.run(
            world.demo.change("UPDATE mailbox SET floor_modseq = modseq WHERE id = ?", mailbox)
        )
        world.run(world.demo.change("DELETE FROM gone WHERE mailbox = ?", mailbox))
        assert wire.ok("NOOP") == [b"* 2 EXPUNGE"]


async def _deaf(session) -> None:
    session._heard = False
    session._watches[1].close()
