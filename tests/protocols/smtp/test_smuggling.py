"""SMTP smuggling: every way to write the end of a message that is none, and what goes on from here.

RFC 5321 2.3.8 and 4.1.1.4: CRLF.CRLF and nothing else. A server that takes another end for one, or
sends one on, lets a stranger put messages into somebody else's session.
"""

import itertools
import re

import pytest

from tests.protocols.smtp.harness import Client, Running
from workpost.integrations.smtp.wording import stuff
from workpost.protocols.smtp.wire.bdat import ChunkReader
from workpost.protocols.smtp.wire.data import DataDecoder
from workpost.protocols.smtp.wire.gather import Fault

OCTETS = [b"\r", b"\n", b".", b"x", b"\0"]
LONGEST = 5
MATRIX = [
    b"".join(each) for n in range(LONGEST + 1) for each in itertools.product(OCTETS, repeat=n)
]
END = b"\r\n.\r\n"

ANY_END = re.compile(rb"(?:\r\n|\r|\n)\.(?:\r\n|\r|\n)")
"""What the most lenient of servers takes for the end of data."""


def expected(stream: bytes) -> tuple[bytes | None, int]:
    """RFC 5321 to the letter: the message (None: refused) and where commands go on."""
    whole = b"\r\n" + stream
    end = whole.index(END)
    content = whole[: end + 2]
    decoded = content.replace(b"\r\n.", b"\r\n")[2:]
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n|\0", decoded)
    return (None if bare else decoded), end + len(END) - 2


def decoded(stream: bytes, cuts: list[int], *, lenient: bool = False) -> tuple[bytes | None, int]:
    """The message that a decoder finds in a stream that arrives in pieces."""
    decoder = DataDecoder(1 << 20, lenient=lenient)
    used = 0
    for start, end in itertools.pairwise([0, *cuts, len(stream)]):
        used += decoder.feed(stream[start:end])
        if decoder.done:
            break
    assert decoder.done
    return (None if decoder.fault else decoder.content()), used


def test_section_4_1_1_4_only_crlf_dot_crlf_ends_a_message():
    for middle in MATRIX:
        stream = b"a" + middle + b"b" + END + b"NOOP\r\n"
        assert decoded(stream, []) == expected(stream), middle


def test_section_4_1_1_4_however_the_octets_arrive():
    for middle in MATRIX:
        stream = middle + END
        whole = decoded(stream, [])
        assert whole == expected(stream), middle
        assert decoded(stream, list(range(1, len(stream)))) == whole, middle
        for at in range(1, len(stream)):
            assert decoded(stream, [at]) == whole, (middle, at)


def test_rfc_3030_chunks_refuse_the_same_octets_over_every_seam():
    for middle in MATRIX:
        content = b"a" + middle + b"b"
        bare = re.search(rb"\r(?!\n)|(?<!\r)\n|\0", content)
        for at in range(len(content) + 1):
            reader = ChunkReader(1 << 20)
            for piece in (content[:at], content[at:]):
                reader.begin(len(piece))
                assert reader.feed(piece + b"RSET\r\n") == len(piece)
            reader.finish()
            assert (reader.fault is not None) == (bare is not None), (middle, at)
            if bare is None:
                assert reader.content() == content


def test_what_our_client_sends_on_ends_at_its_end_only():
    """Older mail and imports too, whatever they hold."""
    for middle in MATRIX:
        sent = stuff(b"a" + middle + b"b\r\n") + b".\r\n"
        ends = [found.end() for found in ANY_END.finditer(b"\r\n" + sent)]
        assert ends == [len(sent) + 2], middle


def test_what_was_accepted_holds_no_end_for_the_server_after_us():
    """Whatever came over DATA, BDAT or a lenient submission: sent on, it ends at its end only."""
    accepted = set()
    for middle in MATRIX:
        for lenient in (False, True):
            content, _ = decoded(b"a" + middle + b"b" + END, [], lenient=lenient)
            reader = ChunkReader(1 << 20, lenient=lenient)
            reader.begin(len(middle) + 4)
            reader.feed(b"a" + middle + b"b\r\n")
            reader.finish()
            chunked = None if reader.fault else reader.content()
            accepted |= {each for each in (content, chunked) if each is not None}
    assert len(accepted) > 300
    for content in accepted:
        sent = stuff(content) + b".\r\n"
        ends = [found.end() for found in ANY_END.finditer(b"\r\n" + sent)]
        assert ends == [len(sent) + 2], content
        assert decoded(sent, []) == (content, len(sent))


def test_lenient_submission_refuses_what_no_script_means():
    for middle in MATRIX:
        content, _ = decoded(b"a" + middle + b"b" + END, [], lenient=True)
        if b"\0" in middle or re.search(rb"\r(?!\n)", middle):
            assert content is None, middle
        elif content is not None:
            assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)


def test_the_first_fault_is_the_reason():
    decoder = DataDecoder(10)
    decoder.feed(b"a\nb" + b"x" * 100 + END)
    assert decoder.fault is Fault.BARE_LINE_END


# --- through a session ----------------------------------------------------------------------------

BEGIN = b"MAIL FROM:<ada@b.test>\r\nRCPT TO:<grace@a.test>\r\n"
SMUGGLED = b"MAIL FROM:<eve@b.test>\r\nRCPT TO:<grace@a.test>\r\nDATA\r\nsmuggled\r\n"
SHORT = [each for each in MATRIX if 2 <= len(each) <= 4 and b"x" not in each]


@pytest.mark.parametrize("way", ["data", "bdat"])
def test_no_command_within_a_message_is_executed(way):
    with Running() as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        good = 0
        for middle in SHORT:
            content = b"a" + middle + SMUGGLED
            if way == "data":
                client.send(BEGIN + b"DATA\r\n" + content + b".\r\n")
                before = [b"250", b"250", b"354"]
            else:
                client.send(BEGIN + b"BDAT %d LAST\r\n" % len(content) + content)
                before = [b"250", b"250"]
            assert [client.reply()[:3] for _ in before] == before
            bare = re.search(rb"\r(?!\n)|(?<!\r)\n|\0", b"a" + middle + b"M")
            assert client.reply()[:3] == (b"550" if bare else b"250"), middle
            good += not bare
            # Only a message that arrives forgives errors; here none is of interest.
            client.send(BEGIN + b"DATA\r\n.\r\n")
            assert [client.reply()[:3] for _ in range(4)][-1] == b"250"
        senders = {str(transaction.sender) for transaction, _ in mx.mailroom.messages}
        assert senders == {"ada@b.test"}
        assert len(mx.mailroom.messages) == good + len(SHORT)


@pytest.mark.parametrize("bare", [b"\n", b"\r", b"\n\r", b"\r\r", b"\n\n"])
@pytest.mark.parametrize("command", [b"NOOP", b"RSET", b"DATA", b"MAIL FROM:<>"])
def test_a_command_that_does_not_end_in_crlf_is_none(bare, command):
    with Running() as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        client.send(command + bare + b"MAIL FROM:<eve@b.test>\r\nRCPT TO:<grace@a.test>\r\n")
        assert client.reply()[:3] in (b"500", b"501", b"521")
        client.socket.shutdown(1)
        while client.line():
            pass
        assert mx.mailroom.messages == []


def test_the_end_of_data_in_two_reads_at_every_place():
    with Running() as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        stream = b"x\r\n..y\r\n.\r\nNOOP\r\n"
        for at in range(1, len(stream)):
            assert client.ask_all(BEGIN + b"DATA\r\n", 3) == [b"250", b"250", b"354"]
            client.send(stream[:at])
            client.send(stream[at:])
            assert [client.reply()[:3], client.reply()[:3]] == [b"250", b"250"]
        assert set(mx.mailroom.contents) == {b"x\r\n.y\r\n"}
