"""Mail events on their way to the log group: none is lost, all in order, however often it fails."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from tests.operations.jobs.conftest import MovedClock
from tests.operations.mailflow.mails import envelope
from tests.operations.monitoring.conftest import Monitored
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import message
from tests.support.moto import MotoServer
from workpost.domain.organizations import monitoring
from workpost.domain.organizations.shell import delete_organization
from workpost.integrations.logs import folder as folders
from workpost.kernel.errors import InvalidParameter, ResourceNotFound, TryLater
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.trace import seal_event
from workpost.operations.monitoring import shipping
from workpost.operations.upkeep.rotation import rewrap_organization
from workpost.store.database.unit import Tx, command
from workpost.store.tables.events import NewEvent, insert_event

DAY_MS = 24 * 3_600_000


@command
def insert(tx: Tx, *, event: NewEvent) -> None:
    insert_event(tx, event)


async def tell(house: Directory, kind: str, **story: Any) -> None:
    """An event of whatever kind, as other parts of the flow write them."""
    event = await seal_event(house.core, house.organization, kind, story)
    await house.core.store.write(insert, event=event)


async def test_events_reach_the_log_group_in_order_and_once(
    monitored: Monitored, house: Directory, ada: Grant
) -> None:
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("Before"))
    await monitored.put()
    for n in range(3):
        raw = message(f"Number {n}")
        await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)
    await pipeline.submit(house.core, ada, envelope("bob@elsewhere.example"), message("Out"))
    assert monitored.lines() == []
    assert await monitored.ship() == 1
    told = monitored.lines()
    submitted = [
        line["event"]["subject"]
        for line in told
        if line["event"]["eventName"] == "OUTGOING_EMAIL_SUBMITTED"
    ]
    assert submitted == ["Number 0", "Number 1", "Number 2", "Out"]
    assert monitored.names()[:4] == [
        "OUTGOING_EMAIL_SUBMITTED",
        "OUTGOING_EMAIL_SENT",
        "ORGANIZATION_EMAIL_RECEIVED",
        "MAILBOX_EMAIL_DELIVERED",
    ]
    delivered = told[3]
    assert delivered["event"]["recipient"] == "grace@demo.test"
    assert delivered["event"]["folder"] == "INBOX"
    assert delivered["organizationId"] == house.organization
    assert len({line["traceId"] for line in told[:4]}) == 1
    assert await monitored.ship() == 0
    assert monitored.lines() == told


async def test_mail_from_outside_tells_each_organization_of_its_own_recipients_only(
    monitored: Monitored, house: Directory
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("eve")
    await monitored.put()
    recipients = envelope("grace@demo.test", "eve@other.test", sender="x@elsewhere.example")
    await pipeline.receive(house.core, recipients, message("Both"))
    await monitored.ship()
    [received, delivered] = monitored.lines()
    assert received["event"]["recipients"] == ["grace@demo.test"]
    assert delivered["event"]["recipient"] == "grace@demo.test"
    assert "other" not in json.dumps(monitored.lines())


async def test_another_organization_here_hears_of_what_is_sent_to_it(
    monitored: Monitored, house: Directory, ada: Grant
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("eve")
    theirs = Monitored(other, monitored.data)
    theirs.map("/mail/* folder")
    await theirs.put()
    recipients = envelope("grace@demo.test", "eve@other.test")
    await pipeline.submit(house.core, ada, recipients, message("To both"))
    await theirs.ship()
    [received, delivered] = theirs.lines()
    assert received["event"]["eventName"] == "ORGANIZATION_EMAIL_RECEIVED"
    assert received["event"]["recipients"] == ["eve@other.test"]
    assert delivered["event"]["recipient"] == "eve@other.test"
    assert "grace" not in json.dumps(theirs.lines())


async def test_an_event_that_commits_late_with_an_earlier_time_is_told_too(
    monitored: Monitored, house: Directory, env: MovedClock
) -> None:
    await monitored.put()
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="b")
    await monitored.ship()
    env.moved = -5
    await house.change("UPDATE email_monitoring SET since = since - 1000")
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="a")
    await monitored.ship()
    assert [line["traceId"] for line in monitored.lines()] == ["b", "a"]


async def test_a_group_out_of_reach_delays_and_loses_nothing(
    monitored: Monitored, house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await monitored.put()
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("Late"))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, "_append", full)
    assert await monitored.ship() == 1
    assert await monitored.ship() == 0, "it waits before it tries again"
    assert await monitored.unsent() == 1
    monkeypatch.undo()
    assert await monitored.again() == 1
    assert len(monitored.lines()) == 4
    assert await monitored.unsent() == 0


async def test_what_a_crash_cut_short_is_told_again(
    monitored: Monitored, house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await monitored.put()
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("Twice"))

    async def crash(*_: object) -> None:
        raise TryLater("the process died")

    monkeypatch.setattr(shipping, "_mark", crash)
    await monitored.ship()
    monkeypatch.undo()
    await monitored.again()
    assert monitored.names() == monitored.names()[:4] * 2
    assert await monitored.unsent() == 0


async def test_a_line_that_was_cut_short_spoils_no_other(
    monitored: Monitored, house: Directory
) -> None:
    await monitored.put()
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="a")
    await monitored.ship()
    [path] = monitored.data.rglob("*.jsonl")
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size - 10)
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="b")
    await monitored.ship()
    cut, whole = path.read_text().splitlines()
    assert json.loads(whole)["traceId"] == "b"
    assert not cut.endswith("}")
    assert oct(path.stat().st_mode & 0o777) == "0o600"


async def test_no_events_are_told_after_the_configuration_is_deleted(
    monitored: Monitored, house: Directory, ada: Grant
) -> None:
    await monitored.put()
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("One"))
    await monitoring.delete_monitoring_configuration(house.core, house.grant)
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("Two"))
    assert await monitored.ship() == 1
    assert (monitored.lines(), await monitored.unsent()) == ([], 0)
    await monitored.put()
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("Three"))
    await monitored.ship()
    assert monitored.lines()[0]["event"]["subject"] == "Three"


async def test_a_backlog_of_many_pages_is_told_in_portions(
    monitored: Monitored, house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "PAGE", 4)
    monkeypatch.setattr(shipping, "PORTION_BYTES", 300)
    await monitored.put()
    for n in range(10):
        await tell(house, "INCOMING_EMAIL_BOUNCED", traceId=str(n))
    assert await monitored.ship() == 1
    assert [line["traceId"] for line in monitored.lines()] == [str(n) for n in range(10)]


async def test_nodes_that_ship_at_once_tell_each_event_once(
    monitored: Monitored, house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "PAGE", 3)
    await monitored.put()
    for n in range(12):
        await tell(house, "INCOMING_EMAIL_BOUNCED", traceId=str(n))
    nodes = shipping.build_shippers(house.core, 3)
    assert sum(await asyncio.gather(*(node.run_due() for node in nodes))) >= 1
    assert [line["traceId"] for line in monitored.lines()] == [str(n) for n in range(12)]


async def test_a_node_that_lost_its_lease_marks_nothing(
    monitored: Monitored, house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await monitored.put()
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="a")
    put = shipping._put

    async def slow(*args: Any) -> None:
        await put(*args)
        await house.change("UPDATE job SET fence = fence + 1")

    with monkeypatch.context() as patched:
        patched.setattr(shipping, "_put", slow)
        await monitored.ship()
    assert await monitored.unsent() == 1
    await house.change("UPDATE job SET lease_until = 0")
    await monitored.ship()
    assert [line["traceId"] for line in monitored.lines()] == ["a", "a"]
    assert await monitored.unsent() == 0


async def test_an_event_that_does_not_open_keeps_no_other_waiting(
    monitored: Monitored, house: Directory
) -> None:
    await monitored.put()
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="a")
    await house.change("UPDATE event SET id = id + 1")
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="b")
    await monitored.ship()
    assert [line["traceId"] for line in monitored.lines()] == ["b"]
    assert await monitored.unsent() == 0


async def test_events_are_told_after_keys_were_rotated(
    monitored: Monitored, house: Directory
) -> None:
    await monitored.put()
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="a")
    await house.core.keys.rotate_organization(house.organization)
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="b")
    await rewrap_organization(house.core, house.organization)
    await monitored.ship()
    assert [line["traceId"] for line in monitored.lines()] == ["a", "b"]


async def test_the_group_of_the_default_name_forgets_after_thirty_days(
    monitored: Monitored, house: Directory, env: MovedClock
) -> None:
    group = "/aws/workmail/emailevents/demo"
    await monitored.put(group)
    for day in range(0, 64, 31):
        env.moved = day * DAY_MS
        await tell(house, "INCOMING_EMAIL_BOUNCED", traceId=str(day))
        await monitored.ship()
    assert [line["traceId"] for line in monitored.lines(group)] == ["62"]
    await monitored.put("/mail/kept")
    for day in (100, 200):
        env.moved = day * DAY_MS
        await tell(house, "INCOMING_EMAIL_BOUNCED", traceId=str(day))
        await monitored.ship()
    assert [line["traceId"] for line in monitored.lines("/mail/kept")] == ["100", "200"]


async def test_a_deleted_organization_leaves_nothing_to_tell(
    monitored: Monitored, house: Directory
) -> None:
    await monitored.put()
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="a")
    await delete_organization(house.core, house.grant, with_directory=True, force=True)
    await house.work()
    await monitored.ship()
    assert await house.run("SELECT org FROM email_monitoring") == []
    assert await house.run("SELECT org FROM event") == []


async def test_names_that_are_not_mapped_do_not_exist(
    monitored: Monitored, house: Directory
) -> None:
    account = house.account
    with pytest.raises(ResourceNotFound):
        await monitored.put("/elsewhere/events")
    with pytest.raises(ResourceNotFound):
        await monitored.put("/mail/../../escape")
    with pytest.raises(ResourceNotFound):
        await monitored.put(role=f"arn:aws:iam::{account}:role/unknown")
    with pytest.raises(InvalidParameter):
        await monitored.put(role="arn:aws:iam::000000000000:role/events")
    await monitored.put(role=f"arn:aws:iam::{account}:role/events")


async def test_cloudwatch_logs_takes_the_lines(
    monitored: Monitored, house: Directory, ada: Grant, moto_server: MotoServer
) -> None:
    import boto3

    monitored.map("/mail/* logs", "/aws/workmail/emailevents/* logs")
    client = boto3.client("logs")
    with pytest.raises(ResourceNotFound):
        await monitored.put("/mail/events")
    client.create_log_group(logGroupName="/mail/events")
    await monitored.put("/mail/events")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("To AWS"))
    await monitored.ship()
    stream = f"{house.organization}/events"
    answer = client.get_log_events(
        logGroupName="/mail/events", logStreamName=stream, startFromHead=True
    )
    lines = [json.loads(event["message"]) for event in answer["events"]]
    assert [line["event"]["eventName"] for line in lines][:2] == [
        "OUTGOING_EMAIL_SUBMITTED",
        "OUTGOING_EMAIL_SENT",
    ]
    assert [event["timestamp"] for event in answer["events"]] == [
        line["timestamp"] for line in lines
    ]
    await monitored.put("/aws/workmail/emailevents/demo")
    [group] = client.describe_log_groups(logGroupNamePrefix="/aws/")["logGroups"]
    assert group["retentionInDays"] == 30


async def test_cloudwatch_logs_that_is_down_or_empty_delays(
    monitored: Monitored,
    house: Directory,
    moto_server: MotoServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import boto3

    monitored.map("/mail/* logs", "/aws/workmail/emailevents/* logs")
    group = "/aws/workmail/emailevents/demo"
    await monitored.put(group)
    await tell(house, "INCOMING_EMAIL_BOUNCED", traceId="a")
    there = os.environ["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:9")
    await monitored.ship()
    assert await monitored.unsent() == 1
    with pytest.raises(TryLater):
        await monitored.put("/mail/events")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", there)
    client = boto3.client("logs")
    client.delete_log_group(logGroupName=group)
    await monitored.again()
    assert await monitored.unsent() == 0
    answer = client.get_log_events(logGroupName=group, logStreamName=f"{house.organization}/events")
    assert len(answer["events"]) == 1
