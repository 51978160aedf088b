"""The whole step: bounded in time, verdicts, and whose word on the author counts."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.integrations.dns.base import Answer
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import TryLater
from workpost.kernel.mail_settings import Authentication as Believed
from workpost.kernel.settings import Settings
from workpost.operations.authentication import check, dmarc
from workpost.operations.authentication.arc import ArcResult
from workpost.operations.authentication.dkim import DkimResult
from workpost.operations.authentication.dmarc import DmarcResult
from workpost.operations.authentication.spf import SpfResult
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.core import Core

MAIL = b"From: bob@author.example\r\nSubject: x\r\n\r\nHello\r\n"


def core_with(resolver: MemoryResolver, **believed: object) -> Core:
    settings = Settings(hostname="mx.demo.test", authentication=Believed(**believed))
    return Core(
        store=None,
        keys=None,
        contents=None,
        resolver=resolver,
        env=SystemEnvironment(),
        settings=settings,
    )


def arrival(peer: str = "192.0.2.1", protocol: str = "ESMTPS") -> Envelope:
    return Envelope(
        sender="bob@author.example",
        recipients=["ada@demo.test"],
        helo="mail.author.example",
        peer=peer,
        protocol=protocol,
    )


class Slow(MemoryResolver):
    """Some names are not answered within a test's time."""

    def __init__(self, *slow: str) -> None:
        super().__init__()
        self.slow = set(slow)

    async def txt(self, name: str) -> Answer[str]:
        if name in self.slow:
            await asyncio.sleep(30)
        return await super().txt(name)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "SECONDS", 0.05)
    monkeypatch.setattr(dmarc, "SECONDS", 0.05)


@pytest.mark.usefixtures("hurry")
async def test_a_senders_slow_dns_leaves_time_to_ask_for_the_author() -> None:
    resolver = Slow("author.example")
    resolver.records["TXT", "_dmarc.author.example"] = ["v=DMARC1; p=reject"]
    found = await check.authenticate(core_with(resolver), arrival(), MAIL)
    assert (found.spf.result, found.spf.domain) == ("temperror", "author.example")
    # It might have passed: not known yet, and the policy is known.
    assert (found.dmarc.result, found.dmarc.policy) == ("temperror", "reject")


@pytest.mark.usefixtures("hurry")
async def test_everything_slow_is_a_temperror_and_no_exception() -> None:
    tags = b"v=1; a=rsa-sha256; d=author.example; s=s1; h=from; bh=" + b"A" * 43 + b"="
    signed = b"DKIM-Signature: " + tags + b"; b=" + b"A" * 342 + b"==\r\n"
    resolver = Slow("author.example", "_dmarc.author.example", "s1._domainkey.author.example")
    found = await check.authenticate(core_with(resolver), arrival(), signed + MAIL)
    assert found.spf.result == found.dmarc.result == "temperror"
    assert [each.result for each in found.dkim] == ["temperror"]
    assert found.verdicts == check.Verdicts(*["PROCESSING_FAILED"] * 3)
    assert b"spf=temperror" in found.field


@pytest.mark.usefixtures("hurry")
async def test_an_author_with_a_slow_dns_hides_no_other() -> None:
    resolver = Slow("_dmarc.slow.example")
    resolver.records["TXT", "_dmarc.author.example"] = ["v=DMARC1; p=reject"]
    two = MAIL.replace(b"From: ", b"From: eve@slow.example, ")
    found = await check.authenticate(core_with(resolver), arrival(), two)
    assert found.dmarc == DmarcResult("fail", "author.example", "reject")


@pytest.mark.parametrize("author", ["", "<>", "(bob@author.example)", "bob@author..example", "x:;"])
async def test_an_author_who_cannot_be_told_is_for_junk(author: str) -> None:
    mail = MAIL.replace(b"bob@author.example", author.encode())
    found = await check.authenticate(core_with(MemoryResolver()), arrival(), mail)
    assert (found.dmarc.result, found.dmarc.policy) == ("permerror", "quarantine")


async def test_a_dns_that_fails_is_no_exception() -> None:
    resolver = MemoryResolver()
    resolver.broken = True
    found = await check.authenticate(core_with(resolver), arrival(), MAIL)
    assert found.verdicts.spf == found.verdicts.dmarc == "PROCESSING_FAILED"
    with pytest.raises(TryLater):
        await resolver.txt("author.example")


async def test_any_bytes_are_authenticated() -> None:
    for raw in (b"", b"\r\n", b"From:", b"\0", b"DKIM-Signature:\r\nARC-Seal:\r\nFrom: @\r\n"):
        found = await check.authenticate(core_with(MemoryResolver()), arrival(), raw)
        assert found.field.startswith(b"Authentication-Results: mx.demo.test;\r\n\tspf=none")


@pytest.mark.parametrize(
    ("peer", "protocol", "expected"),
    [
        ("192.0.2.1", "ESMTPS", True),
        ("2001:db8::1", "SMTP", True),
        ("127.0.0.1", "ESMTP", False),
        ("::1", "ESMTP", False),
        ("::ffff:127.0.0.1", "ESMTP", False),
        ("192.0.2.1", "LMTP", False),
        ("192.0.2.1", "UTF8LMTPS", False),
        ("", "ESMTP", False),
    ],
)
def test_who_is_authenticated(peer: str, protocol: str, expected: bool) -> None:
    core = core_with(MemoryResolver())
    assert check.is_from_outside(core, arrival(peer, protocol)) is expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("pass", "PASS"),
        ("fail", "FAIL"),
        ("softfail", "GRAY"),
        ("neutral", "GRAY"),
        ("none", "GRAY"),
        ("temperror", "PROCESSING_FAILED"),
        ("permerror", "PROCESSING_FAILED"),
    ],
)
def test_verdicts_on_spf(result: str, expected: str) -> None:
    found = check.judge(SpfResult(result, "a.test"), [], DmarcResult("none"), ["a.test"])
    assert found.spf == expected


@pytest.mark.parametrize(
    ("dkim", "expected"),
    [
        ([], "GRAY"),
        ([DkimResult("pass", "author.example")], "PASS"),
        ([DkimResult("pass", "mail.author.example")], "PASS"),
        ([DkimResult("pass", "list.example")], "GRAY"),
        ([DkimResult("fail", "a.test"), DkimResult("pass", "author.example")], "PASS"),
        ([DkimResult("fail", "author.example")], "FAIL"),
        ([DkimResult("fail", "author.example", testing=True)], "GRAY"),
        ([DkimResult("permerror")], "FAIL"),
        ([DkimResult("policy", "author.example")], "GRAY"),
        ([DkimResult("temperror", "author.example")], "PROCESSING_FAILED"),
    ],
)
def test_verdicts_on_dkim(dkim: list[DkimResult], expected: str) -> None:
    found = check.judge(SpfResult("none", ""), dkim, DmarcResult("none"), ["author.example"])
    assert found.dkim == expected


@pytest.mark.parametrize(
    ("dmarc", "expected", "policy"),
    [
        (DmarcResult("pass", "a.test", "reject"), "PASS", ""),
        (DmarcResult("pass", "a.test", "none"), "GRAY", ""),
        (DmarcResult("none", "a.test"), "GRAY", ""),
        (DmarcResult("fail", "a.test", "none"), "FAIL", "NONE"),
        (DmarcResult("fail", "a.test", "quarantine"), "FAIL", "QUARANTINE"),
        (DmarcResult("temperror", "a.test", "reject"), "PROCESSING_FAILED", ""),
        (DmarcResult("permerror"), "PROCESSING_FAILED", ""),
    ],
)
def test_verdicts_on_dmarc(dmarc: DmarcResult, expected: str, policy: str) -> None:
    found = check.judge(SpfResult("none", ""), [], dmarc, ["a.test"])
    assert (found.dmarc, found.policy) == (expected, policy)


SAW = b"mx.list.example; dmarc=pass header.from=author.example"
SAW_NOT = b"mx.list.example; dmarc=fail header.from=author.example"
TRUSTED = ("list.example", "forwarder.example")


@pytest.mark.parametrize(
    ("sealers", "sealed", "expected"),
    [
        (["list.example"], [SAW], "list.example"),
        (["list.example"], [SAW_NOT], ""),
        (["stranger.example"], [SAW], ""),
        (["list.example"], [b"mx; dmarc=pass header.from=other.example"], ""),
        (["list.example"], [b"mx; dmarc=pass"], ""),
        (["list.example"], [b"mx; ((("], ""),
        (["forwarder.example", "list.example"], [SAW, SAW_NOT], "forwarder.example"),
        (["forwarder.example", "stranger.example"], [SAW, SAW], ""),
        (["stranger.example", "list.example"], [SAW, SAW_NOT], ""),
        (["forwarder.example", "list.example"], [SAW, b"((("], "forwarder.example"),
    ],
)
def test_whose_word_on_the_author_counts_rfc8617(
    sealers: list[str], sealed: list[bytes], expected: str
) -> None:
    arc = ArcResult("pass", len(sealers), tuple(sealers), 1, tuple(sealed))
    assert check._trusted_sealer(TRUSTED, arc, "author.example") == expected


def test_a_results_field_has_the_configured_name() -> None:
    core = core_with(MemoryResolver(), server_name="mail.corp.test")
    found = asyncio.run(check.authenticate(core, arrival(), MAIL))
    assert found.field.startswith(b"Authentication-Results: mail.corp.test;")
    assert msgspec.structs.asdict(found)["trusted"] == ""


@settings(max_examples=60)
@given(
    raw=st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                b"From: ",
                b"a@author.example",
                b"ARC-Seal: i=1; ",
                b"DKIM-Signature: v=1; ",
                b"Authentication-Results: ",
                b"d=author.example; ",
                b"s=s1; ",
                b"h=from;",
                b"b=;",
                b"\r\n",
            ]
        ),
        max_size=30,
    ).map(b"".join),
    sender=st.text(max_size=30) | st.just("bob@author.example"),
    helo=st.text(st.characters(exclude_categories=[]), max_size=30),
    peer=st.sampled_from(["192.0.2.1", "fe80::1%eth0", "", "::"]) | st.text(max_size=10),
)
def test_whatever_a_stranger_says_is_one_field(
    raw: bytes, sender: str, helo: str, peer: str
) -> None:
    resolver = MemoryResolver({("TXT", "author.example"): ["v=spf1 ptr exists:%{h}.%{l} -all"]})
    stranger = Envelope(sender=sender, recipients=[], helo=helo, peer=peer, protocol="SMTP")
    core = core_with(resolver)
    check.is_from_outside(core, stranger)
    field = asyncio.run(check.authenticate(core, stranger, raw)).field
    assert field.isascii()
    assert field.count(b"\r\n") == field.count(b"\r\n\t") + 1
    assert field.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("spf", "signer", "dmarc", "forged"),
    [
        ("pass", "", "fail", False),
        ("fail", "", "none", True),
        ("softfail", "", "none", True),
        ("fail", "sender.example", "none", False),
        ("fail", "news.sender.example", "none", False),
        ("fail", "stranger.example", "none", True),
        ("none", "", "fail", True),
        ("none", "", "none", False),
        ("temperror", "", "temperror", False),
    ],
)
def test_a_sender_is_forged_where_something_says_so_and_no_signature_otherwise(
    spf: str, signer: str, dmarc: str, forged: bool
) -> None:
    found = check.Authentication(
        spf=SpfResult(spf, "sender.example"),
        dkim=(DkimResult("pass", signer),) if signer else (),
        dmarc=DmarcResult(dmarc, "sender.example"),
        arc=ArcResult("none"),
        verdicts=check.Verdicts("", "", ""),
        field=b"",
    )
    assert check.is_forged(found) is forged
    other = msgspec.structs.replace(found, dmarc=DmarcResult("fail", "author.example"))
    assert check.is_forged(other) is (spf in {"fail", "softfail"} and forged)
