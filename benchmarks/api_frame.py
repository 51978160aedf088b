"""How many signed DescribeUser calls one thread checks, validates and renders in a second.

Run with `python -m benchmarks.api_frame`; the handler is a constant, the HTTP server left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from tests.support.api import ORGANIZATION, SECRET, call, make_dispatcher, services
from workpost.kernel.clock import FixedEnvironment
from workpost.protocols.api import model, signature
from workpost.protocols.api.call import Call
from workpost.protocols.api.wire.body import parse_body
from workpost.protocols.api.wire.messages import index_headers

CALLS = 20_000
USER = {
    "UserId": "6f0c9b2e-1e3f-4a8e-9f43-0d6c8a4b7e11",
    "Name": "ada",
    "Email": "ada@demo.test",
    "DisplayName": "Ada Lovelace",
    "State": "ENABLED",
    "UserRole": "USER",
    "EnabledDate": 1_767_225_600_123,
    "HiddenFromGlobalAddressList": False,
}


class Environment(FixedEnvironment):
    """A still clock with the real cost of random ids."""

    def new_uuid(self) -> str:
        import uuid

        return str(uuid.uuid4())


async def DescribeUser(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
    return USER


def measure() -> dict[str, float]:
    """Calls per second, microseconds of each part, milliseconds to load the model."""
    request = call("DescribeUser", {"OrganizationId": ORGANIZATION, "UserId": USER["UserId"]})
    dispatcher = make_dispatcher({"DescribeUser": DescribeUser}, environment=Environment())

    async def run() -> None:
        for _ in range(CALLS):
            await dispatcher.handle(request)

    started = time.perf_counter()
    asyncio.run(run())
    spent = time.perf_counter() - started

    operation = services()["workmail"].operations["DescribeUser"]
    headers = index_headers(request.headers)
    keys = signature.SigningKeys()
    claims = signature.parse_authorization(request, headers)

    def check() -> None:
        signature.parse_authorization(request, headers)
        signature.verify(claims, request, headers, SECRET.encode(), keys)

    load = time.perf_counter()
    model.load_services()
    loaded = time.perf_counter() - load
    return {
        "signed calls/s": CALLS / spent,
        "signature, us": timed(check),
        "JSON and constraints, us": timed(lambda: operation.validate(parse_body(request.body))),
        "rendering, us": timed(lambda: operation.render(USER)),
        "model load and compile, ms": loaded * 1000,
    }


def timed(work: Any) -> float:
    """Microseconds of one run."""
    started = time.perf_counter()
    for _ in range(CALLS):
        work()
    return (time.perf_counter() - started) / CALLS * 1e6


def report() -> None:
    """Print the table."""
    for name, value in measure().items():
        print(f"{name:32}{value:12,.1f}")


if __name__ == "__main__":
    report()
