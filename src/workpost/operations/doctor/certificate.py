"""Would others trust the certificate, for every name under which they come?"""

from __future__ import annotations

import asyncio
import ssl

from workpost.formats.addresses import ascii_domain
from workpost.kernel.listeners import parse_address
from workpost.operations.certificates.files import AcmeFiles
from workpost.operations.certificates.inspecting import Facts, facts_of
from workpost.operations.doctor.addresses import addresses_of
from workpost.operations.doctor.patient import Patient, Verdict, failure, ok, skipped, warning
from workpost.operations.doctor.probing import SECONDS, Unexpected, talk
from workpost.store.tables.domains import list_verified

MOST_DOMAINS = 200
ADVICE = "Set acme.enabled, or give tls.certificate and tls.key the files of an authority."

UNTIL = "This one is shown until another one was fetched: see certificate.acme."


async def check_certificate(patient: Patient) -> list[Verdict]:
    """The certificate of the running server, and how its renewal goes."""
    found = _renewal(patient)
    where = next((patient.endpoints[n] for n in ("https", "imaps") if n in patient.endpoints), "")
    if not where:
        return [*found, skipped("certificate", "", "no listener with TLS runs")]
    kind = "https" if where.startswith("https") else "imaps"
    host, port = parse_address(where.rpartition("/")[2])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    name = patient.settings.host_name
    try:
        heard = await talk(kind, host, port, name)
    except (OSError, TimeoutError, Unexpected) as error:
        return [*found, skipped("certificate", name, f"it could not be read: {error}")]
    found.append(await _trusted(patient, host, port, name))
    if heard.certificate is not None:
        found += await _policies(patient, facts_of(heard.certificate))
    return found


def _renewal(patient: Patient) -> list[Verdict]:
    settings = patient.settings
    if not settings.acme.enabled:
        return []
    state = AcmeFiles(settings.tls_dir).state()
    if not state.tried:
        advice = "Start the server; the authority asks it on port 80 (listeners.acme)."
        return [warning("certificate.acme", settings.host_name, "none was fetched yet", advice)]
    if state.reason:
        advice = (
            "Mend what it says, then let the server try at once by SIGHUP. Port 80 of every name"
            " has to lead to listeners.acme."
        )
        return [failure("certificate.acme", settings.host_name, state.reason, advice)]
    return [ok("certificate.acme", settings.host_name, "fetched and kept new by the server")]


async def _trusted(patient: Patient, host: str, port: int, name: str) -> Verdict:
    """A handshake as a stranger does it, who trusts what this machine trusts."""
    try:
        async with asyncio.timeout(SECONDS):
            context = await asyncio.to_thread(ssl.create_default_context)
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
            writer.transport.abort()
    except ssl.SSLCertVerificationError as error:
        text = f"nobody trusts it: {error.verify_message}"
        advice = UNTIL if patient.settings.acme.enabled else ADVICE
        return warning("certificate", name, text, advice)
    except (OSError, TimeoutError) as error:
        return failure("certificate", name, f"the handshake fails: {error}", ADVICE)
    return ok("certificate", name, "strangers trust it")


async def _policies(patient: Patient, facts: Facts) -> list[Verdict]:
    """RFC 8461 3.3: the policy's host has to have a certificate of its own name."""
    core, mode = patient.core, patient.settings.mta_sts.mode
    if core is None or mode == "none":
        return []
    found = []
    for row in await core.store.read(list_verified, after="", limit=MOST_DOMAINS):
        name = f"mta-sts.{ascii_domain(row.name)}"
        if facts.covers(name):
            found.append(ok("certificate.mta-sts", name, "in the certificate"))
            continue
        if not await addresses_of(patient, name):
            continue
        advice = (
            f"Take {name} into the certificate; with acme.enabled the server does so once the name"
            " leads here."
        )
        say = failure if mode == "enforce" else warning
        found.append(say("certificate.mta-sts", name, "not in the certificate", advice))
    return found
