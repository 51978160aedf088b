"""The life of a message as an operator is told it."""

from __future__ import annotations

import msgspec
import pytest

from tests.operations.mailflow.mails import envelope
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import log_in, message
from workpost.domain.messages import removing
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.runner import deliver_one
from workpost.operations.mailflow.tracing import Step, trace_message

ID = "one@demo.test"


async def told(house: Directory, name: str, **bounds: object) -> list[Step]:
    return [step async for step in trace_message(house.core, name, **bounds)]


def letter(*, subject: str = "secret plan") -> bytes:
    return message(subject).replace(b"Subject:", f"Message-ID: <{ID}>\r\nSubject:".encode(), 1)


async def test_a_message_is_found_by_trace_id_and_by_message_id(
    house: Directory, ada: Grant
) -> None:
    trace = await pipeline.submit(house.core, ada, envelope("grace@demo.test"), letter())
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message("another"))
    by_trace = await told(house, trace)
    assert by_trace == await told(house, f"<{ID}>") == await told(house, ID)
    assert [step.kind for step in by_trace] == ["OUTGOING_EMAIL_SUBMITTED", "LIES_NOW"]
    assert by_trace[0].trace == trace
    assert by_trace[1].story["folders"] == [{"role": "inbox", "uid": 1}]


async def test_no_subject_is_told(house: Directory, ada: Grant) -> None:
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), letter())
    steps = await told(house, ID)
    assert b"secret plan" not in msgspec.json.encode(steps)


async def test_what_waits_is_told_and_when_it_was_delivered(house: Directory, ada: Grant) -> None:
    core = house.core
    people = [await house.user(f"user{n:02}", password=None) for n in range(22)]
    await house.group("all", *people)
    fresh = await log_in(core, "ada@demo.test")
    trace = await pipeline.submit(
        core, fresh, envelope("all@demo.test", "bob@elsewhere.example"), letter()
    )
    waiting = [step for step in await told(house, trace) if step.kind == "QUEUED"]
    assert len(waiting) == 3
    assert "bob@elsewhere.example" in {step.story["recipient"] for step in waiting}
    while await deliver_one(core):
        pass
    kinds = [step.kind for step in await told(house, trace)]
    assert kinds.count("MAILBOX_EMAIL_DELIVERED") == 1
    assert kinds.count("QUEUED") == 1


async def test_a_message_that_was_deleted_lies_nowhere(house: Directory, ada: Grant) -> None:
    await pipeline.submit(house.core, ada, envelope("ada@demo.test"), letter())
    [(folder,)] = await house.run(
        "SELECT id FROM folder WHERE mailbox = ? AND role = 'inbox'", ada.mailbox
    )
    await removing.withdraw(house.core, ada, folder, [1])
    assert [step.kind for step in await told(house, ID)][-1] == "LIES_NOWHERE"


async def test_each_organization_tells_its_part_and_one_may_be_asked_alone(
    house: Directory,
) -> None:
    other = await new_directory(house.core, alias="other")
    await other.user("bea")
    await pipeline.receive(
        house.core,
        envelope("ada@demo.test", f"bea@{other.domain}", sender="bob@elsewhere.example"),
        letter(),
    )
    everything = await told(house, ID)
    assert {step.organization for step in everything} == {house.organization, other.organization}
    alone = await told(house, ID, organization=other.organization)
    assert {step.organization for step in alone} == {other.organization}


@pytest.mark.parametrize("name", ["0000000000000000", "nobody@nowhere.test", ""])
async def test_of_other_messages_nothing_is_known(house: Directory, ada: Grant, name: str) -> None:
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    assert await told(house, name) == []
