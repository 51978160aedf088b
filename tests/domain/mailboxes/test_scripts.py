"""Sieve scripts of a mailbox (RFC 5804 1 and 2), on both engines."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.directories import Directory
from tests.support.mailboxes import log_in
from workpost.domain.mailboxes import script_shell as scripts
from workpost.kernel.errors import (
    InvalidParameter,
    LimitExceeded,
    ScriptActive,
    ScriptExists,
    ScriptInvalid,
    ScriptNotFound,
    ScriptTooLarge,
)
from workpost.kernel.principal import Grant
from workpost.operations.upkeep import rotation

KEEP = b"keep;\r\n"


async def shown(house: Directory, grant: Grant) -> list[tuple[str, bool]]:
    return [(one.name, one.active) for one in await scripts.list_scripts(house.core, grant)]


async def test_put_get_and_list(house: Directory, ada: Grant) -> None:
    await scripts.put_script(house.core, ada, "Büro", KEEP)
    await scripts.put_script(house.core, ada, "Büro", b"discard;")
    assert await scripts.get_script(house.core, ada, "Bu\u0308ro") == b"discard;"
    [script] = await scripts.list_scripts(house.core, ada)
    assert (script.name, script.active, script.size) == ("Büro", False, 8)
    grace = await log_in(house.core, "grace@demo.test")
    assert await shown(house, grace) == []
    with pytest.raises(ScriptNotFound):
        await scripts.get_script(house.core, grace, "Büro")


async def test_one_script_is_active_and_stays_so_when_it_is_put_or_renamed(
    house: Directory, ada: Grant
) -> None:
    for name in ("a", "b"):
        await scripts.put_script(house.core, ada, name, KEEP)
    await scripts.activate_script(house.core, ada, "a")
    await scripts.activate_script(house.core, ada, "b")
    assert await shown(house, ada) == [("a", False), ("b", True)]
    with pytest.raises(ScriptActive):
        await scripts.delete_script(house.core, ada, "b")
    await scripts.put_script(house.core, ada, "b", b"stop;")
    await scripts.rename_script(house.core, ada, "b", "c")
    assert await shown(house, ada) == [("a", False), ("c", True)]
    assert await scripts.get_script(house.core, ada, "c") == b"stop;"
    with pytest.raises(ScriptExists):
        await scripts.rename_script(house.core, ada, "c", "a")
    await scripts.activate_script(house.core, ada, "")
    await scripts.delete_script(house.core, ada, "c")
    assert await shown(house, ada) == [("a", False)]


async def test_what_is_not_there_is_not_found(house: Directory, ada: Grant) -> None:
    for ask in (scripts.get_script, scripts.activate_script, scripts.delete_script):
        with pytest.raises(ScriptNotFound):
            await ask(house.core, ada, "none")
    with pytest.raises(ScriptNotFound):
        await scripts.rename_script(house.core, ada, "none", "other")


async def test_limits_have_no_effect(house: Directory, ada: Grant) -> None:
    await scripts.put_script(house.core, ada, "a", KEEP)
    limits = house.core.settings.limits
    few = msgspec.structs.replace(limits, sieve_scripts=1, sieve_script_bytes=1024)
    core = msgspec.structs.replace(
        house.core, settings=msgspec.structs.replace(house.core.settings, limits=few)
    )
    with pytest.raises(LimitExceeded):
        await scripts.put_script(core, ada, "b", KEEP)
    with pytest.raises(LimitExceeded):
        await scripts.check_space(core, ada, "b", 10)
    with pytest.raises(ScriptTooLarge):
        await scripts.put_script(core, ada, "a", b"#" + b"x" * 1024)
    with pytest.raises(ScriptTooLarge):
        await scripts.check_space(core, ada, "a", 1025)
    await scripts.check_space(core, ada, "a", 1024)
    assert await scripts.get_script(core, ada, "a") == KEEP


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 129, "\x85", "a\u2028b", "\ud800"])
async def test_impossible_names(house: Directory, ada: Grant, name: str) -> None:
    with pytest.raises(InvalidParameter):
        await scripts.put_script(house.core, ada, name, KEEP)


async def test_what_cannot_run_is_not_kept(house: Directory, ada: Grant) -> None:
    with pytest.raises(ScriptInvalid, match="line 2"):
        await scripts.put_script(house.core, ada, "a", b"keep;\r\nfly;\r\n")
    assert await shown(house, ada) == []


async def test_scripts_move_to_a_new_key_of_the_mailbox(house: Directory, ada: Grant) -> None:
    await scripts.put_script(house.core, ada, "a", KEEP)
    await rotation.rotate_mailbox(house.core, ada.organization, ada.mailbox)
    assert await house.run("SELECT gen FROM sieve_script") == [(2,)]
    assert await scripts.get_script(house.core, ada, "a") == KEEP
    assert await shown(house, ada) == [("a", False)]
    [(name, text)] = await house.run("SELECT sealed_name, sealed FROM sieve_script")
    assert KEEP not in bytes(text) + bytes(name)
