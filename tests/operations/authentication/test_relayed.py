"""RFC 8601 5: what relays of ours say of a message counts, and nothing that strangers say."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.authentication.test_check import core_with
from tests.operations.mailflow.mails import received, stories
from tests.support.directories import Directory
from tests.support.mailboxes import ada, house, log_in, mail_core
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.mail_settings import Authentication as Believed
from workpost.kernel.mail_settings import Dmarc
from workpost.operations.authentication.check import Authentication, is_forged, is_proven
from workpost.operations.authentication.relayed import read_relayed
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.core import Core

__all__ = ["ada", "house", "mail_core"]

RELAY = "mx.demo.test"
MAIL = b"From: bob@author.example\r\nTo: grace@demo.test\r\nSubject: x\r\n\r\nHello\r\n"
REJECT = {("TXT", "_dmarc.author.example"): ["v=DMARC1; p=reject"]}
POSTFIX = (
    "Authentication-Results: mx.demo.test; dmarc={dmarc} (p=reject dis=none) "
    "header.from=author.example\r\n"
    "Authentication-Results: mx.demo.test; spf={spf} smtp.mailfrom=bounces@author.example\r\n"
    "Authentication-Results: mx.demo.test;\r\n"
    "\tdkim={dkim} (2048-bit key) header.d=author.example\r\n"
)


def brought(sender: str = "bounces@author.example") -> Envelope:
    return Envelope(
        sender=sender, recipients=["grace@demo.test"], peer="127.0.0.1", protocol="LMTP"
    )


async def read(fields: str, *, raw: bytes = MAIL, zone: Any = REJECT) -> Authentication | None:
    core = core_with(MemoryResolver(zone), trusted_authserv_ids=(RELAY,))
    return await read_relayed(core, brought(), fields.encode() + raw)


def postfix(spf: str, dkim: str, dmarc: str) -> str:
    return POSTFIX.format(spf=spf, dkim=dkim, dmarc=dmarc)


@pytest.mark.parametrize(
    ("spf", "dkim", "said", "found"),
    [
        ("pass", "none", "pass", "pass"),
        ("fail", "pass", "pass", "pass"),
        ("fail", "fail", "fail", "fail"),
        ("hardfail", "none", "none", "fail"),
        ("fail", "fail", "pass", "pass"),
        ("temperror", "none", "temperror", "none"),
        ("temperror", "none", "fail", "fail"),
        ("pass", "temperror", "fail", "pass"),
    ],
)
async def test_dmarc_is_judged_by_what_the_relay_says(
    spf: str, dkim: str, said: str, found: str
) -> None:
    authentication = await read(postfix(spf, dkim, said))
    assert authentication is not None
    assert (authentication.dmarc.result, authentication.relay) == (found, RELAY)
    assert authentication.dmarc.policy == ("" if found == "none" else "reject")
    assert is_proven(authentication, "author.example") == (found == "pass")
    assert is_forged(authentication) == (
        (spf in {"fail", "hardfail"} and dkim != "pass") or found == "fail"
    )
    assert authentication.field == b""


async def test_what_the_relay_says_on_top_counts() -> None:
    older = "Authentication-Results: mx.demo.test; spf=pass smtp.mailfrom=author.example\r\n"
    authentication = await read(postfix("fail", "none", "fail") + older)
    assert authentication is not None
    assert authentication.spf.result == "fail"


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "Authentication-Results: elsewhere.example; spf=fail; dmarc=fail\r\n",
        "Authentication-Results: mx.demo.test.evil.example; dmarc=pass\r\n",
        "X-Authentication-Results: mx.demo.test; dmarc=pass\r\n",
    ],
)
async def test_nothing_is_known_where_no_relay_of_ours_says_anything(fields: str) -> None:
    assert await read(fields) is None


async def test_a_relay_that_knows_no_spf_fails_nobody() -> None:
    authentication = await read("Authentication-Results: mx.demo.test; dkim=none\r\n")
    assert authentication is not None
    assert authentication.dmarc.result == "none"
    assert authentication.spf.result == "none"
    by_us = await read("Authentication-Results: mx.demo.test; spf=none smtp.helo=x.example\r\n")
    assert by_us is not None
    assert (by_us.dkim, by_us.dmarc.result) == ((), "fail")


async def test_an_author_who_cannot_be_told_is_as_over_smtp() -> None:
    raw = b"From: a@b.example\r\n" * 2000 + b"\r\n"
    authentication = await read(postfix("pass", "none", "pass"), raw=raw)
    assert authentication is not None
    assert authentication.dmarc.policy == "quarantine" or authentication.dmarc.result != "pass"


methods = st.sampled_from(["spf", "dkim", "dmarc", "arc", "iprev"])
results = st.sampled_from(["pass", "fail", "none", "policy", "hardfail", "temperror", "strange"])
places = st.sampled_from(["smtp.mailfrom", "smtp.helo", "header.d", "header.i", "header.from"])
values = st.sampled_from(["author.example", "@author.example", "a@b.example", '""', "x"])


async def test_no_number_of_fields_of_a_stranger_silences_the_relay() -> None:
    strangers = "Authentication-Results: stranger.example; dmarc=pass\r\n" * 200
    authentication = await read(postfix("fail", "fail", "fail") + strangers)
    assert authentication is not None
    assert authentication.dmarc.result == "fail"


@given(st.lists(st.tuples(methods, results, places, values), max_size=6))
def test_whatever_a_relay_says_has_an_end(said: list[tuple[str, str, str, str]]) -> None:
    told = "".join(f"; {method}={result} {place}={value}" for method, result, place, value in said)
    field = f"Authentication-Results: mx.demo.test{told or '; none'}\r\n"
    authentication = asyncio.run(read(field))
    assert authentication is not None
    assert authentication.dmarc.result in {"pass", "fail", "none"}


def behind(house: Directory, **dmarc: Any) -> Core:
    settings = msgspec.structs.replace(
        house.core.settings,
        hostname="mail.demo.test",
        authentication=Believed(trusted_authserv_ids=(RELAY,)),
        dmarc=Dmarc(**dmarc),
    )
    return msgspec.structs.replace(house.core, settings=settings, resolver=MemoryResolver(REJECT))


async def junk(house: Directory) -> list[bytes]:
    grant = await log_in(house.core, "grace@demo.test")
    folder = await mailboxes.find_folder(house.core, grant, "Junk E-mail")
    page = await messages.metadata_page(house.core, grant, folder.id, low=1, high=2**31)
    return [await messages.read_content(house.core, grant, meta) for meta in page]


async def test_a_policy_is_enforced_behind_a_relay_and_nobody_is_refused(house: Directory) -> None:
    raw = postfix("fail", "none", "fail").encode() + MAIL
    await pipeline.receive(behind(house), brought(), raw)
    assert await received(house, "grace@demo.test") == []
    [kept] = await junk(house)
    assert kept.count(b"Authentication-Results: mx.demo.test") == 3
    [story] = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert (story["dmarcVerdict"], story["trustedRelay"]) == ("FAIL", RELAY)
    [applied] = await stories(house, "DMARC_POLICY_APPLIED")
    assert applied["policy"] == "QUARANTINE"


async def test_with_drop_it_is_delivered_to_nobody(house: Directory) -> None:
    raw = postfix("fail", "none", "fail").encode() + MAIL
    await pipeline.receive(behind(house, reject="drop"), brought(), raw)
    assert await received(house, "grace@demo.test") + await junk(house) == []


async def test_fields_in_our_own_name_are_taken_out_of_what_a_relay_brings(
    house: Directory,
) -> None:
    ours = b"Authentication-Results: mail.demo.test; dmarc=pass\r\n"
    raw = postfix("pass", "none", "pass").encode() + ours + MAIL
    await pipeline.receive(behind(house), brought(), raw)
    [kept] = await received(house, "grace@demo.test")
    assert b"mail.demo.test; dmarc" not in kept
    assert kept.count(b"Authentication-Results: mx.demo.test") == 3


async def test_fields_in_a_relays_name_are_taken_out_of_strangers_mail(house: Directory) -> None:
    stranger = msgspec.structs.replace(brought(), peer="203.0.113.9", protocol="ESMTP")
    raw = postfix("pass", "pass", "pass").encode() + MAIL.replace(b"author", b"other")
    await pipeline.receive(behind(house), stranger, raw)
    [kept] = await received(house, "grace@demo.test")
    assert b"Authentication-Results: mx.demo.test" not in kept
    assert kept.count(b"Authentication-Results: mail.demo.test") == 1
