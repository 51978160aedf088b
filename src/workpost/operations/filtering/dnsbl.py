"""DNS lists of addresses and of domain names (RFC 5782), asked side by side, bounded in time."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

from workpost.formats.addresses import AddressError, ascii_domain, check_domain
from workpost.integrations.dns.base import Resolver
from workpost.kernel import metrics
from workpost.kernel.errors import TryLater
from workpost.operations.filtering.networks import public_address
from workpost.operations.filtering.verdicts import Hit

DOMAINS = 6
"""Domain names of one message that are asked about."""
MAPPED = ipaddress.ip_network("127.0.0.0/8")
NO_ANSWER = (ipaddress.ip_network("127.255.255.0/24"), ipaddress.ip_network("127.0.0.1/32"))
"""What lists answer to those whom they do not serve, and what they must never list."""
_ASKED = metrics.counter("workpost_dns_list_queries_total", "Questions to DNS lists.", "outcome")


async def ask_lists(
    resolver: Resolver,
    *,
    peer: str,
    domains: Sequence[str],
    address_lists: Sequence[str],
    domain_lists: Sequence[str],
    seconds: float,
) -> list[Hit]:
    """The lists, `zone=points`, that a client's address or one of the domain names is on.

    A list counts once. What is not answered in `seconds` is not known, and counts for nothing.
    """
    questions: dict[str, list[str]] = {}
    reversed_ = reverse_address(peer)
    if reversed_:
        questions = {entry: [f"{reversed_}.{entry.partition('=')[0]}"] for entry in address_lists}
    names = [name for name in map(_plain, dict.fromkeys(domains)) if name][:DOMAINS]
    for entry in domain_lists:
        zone = entry.partition("=")[0]
        questions.setdefault(entry, []).extend(f"{name}.{zone}" for name in names)
    tasks = {
        asyncio.ensure_future(_is_listed(resolver, question)): entry
        for entry, asked in questions.items()
        for question in asked
    }
    if not tasks:
        return []
    try:
        done, late = await asyncio.wait(tasks, timeout=seconds)
    finally:
        for task in tasks:
            task.cancel()
    if late:
        _ASKED.labels("late").inc(len(late))
    hits = {tasks[task] for task in done if not task.cancelled() and task.result()}
    return [(_name(entry), float(entry.partition("=")[2])) for entry in questions if entry in hits]


def reverse_address(peer: str) -> str:
    """The labels that stand before a list's zone; "" for an address that no list knows."""
    address = public_address(peer)
    if address is None:
        return ""
    labels = address.reverse_pointer.split(".")
    return ".".join(labels[:-2])


def _plain(domain: str) -> str:
    """A domain name as it is asked about; "" for what is none."""
    try:
        name = ascii_domain(domain).lower()
        check_domain(name)
    except (AddressError, UnicodeError):
        return ""
    return name if "." in name and not name[-1].isdigit() and len(name) < 200 else ""


def _name(entry: str) -> str:
    return f"LISTED_{entry.partition('=')[0].upper().replace('.', '_').replace('-', '_')[:60]}"


async def _is_listed(resolver: Resolver, question: str) -> bool:
    try:
        answer = await resolver.a(question)
    except TryLater:
        _ASKED.labels("failed").inc()
        return False
    listed = any(_means_listed(value) for value in answer.values)
    _ASKED.labels("listed" if listed else "clear").inc()
    return listed


def _means_listed(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return address in MAPPED and not any(address in network for network in NO_ANSWER)
