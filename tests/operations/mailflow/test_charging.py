"""Limits on sending: of one message, and of a day, exact whoever sends at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.operations.mailflow.mails import envelope, received
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import log_in, message
from workpost.domain.directory import mail_routing, sending_limits
from workpost.domain.directory.entities import Props
from workpost.domain.directory.sending_limits import Shown
from workpost.formats.mime.compose import Attachment, compose
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import (
    EntityNotFound,
    InvalidParameter,
    LimitExceeded,
    MessageTooLarge,
    TooManyRecipients,
    WorkpostError,
)
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.core import Core
from workpost.store.tables.sending import DAY_MS

BOB = "bob@elsewhere.example"


class Calendar(SystemEnvironment):
    """A world whose day moves when told."""

    days = 0

    def now(self) -> int:
        return super().now() + self.days * DAY_MS


@pytest.fixture
def env() -> Calendar:
    return Calendar()


def with_limits(house: Directory, **values: int) -> Core:
    """The house's core under other settings."""
    limits = msgspec.structs.replace(
        house.core.settings.limits, **{"test_domain_recipients_per_day": 0, **values}
    )
    settings = msgspec.structs.replace(house.core.settings, limits=limits)
    return msgspec.structs.replace(house.core, settings=settings)


async def set_limit(house: Directory, name: str, value: int | None, user: str = "") -> None:
    await house.core.store.write(
        sending_limits.set_limit, grant=house.grant, name=name, value=value, identifier=user
    )


async def shown(core: Core, house: Directory, user: str = "") -> Shown:
    return await core.store.read(
        sending_limits.show_limits,
        grant=house.grant,
        limits=core.settings.limits,
        identifier=user,
    )


async def send(core: Core, grant: Grant, *rcpts: str, raw: bytes | None = None) -> None:
    await pipeline.submit(core, grant, envelope(*rcpts), raw or message())


def strangers(count: int) -> list[str]:
    return [f"x{n}@elsewhere.example" for n in range(count)]


# --- one message ---


async def test_the_narrower_limit_counts(house: Directory, ada: Grant) -> None:
    core = with_limits(house, recipients=4)
    await send(core, ada, *strangers(4))
    with pytest.raises(TooManyRecipients, match="at most 4"):
        await send(core, ada, *strangers(5))
    await set_limit(house, "recipients", 6)
    ada = await log_in(house.core, "ada@demo.test")
    await send(core, ada, *strangers(6))
    await set_limit(house, "recipients", 2, "ada")
    ada = await log_in(house.core, "ada@demo.test")
    with pytest.raises(TooManyRecipients, match="at most 2"):
        await send(core, ada, *strangers(3))
    await set_limit(house, "recipients", 0, "ada")
    ada = await log_in(house.core, "ada@demo.test")
    await send(core, ada, *strangers(9))
    await set_limit(house, "recipients", None, "ada")
    ada = await log_in(house.core, "ada@demo.test")
    with pytest.raises(TooManyRecipients, match="at most 6"):
        await send(core, ada, *strangers(7))


async def test_a_new_limit_is_heard_of_in_the_transaction(house: Directory, ada: Grant) -> None:
    await send(house.core, ada, *strangers(3))
    await set_limit(house, "recipients", 2, "ada")
    with pytest.raises(TooManyRecipients):
        await send(house.core, ada, *strangers(3))


async def test_size_is_limited_for_those_who_send_alone(house: Directory, ada: Grant) -> None:
    core = with_limits(house, outgoing_message_bytes=5_000)
    large = message(size=6_000)
    with pytest.raises(MessageTooLarge):
        await send(core, ada, BOB, raw=large)
    await pipeline.receive(core, Envelope(sender=BOB, recipients=["ada@demo.test"]), large)
    await set_limit(house, "outgoing_message_bytes", 10_000, "ada")
    await send(core, await log_in(house.core, "ada@demo.test"), BOB, raw=large)


def with_files(count: int) -> bytes:
    files = [Attachment(f"{n}.txt", b"x", "text/plain") for n in range(count)]
    return compose(
        from_=("Ada", "ada@demo.test"),
        to=[("", BOB)],
        subject="Files",
        epoch=0,
        message_id="1@demo.test",
        text="See",
        attachments=files,
    )


async def test_attachments_are_counted_in_and_out(house: Directory, ada: Grant) -> None:
    core = with_limits(house, attachments=3)
    inbound = Envelope(sender=BOB, recipients=["grace@demo.test"])
    await send(core, ada, BOB, raw=with_files(3))
    await pipeline.receive(core, inbound, with_files(3))
    with pytest.raises(InvalidParameter, match="3 attachments"):
        await send(core, ada, BOB, raw=with_files(4))
    with pytest.raises(InvalidParameter):
        await pipeline.receive(core, inbound, with_files(4))
    await pipeline.receive(with_limits(house, attachments=0), inbound, with_files(4))


# --- a day ---


async def test_a_days_recipients_outside_are_counted_and_those_inside_are_not(
    house: Directory, ada: Grant, env: Calendar
) -> None:
    core = with_limits(house, external_recipients_per_day=3)
    await send(core, ada, *strangers(2), "grace@demo.test")
    await send(core, ada, "grace@demo.test", "ada@demo.test")
    with pytest.raises(LimitExceeded, match="as a day allows"):
        await send(core, ada, *strangers(2))
    assert (await shown(core, house, "ada")).sent == {"external_recipients_per_day": 2}
    await send(core, ada, BOB)
    with pytest.raises(LimitExceeded):
        await send(core, ada, BOB)
    assert len(await house.run("SELECT queue FROM queue_rcpt")) == 3
    grace = await log_in(house.core, "grace@demo.test")
    from_grace = message().replace(b"From: ada", b"From: grace")
    await pipeline.submit(core, grace, envelope(BOB, sender="grace@demo.test"), from_grace)
    env.days = 1
    await send(core, ada, *strangers(3))
    env.days = 0
    with pytest.raises(LimitExceeded):
        # A node whose clock is behind does not begin the day before again.
        await send(core, ada, BOB)


async def test_all_organizations_of_an_account_share_its_limit(
    house: Directory, ada: Grant
) -> None:
    core = with_limits(house, account_recipients_per_day=3)
    second = await new_directory(house.core, "second", house.account)
    await second.user("eve")
    stranger = await new_directory(house.core, "third")
    await stranger.user("mallory")
    await send(core, ada, *strangers(2))
    for where, name, count, fits in (
        (second, "eve", 2, False),
        (second, "eve", 1, True),
        (second, "eve", 1, False),
        (stranger, "mallory", 3, True),
    ):
        sender = f"{name}@{where.domain}"
        grant = await log_in(house.core, sender)
        raw = message().replace(b"From: ada@demo.test", f"From: {sender}".encode())
        try:
            await pipeline.submit(core, grant, envelope(*strangers(count), sender=sender), raw)
        except LimitExceeded:
            assert not fits
        else:
            assert fits
    assert (await shown(core, house)).sent["account_recipients_per_day"] == 3


async def test_everyone_counts_whom_a_test_domain_writes_to(house: Directory, ada: Grant) -> None:
    core = with_limits(house, test_domain_recipients_per_day=3)
    await send(core, ada, "grace@demo.test", BOB)
    with pytest.raises(LimitExceeded, match="test domains"):
        await send(core, ada, "grace@demo.test", "ada@demo.test")
    assert len(await received(house, "grace@demo.test")) == 1
    assert (await shown(core, house)).sent["test_domain_recipients_per_day"] == 2
    await house.change("UPDATE domain SET is_test = 0")
    await house.change("UPDATE organization SET policy_version = policy_version + 1")
    ada = await log_in(house.core, "ada@demo.test")
    for _ in range(3):
        await send(core, ada, "grace@demo.test", "ada@demo.test")


async def test_what_is_held_for_later_counts_wherever_it_goes(house: Directory, ada: Grant) -> None:
    core = with_limits(house, external_recipients_per_day=3)
    later = core.env.now() + 3_600_000

    async def hold(*rcpts: str) -> None:
        await pipeline.submit(core, ada, envelope(*rcpts), message(), hold_until=later)

    await hold("grace@demo.test")
    await hold("grace@demo.test", BOB)
    with pytest.raises(LimitExceeded, match="for later"):
        await hold("grace@demo.test")
    assert (await shown(core, house, "ada")).sent["external_recipients_per_day"] == 3
    await send(core, ada, "grace@demo.test")
    assert len(await received(house, "grace@demo.test")) == 1
    unlimited = with_limits(house, external_recipients_per_day=0, account_recipients_per_day=0)
    await pipeline.submit(unlimited, ada, envelope("grace@demo.test"), message(), hold_until=later)


async def test_counters_are_exact_under_concurrency(house: Directory, ada: Grant) -> None:
    core = with_limits(house, external_recipients_per_day=7, account_recipients_per_day=7)

    async def attempt() -> int:
        try:
            await send(core, ada, BOB)
        except LimitExceeded:
            return 0
        return 1

    assert sum(await asyncio.gather(*(attempt() for _ in range(20)))) == 7
    assert (await shown(core, house, "ada")).sent["external_recipients_per_day"] == 7
    assert len(await house.run("SELECT queue FROM queue_rcpt")) == 7


async def test_without_limits_nothing_is_counted(house: Directory, ada: Grant) -> None:
    core = with_limits(house, external_recipients_per_day=0, account_recipients_per_day=0)
    await send(core, ada, BOB)
    for table in ("sent_by_user", "sent_by_account"):
        assert await house.run(f"SELECT * FROM {table}") == []


async def test_what_people_forward_is_theirs_and_stays_when_they_have_sent_enough(
    house: Directory, ada: Grant
) -> None:
    core = with_limits(house, external_recipients_per_day=2)
    await house.core.store.write(
        mail_routing.set_forwarding,
        grant=house.grant,
        identifier="grace",
        address=BOB,
        keep_copy=False,
    )
    inbound = Envelope(sender="al@far.example", recipients=["grace@demo.test"])
    for _ in range(4):
        await pipeline.receive(core, inbound, message())
    assert (await shown(core, house, "grace")).sent["external_recipients_per_day"] == 2
    assert len(await house.run("SELECT queue FROM queue_rcpt")) == 2
    assert len(await received(house, "grace@demo.test")) == 2
    ada = await log_in(house.core, "ada@demo.test")
    await send(core, ada, "grace@demo.test")
    assert len(await received(house, "grace@demo.test")) == 3
    assert (await shown(core, house, "ada")).sent["external_recipients_per_day"] == 0


async def test_remote_users_are_outside_for_those_who_write_to_them(
    house: Directory, ada: Grant
) -> None:
    core = with_limits(house, external_recipients_per_day=1)
    bob = await house.user(
        "bob", enabled=False, password=None, props=Props(user_role="REMOTE_USER")
    )
    await house.register(bob, BOB)
    await house.group("team", bob)
    ada = await log_in(house.core, "ada@demo.test")
    await send(core, ada, "team@demo.test")
    with pytest.raises(LimitExceeded):
        await send(core, ada, "team@demo.test")
    inbound = Envelope(sender="al@far.example", recipients=["team@demo.test"])
    for _ in range(3):
        await pipeline.receive(core, inbound, message())


# --- setting them ---


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": "nonsense", "value": 1}, InvalidParameter),
        ({"name": "recipients", "value": -1}, InvalidParameter),
        ({"name": "account_recipients_per_day", "value": 1, "user": "ada"}, InvalidParameter),
        ({"name": "recipients", "value": 1, "user": "nobody"}, EntityNotFound),
    ],
)
async def test_what_is_no_limit_is_refused(
    house: Directory, values: dict[str, Any], error: type[WorkpostError]
) -> None:
    with pytest.raises(error):
        await set_limit(house, **values)


async def test_what_counts_is_shown_with_what_was_set(house: Directory) -> None:
    await set_limit(house, "recipients", 20)
    await set_limit(house, "attachments", 5, "ada")
    person = await shown(house.core, house, "ada")
    assert (person.own, person.counts["recipients"]) == ({"attachments": 5}, 20)
    assert person.counts["external_recipients_per_day"] == 10_000
    whole = await shown(house.core, house)
    assert whole.own == {"recipients": 20}
    assert whole.counts["attachments"] == 500
    assert whole.counts["account_recipients_per_day"] == 100_000
    assert whole.counts["test_domain_recipients_per_day"] == 200
