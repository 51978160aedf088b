"""Listeners that speak to the server or proxy in front only are not asked."""

from __future__ import annotations

import msgspec

from workpost.kernel.listener_settings import Listeners
from workpost.operations.doctor.patient import Patient
from workpost.operations.doctor.ports import check_ports


async def test_what_only_those_in_front_may_ask_is_skipped(patient: Patient) -> None:
    settings = msgspec.structs.replace(
        patient.settings, listeners=Listeners(proxies=("127.0.0.1 smtp imap",))
    )
    endpoints = {"smtp": "127.0.0.1:1", "lmtp": "unix:/run/lmtp", "imap": "0.0.0.0:1"}
    behind = msgspec.structs.replace(patient, settings=settings, endpoints=endpoints)
    verdicts = await check_ports(behind)
    assert {one.check for one in verdicts} == {"port.smtp", "port.imap", "port.lmtp"}
    assert {one.level for one in verdicts} == {"skipped"}
