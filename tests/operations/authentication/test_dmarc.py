"""DMARC: RFC 9989 4.4 (alignment), 4.7 (policies), 4.10 (discovery), and authheaders' opinion."""

from __future__ import annotations

import asyncio
from typing import Any

import authheaders
import authheaders.dmarc_lookup
import authres
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.integrations.dns.base import Answer
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.authentication import dmarc, dmarc_records
from workpost.operations.authentication.dkim import DkimResult
from workpost.operations.authentication.dmarc import DmarcResult, check_dmarc
from workpost.operations.authentication.spf import SpfResult


def resolver(records: dict[str, str], **more: list[str]) -> MemoryResolver:
    """DMARC records by domain; `a`: names that have an address."""
    made = MemoryResolver({("TXT", f"_dmarc.{name}"): [text] for name, text in records.items()})
    made.records |= {("A", name): ["192.0.2.1"] for name in more.get("a", [])}
    return made


async def check(
    records: dict[str, str] | MemoryResolver,
    author: str = "example.test",
    *,
    spf: str = "",
    dkim: str = "",
    sample: int = 0,
    **more: list[str],
) -> DmarcResult:
    """`spf` and `dkim` are domains that passed."""
    asked = records if isinstance(records, MemoryResolver) else resolver(records, **more)
    return await check_dmarc(
        asked,
        author_domains=[author],
        spf=SpfResult("pass", spf) if spf else SpfResult("fail", "other.test"),
        dkim=[DkimResult("pass", dkim)] if dkim else [],
        sample=sample,
    )


REJECT = {"example.test": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("record", "author", "spf", "dkim", "expected"),
    [
        ("p=reject", "example.test", "example.test", "", "pass"),
        ("p=reject", "example.test", "", "example.test", "pass"),
        ("p=reject", "example.test", "mail.example.test", "", "pass"),
        ("p=reject", "a.example.test", "", "b.example.test", "pass"),
        ("p=reject", "a.example.test", "", "example.test", "pass"),
        ("p=reject", "example.test", "badexample.test", "", "fail"),
        ("p=reject", "example.test", "test", "", "fail"),
        ("p=reject", "example.test", "", "", "fail"),
        ("p=reject; aspf=s", "example.test", "mail.example.test", "", "fail"),
        ("p=reject; aspf=s", "example.test", "example.test", "", "pass"),
        ("p=reject; aspf=s", "example.test", "", "mail.example.test", "pass"),
        ("p=reject; adkim=s", "example.test", "", "mail.example.test", "fail"),
        ("p=reject; adkim=s", "a.example.test", "", "example.test", "fail"),
    ],
)
async def test_alignment_rfc9989_4_4(
    record: str, author: str, spf: str, dkim: str, expected: str
) -> None:
    found = await check({"example.test": f"v=DMARC1; {record}"}, author, spf=spf, dkim=dkim)
    assert (found.result, found.policy) == (expected, "reject")


async def test_a_subdomain_with_psd_n_stands_alone() -> None:
    records = {**REJECT, "a.example.test": "v=DMARC1; p=none; psd=n"}
    assert (await check(records, "b.a.example.test", dkim="example.test")).result == "fail"
    assert (await check(records, "b.a.example.test", dkim="a.example.test")).result == "pass"


async def test_neighbours_below_a_public_suffix_are_strangers() -> None:
    records = {
        "bank": "v=DMARC1; p=reject; psd=y",
        "one.bank": "v=DMARC1; p=none",
    }
    assert (await check(records, "one.bank", dkim="two.bank")).result == "fail"
    assert (await check(records, "one.bank", dkim="mail.one.bank")).result == "pass"
    # Without a record of its own it has the suffix's.
    found = await check(records, "three.bank", dkim="two.bank")
    assert (found.result, found.policy) == ("fail", "reject")
    assert (await check(records, "a.three.bank", dkim="three.bank")).result == "pass"


@pytest.mark.parametrize(
    ("record", "author", "there", "expected"),
    [
        ("p=reject; sp=none", "example.test", True, "reject"),
        ("p=none; sp=reject", "a.example.test", True, "reject"),
        ("p=reject", "a.example.test", True, "reject"),
        ("p=none; np=reject", "a.example.test", False, "reject"),
        ("p=none; np=reject", "a.example.test", True, "none"),
        ("p=none; sp=quarantine; np=reject", "a.example.test", True, "quarantine"),
        ("p=reject; np=none", "example.test", False, "reject"),
        ("p=reject; t=y", "example.test", True, "quarantine"),
        ("p=quarantine; t=y", "example.test", True, "none"),
        ("p=reject; pct=0", "example.test", True, "quarantine"),
    ],
)
async def test_policies_rfc9989_4_7(record: str, author: str, there: bool, expected: str) -> None:
    names = [author] if there else []
    found = await check({"example.test": f"v=DMARC1; {record}"}, author, a=names)
    assert (found.result, found.policy) == ("fail", expected)


async def test_a_name_that_only_holds_others_does_not_exist() -> None:
    made = resolver({"example.test": "v=DMARC1; p=none; np=reject"}, a=["b.a.example.test"])
    assert (await check(made, "a.example.test")).policy == "reject"
    made.records["MX", "a.example.test"] = ["10 mx.example.test"]
    assert (await check(made, "a.example.test")).policy == "none"


async def test_a_sample_has_the_policy_the_rest_the_milder_one_rfc7489_6_6_4() -> None:
    record = {"example.test": "v=DMARC1; p=reject; pct=30"}
    assert (await check(record, sample=29)).policy == "reject"
    assert (await check(record, sample=30)).policy == "quarantine"


async def test_several_records_are_none_and_other_texts_do_not_count() -> None:
    made = MemoryResolver()
    made.records["TXT", "_dmarc.example.test"] = ["v=spf1 -all", "v=DMARC1; p=reject"]
    assert (await check(made)).result == "fail"
    made.records["TXT", "_dmarc.example.test"].append("v=DMARC1; p=reject")
    assert (await check(made)).result == "none"


async def test_a_long_name_is_found_by_its_last_seven_labels() -> None:
    found = await check(REJECT, ".".join("abcdefghij") + ".example.test")
    assert (found.result, found.policy) == ("fail", "reject")
    longest = ".".join(["x" * 60] * 4) + ".test"
    assert len(longest) > 247
    assert (await check(REJECT, longest)).result == "none"


async def test_a_signer_far_from_the_author_costs_no_question() -> None:
    made = resolver(REJECT)
    await check(made, dkim="mail.stranger.example")
    asked = {name for kind, name in made.asked if kind == "TXT"}
    assert asked == {"_dmarc.example.test", "_dmarc.test"}


@pytest.mark.parametrize(
    ("authors", "policy"),
    [
        ([], "quarantine"),
        (["localhost"], ""),
        (["[192.0.2.1]"], ""),
        (["[example.test]"], "quarantine"),
        (["a..b"], "quarantine"),
        (["example.test>"], "quarantine"),  # From: =?utf-8?q?CEO_=3Cceo=40example=2Etest=3E?=
        (["example.test/"], "quarantine"),
        (["example.test,"], "quarantine"),
        (["fine.test", "example..test"], "quarantine"),
    ],
)
async def test_without_an_author_there_is_an_error(authors: list[str], policy: str) -> None:
    found = await check_dmarc(MemoryResolver(), author_domains=authors, spf=None, dkim=[])
    assert (found.result, found.policy) == ("permerror", policy)


async def test_the_worst_author_counts() -> None:
    made = resolver({**REJECT, "mild.test": "v=DMARC1; p=none"})

    async def of(*authors: str) -> tuple[str, str]:
        passed = [DkimResult("pass", "fine.test"), DkimResult("pass", "mild.test")]
        found = await check_dmarc(made, author_domains=authors, spf=None, dkim=passed)
        return found.result, found.policy

    assert await of("mild.test") == ("pass", "none")
    assert await of("mild.test", "example.test", "none.test") == ("fail", "reject")
    assert await of("mild.test", "none.test") == ("none", "")
    assert await of("localhost", "example.test") == ("fail", "reject")
    many = [f"n{n}.test" for n in range(dmarc.MAX_AUTHORS + 1)]
    assert await of(*many) == ("permerror", "quarantine")
    assert await of("example.test", *many) == ("fail", "reject")
    # A name that is not answered does not hide that there are too many.
    made.failing = {"_dmarc.n3.test"}
    assert await of(*many, "example.test") == ("permerror", "quarantine")
    assert await of("n3.test", "example.test") == ("fail", "reject")


async def test_questions_are_bounded() -> None:
    labels = ".".join("abcdefgh")
    made = resolver({f"{n}.{labels}.test": "v=DMARC1; p=none" for n in range(8)})
    found = await check_dmarc(
        made,
        author_domains=[f"{n}.{labels}.test" for n in range(8)],
        spf=None,
        dkim=[DkimResult("pass", f"x{n}.y{n}.z{n}.{n % 8}.{labels}.test") for n in range(10)],
    )
    assert found.result in {"fail", "permerror"}
    asked = [each for each in made.asked if each[0] == "TXT"]
    assert len(asked) <= dmarc_records.MAX_QUESTIONS


async def test_a_silent_dns_is_a_temperror_without_a_policy() -> None:
    made = resolver(REJECT)
    made.failing = {"_dmarc.example.test"}
    found = await check(made)
    assert (found.result, found.policy) == ("temperror", "")


async def test_a_part_of_the_domain_that_does_not_answer_is_no_way_around_the_policy() -> None:
    made = resolver({"example.test": "v=DMARC1; p=reject; sp=quarantine"})
    made.failing = {"_dmarc.dead.example.test"}
    spf = SpfResult("temperror", "dead.example.test")
    found = await check_dmarc(made, author_domains=["example.test"], spf=spf, dkim=[])
    assert (found.result, found.policy) == ("temperror", "reject")
    found = await check_dmarc(made, author_domains=["dead.example.test"], spf=spf, dkim=[])
    assert (found.result, found.policy) == ("temperror", "quarantine")


@pytest.mark.parametrize(
    ("spf", "dkim", "expected"),
    [
        (SpfResult("temperror", "mail.example.test"), [], "temperror"),
        (SpfResult("temperror", "stranger.test"), [], "fail"),
        (SpfResult("fail", "example.test"), [DkimResult("temperror", "example.test")], "temperror"),
        (SpfResult("fail", "example.test"), [DkimResult("temperror", "stranger.test")], "fail"),
        (SpfResult("fail", "example.test"), [DkimResult("temperror")], "temperror"),
        (SpfResult("temperror", "example.test"), [DkimResult("pass", "example.test")], "pass"),
        (SpfResult("permerror", "example.test"), [DkimResult("fail", "example.test")], "fail"),
    ],
)
async def test_a_check_of_the_author_that_may_still_pass_is_no_failure(
    spf: SpfResult, dkim: list[DkimResult], expected: str
) -> None:
    made = resolver(REJECT)
    found = await check_dmarc(made, author_domains=["example.test"], spf=spf, dkim=dkim)
    assert (found.result, found.policy) == (expected, "reject")


@pytest.mark.parametrize("trouble", ["fails", "is too slow", "has too much to ask"])
async def test_what_only_a_report_asks_for_takes_no_pass_away(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolver({"example.test": "v=DMARC1; p=reject; rua=mailto:in@example.test"})
    monkeypatch.setattr(dmarc, "SECONDS", 0.2)
    if trouble == "fails":
        asked.failing = {"_dmarc.sub.example.test"}
    elif trouble == "is too slow":
        answer = asked.txt

        async def txt(name: str) -> Answer[str]:
            if name == "_dmarc.sub.example.test":
                await asyncio.Event().wait()
            return await answer(name)

        monkeypatch.setattr(asked, "txt", txt)
    else:
        monkeypatch.setattr(dmarc_records, "MAX_QUESTIONS", 2)
    for reported in (False, True):
        found = await check_dmarc(
            asked,
            author_domains=["example.test"],
            spf=SpfResult("pass", "example.test"),
            dkim=[DkimResult("pass", "sub.example.test")],
            reported=reported,
        )
        assert found == DmarcResult("pass", "example.test", "reject")


# --- a second opinion ---


def organization_of(name: str) -> str:
    """What the public suffix list says of names whose top-level domain it does not have."""
    return ".".join(name.split(".")[-2:])


# Its own look-up reads the list anew each time, and takes the rule for unknown names amiss.
authheaders.dmarc_lookup.get_org_domain = organization_of
authheaders.get_org_domain = organization_of
DOMAINS = ["corp.example", "a.corp.example", "b.a.corp.example", "firm.example", "x.firm.example"]
tags = st.lists(
    st.sampled_from(
        ["sp=none", "sp=quarantine", "sp=reject", "adkim=s", "aspf=s", "adkim=r", "fo=1"]
    ),
    max_size=3,
    unique_by=lambda tag: tag.partition("=")[0],
)
records = st.builds(
    lambda policy, rest: "; ".join(["v=DMARC1", f"p={policy}", *rest]),
    st.sampled_from(["none", "quarantine", "reject"]),
    tags,
)


@settings(max_examples=200)
@given(
    author=st.sampled_from(DOMAINS),
    organizations=st.fixed_dictionaries(
        {}, optional={"corp.example": records, "firm.example": records}
    ),
    spf=st.sampled_from(["pass", "fail"]),
    sender=st.sampled_from(DOMAINS),
    dkim=st.sampled_from(["pass", "fail"]),
    signer=st.sampled_from(DOMAINS),
)
def test_authheaders_agrees(
    author: str, organizations: dict[str, str], spf: str, sender: str, dkim: str, signer: str
) -> None:
    """Where organizations publish at their top, a tree walk and a public suffix list agree."""
    theirs: Any = authheaders.dmarc_per_from(
        author,
        spf_result=authres.SPFAuthenticationResult(result=spf, smtp_mailfrom=f"x@{sender}"),
        dkim_result=authres.DKIMAuthenticationResult(result=dkim, header_d=signer),
        dnsfunc=lambda name: organizations.get(name.removeprefix("_dmarc.")),
    )
    found = asyncio.run(
        check_dmarc(
            resolver(organizations),
            author_domains=[author],
            spf=SpfResult(spf, sender),
            dkim=[DkimResult(dkim, signer)],
        )
    )
    assert found.result == theirs[0]
    # It takes sp= for the domain's own mail, too.
    if author not in organizations:
        assert found.policy == theirs[3]
