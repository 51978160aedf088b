"""SPF beyond RFC 7208's data: limits, time, odd peers, and pyspf as a second opinion."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operations.authentication.zones import ZoneResolver, pyspf_check
from workpost.integrations.dns.base import Answer
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.authentication import spf
from workpost.operations.authentication.spf import SpfResult, check_spf

SENDER = "ada@author.example"


async def check(resolver: MemoryResolver, **more: str) -> SpfResult:
    asked = {"peer": "192.0.2.1", "helo": "mail.author.example", "sender": SENDER, "host": "h.test"}
    return await check_spf(resolver, **{**asked, **more})


def zone(**names: str) -> MemoryResolver:
    """TXT records; `author` is author.example, another name is below it."""
    return MemoryResolver(
        {
            ("TXT", "author.example" if name == "author" else f"{name}.author.example"): [text]
            for name, text in names.items()
        }
    )


@pytest.mark.parametrize(
    ("peer", "sender", "helo"),
    [
        ("", SENDER, "mail.author.example"),
        ("unix", SENDER, "mail.author.example"),
        ("192.0.2.1", "ada@[192.0.2.1]", "mail.author.example"),
        ("192.0.2.1", "ada@localhost", "mail.author.example"),
        ("192.0.2.1", "ada@a\\.example", "mail.author.example"),
        ("192.0.2.1", "", "[192.0.2.1]"),
        ("192.0.2.1", "", ""),
    ],
)
async def test_without_a_domain_there_is_nothing_to_check(
    peer: str, sender: str, helo: str
) -> None:
    resolver = MemoryResolver()
    assert (await check(resolver, peer=peer, sender=sender, helo=helo)).result == "none"
    assert resolver.asked == []


async def test_domains_are_asked_for_with_a_labels_rfc8616() -> None:
    resolver = MemoryResolver({("TXT", "xn--bcher-kva.example"): ["v=spf1 ip4:192.0.2.1 -all"]})
    found = await check(resolver, sender="ada@BÜCHER.example")
    assert (found.result, found.domain) == ("pass", "xn--bcher-kva.example")


async def test_a_local_part_beyond_ascii_matches_no_name_rfc8616_4() -> None:
    resolver = zone(author="v=spf1 exists:%{l}.author.example -all")
    assert (await check(resolver, sender="jürgen@author.example")).result == "fail"


async def test_an_explanation_is_printable_ascii_and_short() -> None:
    resolver = zone(author="v=spf1 -all exp=why.author.example", why="%{l} " + "x" * 400)
    found = await check(resolver)
    assert found.explanation.startswith("ada xxx")
    assert len(found.explanation) == spf.MAX_EXPLANATION
    assert (await check(resolver, sender="j\r\n@author.example")).explanation == ""


async def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(MemoryResolver):
        async def txt(self, name: str) -> Answer[str]:
            await asyncio.sleep(60)
            raise AssertionError

    monkeypatch.setattr(spf, "SECONDS", 0.05)
    found = await check(Silent())
    assert (found.result, found.domain) == ("temperror", "author.example")


async def test_questions_are_bounded_whatever_the_records_say() -> None:
    many = " ".join(f"mx:m{n}.author.example" for n in range(20))
    records = {("TXT", "author.example"): [f"v=spf1 {many} ptr -all"]}
    for n in range(20):
        hosts = [f"{k} h{k}.author.example" for k in range(10)]
        records[("MX", f"m{n}.author.example")] = hosts
    for k in range(10):
        records[("A", f"h{k}.author.example")] = ["198.51.100.1"]
    resolver = MemoryResolver(records)
    assert (await check(resolver)).result == "permerror"
    questions = [each for each in resolver.asked if each[0] != "CNAME"]
    assert len(questions) <= 1 + 10 * 11


async def test_a_loop_of_includes_ends() -> None:
    found = await check(zone(author="v=spf1 include:author.example"))
    assert (found.result, found.reason) == (
        "permerror",
        "there are too many terms that ask the DNS",
    )


async def test_names_that_cannot_be_asked_match_nothing() -> None:
    assert (await check(zone(author="v=spf1 a:a\\b.example ~all"))).result == "softfail"
    assert (await check(zone(author="v=spf1 include:a..example ~all"))).result == "permerror"
    assert (await check(zone(author="v=spf1 redirect=a..example"))).result == "permerror"


async def test_ipv6_addresses_of_ipv4_are_ipv4() -> None:
    resolver = zone(author="v=spf1 ip4:192.0.2.0/24 -all")
    assert (await check(resolver, peer="::ffff:192.0.2.9")).result == "pass"


# --- a second opinion ---

NAMES = ["author.example", "a.author.example", "b.author.example", "host.example"]
HOSTS = [
    {"A": "192.0.2.1"},
    {"A": "198.51.100.1"},
    {"AAAA": "2001:db8::1"},
    {"MX": [10, "host.example"]},
    {"MX": [20, "author.example"]},
    {"TXT": "something else"},
]
targets = st.sampled_from([*NAMES, "gone.example", "%{d}", "%{l}.%{d}", "%{d1r}.example"])
networks = ["ip4:192.0.2.0/28", "ip4:198.51.100.1", "ip6:2001:db8::/32", "a/24", "mx//64"]
malformed = ["a:", "ip4:1.2.3", "ip4:1.2.3.4/33", "all:x", "foo", "x=%", "=", "1a=b", "exp=", "a:b"]


def policies(name: str) -> st.SearchStrategy[str]:
    """Records of a name; none includes itself, which pyspf takes for an error of syntax."""
    others = [each for each in NAMES if each != name]
    mechanisms = st.one_of(
        st.sampled_from(["all", "a", "mx", "ptr", *networks]),
        st.builds("a:{}".format, targets),
        st.builds("mx:{}/30".format, targets),
        st.builds("exists:{}".format, targets),
        st.builds("include:{}".format, st.sampled_from(others)),
    )
    terms = st.builds("{}{}".format, st.sampled_from(["", "+", "-", "~", "?"]), mechanisms)
    ends = st.one_of(
        st.sampled_from(["", "", "exp=why.example", "x-tra=%{i}"]),
        st.builds("redirect={}".format, st.sampled_from(others)),
        st.sampled_from(["", "", "", *malformed]),
    )
    return st.builds(
        lambda found, end: " ".join(["v=spf1", *found, end]), st.lists(terms, max_size=4), ends
    )


def entries(name: str) -> st.SearchStrategy[list[Any]]:
    return st.builds(
        lambda texts, hosts: [{"TXT": text} for text in texts] + hosts,
        st.lists(policies(name), min_size=1, max_size=1) | st.lists(policies(name), max_size=2),
        st.lists(st.sampled_from(HOSTS), min_size=1, max_size=4, unique_by=str),
    )


zones = st.fixed_dictionaries({name: entries(name) for name in NAMES})
peers = st.sampled_from(["192.0.2.1", "192.0.2.77", "198.51.100.1", "2001:db8::1", "2001:db9::1"])
senders = st.sampled_from(["ada@author.example", "ada@a.author.example", ""])


@settings(max_examples=200)
@given(zones, peers, senders)
def test_pyspf_agrees(records: dict[str, list[Any]], peer: str, sender: str) -> None:
    resolver = ZoneResolver(records)
    question = {"peer": peer, "helo": "b.author.example", "sender": sender}
    found = asyncio.run(check_spf(resolver, **question, host="unknown"))
    theirs = pyspf_check(resolver, **question)
    if found.result != theirs:
        # It counts what it asks ahead, all hosts of an MX, and the names of the client.
        assert "permerror" in {found.result, theirs}
        assert pyspf_check(resolver, **question, generous=True) == found.result
