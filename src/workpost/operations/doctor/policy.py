"""Do others get the MTA-STS policy that is meant, over TLS that they trust (RFC 8461 3.3)?"""

from __future__ import annotations

from workpost.domain.organizations.mail_policies import LABEL
from workpost.formats.addresses import ascii_domain
from workpost.formats.mta_sts import MAX_BYTES, PolicyError, parse_policy
from workpost.integrations.egress.client import Bounds, EgressFailed, get
from workpost.operations.doctor.addresses import addresses_of
from workpost.operations.doctor.patient import (
    NEEDS_DATA,
    NEEDS_ONLINE,
    Patient,
    Verdict,
    failure,
    ok,
    skipped,
    warning,
)
from workpost.operations.domains.mta_sts import policy_text
from workpost.store.tables.domains import list_verified

MOST_DOMAINS = 50
SECONDS = 10.0
PORT = 443
PATH = "/.well-known/mta-sts.txt"


async def check_policies(patient: Patient) -> list[Verdict]:
    """Fetch the policy of each verified domain as other servers do."""
    if not patient.online:
        return [skipped("policy", "", NEEDS_ONLINE)]
    if patient.core is None:
        return [skipped("policy", "", NEEDS_DATA)]
    found = []
    for row in await patient.core.store.read(list_verified, after="", limit=MOST_DOMAINS):
        name = f"{LABEL}{ascii_domain(row.name)}"
        if await addresses_of(patient, name):
            found.append(await _fetched(patient, name))
    return found


async def _fetched(patient: Patient, name: str) -> Verdict:
    settings = patient.settings

    async def resolve(host: str, port: int) -> list[str]:
        return await addresses_of(patient, host)

    bounds = Bounds(
        allow=settings.egress.allow,
        ca_file=settings.egress.ca_file,
        seconds=SECONDS,
        response_bytes=MAX_BYTES,
        redirects=0,
    )
    where = name if PORT == 443 else f"{name}:{PORT}"
    advice = (
        f"Lead {name} to listeners.https at port 443, with a certificate of that name. Until others"
        " get the policy they deliver without it."
    )
    try:
        response = await get(bounds, f"https://{where}{PATH}", resolver=resolve)
        if response.status != 200:
            return warning("policy", name, f"status {response.status}", advice)
        there = parse_policy(response.body)
    except EgressFailed as error:
        return warning("policy", name, f"it cannot be fetched: {error.problem.value}", advice)
    except PolicyError as error:
        return warning("policy", name, f"it is no policy: {error}", advice)
    if not there.covers(settings.host_name):
        text = f"it names {', '.join(there.mx)}, not {settings.host_name}"
        say = failure if there.mode == "enforce" else warning
        return say("policy", name, text, "Is that another server's policy? Remove it there.")
    if there != parse_policy(policy_text(settings).encode()):
        text = f"it says {there.mode}, mta_sts.mode is {settings.mta_sts.mode}"
        return warning("policy", name, text, "Reload or restart the server.")
    return ok("policy", name, there.mode)
