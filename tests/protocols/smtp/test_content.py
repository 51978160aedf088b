"""DATA and BDAT through a socket: limits, chunks, and no smuggling."""

import pytest

from tests.protocols.smtp.harness import Client, Running
from workpost.kernel.errors import TryLater
from workpost.protocols.listening.limits import ByteBudget
from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.session import Refused

ENVELOPE = b"MAIL FROM:<ada@a.test>\r\nRCPT TO:<grace@a.test>\r\n"


def begin(client: Client) -> None:
    assert client.ask_all(ENVELOPE + b"DATA\r\n", 3) == [b"250", b"250", b"354"]


def small(limits: Limits, budget: int = 1 << 20) -> Running:
    return Running(limits=limits, shared=Shared(budget=ByteBudget(budget)))


@pytest.mark.parametrize(
    "fake",
    [
        b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r.\r", b"\n.\r", b"\r.\n", b"\r\n.\r",
        b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\n\r\n", b"\n\n.\n\n", b"\r\r\n.\n\r\n", b"\0\n.\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("split", [False, True])
def test_smuggling_nothing_behind_a_fake_end_is_executed(client, mx, fake, split):
    smuggled = b"MAIL FROM:<eve@a.test>\r\nRCPT TO:<x@a.test>\r\nDATA\r\nSubject: bad\r\n\r\nbad"
    begin(client)
    stream = b"Subject: x\r\n\r\nhello" + fake + smuggled + b"\r\n.\r\n"
    if split:
        for at in range(len(stream)):
            client.send(stream[at : at + 1])
    else:
        client.send(stream)
    assert client.reply().startswith(b"550 5.6.11")
    assert client.ask(b"NOOP") == b"250 2.0.0 Ok"
    assert mx.mailroom.messages == []


@pytest.mark.parametrize(
    "line",
    [b"NOOP\n", b"\n", b"NOOP\n\r\n", b"MAIL FROM:<a@a.test>\nRCPT TO:<b@a.test>\r\n"],
)
def test_a_command_that_ends_in_a_bare_line_feed_ends_the_session(client, line):
    client.send(line + b"NOOP\r\n")
    assert client.reply().startswith(b"521 5.5.2")
    assert client.at_end()


def test_a_carriage_return_within_a_command_is_refused(client):
    assert client.ask(b"NOOP\rRSET").startswith(b"500 5.5.2")


def test_a_line_without_end_ends_the_session(client):
    client.send(b"x" * 13_000)
    assert client.reply().startswith(b"521 5.5.2")
    assert client.at_end()


def test_messages_follow_each_other(client, mx):
    for number in range(3):
        begin(client)
        assert client.ask(b"%d\r\n." % number).startswith(b"250 2.0.0")
    assert mx.mailroom.contents == [b"0\r\n", b"1\r\n", b"2\r\n"]


def test_a_large_message_arrives_whole(client, mx):
    lines = b"".join(b"line %d .\r\n.dot\r\n" % number for number in range(60_000))
    begin(client)
    client.send(lines.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    assert client.reply().startswith(b"250")
    assert mx.mailroom.contents == [lines]


def test_rfc_1870_section_6_a_message_over_the_limit_is_read_to_its_end():
    with small(Limits(message=1000)) as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        begin(client)
        client.send(b"0123456789\r\n" * 20_000 + b".\r\n")
        assert client.reply().startswith(b"552 5.3.4")
        begin(client)
        assert client.ask(b"small\r\n.").startswith(b"250")
        assert mx.mailroom.contents == [b"small\r\n"]


def test_messages_in_flight_are_bounded_over_all_connections():
    with small(Limits(message=100_000), budget=1000) as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        assert client.ask(b"MAIL FROM:<> SIZE=2000").startswith(b"452 4.3.1")
        begin(client)
        client.send(b"0123456789\r\n" * 200 + b".\r\n")
        assert client.reply().startswith(b"451 4.3.1")
        assert mx.shared.budget.used == 0
        assert mx.shared.budget.take(1000)
        assert client.ask_all(ENVELOPE + b"DATA\r\n", 3) == [b"250", b"250", b"451"]
        mx.shared.budget.release(1000)
        assert client.ask_all(b"DATA\r\n.\r\n", 2) == [b"354", b"250"]


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (Refused(550, "5.7.1", "Refused by policy"), b"550 5.7.1 Refused by policy"),
        (TryLater(), b"451 4.3.0 Temporary failure, try later"),
        (RuntimeError("bug"), b"451 4.3.0 Local error, try later"),
    ],
)
def test_a_refused_message_ends_its_transaction(client, mx, error, reply):
    mx.mailroom.errors["message"] = error
    begin(client)
    assert client.ask(b"x\r\n.") == reply
    assert client.ask(b"DATA").startswith(b"503")
    assert mx.shared.budget.used == 0


# --- RFC 6531 -------------------------------------------------------------------------------------

RAW, LATIN = "Subject: schön\r\n\r\nx\r\n.".encode(), b"Subject: sch\xf6n\r\n\r\nx\r\n."
BODY_ONLY = "Subject: x\r\n\r\nschön\r\n.".encode()


@pytest.mark.parametrize("loose", [True, False])
@pytest.mark.parametrize(
    ("parameter", "message", "strict"),
    [
        (b"", RAW, b"550 5.6.0"),
        (b" BODY=8BITMIME", RAW, b"550 5.6.0"),
        (b" SMTPUTF8", RAW, b"250 2.0.0"),
        (b" SMTPUTF8", LATIN, b"550 5.6.0"),
        (b"", BODY_ONLY, b"250 2.0.0"),
        (b"", RAW.replace(b"\r\n\r\nx", b""), b"550 5.6.0"),
    ],
)
def test_rfc_6531_a_header_that_is_not_ascii_needs_smtputf8(loose, parameter, message, strict):
    with Running(limits=Limits(eight_bit_headers=loose)) as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        client.ask(b"MAIL FROM:<ada@a.test>" + parameter)
        client.ask_all(b"RCPT TO:<grace@a.test>\r\nDATA\r\n", 2)
        answer = client.ask(message)
        assert answer.startswith(b"250 2.0.0" if loose else strict)
        assert len(mx.mailroom.messages) == answer.startswith(b"250")


def test_rfc_6531_people_are_held_to_it(submission, ca):
    with Client(submission.address) as client:
        client.ask(b"EHLO client.test")
        client.ask(b"STARTTLS")
        client.start_tls(ca)
        client.ask(b"EHLO client.test")
        client.ask(b"AUTH PLAIN AGFkYQByaWdodA==")
        begin(client)
        assert client.ask(RAW).startswith(b"550 5.6.0")


# --- RFC 3030 -------------------------------------------------------------------------------------


def test_rfc_3030_section_2_chunks_make_a_message(client, mx):
    codes = client.ask_all(
        ENVELOPE + b"BDAT 5\r\na\r\n.\rBDAT 0\r\nBDAT 4\r\n\nb\r\nBDAT 3 LAST\r\nc\r\nNOOP\r\n", 7
    )
    assert codes == [b"250"] * 7
    assert mx.mailroom.contents == [b"a\r\n.\r\nb\r\nc\r\n"]


def test_rfc_3030_section_2_an_empty_last_chunk_ends_the_message(client, mx):
    assert client.ask_all(ENVELOPE + b"BDAT 3\r\na\r\nBDAT 0 LAST\r\n", 4) == [b"250"] * 4
    assert mx.mailroom.contents == [b"a\r\n"]


def test_rfc_3030_section_2_octets_of_a_chunk_are_never_commands(client, mx):
    inside = b"\r\n.\r\nRSET\r\nQUIT\r\n"
    client.send(ENVELOPE + b"BDAT %d LAST\r\n" % len(inside) + inside)
    assert [client.reply()[:3] for _ in range(3)] == [b"250"] * 3
    assert mx.mailroom.contents == [inside]


@pytest.mark.parametrize(
    ("before", "codes"), [(b"", [b"503"]), (b"MAIL FROM:<>\r\n", [b"250", b"554"])]
)
def test_rfc_3030_section_2_a_chunk_out_of_place_is_taken_and_refused(client, before, codes):
    sent = before + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"
    assert client.ask_all(sent, len(codes) + 1) == [*codes, b"250"]


def test_rfc_3030_section_2_after_a_refused_chunk_the_rest_is_refused_too(client, mx):
    sent = ENVELOPE + b"BDAT 3\r\na\nbBDAT 3\r\nabcBDAT 3 LAST\r\nabcNOOP\r\n"
    assert client.ask_all(sent, 6) == [b"250", b"250", b"550", b"503", b"503", b"250"]
    assert mx.mailroom.messages == []


def test_rfc_3030_section_2_data_and_bdat_do_not_mix(client):
    sent = ENVELOPE + b"BDAT 3\r\na\r\nDATA\r\nRCPT TO:<ada@a.test>\r\nMAIL FROM:<>\r\nRSET\r\n"
    assert client.ask_all(sent, 7) == [b"250"] * 3 + [b"503"] * 3 + [b"250"]


def test_rfc_3030_section_2_an_unreadable_chunk_ends_the_session(client):
    client.send(ENVELOPE + b"BDAT many\r\nQUIT\r\n")
    assert [client.reply()[:3] for _ in range(3)] == [b"250", b"250", b"501"]
    assert client.at_end()


def test_chunks_over_the_limit():
    with small(Limits(message=100)) as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        chunk = b"BDAT 80\r\n" + b"x" * 80
        assert client.ask_all(ENVELOPE + chunk * 2, 4) == [b"250", b"250", b"250", b"552"]
        assert client.ask(b"BDAT 201 LAST").startswith(b"552 5.3.4")
        assert client.at_end()
        assert mx.mailroom.messages == []


def test_empty_chunks_are_commands_that_lead_nowhere():
    with small(Limits(idle_commands=4)) as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        codes = client.ask_all(ENVELOPE + b"BDAT 0\r\n" * 5, 6)
        assert codes == [b"250"] * 5 + [b"421"]
