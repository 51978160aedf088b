"""RUN_LAMBDA flow rules whose functions do not answer, and those for which nobody waits."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.operations.mailflow.asking import ADA, GRACE, actions, ask, function, waiting
from tests.operations.mailflow.mails import envelope, stories
from tests.operations.mailflow.rulings import (
    STRANGER,
    add_rule,
    by,
    counts,
    outside,
)
from tests.support.directories import Directory
from tests.support.mailboxes import message
from tests.support.rule_functions import (
    FUNCTION,
    Event,
    HttpFunction,
    run_functions,
    say,
)
from workpost.domain.organizations.flow_rules import (
    BOUNCE,
    DEFAULT,
    DROP,
    INBOUND,
    JUNK,
    LAMBDA,
    NEVER_JUNK,
    OUTBOUND,
)
from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.kernel.errors import Fault
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import attempting, pipeline, ruling
from workpost.operations.mailflow.listing import list_queue

__all__ = ["function"]

# --- when there is no answer ---


async def test_without_an_answer_it_is_tried_again_and_falls_back_for_all(
    house: Directory, function: HttpFunction
) -> None:
    function.answer = lambda event: 500
    await ask(house, fallback=BOUNCE, timeout=1)
    await pipeline.receive(house.core, outside(GRACE, ADA), by())
    await run_functions(house)
    await run_functions(house, later=True)
    assert len({event["invocationId"] for event in function.events}) == 1
    assert len(function.events) == 2
    assert await waiting(house) == [GRACE, ADA]
    queued = await list_queue(house.core)
    assert [one["last"] for one in queued] == ["the function failed: failed"] * 2
    real = house.core.env
    house.core.env = _Later(real, 61_000)  # type: ignore[assignment]
    await run_functions(house, later=True)
    house.core.env = real
    assert len(function.events) == 3
    (applied,) = await stories(house, ruling.APPLIED)
    assert applied["ruleActions"] == [
        {"action": "RUN_LAMBDA", "recipients": [GRACE, ADA]},
        {"action": "BOUNCE", "recipients": [GRACE, ADA]},
    ]
    assert applied["fallback"] == "the function failed: failed"
    assert len(await stories(house, "INCOMING_EMAIL_BOUNCED")) == 2
    assert await waiting(house) == [STRANGER]


async def test_long_after_its_time_it_falls_back_without_another_attempt(
    house: Directory, function: HttpFunction
) -> None:
    function.answer = lambda event: 500
    await ask(house, fallback=JUNK, timeout=1)
    await pipeline.receive(house.core, outside(GRACE), by())
    await run_functions(house)
    real = house.core.env
    house.core.env = _Later(real, 7_200_000)  # type: ignore[assignment]
    await run_functions(house, later=True)
    house.core.env = real
    assert len(function.events) == 1
    assert await counts(house) == (0, 1)


async def test_a_fault_of_ours_is_no_answer_of_the_function(
    house: Directory, function: HttpFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*args: object, **more: object) -> None:
        raise Fault("its keys do not open")

    await ask(house, fallback=DROP, timeout=0)
    await pipeline.receive(house.core, outside(GRACE), by())
    with monkeypatch.context() as broken:
        broken.setattr(attempting, "open_entry", fails)
        await run_functions(house)
    assert await waiting(house) == [GRACE]
    real = house.core.env
    house.core.env = _Later(real, 7_200_000)  # type: ignore[assignment]
    await run_functions(house, later=True)
    house.core.env = real
    assert len(function.events) == 1
    assert await counts(house) == (1, 0)


class _Later:
    """The environment, some milliseconds later."""

    def __init__(self, env: Any, ms: int) -> None:
        self._env, self._ms = env, ms

    def now(self) -> int:
        return int(self._env.now()) + self._ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


def _always(answer: int | bytes, event: Event) -> int | bytes:
    return answer


async def test_what_is_no_answer(house: Directory, function: HttpFunction) -> None:
    await ask(house, fallback=DROP, timeout=0)
    for answer, why in (
        (404, "missing"),
        (b"no json", "is not a response"),
        (b'{"actions": []}', "no action"),
        (b'{"actions": [{"action": {"type": "SMTP_GATEWAY"}, "recipients": []}]}', "none here"),
        (b'{"actions": [' + b" " * 256 * 1024 + b"]}", "more than"),
    ):
        function.answer = partial(_always, answer)
        await pipeline.receive(house.core, outside(GRACE), by())
        await run_functions(house)
        *_, applied = await stories(house, ruling.APPLIED)
        assert why in applied["fallback"]
    assert await counts(house) == (0, 0)


async def test_without_retries_each_fallback_is_taken_at_once(
    house: Directory, function: HttpFunction
) -> None:
    function.answer = lambda event: 500
    before = 0, 0
    for number, fallback in enumerate((DROP, BOUNCE, JUNK, DEFAULT, NEVER_JUNK)):
        author = f"a@f{number}.example"
        await ask(house, senders=author, fallback=fallback, timeout=0)
        await pipeline.receive(house.core, outside(GRACE, sender=author), by(author))
        await run_functions(house)
        inbox, junk = {DROP: (0, 0), BOUNCE: (0, 0), JUNK: (0, 1)}.get(fallback, (1, 0))
        before = before[0] + inbox, before[1] + junk
        assert await counts(house) == before
    assert len(function.events) == 5


async def test_the_eleventh_action_falls_back(house: Directory, function: HttpFunction) -> None:
    await ask(house, fallback=DROP)
    function.answer = lambda event: [
        *(say("BOUNCE", f"b{n}@demo.test", reason=f"{n}") for n in range(10)),
        say("DEFAULT", GRACE),
        say("DEFAULT"),
    ]
    await pipeline.receive(house.core, outside(GRACE, ADA), by())
    await run_functions(house)
    assert await counts(house) == await counts(house, ADA) == (0, 0)
    assert await list_queue(house.core) == []


async def test_a_function_that_takes_too_long_has_not_answered(
    house: Directory, function: HttpFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*args: object, seconds: float, **more: object) -> bytes:
        assert seconds == house.core.settings.mailflow.function_seconds == 15
        raise FunctionFailed(Trouble.TIME)

    monkeypatch.setattr(attempting, "invoke", slow)
    await ask(house, fallback=JUNK, timeout=0)
    await pipeline.receive(house.core, outside(GRACE), by())
    await run_functions(house)
    assert await counts(house) == (0, 1)
    (applied,) = await stories(house, ruling.APPLIED)
    assert applied["fallback"] == "the function failed: time"


# --- nobody waits ---


async def test_nobody_waits_for_an_asynchronous_function(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    function.answer = lambda event: [say("DROP")]
    for direction in (INBOUND, OUTBOUND):
        await add_rule(
            house, direction, LAMBDA, "*", "demo.test", function=FUNCTION, asynchronous=True
        )
    await pipeline.receive(house.core, outside(GRACE), by())
    await pipeline.submit(house.core, ada, envelope(GRACE, "bob@away.example"), message())
    assert await counts(house) == (2, 0)
    await run_functions(house)
    told = [(one["flowDirection"], len(one["envelope"]["recipients"])) for one in function.events]
    assert sorted(told) == [("INBOUND", 1), ("INBOUND", 1), ("OUTBOUND", 1)]
    assert await counts(house) == (2, 0)
    assert await waiting(house) == ["bob@away.example"]
    assert [list(one) for one in await actions(house)] == [["RUN_LAMBDA"]] * 3


async def test_an_asynchronous_function_is_invoked_three_times(
    house: Directory, function: HttpFunction
) -> None:
    function.answer = lambda event: 500
    await add_rule(house, INBOUND, LAMBDA, function=FUNCTION, asynchronous=True)
    await pipeline.receive(house.core, outside(GRACE), by())
    for _ in range(5):
        await run_functions(house, later=True)
    assert len(function.events) == 3
    assert await list_queue(house.core) == []
    (failed,) = await stories(house, attempting.FAILED)
    assert failed["reason"] == "the function failed: failed"
    assert await counts(house) == (1, 0)
