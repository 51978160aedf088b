"""What scripts cannot get around: circles of redirects, what may be sent in a day; what is told."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack, nullcontext
from typing import Any

import msgspec
import pytest

from tests.operations.mailflow.test_personal import BOB, GRACE, House, grace, mail
from workpost.domain.messages import flags as bits
from workpost.formats.sieve.actions import Result
from workpost.formats.sieve.interpreter import run_script
from workpost.kernel.errors import TryLater
from workpost.operations.mailflow import pipeline, scripted
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.runner import deliver_one

__all__ = ["grace"]


async def test_no_script_can_hide_a_circle(grace: House, monkeypatch: pytest.MonkeyPatch) -> None:
    # Scripts like these take a good part of their time, on a busy machine all of it.
    monkeypatch.setattr(scripted, "SECONDS", 60.0)
    hide = 'require ["editheader", "variables"]; deleteheader "Delivered-To"; '
    hide += f'set "v" "{"x" * 7_000}"; ' + 'addheader "X" "${v}"; ' * 42
    await grace.rules(hide + 'redirect "ada@demo.test";')
    await grace.rules(hide + 'redirect "grace@demo.test";', "ada@demo.test")
    envelope = Envelope(sender=BOB, recipients=[GRACE])
    await pipeline.receive(grace.core, envelope, mail())
    runs = 0
    while runs < 6 and await deliver_one(grace.core):
        runs += 1
    assert runs < 6
    [kept] = await grace.folder("INBOX") + await grace.folder("INBOX", "ada@demo.test")
    assert GRACE in str(kept.get_all("Delivered-To"))


async def test_notices_to_other_servers_count_as_what_is_sent(grace: House) -> None:
    await grace.rules(
        'require "enotify"; notify :message "Offer" "mailto:a@home.example,b@home.example";'
    )
    limits = msgspec.structs.replace(grace.core.settings.limits, external_recipients_per_day=3)
    settings = msgspec.structs.replace(grace.core.settings, limits=limits)
    grace.core = msgspec.structs.replace(grace.core, settings=settings)
    for _ in range(3):
        await grace.bring(mail())
    # Two rows, one for each recipient of the first notice.
    assert len(await grace.leaving()) == 2
    assert len(await grace.folder("INBOX")) == 3


async def test_what_is_sent_on_within_the_house_is_not_told_as_discarded(grace: House) -> None:
    await grace.rules('redirect "ada@demo.test";')
    await grace.bring(mail())
    assert [one["action"] for one in await grace.actions()] == ["REDIRECT"]


async def test_what_cannot_be_sent_on_stays_with_its_flags(grace: House) -> None:
    await grace.rules(
        'require "imap4flags"; redirect "nobody@demo.test"; addflag ["\\\\Flagged", "$Sent"];'
    )
    await grace.bring(mail())
    [(_, flags, keywords)] = await grace.flagged("INBOX")
    assert (flags & bits.FLAGGED, keywords) == (bits.FLAGGED, (b"$Sent",))


async def test_scripts_have_threads_of_their_own_and_mail_waits_for_room(
    grace: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def running(*args: Any) -> Result:
        names.append(threading.current_thread().name)
        return run_script(*args)

    monkeypatch.setattr(scripted, "run_script", running)
    await grace.rules("keep;")
    await grace.bring(mail())
    assert [name.partition("_")[0] for name in names] == ["sieve"]
    monkeypatch.setattr(scripted, "PATIENCE_SECONDS", 0.01)
    async with AsyncExitStack() as held:
        for _ in range(scripted.EACH):
            await held.enter_async_context(scripted.ROOMS.enter(grace.house.organization, 60.0))
        # What is in the queue is put off, so that it keeps no other mail waiting.
        with nullcontext() if grace.queued else pytest.raises(TryLater):
            await grace.bring(mail())
    assert len(await list_queue(grace.core)) == grace.queued
    assert len(names) == len(await grace.folder("INBOX")) == 1
