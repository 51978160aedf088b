"""Somebody to write to: made for one test, and gone after it with everything they had."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import msgspec

from workpost.domain.directory import shell as directory
from workpost.domain.directory.listing import EntityFilter
from workpost.domain.mailboxes.registration import (
    deregister_from_workmail,
    give_up_mailbox,
    register_to_workmail,
)
from workpost.kernel.errors import WorkpostError
from workpost.kernel.principal import Grant
from workpost.operations.setup.founding import new_password
from workpost.store.core import Core
from workpost.store.tables.entities import USER

JOB = "selftest"
PREFIX = "selftest-"
MOST_LEFT = 100


class Person(msgspec.Struct, frozen=True):
    """Who writes and reads."""

    address: str
    password: str


@contextlib.asynccontextmanager
async def person(core: Core, organization: str, domain: str) -> AsyncIterator[Person]:
    """A user with a mailbox, whose keys are destroyed at the end.

    Those whom a test that was cut short has left go first. Raises what creating and registering a
    user raises.
    """
    grant = Grant.system(JOB, organization)
    await _clear_away(core, grant)
    name = f"{PREFIX}{core.env.new_hex()[-8:]}"
    made = Person(f"{name}@{domain}", new_password())
    user = await directory.create_user(
        core, grant, name=name, display="Self-test", password=made.password, hidden=True
    )
    try:
        await register_to_workmail(core, grant, user, made.address)
        yield made
    finally:
        await _remove(core, grant, user)


async def _clear_away(core: Core, grant: Grant) -> None:
    wanted = EntityFilter(name=PREFIX)
    left, _ = await directory.list_entities(
        core, grant, USER, wanted, after=("", ""), limit=MOST_LEFT
    )
    for one in left:
        with contextlib.suppress(WorkpostError):
            await _remove(core, grant, one.row.id)


async def _remove(core: Core, grant: Grant, user: str) -> None:
    mailbox = (await directory.describe_user(core, grant, user)).row.mailbox
    await deregister_from_workmail(core, grant, user)
    if mailbox is not None:
        await core.store.write(give_up_mailbox, grant=grant, entity=user)
    await directory.delete_user(core, grant, user)
