"""How many signed DescribeUser calls one thread checks, validates and renders in a second.

Run with `python -m benchmarks.api_frame`; the handler is a constant, the HTTP server left out. The
same with every call recorded in the audit log of a database on disk, and the log's size.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from tests.support.api import ORGANIZATION, SECRET, call, make_dispatcher, services
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import FixedEnvironment, SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.operations.audit.log import AuditLog
from workpost.protocols.api import model
from workpost.protocols.api.auditing import CallAudit
from workpost.protocols.api.call import Call
from workpost.protocols.api.wire.body import parse_body
from workpost.protocols.signing import signature
from workpost.protocols.signing.authorization import parse_authorization
from workpost.protocols.signing.messages import ApiRequest, index_headers
from workpost.store.core import Core
from workpost.store.database.build import open_store
from workpost.store.database.unit import Reader
from workpost.store.keys.build import open_keys

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

    audited, size = asyncio.run(with_audit(request))

    operation = services()["workmail"].operations["DescribeUser"]
    headers = index_headers(request.headers)
    keys = signature.SigningKeys()
    claims = parse_authorization(request, headers)

    def check() -> None:
        parse_authorization(request, headers)
        signature.verify(claims, request, headers, SECRET.encode(), keys)

    load = time.perf_counter()
    model.load_services()
    loaded = time.perf_counter() - load
    return {
        "signed calls/s": CALLS / spent,
        "the same, audited": audited,
        "audit log, bytes a call": size,
        "signature, us": timed(check),
        "JSON and constraints, us": timed(lambda: operation.validate(parse_body(request.body))),
        "rendering, us": timed(lambda: operation.render(USER)),
        "model load and compile, ms": loaded * 1000,
    }


async def with_audit(request: ApiRequest) -> tuple[float, float]:
    """Calls per second with the audit log written beside them, and its bytes per call."""
    with tempfile.TemporaryDirectory() as folder:
        settings, env = Settings(data_dir=folder), SystemEnvironment()
        store, keys = await open_store(settings, env), open_keys(settings, env)
        core = Core(
            store=store,
            keys=keys,
            contents=None,  # type: ignore[arg-type]
            resolver=MemoryResolver(),
            env=env,
            settings=settings,
        )
        log = AuditLog(core)
        dispatcher = make_dispatcher(
            {"DescribeUser": DescribeUser}, environment=Environment(), audit=CallAudit(log)
        )
        started = time.perf_counter()
        for done in range(CALLS):
            await dispatcher.handle(request)
            if done % 50 == 0:
                # A server waits for its sockets; the log is written meanwhile.
                await asyncio.sleep(0)
            if log.full:
                await log.flush()
        await log.close()
        spent = time.perf_counter() - started
        rows = await store.read(_sizes)
        await store.close()
        await keys.close()
    return CALLS / spent, rows / CALLS


def _sizes(tx: Reader) -> int:
    row = tx.row("SELECT SUM(LENGTH(sealed)) FROM audit")
    return int(row[0]) if row is not None else 0


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
