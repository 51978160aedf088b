"""Sessions are kept for the messages that follow, and never trusted to still be there."""

from __future__ import annotations

import asyncio

import pytest

from tests.operations.outbound.conftest import MakeSink, Sender
from tests.support.smtp_sink import SmtpSink


async def test_messages_to_one_route_share_a_session(sender: Sender, sink: SmtpSink) -> None:
    for _ in range(5):
        assert (await sender.send())[0].state == "delivered"
    assert sink.sessions == 1
    assert len(sink.messages) == 5


async def test_messages_at_the_same_time_have_sessions_of_their_own(
    sender: Sender, sink: SmtpSink
) -> None:
    await asyncio.gather(*(sender.send() for _ in range(4)))
    assert sink.sessions == 4
    await asyncio.gather(*(sender.send() for _ in range(4)))
    assert sink.sessions == 4
    assert len(sink.messages) == 8


async def test_a_session_ends_after_a_hundred_messages(sender: Sender, sink: SmtpSink) -> None:
    for _ in range(101):
        await sender.send(content=b"A: 1\r\n")
    assert [each.session for each in sink.messages] == [1] * 100 + [2]


async def test_a_session_that_the_server_has_ended_is_not_used(
    sender: Sender, sink: SmtpSink
) -> None:
    await sender.send()
    sink.hang_up()
    assert (await sender.send())[0].state == "delivered"
    assert sink.sessions == 2


async def test_a_kept_session_that_fails_costs_nobody_an_attempt(
    sender: Sender, sink: SmtpSink
) -> None:
    await sender.send()
    sink.script.replies = {"MAIL": ["421 4.4.2 You were idle for too long"]}
    assert (await sender.send())[0].state == "delivered"
    assert sink.sessions == 2


async def test_after_the_dot_no_other_session_is_tried(sender: Sender, sink: SmtpSink) -> None:
    await sender.send()
    sink.script.drop = {".": 1}
    assert (await sender.send())[0].state == "deferred"
    assert sink.sessions == 1
    assert len(sink.messages) == 2


async def quit_by(sink: SmtpSink) -> None:
    """Wait until the last session was ended politely."""
    for _ in range(1500):
        if sink.commands[-1] == "QUIT":
            return
        await asyncio.sleep(0.02)
    pytest.fail("no QUIT came")


async def test_idle_sessions_are_ended_politely(sink: SmtpSink) -> None:
    sender = Sender(routes=(f"*={sink.place}",), idle_seconds=1).open()
    await sender.send()
    await quit_by(sink)
    sender.set(idle_seconds=0)
    await sender.send()
    await quit_by(sink)
    assert sink.sessions == 2


async def test_closing_ends_what_is_kept(sender: Sender, sink: SmtpSink) -> None:
    await sender.send()
    await sender.transport.close()
    await asyncio.sleep(0.05)
    assert sink.commands[-1] == "QUIT"


async def test_routes_to_one_server_share_its_sessions(sink: SmtpSink) -> None:
    sender = Sender(routes=(f"*={sink.place}",)).open()
    await sender.send(route="one.test")
    await sender.send(route="two.test")
    assert sink.sessions == 1


async def test_another_route_has_another_server(make_sink: MakeSink) -> None:
    one, two = make_sink(), make_sink()
    sender = Sender(routes=(f"One.test={one.place}", f"*={two.place}")).open()
    await sender.send(route="ONE.test")
    await sender.send(route="two.test")
    assert (one.sessions, two.sessions) == (1, 1)


async def test_a_server_that_is_down_and_up_again(sender: Sender, sink: SmtpSink) -> None:
    sink.down()
    (outcome,) = await sender.send()
    assert (outcome.state, outcome.status, outcome.reached) == ("deferred", "4.4.1", False)
    assert outcome.host == "127.0.0.1"
    sink.up()
    assert (await sender.send())[0].state == "delivered"
