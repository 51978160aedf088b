"""Where DMARC reports go: RFC 9989 4.7 (rua), RFC 7489 6.2 (sizes), RFC 9990 (consent)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mailauth.dmarc_uris import (
    MAX_URIS,
    ReportUri,
    consent_name,
    consented,
    report_uris,
)

RUA = ReportUri("dmarc@reports.example")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("mailto:dmarc@reports.example", [RUA]),
        ("mailto:Dmarc@Reports.Example", [ReportUri("Dmarc@Reports.Example")]),
        (" MAILTO:dmarc@reports.example , mailto:b@c.test ", [RUA, ReportUri("b@c.test")]),
        ("mailto:dmarc@reports.example!10m", [ReportUri(RUA.address, 10 << 20)]),
        ("mailto:dmarc@reports.example!500", [ReportUri(RUA.address, 500)]),
        ("mailto:a%2Bb@c.test?subject=x", [ReportUri("a+b@c.test")]),
        ("https://reports.example/x,ftp:x,mailto:nobody,,mailto:b@c.test", [ReportUri("b@c.test")]),
        ("mailto:b@c.test,mailto:b@c.test", [ReportUri("b@c.test")]),
        ("", []),
    ],
)
def test_rua(value: str, found: list[ReportUri]) -> None:
    assert report_uris(f"v=DMARC1; p=none; rua={value}; ruf=mailto:x@y.test") == found


def test_a_domain_without_rua_wants_none() -> None:
    assert report_uris("v=DMARC1; p=none; ruf=mailto:x@y.test") == []


def test_the_host_is_compared_in_one_form() -> None:
    assert ReportUri("a@Bücher.example").host == "xn--bcher-kva.example"


@given(st.text(max_size=200).map("v=DMARC1; rua=mailto:{}".format) | st.text())
def test_any_record_is_read(text: str) -> None:
    found = report_uris(text)
    assert len(found) <= MAX_URIS
    assert all(each.host and each.most >= 0 for each in found)


@pytest.mark.parametrize(
    ("texts", "places"),
    [
        ([], []),
        (["v=spf1 -all"], []),
        (["v=DMARC1"], [RUA]),
        (["v=DMARC1;"], [RUA]),
        (["other", "v=DMARC1; x=y"], [RUA]),
        (["v=DMARC1; rua=mailto:in@reports.example"], [ReportUri("in@reports.example")]),
        (["v=DMARC1; rua=mailto:in@victim.example"], []),
    ],
)
def test_whoever_gets_reports_about_others_has_to_consent(
    texts: list[str], places: list[ReportUri]
) -> None:
    assert consented(texts, RUA) == places


def test_the_name_that_consents() -> None:
    name = "blue.example._report._dmarc.red.example"
    assert consent_name("blue.example", "red.example") == name
