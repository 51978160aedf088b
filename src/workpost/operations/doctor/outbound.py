"""May this machine connect to port 25 elsewhere? Many providers forbid it until they are asked."""

from __future__ import annotations

import asyncio

from workpost.kernel.errors import TryLater
from workpost.kernel.listeners import parse_address
from workpost.operations.doctor.patient import (
    NEEDS_ONLINE,
    Patient,
    Verdict,
    failure,
    ok,
    skipped,
)
from workpost.operations.doctor.probing import SECONDS, Unexpected, connected, smtp_reply

ADVICE = (
    "Ask the provider to open outbound port 25. Where they refuse, send through a relay host that"
    " listens at another port."
)
PORT = 25
MOST_HOSTS = 2


async def check_outbound(patient: Patient) -> list[Verdict]:
    """Wait for the greeting of another domain's mail server."""
    if patient.settings.outbound.relay:
        return [await _relay(patient)]
    domain = patient.settings.doctor.peer
    if not patient.online:
        return [skipped("outbound", domain, NEEDS_ONLINE)]
    try:
        hosts = [host for _, host in (await patient.resolver.mx(domain)).values if host]
        addresses = [
            (host, address)
            for host in hosts[:MOST_HOSTS]
            for address in (await patient.resolver.a(host)).values[:1]
        ]
    except TryLater as error:
        return [skipped("outbound", domain, error.message)]
    if not addresses:
        return [skipped("outbound", domain, "DNS has no mail servers of it; set doctor.peer")]
    problems = []
    for host, address in addresses:
        problem = await greeting_problem(address, PORT)
        if not problem:
            return [ok("outbound", host, "port 25 is open")]
        problems.append(problem)
    return [failure("outbound", domain, "; ".join(problems), ADVICE)]


async def _relay(patient: Patient) -> Verdict:
    """Where everything goes through a relay, only that has to be reached."""
    relay = patient.settings.outbound.relay
    if not patient.online:
        return skipped("outbound", relay, NEEDS_ONLINE)
    host, port = parse_address(relay)
    tls = host if patient.settings.outbound.relay_tls == "implicit" else ""
    problem = await greeting_problem(host, port, tls)
    if problem:
        advice = "Check outbound.relay and outbound.relay_tls, and ask whoever runs the relay."
        return failure("outbound", relay, problem, advice)
    return ok("outbound", relay, "the relay greets")


async def greeting_problem(address: str, port: int, tls_name: str = "") -> str:
    """Why no mail server greets there, with TLS at once if a name is given; "" when one does."""
    try:
        async with (
            asyncio.timeout(SECONDS),
            connected(address, port, tls_name) as (reader, writer),
        ):
            await smtp_reply(reader, "220")
            writer.write(b"QUIT\r\n")
            await writer.drain()
    except TimeoutError:
        return f"{address}: no answer on port {port}; somebody between drops it"
    except Unexpected as error:
        return f"{address}: {error}"
    except OSError as error:
        return f"{address}: {error.strerror or error}"
    return ""
