"""Mail between people here under random rules of both directions, functions among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domain.organizations.test_flow_rules import naive
from tests.operations.mailflow.mails import envelope, stories
from tests.operations.mailflow.rulings import counts
from tests.operations.mailflow.test_ruling import _raise, forget
from tests.support.directories import Directory
from tests.support.mailboxes import log_in, message
from tests.support.rule_functions import FUNCTION, run_functions
from tests.support.stores import Run
from workpost.domain.organizations import flow_rule_shell as rules
from workpost.domain.organizations.flow_rules import (
    BOUNCE,
    DEFAULT,
    DROP,
    INBOUND,
    JUNK,
    LAMBDA,
    OUTBOUND,
    FlowAction,
    FlowRule,
)
from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.operations.mailflow import attempting, pipeline, ruling
from workpost.operations.mailflow.listing import list_queue

SENDER = "ada@demo.test"
PEOPLE = ("grace@demo.test", "linus@demo.test")
ACTIONS = {INBOUND: (DROP, BOUNCE, JUNK, DEFAULT), OUTBOUND: (DROP, BOUNCE, DEFAULT)}
SENDERS = st.lists(st.sampled_from([SENDER, "demo.test", "*"]), min_size=1, max_size=2, unique=True)
DESTINATIONS = st.lists(
    st.sampled_from([*PEOPLE, "demo.test", "*"]), min_size=1, max_size=2, unique=True
)


@st.composite
def rules_of(draw: st.DrawFn, direction: str) -> FlowRule:
    kind = draw(st.sampled_from([*ACTIONS[direction], "wait", "wait", "wait", "tell"]))
    action = FlowAction(type=kind)
    destinations = draw(DESTINATIONS)
    if kind == "wait":
        fallback = draw(st.sampled_from(ACTIONS[direction]))
        action = FlowAction(type=LAMBDA, function=FUNCTION, fallback=fallback)
        destinations = ["*"]
    elif kind == "tell":
        action = FlowAction(type=LAMBDA, function=FUNCTION, asynchronous=True)
    return FlowRule(
        name="", action=action, senders=tuple(draw(SENDERS)), destinations=tuple(destinations)
    )


def answers(direction: str) -> st.SearchStrategy[Mapping[str, str] | None]:
    """What the function says, by recipient or "*"; None: it fails."""
    said = st.dictionaries(
        st.sampled_from([*PEOPLE, "*"]), st.sampled_from(ACTIONS[direction]), min_size=1
    )
    return st.none() | said


def expected(
    written: Mapping[str, list[tuple[str, FlowRule]]],
    said: Mapping[str, Mapping[str, str] | None],
    person: str,
) -> tuple[str, dict[str, str]]:
    """The action that is left in the end, and the rules that were applied, by direction."""
    applied = {}
    action = DEFAULT
    for direction in (OUTBOUND, INBOUND):
        match = naive(direction, written[direction], [SENDER], person)
        action = DEFAULT
        if match is not None:
            applied[f"{direction}_RULE"] = match.rule.name
            action = match.rule.action.type
            if action == LAMBDA:
                action = DEFAULT
                if not match.rule.action.asynchronous:
                    answer = said[direction] or {}
                    fallback = match.rule.action.fallback
                    action = answer.get(person, answer.get("*", fallback))
        if action in (DROP, BOUNCE):
            break
    return action, applied


async def one_message(
    house: Directory,
    made: Mapping[str, list[FlowRule]],
    said: Mapping[str, Mapping[str, str] | None],
) -> None:
    await house.core.store.write(forget)
    written: dict[str, list[tuple[str, FlowRule]]] = {INBOUND: [], OUTBOUND: []}
    for direction, some in made.items():
        for number, rule in enumerate(some):
            named = FlowRule(
                name=f"rule {number}",
                action=rule.action,
                senders=rule.senders,
                destinations=rule.destinations,
            )
            rule_id = await rules.create(house.core, house.grant, direction, named)
            written[direction].append((rule_id, named))
    await house.core.store.write(_raise, org=house.organization)
    grant = await log_in(house.core, SENDER)
    await pipeline.submit(house.core, grant, envelope(*PEOPLE, sender=SENDER), message())
    await run_functions(house)
    left = [one for one in await list_queue(house.core) if not one.get("asynchronous", True)]
    assert left == []
    told = [
        (one["ruleType"], recipient, one["ruleName"])
        for one in await stories(house, ruling.APPLIED)
        for recipient in one["ruleActions"][0]["recipients"]
    ]
    bounced = [
        one["bouncedRecipient"]["emailAddress"] for one in await stories(house, "%_EMAIL_BOUNCED")
    ]
    for person in PEOPLE:
        action, applied = expected(written, said, person)
        place = {DROP: (0, 0), BOUNCE: (0, 0), JUNK: (0, 1)}.get(action, (1, 0))
        assert await counts(house, person) == place
        assert bounced.count(person) == (action == BOUNCE)
        assert sorted((kind, name) for kind, who, name in told if who == person) == sorted(
            applied.items()
        )


def test_every_recipient_ends_where_the_words_say(
    run: Run[Any], house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(house.user("linus"))
    limits = msgspec.structs.replace(house.core.settings.limits, test_domain_recipients_per_day=0)
    house.core.settings = msgspec.structs.replace(house.core.settings, limits=limits)
    answered: dict[str, Mapping[str, str] | None] = {}

    async def invoke(*args: object, event: bytes, **more: object) -> bytes:
        said = answered[json.loads(event)["flowDirection"]]
        if said is None:
            raise FunctionFailed(Trouble.FAILED)
        return json.dumps(
            {
                "actions": [
                    {"action": {"type": action}}
                    | ({"allRecipients": "true"} if who == "*" else {"recipients": [who]})
                    for who, action in said.items()
                ]
            }
        ).encode()

    monkeypatch.setattr(attempting, "invoke", invoke)

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(
        st.lists(rules_of(INBOUND), max_size=3),
        st.lists(rules_of(OUTBOUND), max_size=3),
        answers(INBOUND),
        answers(OUTBOUND),
    )
    def check(
        inbound: list[FlowRule],
        outbound: list[FlowRule],
        said_in: Mapping[str, str] | None,
        said_out: Mapping[str, str] | None,
    ) -> None:
        answered.update({INBOUND: said_in, OUTBOUND: said_out})
        run(one_message(house, {INBOUND: inbound, OUTBOUND: outbound}, answered))

    check()
