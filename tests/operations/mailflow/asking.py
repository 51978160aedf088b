"""Rules that ask a function, for tests of mail flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.operations.mailflow.mails import stories
from tests.operations.mailflow.rulings import (
    add_rule,
)
from tests.support.directories import Directory
from tests.support.rule_functions import (
    FUNCTION,
    HttpFunction,
    http_function,
)
from workpost.domain.organizations.flow_rules import (
    DEFAULT,
    INBOUND,
    LAMBDA,
)
from workpost.operations.mailflow import ruling
from workpost.operations.mailflow.listing import list_queue

GRACE, ADA = "grace@demo.test", "ada@demo.test"


@pytest.fixture
def function(house: Directory) -> Iterator[HttpFunction]:
    with http_function(house) as function:
        yield function


async def ask(house: Directory, direction: str = INBOUND, **more: Any) -> str:
    """A rule that waits for the function."""
    more = {"fallback": DEFAULT, "function": FUNCTION, "timeout": 10, **more}
    return await add_rule(house, direction, LAMBDA, **more)


async def waiting(house: Directory) -> list[str]:
    return [str(one["recipient"]) for one in await list_queue(house.core)]


async def actions(house: Directory) -> list[dict[str, list[str]]]:
    """What RULE_APPLIED tells, by action."""
    return [
        {each["action"]: each["recipients"] for each in one["ruleActions"]}
        for one in await stories(house, ruling.APPLIED)
    ]
