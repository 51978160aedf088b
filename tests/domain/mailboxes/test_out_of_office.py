"""The out-of-office setting, on both engines."""

from __future__ import annotations

import pytest

from tests.support.directories import Directory
from workpost.domain.mailboxes.out_of_office import (
    OutOfOffice,
    get_out_of_office,
    put_out_of_office,
)
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.operations.upkeep import rotation
from workpost.store.tables.out_of_office import list_away

AWAY = OutOfOffice(
    state="ENABLED", internal="Back on Monday.", external="Away.", audience="EVERYONE"
)


async def away(house: Directory, grant: Grant) -> bool:
    return bool(await house.core.store.read(list_away, mailboxes=[grant.mailbox]))


async def test_nobody_is_away_to_begin_with(house: Directory, ada: Grant) -> None:
    assert await get_out_of_office(house.core, ada) == OutOfOffice()
    assert not await away(house, ada)


async def test_the_setting_is_kept_sealed_and_moves_to_a_new_key(
    house: Directory, ada: Grant
) -> None:
    await put_out_of_office(house.core, ada, AWAY)
    await rotation.rotate_mailbox(house.core, ada.organization, ada.mailbox)
    assert await get_out_of_office(house.core, ada) == AWAY
    [(gen, sealed)] = await house.run("SELECT gen, sealed FROM out_of_office")
    assert gen == 2
    assert b"Monday" not in bytes(sealed)
    assert await away(house, ada)
    await put_out_of_office(house.core, ada, OutOfOffice())
    assert not await away(house, ada)


@pytest.mark.parametrize(
    ("before", "after", "there"), [(-10, 10, True), (10, 20, False), (-20, -10, False)]
)
async def test_a_schedule_counts_from_its_start_to_its_end(
    house: Directory, ada: Grant, before: int, after: int, there: bool
) -> None:
    now = house.core.env.now()
    setting = OutOfOffice(
        state="SCHEDULED", starts=now + before * 1000, ends=now + after * 1000, internal="Away."
    )
    await put_out_of_office(house.core, ada, setting)
    assert await away(house, ada) is there
    assert setting.is_away(now) is there


@pytest.mark.parametrize(
    "setting",
    [
        OutOfOffice(state="GONE"),
        OutOfOffice(audience="SOME"),
        OutOfOffice(state="ENABLED"),
        OutOfOffice(state="SCHEDULED", starts=5, ends=5, internal="x"),
        OutOfOffice(state="SCHEDULED", starts=-1, ends=5, internal="x"),
        OutOfOffice(state="ENABLED", internal="x" * 65_537),
        OutOfOffice(state="ENABLED", internal="x\0"),
    ],
)
async def test_impossible_settings(house: Directory, ada: Grant, setting: OutOfOffice) -> None:
    with pytest.raises(InvalidParameter):
        await put_out_of_office(house.core, ada, setting)


def test_who_hears_what() -> None:
    assert AWAY.text_for(inside=True) == "Back on Monday."
    assert AWAY.text_for(inside=False) == "Away."
    assert OutOfOffice(internal="a", external="b").text_for(inside=False) == ""
