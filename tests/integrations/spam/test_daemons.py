"""The real daemons over their protocols, and answers that no daemon would give."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.filters import EICAR, GRAY_WORD, JUNK_WORD, Clamd, Rspamd, Spamd
from tests.support.processes import free_port
from workpost.integrations.spam import clamav, rspamd, spamassassin
from workpost.integrations.spam.base import ANSWER_BYTES, Delivery, ScanFailed, exchange, printable

TOLD = Delivery("ada@sender.example", ["grace@demo.test"], "192.0.2.1", "mail.sender.example")


def mail(subject: str) -> bytes:
    return f"From: ada@sender.example\r\nSubject: {subject}\r\n\r\nHello.\r\n".encode()


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    daemon = Clamd()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def spamd() -> Iterator[Spamd]:
    daemon = Spamd()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def rspamd_daemon() -> Iterator[Rspamd]:
    daemon = Rspamd()
    yield daemon
    daemon.close()


@contextlib.asynccontextmanager
async def stranger(answer: bytes, *, hears: bool = True) -> AsyncIterator[str]:
    """A daemon that always answers the same, or nothing for ever."""
    gate = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if hears:
            await reader.read(10)
        if answer:
            writer.write(answer)
            with contextlib.suppress(OSError):
                await writer.drain()
        else:
            await gate.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    gate.set()
    server.close()


# --- clamd ---


async def test_clamd_names_the_virus_in_plain_and_in_encoded_mail(clamd: Clamd) -> None:
    assert await clamav.find_virus(clamd.address, 10, mail("clean")) == ""
    found = await clamav.find_virus(clamd.address, 10, mail("x") + EICAR)
    assert found.startswith("Eicar-Test")


async def test_clamd_gets_messages_of_many_chunks(clamd: Clamd) -> None:
    large = mail("large") + b"x" * 1_000_000 + EICAR
    assert await clamav.find_virus(clamd.address, 10, large)


async def test_a_message_over_clamds_own_limit_is_a_failure_not_a_pass(clamd: Clamd) -> None:
    with pytest.raises(ScanFailed):
        await clamav.find_virus(clamd.address, 10, b"x" * 5_000_000)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (b"stream: OK\0", ""),
        (b"stream: Win.Test-1 FOUND\0", "Win.Test-1"),
        (b"stream: \xff\r\n\t FOUND\0", "unnamed"),
    ],
)
def test_what_clamd_says(answer: bytes, name: str) -> None:
    assert clamav.parse_answer(answer) == name


@pytest.mark.parametrize(
    "answer", [b"", b"OK", b"INSTREAM size limit exceeded. ERROR\0", b"stream: OK\0stream: OK\0"]
)
def test_what_clamd_would_not_say_for_a_clean_message(answer: bytes) -> None:
    with pytest.raises(ScanFailed):
        clamav.parse_answer(answer)


# --- spamd ---


async def test_spamd_judges_by_content_and_by_the_client_that_our_received_names(
    spamd: Spamd,
) -> None:
    plain = await spamassassin.judge(spamd.address, 10, mail("Minutes"))
    assert (plain.verdict, plain.score, plain.required, plain.names) == ("pass", 0.0, 5.0, ())
    junk = await spamassassin.judge(spamd.address, 10, mail(JUNK_WORD))
    assert (junk.verdict, junk.score, junk.names) == ("junk", 7.5, ("JUNK_WORD",))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SPAMD/1.1 76 Bad header line: (EOF)\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; many / 5.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_judgement_of_spamd(answer: bytes) -> None:
    with pytest.raises(ScanFailed):
        spamassassin.parse_answer(answer)


# --- rspamd ---


async def test_rspamd_judges_by_its_action(rspamd_daemon: Rspamd) -> None:
    address = rspamd_daemon.address
    judged = {
        word: await rspamd.judge(address, 10, mail(word), TOLD)
        for word in ("Minutes", JUNK_WORD, GRAY_WORD)
    }
    assert {word: one.verdict for word, one in judged.items()} == {
        "Minutes": "pass",
        JUNK_WORD: "junk",
        GRAY_WORD: "gray",
    }
    assert judged[JUNK_WORD].score == 8.0
    assert "JUNK_WORD" in judged[JUNK_WORD].names


async def test_what_the_client_called_itself_adds_no_field_to_the_request(
    rspamd_daemon: Rspamd,
) -> None:
    told = Delivery("a@b.example\r\nPass: all", ["c@demo.test"], "192.0.2.1", "x\r\n\r\nGET /")
    judged = await rspamd.judge(rspamd_daemon.address, 10, mail(JUNK_WORD), told)
    assert judged.verdict == "junk"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"action":"\xe3',
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
        b'{"action":"reject","score":1,"required_score":1e999}',
    ],
)
async def test_what_is_no_judgement_of_rspamd(answer: bytes) -> None:
    with pytest.raises(ScanFailed):
        await rspamd.parse_answer(answer)


# --- all of them ---


async def test_who_does_not_answer_is_waited_for_as_long_as_was_said() -> None:
    async with stranger(b"") as daemon:
        with pytest.raises(ScanFailed, match="gave no answer"):
            await clamav.find_virus(daemon, 0.1, mail("x"))


async def test_nobody_there() -> None:
    for daemon in (f"127.0.0.1:{free_port()}", "unix:/nonexistent/socket"):
        with pytest.raises(ScanFailed):
            await clamav.find_virus(daemon, 5, mail("x"))


async def test_an_answer_without_end_is_cut() -> None:
    async with stranger(b"x" * (ANSWER_BYTES + 1)) as daemon:
        with pytest.raises(ScanFailed, match="too long"):
            await exchange(daemon, 5, [b"hello"])


async def test_an_answer_that_comes_before_all_was_sent_counts() -> None:
    async with stranger(b"stream: Early FOUND\0", hears=True) as daemon:
        assert await clamav.find_virus(daemon, 5, b"x" * 20_000_000) == "Early"


@given(st.binary(max_size=300))
def test_parsers_raise_nothing_else(data: bytes) -> None:
    for parse in (clamav.parse_answer, spamassassin.parse_answer):
        with contextlib.suppress(ScanFailed):
            parse(data)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data
    with contextlib.suppress(ScanFailed):
        asyncio.run(rspamd.parse_answer(answer))


@given(st.text(max_size=300))
def test_names_from_outside_stay_in_their_line(text: str) -> None:
    assert all("!" <= letter <= "~" for letter in printable(text))
