"""Recipients found at RCPT TO: asked for once, and never believed longer than they hold."""

from __future__ import annotations

import pytest

from tests.operations.mailflow.mails import envelope, received
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import log_in, message
from workpost.domain.access import shell as access
from workpost.domain.directory import shell as directory
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import UnknownRecipient
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.recipients import AGAIN, FRESH, check_recipient, remembered

ALIAS = "amazing.grace@demo.test"


class Patient(SystemEnvironment):
    """A world whose monotonic clock moves only when told."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def env() -> Patient:
    return Patient()


async def test_a_recipient_found_just_now_is_not_looked_up_again(
    house: Directory, ada: Grant, env: Patient
) -> None:
    first = await check_recipient(house.core, "grace@demo.test", inside=True, grant=ada)
    assert await check_recipient(house.core, "Grace@demo.test", inside=True, grant=ada) is first
    env.seconds += AGAIN
    later = await check_recipient(house.core, "grace@demo.test", inside=True, grant=ada)
    assert later.at >= first.at + AGAIN


async def test_a_recipient_taken_again_still_has_the_time_of_a_message(
    house: Directory, ada: Grant, env: Patient
) -> None:
    await check_recipient(house.core, "grace@demo.test", inside=True, grant=ada)
    env.seconds += AGAIN - 0.1
    again = await check_recipient(house.core, "grace@demo.test", inside=True, grant=ada)
    env.seconds += FRESH - AGAIN
    assert remembered(house.core, [again]) is not None
    env.seconds += 0.2
    assert remembered(house.core, [again]) is None


async def test_who_has_heard_of_a_change_asks_again(house: Directory, ada: Grant) -> None:
    await directory.create_alias(house.core, house.grant, "grace", ALIAS)
    ada = await access.renew(house.core, ada)
    await check_recipient(house.core, ALIAS, inside=True, grant=ada)
    await directory.delete_alias(house.core, house.grant, "grace", ALIAS)
    ada = await access.renew(house.core, ada)
    with pytest.raises(UnknownRecipient):
        await check_recipient(house.core, ALIAS, inside=True, grant=ada)


async def test_who_has_not_heard_of_a_change_delivers_to_nobody_who_is_gone(
    house: Directory, ada: Grant
) -> None:
    await directory.create_alias(house.core, house.grant, "grace", ALIAS)
    ada = await access.renew(house.core, ada)
    await check_recipient(house.core, ALIAS, inside=True, grant=ada)
    await directory.delete_alias(house.core, house.grant, "grace", ALIAS)
    found = await check_recipient(house.core, ALIAS, inside=True, grant=ada)
    route = remembered(house.core, [found])
    assert route is not None
    with pytest.raises(UnknownRecipient):
        await pipeline.submit(house.core, ada, envelope(ALIAS), message(), route)
    assert await received(house, "grace@demo.test") == []


async def test_recipients_of_other_organizations_are_asked_for_each_time(
    house: Directory, ada: Grant
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("bob")
    first = await check_recipient(house.core, "bob@other.test", inside=True, grant=ada)
    again = await check_recipient(house.core, "bob@other.test", inside=True, grant=ada)
    assert again is not first
    assert again == first


async def test_what_one_organization_found_another_does_not_take(
    house: Directory, ada: Grant
) -> None:
    grace = await log_in(house.core, "grace@demo.test")
    first = await check_recipient(house.core, "ada@demo.test", inside=True, grant=grace)
    assert first.holder is not None
    assert await check_recipient(house.core, "ada@demo.test", inside=True, grant=ada) == first
    assert await check_recipient(house.core, "ada@demo.test", inside=True) is not first
