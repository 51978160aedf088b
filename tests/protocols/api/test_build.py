"""What the API remembers of access keys, and the key of its page tokens."""

from typing import Any

import pytest

from tests.support.stores import Run
from workpost.domain.access.accounts import create_access_key, create_account
from workpost.kernel.clock import FixedEnvironment
from workpost.protocols.api import build
from workpost.protocols.api.build import REMEMBERED, AccessKeys, build_dispatcher
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment()


@command
def deactivate(tx: Tx) -> None:
    tx.run("UPDATE access_key SET state = 'Inactive'")


async def test_a_withdrawn_key_works_for_a_second_at_most(
    bare_core: Core, env: FixedEnvironment
) -> None:
    keys = AccessKeys(bare_core)
    made = await create_access_key(bare_core, await create_account(bare_core))
    first = await keys.lookup(made.access_key_id)
    assert first is not None
    assert first.active
    await bare_core.store.write(deactivate)
    assert await keys.lookup(made.access_key_id) is first
    env.advance(int(REMEMBERED * 1000))
    again = await keys.lookup(made.access_key_id)
    assert again is not None
    assert not again.active


async def test_a_new_key_works_at_once(bare_core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = AccessKeys(bare_core)
    monkeypatch.setattr("base64.b32encode", lambda _: b"A" * 16)
    assert await keys.lookup("AKIA" + "A" * 16) is None
    await create_access_key(bare_core, await create_account(bare_core))
    assert await keys.lookup("AKIA" + "A" * 16) is not None


async def test_memory_is_bounded(bare_core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MAX_KNOWN", 2)
    keys = AccessKeys(bare_core)
    account = await create_account(bare_core)
    for _ in range(5):
        await keys.lookup((await create_access_key(bare_core, account)).access_key_id)
        assert len(keys._known) <= 2


def test_page_tokens_outlive_restarts_and_rotations(bare_core: Core, run: Run[Any]) -> None:
    before = run(build._token_key(bare_core))
    run(bare_core.keys.rotate_system())
    assert run(build._token_key(bare_core)) == before
    assert len(before) == 32


async def test_every_action_of_the_services_has_its_handler(bare_core: Core) -> None:
    dispatcher = await build_dispatcher(bare_core)
    assert dispatcher.not_yet == frozenset()
