"""Mail from strangers over SMTP, as their domain's DMARC policy has it, seen over IMAP.

PutInboundDmarcSettings, RFC 9989, RFC 8601 and RFC 8617.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.operations.mailflow.mails import stories
from tests.support.directories import Directory, bare_core, new_directory
from tests.support.mailboxes import house, log_in, mail_core
from tests.support.post_office import HOST, JUNK, PostOffice, post_office
from tests.support.stores import Run
from workpost.domain.directory import shell as directory
from workpost.domain.organizations import inbound_dmarc
from workpost.formats.mailauth.results import Results, parse_results
from workpost.integrations.dns.base import Answer
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope

__all__ = ["bare_core", "house", "mail_core"]

MAIL = (
    b"From: Bob <bob@author.example>\r\nTo: grace@demo.test\r\nSubject: Engines\r\n"
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <one@author.example>\r\n\r\nHello\r\n"
)
OURS = {("TXT", "author.example"): ["v=spf1 ip4:127.0.0.0/8 -all"]}
NOT_OURS = {("TXT", "author.example"): ["v=spf1 ip4:192.0.2.1 -all exp=why.author.example"]}
RECEIVED = "ORGANIZATION_EMAIL_RECEIVED"
APPLIED = "DMARC_POLICY_APPLIED"


@pytest.fixture
def office(run: Run[Any], house: Directory) -> Iterator[PostOffice]:
    with post_office(run, house) as office:
        yield office


def policy(text: str) -> dict[tuple[str, str], list[str]]:
    return {("TXT", "_dmarc.author.example"): [f"v=DMARC1; {text}"]}


@functools.cache
def key() -> tuple[bytes, str]:
    """A private key, and its record."""
    made = rsa.generate_private_key(65537, 2048)
    private = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


def signed(raw: bytes, domain: bytes = b"author.example") -> bytes:
    signature: bytes = dkim.sign(raw, b"s1", domain, key()[0], include_headers=[b"from"])
    return signature + raw


def results_of(raw: bytes) -> Results:
    """Our own field, which stands above Received."""
    head = raw.partition(b"Received:")[0]
    return parse_results(head.partition(b"Authentication-Results:")[2])


def told(raw: bytes) -> dict[str, str]:
    return {each.method: each.result for each in results_of(raw).methods}


async def test_what_was_found_stands_above_received_and_in_the_event(office: PostOffice) -> None:
    office.dns.records |= {
        **OURS,
        **policy("p=reject"),
        ("TXT", "s1._domainkey.author.example"): [key()[1]],
    }
    assert (await office.send(signed(MAIL)))[0] == 250
    (got,) = await office.read()
    assert got.startswith(b"Return-Path: <bob@author.example>\r\nAuthentication-Results: mx.demo")
    results = results_of(got)
    assert results.server == HOST
    found = {each.method: (each.result, dict(each.properties)) for each in results.methods}
    assert found["spf"] == ("pass", {"smtp.mailfrom": "author.example"})
    assert found["dkim"][0] == "pass"
    assert found["dkim"][1]["header.d"] == "author.example"
    assert found["dmarc"] == ("pass", {"header.from": "author.example"})
    (story,) = await stories(office.house, RECEIVED)
    assert story["spfVerdict"] == story["dkimVerdict"] == story["dmarcVerdict"] == "PASS"
    assert "dmarcPolicy" not in story
    assert await stories(office.house, APPLIED) == []


async def test_results_forged_in_our_name_are_taken_out_rfc8601_5(office: PostOffice) -> None:
    forged = (
        b"Authentication-Results: MX.demo.test; dmarc=pass header.from=bank.example\r\n"
        b"Authentication-Results: other.example; spf=pass\r\n"
        b'authentication-results : (so) "mx.demo.test" 1;\r\n dkim=pass header.d=bank.example\r\n'
    )
    await office.send(forged + MAIL)
    (got,) = await office.read()
    assert got.count(b"uthentication-") == 2
    assert b"other.example; spf=pass" in got
    assert b"bank.example" not in got
    assert got.endswith(MAIL)


async def test_reject_refuses_in_smtp_and_is_recorded(office: PostOffice) -> None:
    office.dns.records |= {
        **NOT_OURS,
        **policy("p=reject"),
        ("TXT", "why.author.example"): ["%{i} is not ours"],
    }
    code, text = await office.send(MAIL)
    assert code == 550
    assert text.startswith(b"5.7.1 The policy of author.example")
    assert b"author.example explains: 127.0.0.1 is not ours" in text
    assert await office.read() == await office.read(JUNK) == []
    (story,) = await stories(office.house, APPLIED)
    assert story["policy"] == "REJECT"
    assert story["messageId"] == "one@author.example"
    assert await stories(office.house, RECEIVED) == []
    assert await office.house.run("SELECT id FROM content") == []


async def test_quarantine_goes_to_junk(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=quarantine")}
    assert (await office.send(MAIL))[0] == 250
    assert await office.read() == []
    (got,) = await office.read(JUNK)
    assert told(got) == {"spf": "fail", "dkim": "none", "dmarc": "fail"}
    assert b"dmarc=fail (p=quarantine)" in got
    (story,) = await stories(office.house, RECEIVED)
    assert (story["dmarcVerdict"], story["dmarcPolicy"]) == ("FAIL", "QUARANTINE")
    (story,) = await stories(office.house, APPLIED)
    assert story["policy"] == "QUARANTINE"


async def test_none_is_delivered_and_recorded(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=none")}
    assert (await office.send(MAIL))[0] == 250
    assert len(await office.read()) == 1
    (story,) = await stories(office.house, APPLIED)
    assert story["policy"] == "NONE"


async def test_mail_without_a_policy_is_gray(office: PostOffice) -> None:
    office.dns.records |= OURS
    await office.send(MAIL)
    assert len(await office.read()) == 1
    (story,) = await stories(office.house, RECEIVED)
    verdicts = {name: story[f"{name}Verdict"] for name in ("spf", "dkim", "dmarc")}
    assert verdicts == {"spf": "PASS", "dkim": "GRAY", "dmarc": "GRAY"}
    assert await stories(office.house, APPLIED) == []


async def test_an_organization_that_does_not_enforce_gets_everything(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=reject")}
    await inbound_dmarc.put_inbound_dmarc_settings(office.core, office.house.grant, enforced=False)
    assert (await office.send(MAIL))[0] == 250
    (got,) = await office.read()
    assert told(got)["dmarc"] == "fail"
    (story,) = await stories(office.house, RECEIVED)
    assert story["dmarcPolicy"] == "REJECT"
    assert await stories(office.house, APPLIED) == []
    await inbound_dmarc.put_inbound_dmarc_settings(office.core, office.house.grant, enforced=True)
    assert (await office.send(MAIL))[0] == 550


async def test_where_only_some_enforce_it_is_dropped_for_those(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=reject")}
    other = await new_directory(office.core, "other")
    await other.user("lin")
    await inbound_dmarc.put_inbound_dmarc_settings(office.core, other.grant, enforced=False)
    assert (await office.send(MAIL, "grace@demo.test", "lin@other.test"))[0] == 250
    assert await office.read() == []
    assert len(await office.read(who="lin@other.test")) == 1
    assert [each["policy"] for each in await stories(office.house, APPLIED)] == ["REJECT"]
    (story,) = await stories(office.house, RECEIVED)
    assert story["results"] == {}
    (story,) = await stories(other, RECEIVED)
    assert story["results"] == {"lin@other.test": {"local": 1}}
    assert await stories(other, APPLIED) == []


async def test_quarantine_holds_for_each_organization_by_itself(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=quarantine")}
    other = await new_directory(office.core, "other")
    await other.user("lin")
    await inbound_dmarc.put_inbound_dmarc_settings(office.core, other.grant, enforced=False)
    await office.send(MAIL, "grace@demo.test", "lin@other.test")
    assert len(await office.read(JUNK)) == 1
    assert len(await office.read(who="lin@other.test")) == 1


async def test_reject_is_silent_where_the_operator_wants_workmails_way(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=reject")}
    office.adjust(reject="drop")
    assert (await office.send(MAIL))[0] == 250
    assert await office.read() == await office.read(JUNK) == []
    kinds = await office.house.run("SELECT kind FROM event ORDER BY kind")
    assert kinds == [(APPLIED,), (RECEIVED,)]


async def test_a_signature_of_the_author_is_enough(office: PostOffice) -> None:
    office.dns.records |= {
        **NOT_OURS,
        **policy("p=reject"),
        ("TXT", "s1._domainkey.author.example"): [key()[1]],
        ("TXT", "s1._domainkey.stranger.example"): [key()[1]],
    }
    assert (await office.send(signed(MAIL)))[0] == 250
    assert len(await office.read()) == 1
    assert (await office.send(signed(MAIL, b"stranger.example")))[0] == 550
    assert (await office.send(signed(MAIL).replace(b"Hello", b"Hallo")))[0] == 550


async def test_a_check_that_may_still_pass_is_waited_for(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=reject")}
    office.dns.failing = {"s1._domainkey.author.example"}
    code, text = await office.send(signed(MAIL))
    assert code == 451
    assert text.startswith(b"4.3.0 The sender could not be authenticated now")
    # A stranger whose key cannot be had proves nothing either way.
    office.dns.failing = {"s1._domainkey.stranger.example"}
    assert (await office.send(signed(MAIL, b"stranger.example")))[0] == 550


async def test_no_mail_is_lost_while_the_dns_is_broken(office: PostOffice) -> None:
    office.dns.failing = {"author.example", "_dmarc.author.example"}
    assert (await office.send(MAIL))[0] == 250
    (got,) = await office.read()
    assert told(got) == {"spf": "temperror", "dkim": "none", "dmarc": "temperror"}
    (story,) = await stories(office.house, RECEIVED)
    assert story["spfVerdict"] == story["dmarcVerdict"] == "PROCESSING_FAILED"


async def test_a_trusted_list_may_say_that_it_saw_dmarc_pass_rfc8617(office: PostOffice) -> None:
    office.dns.records |= {
        **NOT_OURS,
        **policy("p=reject"),
        ("TXT", "s1._domainkey.list.example"): [key()[1]],
    }
    seen = (
        b"Authentication-Results: mx.list.example; arc=none;\r\n"
        b" dmarc=pass header.from=author.example\r\n"
    )
    sealed = b"".join(
        dkim.arc_sign(seen + MAIL, b"s1", b"list.example", key()[0], b"mx.list.example")
    )
    raw = sealed + MAIL
    assert (await office.send(raw))[0] == 550
    office.adjust(trusted_arc=("list.example",))
    assert (await office.send(raw))[0] == 250
    (got,) = await office.read()
    assert told(got)["arc"] == "pass"
    assert b"dmarc=fail (p=reject arc=list.example)" in got
    assert [each["trustedSealer"] for each in await stories(office.house, RECEIVED)] == [
        "list.example"
    ]
    assert (await office.send(raw.replace(b"Hello", b"Hallo")))[0] == 550
    assert (await office.send(raw.replace(b"bob@author", b"eve@author")))[0] == 550


async def test_bounces_are_checked_by_the_name_of_the_client(office: PostOffice) -> None:
    office.dns.records |= {("TXT", "mail.author.example"): ["v=spf1 a -all"]}
    office.dns.records |= {("A", "mail.author.example"): ["127.0.0.1"], **policy("p=reject")}
    assert (await office.send(MAIL, sender=""))[0] == 250
    (got,) = await office.read()
    (spf, *_) = results_of(got).methods
    assert (spf.result, spf.properties) == ("pass", {"smtp.helo": "mail.author.example"})
    assert told(got)["dmarc"] == "pass"


async def test_a_second_author_does_not_hide_the_first(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=reject")}
    office.dns.records |= {("TXT", "evil.example"): ["v=spf1 +all"]}
    office.dns.records |= {("TXT", "_dmarc.evil.example"): ["v=DMARC1; p=none"]}
    two = MAIL.replace(
        b"From: Bob <bob@author.example>", b"From: eve@evil.example, bob@author.example"
    )
    assert (await office.send(two, sender="eve@evil.example"))[0] == 550
    twice = b"From: eve@evil.example\r\n" + MAIL
    assert (await office.send(twice, sender="eve@evil.example"))[0] == 550


@pytest.mark.parametrize(
    "header",
    [
        b"X-Pad: x\r\n" * 2_500,
        b"From: " + b", ".join(b"x%d@evil.example" % n for n in range(1_000)) + b"\r\n",
    ],
)
async def test_a_header_that_hides_its_author_goes_to_junk(
    office: PostOffice, header: bytes
) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=reject")}
    assert (await office.send(header + MAIL))[0] == 250
    (got,) = await office.read(JUNK)
    assert told(got)["dmarc"] == "permerror"


async def test_trusted_relays_and_people_are_not_authenticated(office: PostOffice) -> None:
    office.dns.records |= {**NOT_OURS, **policy("p=reject")}
    office.adjust(trusted_networks=("127.0.0.0/8",))
    relayed = b"Authentication-Results: mx.demo.test; dmarc=pass\r\n" + MAIL
    assert (await office.send(relayed))[0] == 250
    (got,) = await office.read()
    assert got.endswith(relayed)
    office.adjust(trusted_networks=())
    ada = await log_in(office.core, "ada@demo.test")
    own = MAIL.replace(b"bob@author.example", b"ada@demo.test")
    envelope = Envelope(
        sender="ada@demo.test", recipients=["grace@demo.test"], peer="192.0.2.9", protocol="ESMTPSA"
    )
    await pipeline.submit(office.core, ada, envelope, own)
    assert b"Authentication-Results" not in (await office.read())[1]
    over_lmtp = Envelope(
        sender="bob@author.example",
        recipients=["grace@demo.test"],
        peer="192.0.2.9",
        protocol="LMTP",
    )
    await pipeline.receive(office.core, over_lmtp, MAIL)
    assert len(await office.read()) == 3


async def test_an_address_that_goes_while_the_dns_is_slow_is_not_delivered_to(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, grant = office.core, office.house.grant
    ada = (await log_in(core, "ada@demo.test")).entity
    await directory.create_alias(core, grant, ada, "countess@demo.test")

    async def slow(name: str) -> Answer[str]:
        await directory.delete_alias(core, grant, ada, "countess@demo.test")
        return Answer([])

    monkeypatch.setattr(pipeline, "STALE", 0.0)
    monkeypatch.setattr(core.resolver, "txt", slow)
    assert (await office.send(MAIL, "countess@demo.test"))[0] == 550
    assert await office.house.run("SELECT id FROM item") == []
