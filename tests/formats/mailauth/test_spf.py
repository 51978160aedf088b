"""SPF records: RFC 7208 5, 6, 7 and 12."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.mailauth import spf
from workpost.formats.mailauth.spf import Mechanism, SpfError, parse_spf

VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "p": "mx.example.org",
    "h": "mx.example.org",
    "v": "in-addr",
    "c": "192.0.2.3",
    "r": "mail.here.test",
    "t": "1767225600",
}
records = st.lists(
    st.one_of(
        st.sampled_from(
            ["all", "-all", "a", "mx/24", "ip4:192.0.2.0/24", "ptr", "redirect=a.test"]
        ),
        st.sampled_from(["include:%{i}.a.test", "exists:%{l1r-}.a.test", "exp=%{d2}", "x=%%"]),
        st.text(st.sampled_from("%{}~-+?:/=.asdip4 1r\x00é"), max_size=20),
        st.text(max_size=8),
    ),
    max_size=8,
).map(lambda terms: "v=spf1 " + " ".join(terms))


@given(records)
def test_any_record_is_read_or_refused_with_its_own_error(text: str) -> None:
    try:
        record = parse_spf(text)
    except SpfError:
        return
    for mechanism in record.mechanisms:
        assert mechanism.result in spf.RESULTS.values()
        if mechanism.target is not None:
            assert len(spf.expand_name(mechanism.target, VALUES)) <= spf.MAX_NAME


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_any_explanation_is_read_or_refused(text: str) -> None:
    try:
        spf.expand(spf.explanation(text), VALUES)
    except SpfError:
        return


@pytest.mark.parametrize(
    "piece",
    [
        "%{",
        "/1",
        "//",
        "a:",
        "1",
        "%{d1r.-}",
        "%{l" + "1" * 50,
        ".-",
        "a.",
        "ip6:::",
        "-" * 9,
        " a",
    ],
)
@pytest.mark.parametrize("around", ["{}", "a:{}", "x={}", "exists:{}.test"])
def test_hostile_records_take_no_time(piece: str, around: str) -> None:
    text = "v=spf1 " + around.format(piece * (15_000 // len(piece)))
    start = time.process_time()
    try:
        parse_spf(text)
    except SpfError:
        pass
    assert time.process_time() - start < 0.5


def test_expansion_is_bounded() -> None:
    said = spf.explanation("%{s}" * 4_000)
    with pytest.raises(SpfError):
        spf.expand(said, VALUES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{d4}.test", "email.example.com.test"),
        ("%{d2}.test", "example.com.test"),
        ("%{dr}.test", "com.example.email.test"),
        ("%{d2r}.test", "example.email.test"),
        ("%{l-}.test", "strong.bad.test"),
        ("%{lr-}.test", "bad.strong.test"),
        ("%{l1r-}.test", "strong.test"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
    ],
)
def test_macros_rfc7208_7_4(text: str, expected: str) -> None:
    assert spf.expand_name(spf.domain_spec(text), VALUES) == expected


def test_upper_case_macros_are_escaped_rfc7208_7_3() -> None:
    said = spf.explanation("why?s=%{S} & so")
    assert spf.expand(said, VALUES) == "why?s=strong-bad%40email.example.com & so"


def test_a_long_name_loses_labels_on_its_left_rfc7208_7_3() -> None:
    values = {**VALUES, "d": ".".join(["label"] * 45)}
    name = spf.expand_name(spf.domain_spec("%{d}.example.test"), values)
    assert len(name) <= 253
    assert name.endswith("label.example.test")
    assert spf.expand_name(spf.domain_spec("%{d}"), {**VALUES, "d": "x" * 300}) == ""


def test_mechanisms_in_order() -> None:
    record = parse_spf("v=spf1 ip4:192.0.2.77/24 ~a:mail.example.test/28//64 -all")
    assert record.mechanisms[0] == Mechanism("ip4", "pass", None, 24, 24, 0xC0000200)
    assert record.mechanisms[1].result == "softfail"
    assert (record.mechanisms[1].bits4, record.mechanisms[1].bits6) == (28, 64)
    assert record.mechanisms[2] == Mechanism("all", "fail")


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 a//",
        "v=spf1 a/",
        "v=spf1 ip4:192.0.2.1/",
        "v=spf1 ip4:192.0.2.1/2_4",
        "v=spf1 ip6:fe80::1%eth0",
        "v=spf1 ip4:192.0.2.01",
        "v=spf1 mx/24//129",
        "v=spf1 a:example.test.}",
        "v=spf1 a:%{d0}",
        "v=spf1 exp=a.test exp=b.test",
        "v=spf1 " + "a " * 1_001,
        "v=spf1 x=" + "y" * 20_000,
    ],
)
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(SpfError):
        parse_spf(text)


def test_which_texts_are_records_rfc7208_4_5() -> None:
    assert spf.is_spf("v=spf1")
    assert spf.is_spf("V=SPF1 -all")
    assert not spf.is_spf("v=spf10 -all")
    assert not spf.is_spf("v=spf1\t-all")
