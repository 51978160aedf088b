"""What flow rules cost: submissions to people here without, with many, and with a function."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.product import PASSWORD, Workpost
from benchmarks.scale import Scale
from benchmarks.submission import ROUNDS, Outcome, outcome
from benchmarks.table import Row
from workpost.domain.organizations import flow_rule_shell as rules
from workpost.domain.organizations.flow_rules import (
    DEFAULT,
    DROP,
    INBOUND,
    LAMBDA,
    FlowAction,
    FlowRule,
)
from workpost.kernel.principal import Grant
from workpost.store.tables.queue_orders import count_states

SECTION = "Flow rules: submissions to people here until all are delivered, pipelined"
ARN = "arn:aws:lambda:us-east-1:111122223333:function:"
HTTP, CALLABLE = ARN + "http", ARN + "callable"
EXAMPLES = Path(__file__).parents[1] / "examples" / "functions"
PATTERNS = 1_000
PER_RULE = 250
WAIT_SECONDS = 120.0
NONE, MANY = "no rules", "1,000 sender patterns, none of which matches"
FUNCTIONS = {"function over HTTP": HTTP, "callable": CALLABLE}


def measure(folder: Path, scale: Scale) -> Iterator[Row]:
    """Deliveries per second with each kind of rules; each is compared with none."""
    command = [sys.executable, "-m", "benchmarks.answering"]
    function = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert function.stdout is not None
    port = int(function.stdout.readline())
    try:
        product = Workpost(folder / "rules")
        product.start()
        product.stop()
        mapped = json.dumps(_mapped(product.demo["account_id"], port))
        product = Workpost(folder / "rules", settings={"WORKPOST_LAMBDA__FUNCTIONS": mapped})
        product.start()
        try:
            yield from _measure(product, scale)
        finally:
            product.stop()
    finally:
        function.communicate()


def _mapped(account: str, port: int) -> list[dict[str, object]]:
    accounts = [account]
    return [
        {"arn": HTTP, "accounts": accounts, "kind": "http", "url": f"http://127.0.0.1:{port}/"},
        {
            "arn": CALLABLE,
            "accounts": accounts,
            "kind": "callable",
            "path": str(EXAMPLES),
            "handler": "hello_world.lambda_handler",
        },
    ]


def _measure(product: Workpost, scale: Scale) -> Iterator[Row]:
    plain = 0.0
    for what, made in _kinds().items():
        ids = asyncio.run(_put(product, made))
        best = max(_round(product, scale) for _ in range(min(ROUNDS, scale.rounds)))
        asyncio.run(_take(product, ids))
        plain = plain or best
        yield Row(
            section=SECTION,
            what=what,
            value=best,
            unit="/s",
            peer="none" if what != NONE else "",
            peer_value=plain if what != NONE else None,
        )


def _kinds() -> dict[str, list[FlowRule]]:
    drop = FlowAction(type=DROP)
    many = [
        FlowRule(
            name=f"many {start}",
            action=drop,
            senders=tuple(f"sender-{number}.example" for number in range(start, start + PER_RULE)),
            destinations=("*",),
        )
        for start in range(0, PATTERNS, PER_RULE)
    ]
    kinds: dict[str, list[FlowRule]] = {NONE: [], MANY: many}
    for what, arn in FUNCTIONS.items():
        told = FlowAction(type=LAMBDA, function=arn, asynchronous=True)
        asked = FlowAction(type=LAMBDA, function=arn, fallback=DEFAULT, timeout=5)
        for name, action in ((f"an asynchronous {what}", told), (f"a synchronous {what}", asked)):
            rule = FlowRule(name=name, action=action, senders=("*",), destinations=("*",))
            kinds[name] = [rule]
    return kinds


async def _put(product: Workpost, made: list[FlowRule]) -> list[str]:
    async with product.attached() as core:
        grant = Grant.system("bench", product.organization)
        return [await rules.create(core, grant, INBOUND, one) for one in made]


async def _take(product: Workpost, ids: list[str]) -> None:
    async with product.attached() as core:
        grant = Grant.system("bench", product.organization)
        for one in ids:
            await rules.delete(core, grant, INBOUND, one)


def _round(product: Workpost, scale: Scale) -> float:
    """Messages per second, until the queue is empty."""
    people = product.add_people(scale.people)
    pairs = [
        (people[n % len(people)], people[(n + 1) % len(people)]) for n in range(scale.connections)
    ]
    count = scale.submissions // (3 * len(pairs)) * len(pairs)
    began = time.perf_counter()
    accepted: Outcome = outcome(
        product.port("submission"), pairs, PASSWORD, "", count, product.processes()[0], True
    )
    # Logins, which are slow on purpose, are left out of the rate of acceptance.
    took = count / accepted.rate
    since = time.perf_counter()
    asyncio.run(_emptied(product, began))
    return count / (took + time.perf_counter() - since)


async def _emptied(product: Workpost, began: float) -> None:
    async with product.attached() as core:
        while {"waiting", "leased"} & {*await core.store.read(count_states)}:
            if time.perf_counter() - began > WAIT_SECONDS:
                raise TimeoutError("the queue does not empty")
            await asyncio.sleep(0.05)
