"""The host's addresses, and whether they are called what the host calls itself (RFC 1912 2.1)."""

from __future__ import annotations

import ipaddress

from workpost.kernel.errors import TryLater
from workpost.operations.doctor.patient import Patient, Verdict, failure, ok, warning

WHY_PTR = (
    "Large providers refuse mail from addresses whose name does not lead back to them. Whoever gave"
    " you the address sets it, often in their control panel under reverse DNS."
)


async def check_addresses(patient: Patient) -> list[Verdict]:
    """A and AAAA of the host name, and for each address its name and back."""
    host = patient.settings.host_name
    try:
        found = await addresses_of(patient, host)
    except TryLater as error:
        advice = "Check dns.servers, or /etc/resolv.conf, and that UDP and TCP port 53 go out."
        return [failure("dns.address", host, error.message, advice)]
    if not found:
        advice = f"Publish an A record (and AAAA) of {host} with the address of this machine."
        return [failure("dns.address", host, "there is no address in DNS", advice)]
    verdicts = [_compared(patient, host, found)]
    for address in dict.fromkeys([*found, *patient.addresses]):
        verdicts += [await _reverse(patient, host, address)]
    return verdicts


async def addresses_of(patient: Patient, name: str) -> list[str]:
    """The addresses of a name. Raises TryLater."""
    v4, v6 = await patient.resolver.a(name), await patient.resolver.aaaa(name)
    return [str(ipaddress.ip_address(each)) for each in (*v4.values, *v6.values)]


def _compared(patient: Patient, host: str, found: list[str]) -> Verdict:
    own = [str(ipaddress.ip_address(each)) for each in patient.addresses]
    shown = ", ".join(found)
    if own and not set(own) & set(found):
        advice = (
            f"Publish an A record (and AAAA) of {host} with {', '.join(own)}, or name the public"
            " addresses by --address where the machine is behind address translation."
        )
        return failure("dns.address", host, f"DNS says {shown}, which is not this machine", advice)
    missing = [each for each in own if each not in found]
    if missing:
        advice = f"Publish {', '.join(missing)} for {host} too, or take it from the machine."
        text = f"mail may leave from {', '.join(missing)}, which DNS does not have"
        return warning("dns.address", host, text, advice)
    return ok("dns.address", host, shown)


async def _reverse(patient: Patient, host: str, address: str) -> Verdict:
    try:
        names = (await patient.resolver.ptr(address)).values
        back = {name: await addresses_of(patient, name) for name in names[:10]}
    except TryLater as error:
        return warning("dns.reverse", address, error.message, WHY_PTR)
    if not names:
        return failure("dns.reverse", address, f"it has no name; {host} is wanted", WHY_PTR)
    confirmed = [name for name in names if address in back.get(name, [])]
    if host.lower() in confirmed:
        return ok("dns.reverse", address, f"{host}, and back")
    if confirmed:
        text = f"its name is {confirmed[0]}, the server calls itself {host}"
        return warning("dns.reverse", address, text, f"Set its name to {host}. {WHY_PTR}")
    text = f"its name is {names[0]}, which does not lead back"
    return failure("dns.reverse", address, text, f"Set its name to {host}. {WHY_PTR}")
