"""Who is remembered to have no rules: the next message finds those that were made meanwhile."""

from __future__ import annotations

import pytest

from tests.operations.mailflow.mails import envelope
from tests.operations.mailflow.rulings import add_rule, counts
from tests.support.directories import Directory
from tests.support.mailboxes import log_in, message
from workpost.domain.mailboxes import script_shell as scripts
from workpost.domain.mailboxes.out_of_office import OutOfOffice, put_out_of_office
from workpost.domain.organizations.flow_rules import DROP, INBOUND, JUNK, OUTBOUND
from workpost.domain.organizations.journaling import Journaling, set_journaling
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline, routes, unruled
from workpost.operations.mailflow.listing import list_queue
from workpost.store.tables.in_force import MOST, InForce, get_in_force

GRACE = "grace@demo.test"
BOB = "bob@elsewhere.example"


async def submit(house: Directory, ada: Grant, *to: str) -> None:
    await pipeline.submit(house.core, ada, envelope(*to), message())


async def is_remembered(house: Directory, *to: str) -> bool:
    routed = await routes.expand(house.core, list(to), routes.origin_of(None, envelope(*to), b""))
    return unruled.recall(house.core, house.organization, routed) is not None


async def test_a_second_message_asks_nobody(house: Directory, ada: Grant) -> None:
    assert not await is_remembered(house, GRACE)
    await submit(house, ada, GRACE)
    assert await is_remembered(house, GRACE)
    # Ada's mailbox was not asked about.
    assert not await is_remembered(house, GRACE, "ada@demo.test")
    await submit(house, ada, GRACE)
    assert await counts(house, GRACE) == (2, 0)


async def test_an_inbound_rule_counts_for_the_next_message(house: Directory, ada: Grant) -> None:
    await submit(house, ada, GRACE)
    await add_rule(house, INBOUND, JUNK, "*", GRACE)
    await submit(house, ada, GRACE)
    assert await counts(house, GRACE) == (1, 1)
    assert not await is_remembered(house, GRACE)


async def test_an_outbound_rule_counts_where_nobody_here_gets_the_message(
    house: Directory, ada: Grant
) -> None:
    await submit(house, ada, GRACE)
    await submit(house, ada, BOB)
    await add_rule(house, OUTBOUND, DROP, "*", "*.example")
    await submit(house, ada, BOB)
    assert len(await list_queue(house.core)) == 1


async def test_journaling_begins_with_the_next_message(house: Directory, ada: Grant) -> None:
    await submit(house, ada, GRACE)
    journal = Journaling("archive@elsewhere.example", "ada@demo.test")
    await set_journaling(house.core, house.grant, journal)
    await submit(house, ada, GRACE)
    (report,) = await list_queue(house.core)
    assert report["recipient"] == "archive@elsewhere.example"


async def test_a_script_counts_for_the_next_message(house: Directory, ada: Grant) -> None:
    await submit(house, ada, GRACE)
    grant = await log_in(house.core, GRACE)
    await scripts.put_script(house.core, grant, "all", b"discard;")
    await scripts.activate_script(house.core, grant, "all")
    await submit(house, ada, GRACE)
    assert await counts(house, GRACE) == (1, 0)


async def test_who_is_away_answers_the_next_message(house: Directory, ada: Grant) -> None:
    await submit(house, ada, GRACE)
    grant = await log_in(house.core, GRACE)
    away = OutOfOffice(state="ENABLED", internal="I am away.")
    await put_out_of_office(house.core, grant, away)
    await submit(house, ada, GRACE)
    assert [one["recipient"] for one in await list_queue(house.core)] == ["ada@demo.test"]


async def test_of_more_mailboxes_than_one_statement_asks_about_nothing_is_known(
    house: Directory,
) -> None:
    few = await house.core.store.read(
        get_in_force, orgs=[house.organization], mailboxes=list(range(MOST))
    )
    many = await house.core.store.read(
        get_in_force, orgs=[house.organization], mailboxes=list(range(MOST + 1))
    )
    assert few == InForce(plain=frozenset(range(MOST)))
    assert many == InForce()


async def test_no_more_is_remembered_than_there_is_room_for(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unruled, "KNOWN", 2)
    await submit(house, ada, GRACE)
    unruled.remember(house.core, "m-other", InForce(plain=frozenset([1])))
    assert not await is_remembered(house, GRACE)
    await submit(house, ada, GRACE)
    assert await counts(house, GRACE) == (2, 0)
