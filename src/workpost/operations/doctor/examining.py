"""All checks, one after the other, none of which can keep the others from their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from workpost.kernel.errors import TryLater, WorkpostError
from workpost.operations.doctor.addresses import check_addresses
from workpost.operations.doctor.blocklists import check_block_lists
from workpost.operations.doctor.certificate import check_certificate
from workpost.operations.doctor.clock import check_clock
from workpost.operations.doctor.database import check_database
from workpost.operations.doctor.disk import check_disk
from workpost.operations.doctor.keys import check_backups, check_keys
from workpost.operations.doctor.outbound import check_outbound
from workpost.operations.doctor.patient import Check, Patient, Verdict, failure
from workpost.operations.doctor.policy import check_policies
from workpost.operations.doctor.ports import check_outside, check_ports
from workpost.operations.doctor.queue import check_queue
from workpost.operations.doctor.records import check_domains

CHECKS: tuple[Check, ...] = (
    check_addresses,
    check_domains,
    check_ports,
    check_outside,
    check_certificate,
    check_policies,
    check_clock,
    check_block_lists,
    check_outbound,
    check_disk,
    check_keys,
    check_backups,
    check_database,
    check_queue,
)
SECONDS = 60.0
"""For one check."""
_UNKNOWN = "Look into the server's log for the same moment, and try once more."
_SILENT = (
    "Mostly a DNS server does not answer: check dns.servers, or /etc/resolv.conf. Otherwise look"
    " into the server's log for the same moment."
)


async def examine(
    patient: Patient, checks: Sequence[Check] = CHECKS, seconds: float = SECONDS
) -> list[Verdict]:
    """Run the checks; what one cannot find out is a failure of it."""
    found: list[Verdict] = []
    for check in checks:
        name = check.__name__.removeprefix("check_")
        try:
            async with asyncio.timeout(seconds):
                found += await check(patient)
        except (WorkpostError, OSError, TimeoutError) as error:
            reason = str(error) or f"no answer within {seconds:.0f} s"
            waited = isinstance(error, TimeoutError | TryLater)
            advice = _SILENT if waited else _UNKNOWN
            found.append(failure(name, "", f"this could not be looked at: {reason}", advice))
    return found
