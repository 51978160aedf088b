"""One message to one server (RFC 5321 3.3 and 4.5.3.2): what becomes of each recipient."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from tests.operations.outbound.conftest import CONTENT, QUICK, Sender, make_mail
from tests.support.smtp_sink import EXTENSIONS, SmtpSink
from workpost.integrations.smtp.base import MailRecipient, Outcome

NO_PIPELINING = tuple(each for each in EXTENSIONS if each != "PIPELINING")
BOTH_WAYS = pytest.mark.parametrize("extensions", [EXTENSIONS, NO_PIPELINING])


def states(outcomes: list[Outcome]) -> list[str]:
    return [each.state for each in outcomes]


@BOTH_WAYS
async def test_a_message_arrives_as_it_is(
    sender: Sender, sink: SmtpSink, extensions: tuple[str, ...]
) -> None:
    sink.script.extensions = extensions
    (outcome,) = await sender.send()
    assert (outcome.number, outcome.state, outcome.status) == (100, "delivered", "2.0.0")
    assert (outcome.code, outcome.text) == (250, "250 2.0.0 Taken")
    assert outcome.dsn
    assert outcome.reached
    assert outcome.tls == ""
    (received,) = sink.messages
    assert received.content == CONTENT
    assert (received.sender, received.recipients) == ("ada@demo.test", ["grace@example.test"])
    assert received.helo == "mail.demo.test"
    assert sink.early == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".\r\n",
        b".",
        b"A: 1\r\n\r\n.\r\n..\r\n",
        b"A: 1\r\n\r\n" + b"x" * 70_000,
        b"A: 1\r\n\r\n" + (b"." * 76 + b"\r\n") * 2_000,
        *(b"A: 1\r\n\r\n" + b"x" * size + b"\r\n" for size in range(65_515, 65_528)),
    ],
)
async def test_any_content_arrives_whole(sender: Sender, sink: SmtpSink, content: bytes) -> None:
    assert states(await sender.send(content=content)) == ["delivered"]
    missing = b"" if content.endswith(b"\r\n") or not content else b"\r\n"
    assert sink.contents() == [content + missing]


async def test_lone_line_ends_do_not_smuggle_a_message(sender: Sender, sink: SmtpSink) -> None:
    await sender.send(content=b"A: 1\r\n\r\nx\n.\nMAIL FROM:<eve@evil.test>\r.\r\n")
    assert sink.contents() == [b"A: 1\r\n\r\nx\r\n.\r\nMAIL FROM:<eve@evil.test>\r\n.\r\n"]
    assert not any("evil" in line for line in sink.commands)


@BOTH_WAYS
async def test_each_recipient_gets_the_reply_that_was_its_own(
    sender: Sender, sink: SmtpSink, extensions: tuple[str, ...]
) -> None:
    sink.script.extensions = extensions
    sink.script.recipients = {
        "a@example.test": ["550 5.1.1 No such user"],
        "c@example.test": ["451 4.7.1 Greylisted"],
        "e@example.test": ["251 2.1.5 Will forward"],
        "f@example.test": ["354 What?"],
    }
    outcomes = await sender.send(*(f"{name}@example.test" for name in "abcdef"))
    assert [each.number for each in outcomes] == [100, 101, 102, 103, 104, 105]
    assert states(outcomes) == [
        "failed", "delivered", "deferred", "delivered", "delivered", "deferred",
    ]  # fmt: skip
    assert [each.status for each in outcomes[:3]] == ["5.1.1", "2.0.0", "4.7.1"]
    assert outcomes[0].text == "550 5.1.1 No such user"
    (received,) = sink.messages
    assert received.recipients == ["b@example.test", "d@example.test", "e@example.test"]


@BOTH_WAYS
@pytest.mark.parametrize(
    ("reply", "state"), [("550 5.7.1 Not you", "failed"), ("450 4.3.2 Not now", "deferred")]
)
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "."])
async def test_a_refusal_at_any_step_is_everybodys(
    sender: Sender, sink: SmtpSink, extensions: tuple[str, ...], reply: str, state: str, step: str
) -> None:
    sink.script.extensions = extensions
    sink.script.always = {step: reply}
    outcomes = await sender.send("a@example.test", "b@example.test")
    assert states(outcomes) == [state, state]
    assert {each.text for each in outcomes} == {reply}
    assert sink.messages == []
    sink.script.always = {}
    assert states(await sender.send()) == ["delivered"]
    assert sink.early == 0


async def test_a_5xx_to_one_step_is_no_reason_to_end_the_session(
    sender: Sender, sink: SmtpSink
) -> None:
    sink.script.recipients = {"a@example.test": ["550 5.1.1 No such user"]}
    await sender.send("a@example.test")
    await sender.send("b@example.test")
    assert sink.sessions == 1
    assert "RSET" in sink.commands


@BOTH_WAYS
@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "CONTENT"])
async def test_a_connection_lost_before_the_dot_is_deferred(
    sender: Sender, sink: SmtpSink, extensions: tuple[str, ...], step: str
) -> None:
    sink.script.extensions = extensions
    sink.script.drop = {step: 10}
    (outcome,) = await sender.send(content=CONTENT + b"x" * 8_000_000)
    assert (outcome.state, outcome.status, outcome.code) == ("deferred", "4.4.2", 0)
    assert "twice" not in outcome.text
    assert sink.messages == []


async def test_a_connection_lost_after_the_dot_may_have_delivered(
    sender: Sender, sink: SmtpSink
) -> None:
    sink.script.drop = {".": 1}
    outcomes = await sender.send("a@example.test", "b@example.test")
    assert states(outcomes) == ["deferred", "deferred"]
    assert all("may arrive twice" in each.text for each in outcomes)
    assert len(sink.messages) == 1
    assert sink.sessions == 1


async def test_recipients_who_were_refused_stay_refused_when_the_connection_is_lost(
    sender: Sender, sink: SmtpSink
) -> None:
    sink.script.recipients = {"a@example.test": ["550 5.1.1 No such user"]}
    sink.script.drop = {".": 1}
    outcomes = await sender.send("a@example.test", "b@example.test")
    assert states(outcomes) == ["failed", "deferred"]


@BOTH_WAYS
async def test_a_reply_in_the_midst_of_the_content_counts_unless_it_says_yes(
    sender: Sender, sink: SmtpSink, extensions: tuple[str, ...]
) -> None:
    sink.script.extensions = extensions
    big = CONTENT + b"x" * 8_000_000
    sink.script.replies = {"CONTENT": ["250 2.0.0 I have it, honestly"]}
    (outcome,) = await sender.send(content=big)
    assert outcome.state == "deferred"
    sink.script.replies = {"CONTENT": ["552 5.3.4 Too much"]}
    (outcome,) = await sender.send(content=big)
    assert outcome.state in {"failed", "deferred"}
    assert sink.messages == []


@pytest.mark.parametrize(
    "reply", ["hello", "999 what", "250-one\r\n550 two", "250 " + "x" * 5000, "250-x\r\n" * 200]
)
@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_what_is_no_reply_is_deferred(
    sender: Sender, sink: SmtpSink, reply: str, step: str
) -> None:
    sink.script.always = {step: reply}
    (outcome,) = await sender.send()
    assert outcome.state == "deferred"
    assert outcome.text.isprintable()


async def test_rubbish_after_the_final_reply_undoes_nothing(sender: Sender, sink: SmtpSink) -> None:
    sink.script.replies = {".": ["250 2.0.0 Taken\r\nrubbish"]}
    assert states(await sender.send()) == ["delivered"]
    assert states(await sender.send()) == ["delivered"]
    assert sink.sessions == 2


async def test_replies_to_nothing_deliver_nothing(sender: Sender, sink: SmtpSink) -> None:
    sink.script.replies = {"EHLO": ["250 sink\r\n250 2.0.0 Taken\r\n250 ok\r\n354 go\r\n250 ok"]}
    (outcome,) = await sender.send()
    assert outcome.state == "deferred"
    assert sink.messages == []


@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_a_server_that_is_too_slow_is_deferred(sink: SmtpSink, step: str) -> None:
    sender = Sender(routes=(f"*={sink.place}",)).open(
        msgspec.convert(dict.fromkeys(QUICK.__struct_fields__, 0.2), type(QUICK))
    )
    sink.script.delay = {step: 60.0}
    start = time.monotonic()
    (outcome,) = await sender.send()
    assert time.monotonic() - start < 30
    assert outcome.state == "deferred"
    assert ("twice" in outcome.text) == (step == ".")


async def test_one_deadline_holds_for_the_whole_attempt(sink: SmtpSink) -> None:
    times = msgspec.structs.replace(QUICK, attempt=0.3)
    sender = Sender(routes=(f"*={sink.place}",)).open(times)
    sink.script.extensions = NO_PIPELINING
    sink.script.delay = {"RCPT": 0.25}  # less than one command may take
    start = time.monotonic()
    outcomes = await sender.send(*(f"u{n}@example.test" for n in range(100)))
    assert time.monotonic() - start < 100 * 0.25
    assert states(outcomes) == ["deferred"] * 100
    assert sink.messages == []


async def test_an_attempt_that_is_cancelled_sends_no_dot(sender: Sender, sink: SmtpSink) -> None:
    sink.script.delay = {"DATA": 0.3}
    task = asyncio.create_task(sender.send())
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.3)
    assert sink.messages == []
    sink.script.delay = {}
    assert states(await sender.send()) == ["delivered"]
    assert sink.sessions == 2


async def test_421_ends_the_session_and_is_for_later(sender: Sender, sink: SmtpSink) -> None:
    sink.script.always = {"MAIL": "421 4.3.2 Shutting down"}
    (outcome,) = await sender.send()
    assert (outcome.state, outcome.text) == ("deferred", "421 4.3.2 Shutting down")


@BOTH_WAYS
async def test_421_to_one_recipient_delivers_to_nobody(
    sender: Sender, sink: SmtpSink, extensions: tuple[str, ...]
) -> None:
    sink.script.extensions = extensions
    sink.script.recipients = {"b@example.test": ["421 4.3.2 Shutting down"]}
    outcomes = await sender.send("a@example.test", "b@example.test", "c@example.test")
    assert states(outcomes) == ["deferred"] * 3
    assert sink.messages == []


@BOTH_WAYS
@pytest.mark.parametrize("at_most", [1, 3])
async def test_recipients_that_were_too_many_come_in_another_transaction(
    sender: Sender, sink: SmtpSink, at_most: int, extensions: tuple[str, ...]
) -> None:
    sink.script.extensions = extensions
    sink.script.at_most = at_most
    outcomes = await sender.send(*(f"u{n}@example.test" for n in range(7)))
    assert states(outcomes) == ["delivered"] * 7
    taken = [each for message in sink.messages for each in message.recipients]
    assert sorted(taken) == [f"u{n}@example.test" for n in range(7)]
    assert sink.sessions == 1


async def test_not_more_than_a_hundred_recipients_at_once(sender: Sender, sink: SmtpSink) -> None:
    outcomes = await sender.send(*(f"u{n}@example.test" for n in range(250)))
    assert states(outcomes) == ["delivered"] * 250
    assert [len(message.recipients) for message in sink.messages] == [100, 100, 50]


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("552 Too many recipients", "deferred"),
        ("552 5.5.3 Too many recipients", "deferred"),
        ("552 5.2.2 Mailbox full", "failed"),
        ("452 4.2.2 Mailbox full", "deferred"),
    ],
)
async def test_552_was_once_said_to_one_recipient_too_many(
    sender: Sender, sink: SmtpSink, reply: str, state: str
) -> None:
    sink.script.recipients = {"a@example.test": [reply]}
    assert states(await sender.send("a@example.test")) == [state]


async def test_a_server_that_knows_helo_only(sender: Sender, sink: SmtpSink) -> None:
    sink.script.esmtp = False
    (outcome,) = await sender.send()
    assert outcome.state == "delivered"
    assert not outcome.dsn
    assert sink.messages[0].mail == "FROM:<ada@demo.test>"


async def test_a_size_that_is_too_small_fails_before_anything_is_sent(
    sender: Sender, sink: SmtpSink
) -> None:
    sink.script.extensions = ("SIZE 20",)
    (outcome,) = await sender.send()
    assert (outcome.state, outcome.status) == ("failed", "5.3.4")
    assert not any(line.startswith("MAIL") for line in sink.commands)


async def test_dsn_wishes_are_handed_on(sender: Sender, sink: SmtpSink) -> None:
    wish = MailRecipient(1, "grace@example.test", ("NEVER",), "rfc822;grace@old.test")
    mail = msgspec.structs.replace(make_mail(ret="FULL", envid="abc"), recipients=[wish])
    await sender.transport.attempt("example.test", mail)
    assert sink.messages[0].mail.endswith("RET=FULL ENVID=abc")
    assert sink.messages[0].rcpt == [
        "TO:<grace@example.test> NOTIFY=NEVER ORCPT=rfc822;grace@old.test"
    ]


async def test_an_address_that_nobody_can_be_sent_to_fails_alone(
    sender: Sender, sink: SmtpSink
) -> None:
    outcomes = await sender.send("a@example.test", "b>\r\nRSET@example.test", "@")
    assert states(outcomes) == ["delivered", "failed", "failed"]
    assert outcomes[1].status == "5.1.3"
    assert "RSET" not in sink.commands


async def test_no_recipients_are_no_work(sender: Sender, sink: SmtpSink) -> None:
    mail = msgspec.structs.replace(make_mail(), recipients=[])
    assert await sender.transport.attempt("example.test", mail) == []
    assert sink.sessions == 0
