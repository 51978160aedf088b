"""Does every listener answer in its protocol, here and at the public addresses?"""

from __future__ import annotations

import asyncio
import textwrap

from workpost.kernel.errors import TryLater
from workpost.kernel.listener_settings import LISTENERS
from workpost.kernel.listeners import is_proxied, parse_address
from workpost.operations.certificates.inspecting import facts_of
from workpost.operations.doctor.addresses import addresses_of
from workpost.operations.doctor.patient import (
    NEEDS_ONLINE,
    Patient,
    Verdict,
    failure,
    ok,
    skipped,
    warning,
)
from workpost.operations.doctor.probing import Talk, Unexpected, talk

PUBLIC = {
    "smtp": 25,
    "submissions": 465,
    "submission": 587,
    "imaps": 993,
    "managesieve": 4190,
    "https": 443,
    "acme": 80,
}
"""What the world is to reach, at which ports."""
EXPIRES_DAYS = 14
MOST_GREETING = 70


async def check_ports(patient: Patient) -> list[Verdict]:
    """Each listener of the running server, over loopback where it listens everywhere."""
    if not patient.endpoints:
        advice = "Start it: `workpost serve`, or `systemctl start workpost`."
        where = str(patient.settings.run_dir)
        return [failure("server", where, "the server does not run", advice)]
    names = [name for name in LISTENERS if name in patient.endpoints]
    return await asyncio.gather(*(_listener(patient, name) for name in names))


async def _listener(patient: Patient, name: str) -> Verdict:
    if name == "lmtp":
        where = patient.endpoints[name]
        return skipped("port.lmtp", where, "only the server in front speaks to it")
    host, port = parse_address(patient.endpoints[name].rpartition("/")[2])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    if is_proxied(patient.settings, name, host):
        return skipped(f"port.{name}", host, "only proxies speak to it (listeners.proxies)")
    advice = "Look into the server's log; restart it if it says nothing."
    return await _greeted(patient, f"port.{name}", name, host, port, advice)


async def _greeted(
    patient: Patient, check: str, kind: str, host: str, port: int, advice: str
) -> Verdict:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        heard = await talk(kind, host, port, patient.settings.host_name)
    except Unexpected as error:
        text = f"something else listens there: {error}"
        return failure(check, where, text, f"See who has the port: `ss -ltnp`. {advice}")
    except TimeoutError:
        return failure(check, where, "no answer in time", advice)
    except OSError as error:
        return failure(check, where, f"no connection: {error.strerror or error}", advice)
    return _certificate(patient, check, where, heard)


def _certificate(patient: Patient, check: str, where: str, heard: Talk) -> Verdict:
    said = textwrap.shorten(heard.greeting, MOST_GREETING, placeholder="...")
    if heard.certificate is None:
        return ok(check, where, said)
    facts = facts_of(heard.certificate)
    host = patient.settings.host_name
    if not facts.covers(host):
        shown = ", ".join(sorted(facts.names)) or "nobody"
        advice = f"Take a certificate for {host}; after a change restart the server."
        return failure(check, where, f"the certificate is for {shown}, not for {host}", advice)
    days = (facts.ends - patient.now).days
    text = f"{said}; certificate until {facts.ends:%Y-%m-%d}"
    if days < 0:
        advice = "Renew it; the server takes up replaced files by itself."
        return failure(check, where, f"the certificate ended {-days} days ago", advice)
    if days < EXPIRES_DAYS and facts.left(patient.now) < 0.2:
        return warning(check, where, text, "Renew it: mail programs refuse one that has ended.")
    return ok(check, where, text)


async def check_outside(patient: Patient) -> list[Verdict]:
    """The same at the addresses that DNS has of the host, and the usual ports."""
    host = patient.settings.host_name
    if not patient.online:
        return [skipped("reach", host, NEEDS_ONLINE)]
    if not patient.endpoints:
        return [skipped("reach", host, "the server does not run")]
    try:
        found = await addresses_of(patient, host)
    except TryLater as error:
        return [skipped("reach", host, error.message)]
    advice = (
        "Open the port in the firewalls of machine and provider, and lead it to the listener. From"
        " behind some routers an own public address cannot be reached: then try from elsewhere."
    )
    return await asyncio.gather(
        *(
            _greeted(patient, f"reach.{name}", name, address, port, advice)
            for address in found
            for name, port in PUBLIC.items()
            if getattr(patient.settings.listeners, name)
        )
    )
