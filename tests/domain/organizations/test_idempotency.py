"""ClientToken: one effect for however many calls, for a day."""

import asyncio
from typing import Any

import pytest

from workpost.domain.organizations.idempotency import (
    LIFETIME_MS,
    ClientToken,
    expire_tokens,
    recall,
    with_token,
)
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import EntityNotFound, InvalidParameter
from workpost.store.database.store import Store
from workpost.store.database.unit import Reader, Tx, command


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment()


@command
def count(tx: Tx, *, token: ClientToken | None, name: str, fail: bool = False) -> list[str]:
    def work() -> list[str]:
        tx.run("INSERT INTO account (id, name, created) VALUES (?, ?, 0)", name, name)
        if fail:
            raise EntityNotFound("nobody")
        return ["made", name]

    return with_token(tx, token, list[str], work)


def names(tx: Reader) -> list[str]:
    return [row[0] for row in tx.rows("SELECT name FROM account ORDER BY name")]


def token(**changes: Any) -> ClientToken:
    values: dict[str, Any] = {"account": "1", "operation": "Make", "token": "t"}
    return ClientToken(**{**values, "fingerprint": b"f", **changes})


async def test_the_first_answer_is_given_again_without_the_effect(store: Store) -> None:
    assert await store.write(count, token=token(), name="one") == ["made", "one"]
    assert await store.write(count, token=token(), name="two") == ["made", "one"]
    assert await store.read(names) == ["one"]
    assert await store.read(recall, token=token()) is not None


async def test_other_parameters_are_refused(store: Store) -> None:
    await store.write(count, token=token(), name="one")
    other = token(fingerprint=b"other")
    for refused in (
        store.write(count, token=other, name="two"),
        store.read(recall, token=other),
    ):
        with pytest.raises(InvalidParameter):
            await refused
    assert await store.read(names) == ["one"]


async def test_tokens_of_other_accounts_and_actions_are_others(store: Store) -> None:
    for number, one in enumerate((token(), token(account="2"), token(operation="Other"))):
        assert await store.write(count, token=one, name=str(number)) == ["made", str(number)]
    await store.write(count, token=None, name="3")
    assert await store.read(recall, token=None) is None
    assert await store.read(names) == ["0", "1", "2", "3"]


async def test_a_failed_call_leaves_its_token_free(store: Store) -> None:
    with pytest.raises(EntityNotFound):
        await store.write(count, token=token(), name="one", fail=True)
    assert await store.read(recall, token=token()) is None
    assert await store.write(count, token=token(), name="two") == ["made", "two"]


async def test_of_concurrent_calls_one_has_the_effect(store: Store) -> None:
    calls = [store.write(count, token=token(), name=str(number)) for number in range(12)]
    answers = await asyncio.gather(*calls)
    assert all(answer == answers[0] for answer in answers)
    assert await store.read(names) == [answers[0][1]]


async def test_a_token_lives_for_a_day(store: Store, env: FixedEnvironment) -> None:
    await store.write(count, token=token(), name="one")
    env.advance(LIFETIME_MS - 1)
    assert await store.write(count, token=token(), name="two") == ["made", "one"]
    assert await store.write(expire_tokens) == 0
    env.advance(1)
    assert await store.read(recall, token=token()) is None
    assert await store.write(count, token=token(fingerprint=b"g"), name="two") == ["made", "two"]
    env.advance(LIFETIME_MS)
    assert await store.write(expire_tokens) == 1
