"""RFC 2177: IDLE."""

import sys
import time

from tests.protocols.imap.conftest import MESSAGE
from tests.protocols.imap.test_select import fill


def test_an_idling_session_hears_within_a_second(log_in):
    wire, other = log_in("INBOX"), log_in("INBOX")
    wire.send(b"a IDLE\r\n")
    assert wire.line() == b"+ idling"
    took = []
    for number in range(1, 5):  # the best of some: the machine may be busy
        start = time.monotonic()
        other.append(MESSAGE)
        assert wire.line() == b"* %d EXISTS" % number
        took.append(time.monotonic() - start)
        assert wire.line() == b"* %d RECENT" % number
    assert min(took) < 1
    other.ok("STORE 1 +FLAGS (\\Flagged)")
    assert wire.line().startswith(b"* 1 FETCH (UID 1 FLAGS (\\Flagged")
    other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert wire.line().startswith(b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Deleted")
    other.ok("EXPUNGE")
    assert wire.line() == b"* 1 EXPUNGE"
    wire.send(b"DONE\r\n")
    assert wire.line() == b"a OK Idle completed"
    wire.ok("NOOP")


def test_what_came_before_is_told_at_once(log_in):
    wire, other = log_in("INBOX"), log_in("INBOX")
    fill(other, 2)
    wire.send(b"a IDLE\r\nDONE\r\n")
    lines = wire.until("a")
    assert lines[0] == b"+ idling"
    wire.ok("NOOP")


def test_anything_but_done_is_bad(log_in):
    wire = log_in("INBOX")
    wire.send(b"a IDLE\r\n")
    assert wire.line() == b"+ idling"
    wire.send(b"b NOOP\r\n")
    assert wire.line() == b"a BAD Expected DONE"


def test_idle_without_a_folder(log_in):
    wire, other = log_in(), log_in()
    wire.send(b"a IDLE\r\n")
    assert wire.line() == b"+ idling"
    other.append(MESSAGE)
    wire.send(b"DONE\r\n")
    assert wire.line() == b"a OK Idle completed"


def test_an_idle_session_is_small(log_in, world):
    """No task, no buffer, no uid list: what is left is below 4 KiB."""
    wire = log_in("INBOX")
    fill(wire, 3)
    wire.send(b"a IDLE\r\n")
    assert wire.line() == b"+ idling"
    connection = world.connection_of(wire)
    deadline = time.monotonic() + 30
    while connection.busy:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    session, tracker = connection.session, connection.session.selection.tracker
    framer = connection.framer
    parts = [connection, connection._output, session, session._watches, *session._watches]
    parts += [session.selection, tracker, tracker._uids, tracker._new, tracker._gone]
    parts += [tracker._changed, tracker._told, framer, framer._buffer, framer._parts]
    parts += [session.grant, session.grant.principal]
    assert sum(map(sys.getsizeof, parts)) < 4096
