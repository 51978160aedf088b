"""RUN_LAMBDA flow rules: replaced messages, runners that die or wait, orders of operators."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import msgspec
import pytest

from tests.operations.mailflow.asking import ADA, GRACE, ask, function, waiting
from tests.operations.mailflow.mails import envelope, received, stories
from tests.operations.mailflow.rulings import (
    add_rule,
    by,
    counts,
    outside,
)
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import message
from tests.support.rule_functions import (
    FUNCTION,
    SLOW_FUNCTION,
    HttpFunction,
    run_functions,
    say,
)
from workpost.domain.messages import transit
from workpost.domain.organizations.flow_rules import (
    DEFAULT,
    INBOUND,
    LAMBDA,
    OUTBOUND,
)
from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import attempting, orders, pipeline, rule_runner, ruling
from workpost.operations.mailflow.envelope import Wish
from workpost.operations.mailflow.listing import list_queue, show_entry
from workpost.operations.mailflow.opening import open_entry
from workpost.operations.mailflow.queueing import lease_due
from workpost.operations.mailflow.rule_runner import RuleRunner
from workpost.store.content.types import content_key
from workpost.store.tables.queue import FUNCTIONS, HINTS
from workpost.store.tables.queue_orders import Choice

__all__ = ["function"]

# --- the message itself ---


async def put(house: Directory, message_id: str, change: Callable[[bytes], bytes]) -> None:
    """What PutRawMessageContent does."""
    row = await house.core.store.read(transit.find_message, id=message_id)
    assert row is not None
    raw = await house.core.contents.get(
        row.content, await transit.open_content_key(house.core, row)
    )
    key = content_key(house.core.env)
    changed = raw[: row.skip] + change(raw[row.skip :])
    content = await house.core.contents.put(changed, key, house.core.env.new_content_id())
    wrapped, gen = await transit.wrap_content_key(
        house.core, organization=row.org, id=row.id, content_key=key
    )
    assert await house.core.store.write(
        transit.replace,
        organization=row.org,
        id=row.id,
        fence=row.fence,
        content=content,
        wrapped_key=wrapped,
        gen=gen,
    )


def tagged(raw: bytes) -> bytes:
    return raw.replace(b"Subject: ", "Subject: [é] ".encode())


async def test_what_the_function_puts_goes_on(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [[say("DEFAULT")]]

    async def invoke(*args: object, event: bytes, **more: object) -> bytes:
        told = json.loads(event)
        await put(house, told["messageId"], tagged)
        if not answers:
            raise FunctionFailed(Trouble.FAILED)
        return json.dumps({"actions": answers.pop()}).encode()

    monkeypatch.setattr(attempting, "invoke", invoke)
    await ask(house)
    await ask(house, OUTBOUND, fallback=DEFAULT, timeout=0)
    await pipeline.receive(house.core, outside(GRACE), by())
    await run_functions(house)
    (raw,) = await received(house, GRACE)
    assert "Subject: [é] Offer".encode() in raw
    assert raw.startswith(b"Return-Path: <bob@elsewhere.example>")
    (applied,) = await stories(house, ruling.APPLIED)
    assert applied["replaced"]
    # One that fails leaves the message as it was.
    await pipeline.submit(house.core, ada, envelope("bob@away.example"), message())
    await run_functions(house)
    (_, applied) = await stories(house, ruling.APPLIED)
    assert not applied["replaced"]
    [(stored, gone)] = await house.run(
        "SELECT q.content, t.content FROM queue q, in_transit t WHERE t.direction = 'outgoing'"
    )
    assert stored != gone


async def test_what_is_put_for_an_asynchronous_rule_or_too_late_stays_where_it_is(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []

    async def invoke(*args: object, event: bytes, **more: object) -> bytes:
        ids.append(json.loads(event)["messageId"])
        await put(house, ids[-1], tagged)
        return b""

    monkeypatch.setattr(attempting, "invoke", invoke)
    await add_rule(house, INBOUND, LAMBDA, function=FUNCTION, asynchronous=True)
    await pipeline.receive(house.core, outside(GRACE), by())
    await run_functions(house)
    await put(house, ids[-1], tagged)
    (raw,) = await received(house, GRACE)
    assert b"Subject: Offer" in raw
    row = await house.core.store.read(transit.find_message, id=ids[-1])
    assert row is not None
    assert (row.running, row.replaced) == (False, False)


async def test_requiretls_and_wishes_pass_through(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    await ask(house, OUTBOUND)
    wish = Wish(("SUCCESS", "FAILURE"), "rfc822;bob@away.example")
    to = msgspec.structs.replace(
        envelope("bob@away.example", GRACE),
        wishes={"bob@away.example": wish, GRACE: wish},
        requiretls=True,
        ret="HDRS",
        envid="e-1",
    )
    await pipeline.submit(house.core, ada, to, message())
    await run_functions(house)
    [(entry,)] = await house.run("SELECT queue FROM queue_rcpt WHERE route = 'away.example'")
    lease = await house.core.store.write(
        lease_due, route="away.example", entry=entry, limit=1, lease_ms=1000, fence=1
    )
    opened = await open_entry(house.core, lease.leased)
    kept = opened.envelope
    assert (kept.requiretls, kept.ret, kept.envid, kept.held) == (True, "HDRS", "e-1", None)
    assert opened.people[0][0].wish == wish
    # The confirmation of who has it already waits.
    assert await waiting(house) == ["bob@away.example", ADA]


# --- runners ---


async def test_an_organization_that_is_deleted_meanwhile_takes_its_mail_along(
    house: Directory, function: HttpFunction
) -> None:
    await ask(house)
    await pipeline.receive(house.core, outside(GRACE), by())
    await house.core.keys.shred_organization(house.organization)
    await run_functions(house)
    assert function.events == []
    assert await house.run("SELECT n FROM queue_rcpt") == []


async def test_another_organization_that_is_deleted_takes_nothing_of_ours_along(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    await ask(house, OUTBOUND)
    await pipeline.submit(house.core, ada, envelope(GRACE, "lin@other.test"), message())
    await house.core.keys.shred_organization(other.organization)
    await run_functions(house)
    assert await waiting(house) == [GRACE, "lin@other.test"]
    await house.change("DELETE FROM address WHERE org = ?", other.organization)
    await run_functions(house, later=True)
    assert len(await received(house, GRACE)) == 1


async def test_a_slow_function_keeps_nobody_elses_mail(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = house.core.settings
    mailflow = msgspec.structs.replace(settings.mailflow, functions=5, functions_each=2)
    house.core.settings = msgspec.structs.replace(settings, mailflow=mailflow)
    stuck, told = asyncio.Event(), []

    async def invoke(*args: object, arn: str, **more: object) -> bytes:
        told.append(arn)
        if arn == SLOW_FUNCTION:
            await stuck.wait()
        return json.dumps({"actions": [say("DEFAULT")]}).encode()

    monkeypatch.setattr(attempting, "invoke", invoke)
    await ask(house, senders="slow.example", function=SLOW_FUNCTION)
    await ask(house, senders="quick.example")
    for _ in range(6):
        for author in ("a@slow.example", "a@quick.example"):
            await pipeline.receive(house.core, outside(GRACE, sender=author), by(author))
    runner = RuleRunner(house.core)
    running = asyncio.create_task(runner.run())
    for _ in range(1_500):
        if len(await received(house, GRACE)) == 6:
            break
        await asyncio.sleep(0.02)
    assert told.count(SLOW_FUNCTION) == 2
    assert len(await received(house, GRACE)) == 6
    stuck.set()
    for _ in range(1_500):
        if len(await received(house, GRACE)) == 12:
            break
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(await received(house, GRACE)) == 12


async def test_functions_of_one_organization_leave_room_for_anothers(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    stuck = asyncio.Event()

    async def invoke(*args: object, organization: str, **more: object) -> bytes:
        if organization == house.organization:
            await stuck.wait()
        return json.dumps({"actions": [say("DEFAULT")]}).encode()

    monkeypatch.setattr(attempting, "invoke", invoke)
    monkeypatch.setattr(rule_runner, "MOST", 4)
    monkeypatch.setattr(rule_runner, "SLOW_SECONDS", 0.01)
    for number in range(6):
        arn = f"{FUNCTION}{number}"
        senders = f"{number}.example"
        await add_rule(house, INBOUND, LAMBDA, senders, function=arn, asynchronous=True)
        await pipeline.receive(
            house.core,
            outside(GRACE, sender=f"a@{number}.example"),
            by(f"a@{number}.example"),
        )
    runner = RuleRunner(house.core)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(0.1)
    await ask(other)
    await pipeline.receive(house.core, outside("lin@other.test"), by())
    for _ in range(1_500):
        if await received(other, "lin@other.test"):
            break
        await asyncio.sleep(0.02)
    assert len(await received(other, "lin@other.test")) == 1
    stuck.set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_mail_that_meets_no_function_wakes_nobody_who_looks_for_that(
    house: Directory, ada: Grant
) -> None:
    heard: dict[str, int] = {}
    watches = []
    for key in ("", FUNCTIONS):
        heard[key] = 0

        def hear(value: int, key: str = key) -> None:
            heard[key] += 1

        watches.append(house.core.store.watch(HINTS, key, hear))
    await pipeline.submit(house.core, ada, envelope("bob@away.example"), message())
    await asyncio.sleep(0.05)
    assert heard == {"": 1, FUNCTIONS: 0}
    await ask(house, OUTBOUND)
    await pipeline.submit(house.core, ada, envelope("bob@away.example"), message())
    await asyncio.sleep(0.05)
    assert heard == {"": 2, FUNCTIONS: 1}
    for watch in watches:
        watch.close()


async def test_what_nobody_has_foreseen_is_tried_later_and_less_and_less_often(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def invoke(*args: object, **more: object) -> bytes:
        raise RecursionError

    monkeypatch.setattr(attempting, "invoke", invoke)
    await ask(house)
    await pipeline.receive(house.core, outside(GRACE), by())
    await run_functions(house)
    await run_functions(house, later=True)
    ((state, attempts),) = await house.run("SELECT state, attempts FROM queue_rcpt")
    assert (state, attempts) == ("waiting", 2)


async def test_a_runner_that_stops_gives_back_and_who_lost_its_lease_writes_nothing(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, begun = asyncio.Event(), asyncio.Event()

    async def invoke(*args: object, **more: object) -> bytes:
        begun.set()
        await stuck.wait()
        return json.dumps({"actions": [say("DEFAULT")]}).encode()

    monkeypatch.setattr(attempting, "invoke", invoke)
    monkeypatch.setattr(rule_runner, "DRAIN_SECONDS", 0.05)
    await ask(house, timeout=0)
    await pipeline.receive(house.core, outside(GRACE), by())
    first = RuleRunner(house.core)
    running = asyncio.create_task(first.run())
    await begun.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await house.run("SELECT state, attempts FROM queue_rcpt") == [("waiting", 0)]
    # One that lost its lease: the other delivers, once.
    second, third = RuleRunner(house.core), RuleRunner(house.core)
    begun.clear()
    await second.step()
    await begun.wait()
    await house.change("UPDATE queue_rcpt SET lease_until = 1")
    assert await third.step() == 0.0
    await third.step()
    assert third.busy
    stuck.set()
    await second.settled()
    await third.settled()
    assert await counts(house) == (1, 0)
    assert await list_queue(house.core) == []


# --- the operator ---


async def test_the_queue_shows_what_waits_for_a_function_and_is_ordered(
    house: Directory, function: HttpFunction
) -> None:
    await ask(house, name="ask the function")
    trace = await pipeline.receive(house.core, outside(GRACE), by())
    (shown,) = await list_queue(house.core)
    assert shown["rule"] == "ask the function"
    assert (shown["function"], shown["recipient"]) == (FUNCTION, GRACE)
    assert shown["fallback_at"] > house.core.env.now()
    assert shown["route"] == f"rule:{house.organization}:{FUNCTION}"
    assert "subject" not in json.dumps(shown)
    assert (await show_entry(house.core, orders.named(trace)))[0]["recipients"][0]["rule"]
    choice = orders.named(trace)
    assert (await orders.hold(house.core, choice)).changed == 1
    await run_functions(house)
    assert function.events == []
    assert (await orders.retry(house.core, choice)).changed == 1
    await run_functions(house)
    assert await counts(house) == (1, 0)


async def test_what_an_operator_drops_is_told_as_what_it_was(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    await ask(house)
    await ask(house, OUTBOUND)
    await pipeline.receive(house.core, outside(GRACE), by())
    await pipeline.submit(house.core, ada, envelope("bob@away.example"), message())
    await orders.drop(house.core, Choice())
    assert len(await stories(house, "INCOMING_EMAIL_BOUNCED")) == 1
    assert len(await stories(house, "OUTGOING_EMAIL_BOUNCED")) == 1
    await orders.drop(house.core, Choice(), silent=True)
    await add_rule(
        house, INBOUND, LAMBDA, "elsewhere.example", function=FUNCTION, asynchronous=True
    )
    before = await stories(house, "%BOUNCED")
    await pipeline.receive(house.core, outside(GRACE), by())
    await orders.drop(house.core, Choice())
    # Nobody lacks the message: only the function does not hear of it.
    assert await list_queue(house.core) == []
    assert await stories(house, "%BOUNCED") == before
    assert len(await received(house, GRACE)) == 1
