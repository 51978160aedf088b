"""RFC 3501 6.4.5, RFC 7162 3.1.4: FETCH."""

import re

import pytest

from tests.protocols.imap.conftest import MESSAGE, World, message
from tests.protocols.imap.test_select import code, fill
from workpost.domain.messages import shell as messages

NESTED = b"""From: ada@demo.test\r
Subject: Outer\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
First part\r
--b\r
Content-Type: message/rfc822\r
\r
From: grace@demo.test\r
Subject: Inner\r
\r
Inner text\r
--b--\r
"""


async def _many(world: World, user: str, folder: int, count: int) -> None:
    """Fill a folder faster than APPEND does."""
    grant = await world.enter(user)
    first = await messages.append(world.core, grant, folder, MESSAGE)
    copied = [first.uid]
    while len(copied) < count:
        some = copied[: count - len(copied)]
        done = await messages.copy(world.core, grant, folder, some, folder)
        copied += [pair[1] for pair in done.pairs]


class TestAttributes:
    def test_each_attribute(self, log_in):
        wire = log_in()
        wire.append(MESSAGE, how='(\\Seen $Work) "17-Jul-1996 02:44:25 -0700" ')
        wire.ok("EXAMINE INBOX")
        envelope = (
            b'ENVELOPE ("Mon, 7 Feb 1994 21:52:25 -0800" "Engines of the day"'
            b' (("Ada Lovelace" NIL "ada" "demo.test")) (("Ada Lovelace" NIL "ada" "demo.test"))'
            b' (("Ada Lovelace" NIL "ada" "demo.test"))'
            b' (("Grace Hopper" NIL "grace" "demo.test")) NIL NIL NIL "<one@demo.test>")'
        )
        date = b'INTERNALDATE "17-Jul-1996 09:44:25 +0000"'
        flags = b"FLAGS (\\Seen $Work \\Recent)"
        size = b"RFC822.SIZE %d" % len(MESSAGE)
        body = b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 39 1'
        cases = {
            "UID": [b"UID 1"],
            "FLAGS": [flags],
            "(UID INTERNALDATE)": [b"UID 1", date],
            "RFC822.SIZE": [size],
            "ENVELOPE": [envelope],
            "BODY": [b"BODY " + body + b")"],
            "FAST": [flags, date, size],
            "ALL": [flags, date, size, envelope],
        }
        for asked, answer in cases.items():
            assert wire.ok(f"FETCH 1 {asked}") == [b"* 1 FETCH (" + b" ".join(answer) + b")"]
        assert wire.ok("FETCH 1 BODYSTRUCTURE")[0].startswith(b"* 1 FETCH (BODYSTRUCTURE " + body)
        assert wire.ok("UID FETCH 1 FLAGS") == [b"* 1 FETCH (UID 1 " + flags + b")"]

    def test_sets(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 5)
        wire.ok("STORE 3 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        uids = {
            "FETCH 1,3:4 UID": [b"1", b"4", b"5"],
            "FETCH * UID": [b"5"],
            "UID FETCH 2:4 UID": [b"2", b"4"],
            "UID FETCH 99:* UID": [b"5"],
            "UID FETCH 99,3 UID": [],
            "UID FETCH 1,3,5 UID": [b"1", b"5"],
        }
        for command, wanted in uids.items():
            found = [re.findall(rb"UID (\d+)", line)[0] for line in wire.ok(command)]
            assert found == wanted, command
        assert wire.do("FETCH 5 UID") == [b"BAD No such message"]
        wire.ok("SELECT Archive")
        assert wire.do("FETCH 1:* UID") == [b"BAD No such message"]
        assert wire.ok("UID FETCH 1:* UID") == []

    def test_many_messages_come_in_pages(self, log_in, world, user):
        wire = log_in("INBOX")
        folder = world.connection_of(wire).session.selection.folder
        world.run(_many(world, user, folder, 620))
        wire.ok("NOOP")
        wire.ok("STORE 3,500:510,620 +FLAGS.SILENT ($Work)")
        lines = wire.ok("FETCH 1:* (UID FLAGS)")
        assert len(lines) == 620
        assert lines[2] == b"* 3 FETCH (UID 3 FLAGS ($Work \\Recent))"
        assert lines[619] == b"* 620 FETCH (UID 620 FLAGS ($Work \\Recent))"
        assert len(wire.ok("FETCH 1:* (UID RFC822.SIZE)")) == 620
        assert len(wire.ok("FETCH 1:* ENVELOPE")) == 620
        assert len(wire.ok("FETCH 1:* (BODY.PEEK[HEADER])")) == 620
        assert len(wire.ok("FETCH 1,40,100,400:402,600 UID")) == 7
        wire.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        assert len(wire.ok("EXPUNGE")) == 620


class TestSections:
    @pytest.mark.parametrize(
        ("asked", "label", "value"),
        [
            ("BODY[]", b"BODY[]", NESTED),
            ("RFC822", b"RFC822", NESTED),
            ("RFC822.TEXT", b"RFC822.TEXT", NESTED[NESTED.index(b"--b") :]),
            ("RFC822.HEADER", b"RFC822.HEADER", NESTED[: NESTED.index(b"--b")]),
            ("BODY[1]", b"BODY[1]", b"First part"),
            ("BODY[1.MIME]", b"BODY[1.MIME]", b"Content-Type: text/plain\r\n\r\n"),
            ("BODY[2.TEXT]", b"BODY[2.TEXT]", b"Inner text"),
            (
                "BODY[2.HEADER]",
                b"BODY[2.HEADER]",
                b"From: grace@demo.test\r\nSubject: Inner\r\n\r\n",
            ),
            ("BODY[2.HEADER.FIELDS (Subject)]", None, b"Subject: Inner\r\n\r\n"),
            ("BODY[HEADER.FIELDS.NOT (From Content-Type)]", None, b"Subject: Outer\r\n\r\n"),
            ("BODY[HEADER.FIELDS (Subject)]<3.4>", None, b"ject"),
            ("BODY[]<0.4>", b"BODY[]<0>", b"From"),
            ("BODY[1]<6.100>", b"BODY[1]<6>", b"part"),
            ("BODY[1]<99.5>", b"BODY[1]<99>", b""),
        ],
    )
    def test_sections(self, log_in, asked, label, value):
        wire = log_in()
        wire.append(NESTED, how="(\\Seen) ")
        wire.ok("EXAMINE INBOX")
        [line] = wire.ok(f"FETCH 1 {asked}")
        if label is None:
            label = re.sub(rb"<(\d+)\.\d+>", rb"<\1>", asked.encode())
        assert line == b"* 1 FETCH (" + label + b" {%d}\r\n" % len(value) + value + b")"

    def test_a_part_that_is_not_there_is_nil(self, log_in):
        wire = log_in()
        wire.append(NESTED, how="(\\Seen) ")
        wire.ok("EXAMINE INBOX")
        assert wire.ok("FETCH 1 (BODY[7] UID)") == [b"* 1 FETCH (UID 1 BODY[7] NIL)"]

    def test_large_messages_come_whole(self, log_in):
        wire = log_in()
        raw = message("Large", "0123456789\r\n" * 70_000)
        wire.append(raw)
        wire.ok("SELECT INBOX")
        [line] = wire.ok("FETCH 1 BODY.PEEK[]")
        assert line == b"* 1 FETCH (BODY[] {%d}\r\n" % len(raw) + raw + b")"

    def test_reading_sets_seen_once_and_says_so(self, log_in):
        wire, other = log_in("INBOX"), log_in("INBOX")
        wire.append(MESSAGE)
        wire.ok("FETCH 1 BODY.PEEK[TEXT]")
        text = b"BODY[TEXT] {39}\r\nThe engine weaves algebraic patterns.\r\n"
        assert wire.ok("FETCH 1 BODY[TEXT]") == [
            b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) " + text + b")"
        ]
        assert wire.ok("FETCH 1 BODY[TEXT]") == [b"* 1 FETCH (" + text + b")"]
        assert wire.ok("NOOP") == []
        assert other.ok("NOOP")[0] == b"* 1 EXISTS"
        assert wire.ok("STATUS INBOX (UNSEEN)") == [b"* STATUS INBOX (UNSEEN 0)"]


class TestChangedSince:
    def test_rfc7162_3_1_4_only_what_changed(self, log_in):
        wire = log_in("INBOX")
        fill(wire, 4)
        modseq = code(wire.ok("SELECT INBOX"), b"HIGHESTMODSEQ")
        wire.ok("STORE 2 +FLAGS.SILENT (\\Seen)")
        [line] = wire.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})")
        assert re.fullmatch(rb"\* 2 FETCH \(FLAGS \(\\Seen \\Recent\) MODSEQ \(\d+\)\)", line)
        [line] = wire.ok(f"UID FETCH 1:* (BODY.PEEK[TEXT]) (CHANGEDSINCE {modseq})")
        assert line.startswith(b"* 2 FETCH (UID 2 MODSEQ (")
        assert len(wire.ok("FETCH 1:* (MODSEQ) (CHANGEDSINCE 0)")) == 4

    def test_rfc7162_3_2_6_vanished(self, log_in):
        wire = log_in()
        wire.ok("ENABLE QRESYNC")
        wire.ok("SELECT INBOX")
        fill(wire, 6)
        modseq = code(wire.ok("SELECT INBOX"), b"HIGHESTMODSEQ")
        wire.ok("STORE 2:3,5 +FLAGS.SILENT (\\Deleted)")
        wire.ok("EXPUNGE")
        wire.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
        lines = wire.ok(f"UID FETCH 1:4 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
        assert lines[0] == b"* VANISHED (EARLIER) 2:3"
        assert [line[:18] for line in lines[1:]] == [b"* 1 FETCH (UID 1 F"]


class TestExpungeMeanwhile:
    def test_rfc3501_7_4_1_numbers_do_not_move_during_fetch(self, log_in):
        wire, other = log_in("INBOX"), log_in("INBOX")
        fill(wire, 3)
        wire.ok("NOOP")
        other.ok("NOOP")
        other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        other.ok("EXPUNGE")
        lines = wire.ok("FETCH 1:3 UID")
        assert [line for line in lines if b"FETCH (UID" in line and b"FLAGS" not in line] == [
            b"* 2 FETCH (UID 2)",
            b"* 3 FETCH (UID 3)",
        ]
        assert not [line for line in lines if b"EXPUNGE" in line]
        assert b"* 1 EXPUNGE" in wire.ok("UID FETCH 3 UID")
