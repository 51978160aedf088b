"""DMARC records and the tree walk: RFC 9989 4.7 and 4.10, RFC 7489 6.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mailauth.dmarc import (
    MAX_NAMES,
    POLICIES,
    DmarcError,
    DmarcRecord,
    milder,
    organizational_domain,
    parse_dmarc,
    walk_names,
)


@given(st.text(max_size=60).map("v=DMARC1;{}".format) | st.text())
def test_any_text_is_read_or_refused_with_its_own_error(text: str) -> None:
    try:
        record = parse_dmarc(text)
    except DmarcError:
        return
    assert record.policy in POLICIES
    assert 0 <= record.percent <= 100


def test_all_that_is_read() -> None:
    text = (
        "v=DMARC1; p=Reject; sp=quarantine; np=none; adkim=s; aspf=r; t=y; pct=20; psd=n;"
        " rua=mailto:reports@example.test!10m; fo=1"
    )
    assert parse_dmarc(text) == DmarcRecord(
        policy="reject",
        subdomains="quarantine",
        nonexistent="none",
        strict_dkim=True,
        testing=True,
        percent=20,
        psd="n",
        reports=True,
    )


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("v=DMARC1", "none"),
        ("v = DMARC1 ; p = reject ;", "reject"),
        ("v=DMARC1; p=reject; rua=mailto:a@b.test; mailto:c@d.test", "reject"),
        ("v=DMARC1; p=quarantine; p=none", "quarantine"),
        ("v=DMARC1; p=maybe; sp=reject", "none"),
        ("v=DMARC1; rua=mailto:a@b.test; p=reject", "reject"),
        ("v=DMARC1; p=reject; pct=abc; =; ;;", "reject"),
    ],
)
def test_slips_of_the_pen_leave_the_rest_standing(text: str, policy: str) -> None:
    assert parse_dmarc(text).policy == policy


@pytest.mark.parametrize(
    "text",
    ["", "v=spf1 -all", "v=dmarc1; p=reject", "p=reject; v=DMARC1", "v=DMARC1" + " " * 20_000],
)
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(DmarcError):
        parse_dmarc(text)


def test_a_domain_that_tests_asks_for_the_next_milder_policy() -> None:
    assert [milder(each) for each in POLICIES] == ["none", "none", "quarantine"]


def test_a_walk_of_few_labels_asks_for_each_rfc9989_4_10() -> None:
    assert walk_names("a.b.example.test") == [
        "a.b.example.test",
        "b.example.test",
        "example.test",
        "test",
    ]


def test_a_walk_of_many_labels_skips_to_seven_rfc9989_4_10() -> None:
    names = walk_names("a.b.c.d.e.f.g.h.i.j.example.test")
    assert names[:2] == ["a.b.c.d.e.f.g.h.i.j.example.test", "f.g.h.i.j.example.test"]
    assert names[-1] == "test"
    assert len(names) == MAX_NAMES


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40).map(".".join))
def test_a_walk_never_asks_for_more_than_eight(domain: str) -> None:
    names = walk_names(domain)
    assert len(names) <= MAX_NAMES
    assert all(domain == name or domain.endswith(f".{name}") for name in names)


NONE, YES, NO = DmarcRecord("none"), DmarcRecord("none", psd="y"), DmarcRecord("none", psd="n")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], "a.b.example.test"),
        ([("a.b.example.test", NONE)], "a.b.example.test"),
        ([("a.b.example.test", NONE), ("example.test", NONE)], "example.test"),
        ([("b.example.test", NO)], "b.example.test"),
        ([("a.b.example.test", NONE), ("test", YES)], "example.test"),
        ([("a.b.example.test", YES)], "a.b.example.test"),
    ],
)
def test_the_organizational_domain_rfc9989_4_10_2(
    found: list[tuple[str, DmarcRecord]], expected: str
) -> None:
    assert organizational_domain("a.b.example.test", found) == expected
