"""Messages in transit: begun, read, replaced, closed, begun again, forgotten."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.directories import Directory
from tests.support.transit import FENCE, FUNCTION, RAW, RETURN_PATH, begin, finish
from workpost.domain.messages import transit
from workpost.domain.messages.transit import LIFETIME_MS, NewTransit, runs
from workpost.store.content.types import content_key
from workpost.store.core import Core
from workpost.store.tables.in_transit import TransitRow

NEW = RAW.replace(b"Hello", b"[outside] Hello")


async def put(core: Core, row: TransitRow, raw: bytes = NEW) -> bool:
    key = content_key(core.env)
    placed = await core.contents.put(RETURN_PATH + raw, key, core.env.new_content_id())
    wrapped, gen = await transit.wrap_content_key(
        core, organization=row.org, id=row.id, content_key=key
    )
    return await core.store.write(
        transit.replace,
        organization=row.org,
        id=row.id,
        fence=row.fence,
        content=placed,
        wrapped_key=wrapped,
        gen=gen,
    )


async def found(core: Core, id: str) -> TransitRow:
    row = await core.store.read(transit.find_message, id=id)
    assert row is not None
    return row


async def read(core: Core, id: str) -> bytes:
    row = await found(core, id)
    whole = await core.contents.get(row.content, await transit.open_content_key(core, row))
    assert whole[: row.skip] == RETURN_PATH
    return whole[row.skip :]


async def garbage(house: Directory) -> set[bytes]:
    return {bytes(row[0]) for row in await house.run("SELECT id FROM content_garbage")}


async def test_what_is_not_replaced_goes_on_as_it_came(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    row = await found(house.core, id)
    assert (row.running, row.synchronous, row.replaced) == (True, True, False)
    assert await read(house.core, id) == RAW
    assert await finish(house.core, house.organization, id) == (RETURN_PATH + RAW, False)
    assert not (await found(house.core, id)).running


async def test_what_is_put_while_the_flow_waits_goes_on(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    first = await found(house.core, id)
    assert await put(house.core, first, NEW + b"first\r\n")
    assert await put(house.core, first)
    assert await read(house.core, id) == NEW
    assert await finish(house.core, house.organization, id) == (RETURN_PATH + NEW, True)
    assert first.content in await garbage(house)


async def test_what_is_put_later_is_only_read(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    before = await found(house.core, id)
    assert await finish(house.core, house.organization, id) == (RETURN_PATH + RAW, False)
    assert await put(house.core, before)
    assert await read(house.core, id) == NEW
    assert not (await found(house.core, id)).replaced


async def test_a_replacement_counts_even_when_another_is_put_after_the_end(
    house: Directory,
) -> None:
    id = await begin(house.core, house.organization)
    await put(house.core, await found(house.core, id))
    assert await finish(house.core, house.organization, id) == (RETURN_PATH + NEW, True)
    await put(house.core, await found(house.core, id), NEW + b"later\r\n")
    assert await read(house.core, id) == NEW + b"later\r\n"


async def test_what_is_put_for_an_asynchronous_function_is_only_read(house: Directory) -> None:
    id = await begin(house.core, house.organization, synchronous=False)
    assert await put(house.core, await found(house.core, id))
    assert await read(house.core, id) == NEW
    row = await house.core.store.write(
        transit.close, organization=house.organization, id=id, fence=FENCE
    )
    assert row is not None
    assert not row.replaced


async def again(core: Core, row: TransitRow, *, fence: int) -> None:
    """Begin a message once more, from the content of that row."""
    new = NewTransit(
        organization=row.org,
        id=row.id,
        direction=row.direction,
        content=row.content,
        wrapped_key=row.wrapped_key,
        gen=row.gen,
        skip=row.skip,
        function=row.function,
        synchronous=row.synchronous,
        fence=fence,
    )
    await core.store.write(transit.begin, transit=new)


async def test_each_attempt_begins_from_the_original(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    original = await found(house.core, id)
    await put(house.core, original)
    replacement = await found(house.core, id)
    await again(house.core, original, fence=FENCE + 1)
    assert await read(house.core, id) == RAW
    row = await found(house.core, id)
    assert (row.running, row.replaced) == (True, False)
    assert replacement.content in await garbage(house)


async def test_what_was_asked_for_in_an_attempt_is_not_put_into_the_next(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    original = await found(house.core, id)
    await again(house.core, original, fence=FENCE + 1)
    assert not await put(house.core, original)
    row = await found(house.core, id)
    assert (row.content, row.replaced) == (original.content, False)
    assert not await garbage(house)


async def test_whoever_lost_the_message_does_not_end_it(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    await again(house.core, await found(house.core, id), fence=FENCE + 1)
    for fence, ended in ((FENCE, False), (FENCE + 1, True)):
        row = await house.core.store.write(
            transit.close, organization=house.organization, id=id, fence=fence
        )
        assert (row is not None) == ended
    assert not await garbage(house)


async def test_a_message_is_forgotten_after_a_day(house: Directory) -> None:
    id, kept = [await begin(house.core, house.organization) for _ in range(2)]
    row = await found(house.core, id)
    assert await house.core.store.write(transit.expire_messages, limit=10) == 0
    await house.change("UPDATE in_transit SET expires = expires - ? WHERE id = ?", LIFETIME_MS, id)
    assert await house.core.store.read(transit.find_message, id=id) is None
    assert not await put(house.core, row)
    assert await house.core.store.write(transit.expire_messages, limit=10) == 1
    assert await garbage(house) == {row.content}
    assert await house.run("SELECT id FROM in_transit") == [(kept,)]
    assert not await put(house.core, row)


async def test_the_end_of_the_function_gives_another_day(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    await house.change("UPDATE in_transit SET expires = expires - ?", LIFETIME_MS - 60_000)
    before = await found(house.core, id)
    await finish(house.core, house.organization, id)
    assert (await found(house.core, id)).expires > before.expires + LIFETIME_MS // 2


async def test_only_active_organizations_of_the_account_have_messages(house: Directory) -> None:
    id = await begin(house.core, house.organization)

    async def found_by(account: str) -> TransitRow | None:
        return await house.core.store.read(transit.find_in_account, account=account, id=id)

    assert await found_by(house.account) == await found(house.core, id)
    assert await found_by("999999999999") is None
    await house.change("UPDATE organization SET state = 'Deleting'")
    assert await found_by(house.account) is None


async def test_an_organization_ends_no_message_of_another(house: Directory) -> None:
    id = await begin(house.core, house.organization)
    row = msgspec.structs.replace(await found(house.core, id), org="m-" + "0" * 32)
    ended = await house.core.store.write(
        transit.close, organization=row.org, id=row.id, fence=FENCE
    )
    assert ended is None
    key = content_key(house.core.env)
    placed = await house.core.contents.put(NEW, key, house.core.env.new_content_id())
    assert not await house.core.store.write(
        transit.replace,
        organization=row.org,
        id=id,
        fence=row.fence,
        content=placed,
        wrapped_key=b"x",
        gen=1,
    )
    assert await read(house.core, id) == RAW


@pytest.mark.parametrize(
    ("named", "ran", "yes"),
    [
        (FUNCTION, FUNCTION, True),
        (FUNCTION, f"{FUNCTION}:live", True),
        (f"{FUNCTION}:live", f"{FUNCTION}:live", True),
        (f"{FUNCTION}:live", FUNCTION, False),
        (f"{FUNCTION}:live", f"{FUNCTION}:2", False),
        (f"{FUNCTION}-2", FUNCTION, False),
        ("", FUNCTION, False),
    ],
)
def test_which_function_runs(named: str, ran: str, yes: bool) -> None:
    row = TransitRow(
        org="m-1",
        id="1",
        direction="incoming",
        content=b"",
        wrapped_key=b"",
        gen=1,
        skip=0,
        function=ran,
        running=True,
        synchronous=False,
        replaced=False,
        fence=1,
        expires=1,
    )
    assert runs(row, named) == yes
    assert not runs(msgspec.structs.replace(row, running=False), named)
