"""Functions of Run Lambda rules for tests: what stands behind ARNs, and what it was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tests.support.directories import Directory
from tests.support.outside import Asked, OutsideServer, Reply
from workpost.kernel.outside_settings import Function, Lambda
from workpost.operations.mailflow.rule_runner import RuleRunner
from workpost.store.tables import queue_kinds

Event = dict[str, Any]
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:mail"
SLOW_FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:slow"


def say(action: str, *recipients: str, reason: str | None = None) -> dict[str, Any]:
    """An action of a response, for all recipients unless some are named."""
    said: dict[str, Any] = {"type": action}
    if reason is not None:
        said["parameters"] = {"bounceMessage": reason}
    if recipients:
        return {"action": said, "recipients": list(recipients)}
    return {"action": said, "allRecipients": True}


class HttpFunction:
    """A function over HTTP; `answer` says what it answers to an event.

    That is a list of actions, a number for a failure, or the bytes of the response.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answer: Callable[[Event], list[Any] | int | bytes] = lambda event: [say("DEFAULT")]
        self.server = OutsideServer()
        self.server.answer = self._reply

    def _reply(self, asked: Asked) -> Reply:
        event = json.loads(asked.body)
        self.events.append(event)
        answer = self.answer(event)
        if isinstance(answer, int):
            return answer, {}, b""
        if isinstance(answer, bytes):
            return 200, {}, answer
        return 200, {}, json.dumps({"actions": answer}).encode()

    def mapping(self, account: str, arn: str = FUNCTION) -> Function:
        """The setting that leads to it."""
        url = f"http://127.0.0.1:{self.server.port}/"
        return Function(arn=arn, accounts=(account,), kind="http", url=url)


@contextmanager
def http_function(*houses: Directory) -> Iterator[HttpFunction]:
    """A function that the accounts of organizations may use, closed afterwards."""
    function = HttpFunction()
    for house in houses:
        mapped = tuple(function.mapping(house.account, arn) for arn in (FUNCTION, SLOW_FUNCTION))
        before = house.core.settings.lambda_.functions
        house.core.settings = msgspec.structs.replace(
            house.core.settings, lambda_=Lambda(functions=(*before, *mapped))
        )
    yield function
    function.server.close()


async def run_functions(house: Directory, *, later: bool = False) -> None:
    """Work on what waits for functions until nothing is due; `later`, what is retried as well."""
    runner = RuleRunner(house.core)
    if later:
        await house.change(
            f"UPDATE queue_rcpt SET due = 0 WHERE state = 'waiting' AND {queue_kinds.FUNCTION}"
        )
    while True:
        await runner.step()
        if not runner.busy:
            return
        await runner.settled()
