"""Which flow rule counts, compared with an evaluator that only does what the words say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.domain.organizations.flow_rules import (
    INBOUND,
    OUTBOUND,
    PRECEDENCE,
    FlowAction,
    FlowRule,
    FlowTable,
    Match,
    Question,
    patterns_of,
    read_patterns,
)
from workpost.kernel.errors import InvalidParameter

DOMAINS = ["a.test", "b.a.test", "c.b.a.test", "other.example"]
PEOPLE = [f"{name}@{domain}" for name in ("ada", "bob") for domain in DOMAINS]
SUBADDRESSES = ["ada+lists@a.test", "bob+x+y@c.b.a.test"]
PATTERNS = [*PEOPLE, *DOMAINS, *(f"*.{domain}" for domain in DOMAINS), "*.test", "*"]

addresses = st.sampled_from([*PEOPLE, *SUBADDRESSES])
some = st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4, unique=True).map(tuple)


def rules_of(direction: str) -> st.SearchStrategy[list[tuple[str, FlowRule]]]:
    rule = st.builds(
        FlowRule,
        name=st.just(""),
        action=st.sampled_from(PRECEDENCE[direction]).map(lambda one: FlowAction(type=one)),
        senders=some,
        destinations=some,
    )
    return st.lists(rule, max_size=8).map(
        lambda rules: [
            (
                f"id-{number}",
                FlowRule(
                    name=f"rule {number}",
                    action=each.action,
                    senders=each.senders,
                    destinations=each.destinations,
                ),
            )
            for number, each in enumerate(rules)
        ]
    )


def fits(pattern: str, address: str) -> bool:
    """Whether a pattern matches, letter by letter."""
    local, domain = address.split("@")
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return domain == pattern[2:] or domain.endswith(pattern[1:])
    if "@" in pattern:
        return pattern in (address, f"{local.split('+')[0]}@{domain}")
    return pattern == domain


def near(pattern: str) -> tuple[int, int]:
    if pattern == "*":
        return 0, 0
    if pattern.startswith("*."):
        return 1, len(pattern.split("."))
    return (3, 0) if "@" in pattern else (2, 0)


def naive(
    direction: str, rules: list[tuple[str, FlowRule]], senders: Sequence[str], recipient: str
) -> Match | None:
    """Look at every rule, every pattern, every sender; without one, at what matches anybody."""
    senders = senders or ["nobody@nowhere.invalid"]
    matches = []
    for rule_id, rule in rules:
        froms = [each for each in rule.senders if any(fits(each, one) for one in senders)]
        tos = [each for each in rule.destinations if fits(each, recipient)]
        if froms and tos:
            matches.append(Match(rule_id, rule, max(froms, key=near), max(tos, key=near)))
    if not matches:
        return None
    nearest = max(near(one.sender) for one in matches)
    matches = [one for one in matches if near(one.sender) == nearest]
    nearest = max(near(one.destination) for one in matches)
    matches = [one for one in matches if near(one.destination) == nearest]
    order = PRECEDENCE[direction]
    return min(matches, key=lambda one: (order.index(one.rule.action.type), one.rule.name))


def same(first: Match | None, second: Match | None) -> bool:
    """The same rule by patterns that are equally near (two senders may be matched alike)."""
    if first is None or second is None:
        return first is second
    return (
        first.id == second.id
        and near(first.sender) == near(second.sender)
        and first.destination == second.destination
    )


@settings(max_examples=150, deadline=None)
@given(
    rules_of(INBOUND),
    st.lists(addresses, max_size=1),
    st.lists(addresses, min_size=1, max_size=2),
    addresses,
)
def test_inbound_the_sender_field_is_asked_first(
    rules: list[tuple[str, FlowRule]], senders: list[str], authors: list[str], recipient: str
) -> None:
    # A message without Sender has its From there (RFC 5322 3.6.2), as summaries do.
    senders = senders or authors
    found = Question(INBOUND, FlowTable(INBOUND, rules), senders, authors).find(recipient)
    expected = naive(INBOUND, rules, senders, recipient)
    if expected is None:
        expected = naive(INBOUND, rules, authors, recipient)
    assert same(found, expected)


@settings(max_examples=150, deadline=None)
@given(rules_of(OUTBOUND), st.lists(addresses, max_size=1), st.lists(addresses), addresses)
def test_outbound_either_field_matches(
    rules: list[tuple[str, FlowRule]], senders: list[str], authors: list[str], recipient: str
) -> None:
    found = Question(OUTBOUND, FlowTable(OUTBOUND, rules), senders, authors).find(recipient)
    assert same(found, naive(OUTBOUND, rules, [*senders, *authors], recipient))


@given(addresses, st.sampled_from(PATTERNS))
def test_the_patterns_of_an_address_are_those_that_match(address: str, pattern: str) -> None:
    assert (pattern in set(patterns_of(address))) == fits(pattern, address)


def test_patterns_are_folded_and_each_is_kept_once() -> None:
    given = [
        "Ada@Demo.TEST",
        "ada@demo.test",
        "*.Demo.test",
        "DEMO.test",
        "*",
        "xn--mller-kva.test",
    ]
    assert read_patterns(given, "senders") == (
        "ada@demo.test", "*.demo.test", "demo.test", "*", "müller.test",
    )  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    ["", "ada+lists@demo.test", "*demo.test", "*@demo.test", "a*@demo.test", "*.*", "**", "*.",
     "*.ada@demo.test", "demo..test", "ada@", "@demo.test", "demo test", "d*.test"],
)  # fmt: skip
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InvalidParameter):
        read_patterns([pattern], "senders")


def test_an_address_without_a_domain_is_matched_by_everything_alone() -> None:
    assert list(patterns_of("postmaster")) == ["*"]
    assert list(patterns_of("")) == ["*"]


@pytest.mark.parametrize("direction", [INBOUND, OUTBOUND])
def test_a_message_that_names_no_sender_matches_what_matches_everybody(direction: str) -> None:
    action = FlowAction(type="DROP")
    rules = [
        FlowRule(name=name, action=action, senders=(sender,), destinations=("*",))
        for name, sender in (("near", "*.test"), ("all", "*"))
    ]
    table = FlowTable(direction, [(rule.name, rule) for rule in rules])
    match = Question(direction, table, [], []).find("ada@a.test")
    assert match is not None
    assert match.rule.name == "all"
