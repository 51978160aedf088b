"""Whatever comes in: out go SMTP replies, memory is bounded, and nothing is left over."""

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.smtp.harness import HOST, Mailroom, Pipe
from workpost.protocols.listening.connection import INPUT_HIGH
from workpost.protocols.listening.limits import ByteBudget
from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.connection import Connection
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.session import Role

REPLIES = re.compile(rb"(?:[2-5][0-9]{2}[ -][ -~]{0,506}\r\n)*")
BUDGET = 4096
WORDS = [
    b"EHLO a.test\r\n", b"MAIL FROM:<ada@a.test>\r\n", b"MAIL FROM:<> SIZE=9 BODY=8BITMIME\r\n",
    b"RCPT TO:<grace@a.test>\r\n", b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"BDAT 7\r\n",
    b"BDAT 5 LAST\r\n", b"AUTH PLAIN AGFkYQByaWdodA==\r\n", b"AUTH LOGIN\r\n", b"YWRh\r\n",
    b"cmlnaHQ=\r\n", b"*\r\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"STARTTLS\r\n",
    b"VRFY x\r\n", b"\r\n", b"\n", b"\r", b"\0", b"a" * 300, b"\xff", "å@ä".encode(),
    b"hello\r\n", b"x" * 5000, b"\n.\n", b"BDAT x\r\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


async def converse(reads: list[bytes], role: Role) -> tuple[bytes, Mailroom]:
    mailroom, shared = Mailroom(), Shared(budget=ByteBudget(BUDGET))
    options = ListenerOptions(role, HOST, plaintext_auth=True, limits=Limits(message=3000))
    server = SmtpServer(mailroom, options, shared, certificates=None)
    connection, pipe = Connection(server, asyncio.get_running_loop()), Pipe()
    connection.connection_made(pipe)
    for data in reads:
        await asyncio.sleep(0)
        if pipe.closed:
            break
        connection.data_received(data)
        assert shared.budget.used <= BUDGET
        assert len(connection._input) <= INPUT_HIGH
    for _ in range(5):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    await connection.task
    assert shared.budget.used == 0
    assert shared.peers.open == 0
    return pipe.written, mailroom


@pytest.mark.parametrize("role", Role)
@given(reads=st.lists(st.sampled_from(WORDS) | st.binary(max_size=40), max_size=25))
@settings(max_examples=200)
def test_any_octets_get_nothing_but_replies(runner, role, reads):
    written, mailroom = runner.run(converse(reads, role))
    assert REPLIES.fullmatch(written)
    assert written.startswith(b"220 ")
    for transaction, content in mailroom.messages:
        assert transaction.recipients
        assert re.search(rb"\0|\r(?!\n)|(?<!\r)\n", content) is None
        assert (transaction.login is None) == (role is Role.MX)


@given(
    reads=st.lists(st.sampled_from(WORDS), max_size=15).map(b"".join),
    cuts=st.lists(st.integers(0, 600), max_size=6),
)
def test_where_reads_end_makes_no_difference(runner, reads, cuts):
    edges = [0, *sorted(min(cut, len(reads)) for cut in cuts), len(reads)]
    split = [reads[low:high] for low, high in pairwise(edges)]
    at_once, first = runner.run(converse([reads], Role.MX))
    in_pieces, second = runner.run(converse(split, Role.MX))
    assert at_once.startswith(in_pieces) or in_pieces.startswith(at_once)
    assert first.contents[: len(second.contents)] == second.contents
