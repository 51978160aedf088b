"""Run Lambda and people who forward: what goes on when the function has answered, and who pays."""

from __future__ import annotations

import msgspec
import pytest

from tests.operations.mailflow.asking import ADA, GRACE, ask, function, waiting
from tests.operations.mailflow.mails import envelope
from tests.operations.mailflow.rulings import by, counts, outside
from tests.operations.mailflow.test_forwarding import remote
from tests.support.directories import Directory
from tests.support.mailboxes import log_in, message
from tests.support.rule_functions import HttpFunction, run_functions, say
from workpost.domain.directory import mail_routing
from workpost.domain.organizations.flow_rules import INBOUND, OUTBOUND
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline

__all__ = ["function"]


async def test_forwarded_and_remote(house: Directory, ada: Grant, function: HttpFunction) -> None:
    await house.core.store.write(
        mail_routing.set_forwarding,
        grant=house.grant,
        identifier=ada.entity,
        address="ada@home.example",
        keep_copy=True,
    )
    await ask(house)
    await pipeline.receive(house.core, outside(ADA), by())
    await run_functions(house)
    assert await counts(house, ADA) == (1, 0)
    assert await waiting(house) == ["ada@home.example"]
    # What the function calls junk is not forwarded.
    function.answer = lambda event: [say("MOVE_TO_JUNK")]
    await pipeline.receive(house.core, outside(ADA), by())
    await run_functions(house)
    assert await counts(house, ADA) == (1, 1)
    assert await waiting(house) == ["ada@home.example"]


async def test_who_is_added_and_forwards_is_charged_for_that(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    grace = await log_in(house.core, GRACE)
    await house.core.store.write(
        mail_routing.set_forwarding,
        grant=house.grant,
        identifier=grace.entity,
        address="g@home.example",
        keep_copy=True,
    )
    await remote(house, "rob", "Rob@third.example")
    await ask(house, OUTBOUND)
    function.answer = lambda event: [say("DEFAULT"), say("DEFAULT", GRACE, "rob@demo.test")]
    fresh = await log_in(house.core, ADA)
    await pipeline.submit(house.core, fresh, envelope("bob@away.example"), message())
    await run_functions(house)
    assert sorted(await waiting(house)) == [
        "Rob@third.example",
        "bob@away.example",
        "g@home.example",
    ]
    sent = await house.run("SELECT entity, recipients FROM sent_by_user")
    assert dict(sent) == {ada.entity: 2, grace.entity: 1}


async def forward(house: Directory, person: Grant, address: str) -> None:
    await house.core.store.write(
        mail_routing.set_forwarding,
        grant=house.grant,
        identifier=person.entity,
        address=address,
        keep_copy=True,
    )


@pytest.mark.parametrize("direction", [INBOUND, OUTBOUND])
async def test_who_begins_to_forward_while_a_message_waits_is_charged_for_that(
    house: Directory, ada: Grant, function: HttpFunction, direction: str
) -> None:
    limits = msgspec.structs.replace(house.core.settings.limits, external_recipients_per_day=1)
    house.core.settings = msgspec.structs.replace(house.core.settings, limits=limits)
    grace, lin = await log_in(house.core, GRACE), await house.user("lin")
    await forward(house, await log_in(house.core, "lin@demo.test"), "lin@home.example")
    await ask(house, direction)

    async def bring() -> None:
        to = (GRACE, "lin@demo.test")
        if direction == INBOUND:
            await pipeline.receive(house.core, outside(*to), by())
        else:
            fresh = await log_in(house.core, ADA)
            await pipeline.submit(house.core, fresh, envelope(*to), message())

    async def charged() -> dict[str, int]:
        return dict(await house.run("SELECT entity, recipients FROM sent_by_user"))

    await bring()
    assert await charged() == {lin: 1}
    await forward(house, grace, "g@home.example")
    await run_functions(house)
    assert await charged() == {lin: 1, grace.entity: 1}
    assert sorted(await waiting(house)) == ["g@home.example", "lin@home.example"]
    # Both have sent enough: the next message stays.
    await forward(house, grace, "")
    await bring()
    await forward(house, grace, "g@home.example")
    await run_functions(house)
    assert await charged() == {lin: 1, grace.entity: 1}
    assert sorted(await waiting(house)) == ["g@home.example", "lin@home.example"]
    assert await counts(house) == (2, 0)
