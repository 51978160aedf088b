"""Access-control rules: any DENY denies, else any ALLOW allows, else no."""

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.access.rules import AccessRule, decide, read_rule

EVERYTHING = AccessRule(effect="ALLOW")
OFFICE = "192.0.2.10"


def effect(*rules: AccessRule, action: str = "IMAP", address: str = OFFICE, **who: str) -> str:
    named = [(str(number), rule) for number, rule in enumerate(rules)]
    return decide(named, action=action, address=address, **who).effect


def test_without_rules_everything_is_blocked() -> None:
    verdict = decide([], action="IMAP", address=OFFICE)
    assert (verdict.effect, verdict.matched, verdict.allowed) == ("DENY", (), False)


def test_deny_beats_allow_and_only_what_decided_is_named() -> None:
    rules = [
        ("default", EVERYTHING),
        ("myRule", AccessRule(effect="DENY", actions=("IMAP",))),
        ("other", AccessRule(effect="DENY", actions=("SMTP",))),
    ]
    verdict = decide(rules, action="IMAP", address=OFFICE)
    assert (verdict.effect, verdict.matched) == ("DENY", ("myRule",))
    verdict = decide(rules, action="EWS", address=OFFICE)
    assert (verdict.effect, verdict.matched) == ("ALLOW", ("default",))
    assert verdict.allowed


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"actions": ("IMAP", "SMTP")}, True),
        ({"actions": ("SMTP",)}, False),
        ({"not_actions": ("SMTP",)}, True),
        ({"not_actions": ("IMAP",)}, False),
        ({"user_ids": ("ada",)}, True),
        ({"user_ids": ("grace",)}, False),
        ({"not_user_ids": ("ada",)}, False),
        ({"not_user_ids": ("grace",)}, True),
        ({"ip_ranges": ("192.0.2.0/24",)}, True),
        ({"ip_ranges": ("198.51.100.0/24", "192.0.2.10/32")}, True),
        ({"ip_ranges": ("198.51.100.0/24",)}, False),
        ({"not_ip_ranges": ("192.0.2.0/24",)}, False),
        ({"not_ip_ranges": ("2001:db8::/32",)}, True),
        ({"impersonation_role_ids": ("role",)}, False),
        ({"not_impersonation_role_ids": ("role",)}, True),
        ({"actions": ("IMAP",), "user_ids": ("grace",)}, False),
    ],
)
def test_all_conditions_must_hold(rule: dict[str, tuple[str, ...]], matches: bool) -> None:
    allow = AccessRule(effect="ALLOW", **rule)  # type: ignore[arg-type]
    assert effect(allow, user="ada") == ("ALLOW" if matches else "DENY")


def test_a_role_is_matched_by_its_id() -> None:
    rule = AccessRule(effect="ALLOW", impersonation_role_ids=("role",))
    assert effect(rule, role="role") == "ALLOW"
    assert effect(rule, role="other") == "DENY"


def test_addresses_mapped_into_ipv6_are_what_they_stand_for() -> None:
    rule = AccessRule(effect="ALLOW", ip_ranges=("192.0.2.0/24",))
    assert effect(rule, address="::ffff:192.0.2.10") == "ALLOW"
    assert effect(rule, address="") == "DENY"


@given(
    st.lists(st.from_regex(r"10\.0\.[0-3]\.[0-9]/(2[2-9]|3[0-2])", fullmatch=True), min_size=1),
    st.from_regex(r"10\.0\.[0-4]\.[0-9]", fullmatch=True),
)
def test_ranges_mean_each_of_their_networks(ranges: list[str], address: str) -> None:
    networks = [ipaddress.ip_network(text, strict=False) for text in ranges]
    inside = any(ipaddress.ip_address(address) in network for network in networks)
    assert (effect(AccessRule(effect="ALLOW", ip_ranges=tuple(ranges)), address=address)) == (
        "ALLOW" if inside else "DENY"
    )
    assert (effect(AccessRule(effect="ALLOW", not_ip_ranges=tuple(ranges)), address=address)) == (
        "DENY" if inside else "ALLOW"
    )
    mixed = AccessRule(effect="ALLOW", ip_ranges=(*ranges, "2001:db8::/32"))
    assert effect(mixed, address="2001:db8::1") == "ALLOW"
    assert effect(mixed, address="2001:db9::1") == "DENY"


def test_as_many_ranges_as_there_may_be_cost_a_login_little() -> None:
    rules = [
        AccessRule(
            effect="ALLOW", ip_ranges=tuple(f"10.{n}.{i >> 8}.{i & 255}/32" for i in range(1024))
        )
        for n in range(10)
    ]
    assert effect(*rules) == "DENY"
    started = time.process_time()
    for _ in range(50):
        assert effect(*rules) == "DENY"
    assert time.process_time() - started < 0.5


def test_rules_are_stored_with_the_names_of_the_api() -> None:
    rule = read_rule('{"Effect":"DENY","IpRanges":["192.0.2.0/24"],"NotUserIds":["ada"]}')
    assert rule.ip_ranges == ("192.0.2.0/24",)
    assert rule.not_user_ids == ("ada",)


@given(
    st.lists(st.sampled_from(["ALLOW", "DENY"]), max_size=5),
    st.text(max_size=12),
    st.ip_addresses().map(str) | st.text(max_size=12),
)
def test_the_verdict_is_always_one_of_two(effects: list[str], action: str, address: str) -> None:
    rules = [(str(n), AccessRule(effect=e)) for n, e in enumerate(effects)]
    expected = "DENY" if "DENY" in effects else "ALLOW" if effects else "DENY"
    assert decide(rules, action=action, address=address).effect == expected
