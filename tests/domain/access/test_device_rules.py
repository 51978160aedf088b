"""Mobile-device rules: prefixes without regard to case, $NONE, negative lists, overrides first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.domain.access.device_rules import (
    NONE,
    DeviceRule,
    DeviceVerdict,
    Reported,
    decide,
    read_rule,
)
from workpost.domain.organizations.lifecycle import DEFAULT_DEVICE_RULE

PHONE = Reported(type="iPhone", model="iPhone10C1", os="iOS 14.2.1 16F203", agent="iOS/14.2")
LISTS = {
    "type": ("device_types", "not_device_types"),
    "model": ("device_models", "not_device_models"),
    "os": ("device_operating_systems", "not_device_operating_systems"),
    "agent": ("device_user_agents", "not_device_user_agents"),
}


def rule(effect: str = "ALLOW", name: str = "rule", **conditions: tuple[str, ...]) -> DeviceRule:
    return DeviceRule(name=name, effect=effect, **conditions)  # type: ignore[arg-type]


def matches(reported: Reported, **conditions: tuple[str, ...]) -> bool:
    return decide([("1", rule(**conditions))], reported).allowed


def test_without_rules_every_device_is_blocked() -> None:
    assert decide([], PHONE) == DeviceVerdict("DENY")


def test_the_rule_of_a_new_organization_lets_in() -> None:
    default = read_rule(DEFAULT_DEVICE_RULE)
    for reported in (PHONE, Reported()):
        verdict = decide([("id", default)], reported)
        assert (verdict.effect, verdict.matched) == ("ALLOW", (("id", "default"),))


def test_deny_beats_allow_and_only_what_decided_is_named() -> None:
    rules = [
        ("1", rule(name="all")),
        ("2", rule("DENY", "phones", device_types=("iphone",))),
        ("3", rule("DENY", "pads", device_types=("ipad",))),
    ]
    assert decide(rules, PHONE) == DeviceVerdict("DENY", (("2", "phones"),))
    assert decide(rules, Reported(type="Android")) == DeviceVerdict("ALLOW", (("1", "all"),))


@pytest.mark.parametrize("effect", ["ALLOW", "DENY"])
def test_an_override_takes_the_place_of_all_rules(effect: str) -> None:
    for own in ("ALLOW", "DENY"):
        verdict = decide([("1", rule(effect))], PHONE, own)
        assert (verdict.effect, verdict.matched, verdict.overridden) == (own, (), True)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"device_types": ("IPHONE",)}, True),
        ({"device_types": ("iPhone1",)}, False),
        ({"device_types": ("iPad", "iP")}, True),
        ({"device_types": ("Phone",)}, False),
        ({"device_types": (NONE,)}, False),
        ({"device_types": (NONE, "iph")}, True),
        ({"not_device_types": ("iPad",)}, True),
        ({"not_device_types": ("iPad", "IPHONE")}, False),
        ({"not_device_types": (NONE,)}, True),
        ({"device_models": ("iphone10",), "device_operating_systems": ("ios 14",)}, True),
        ({"device_models": ("iphone10",), "device_operating_systems": ("ios 15",)}, False),
        ({"device_user_agents": ("iOS/",), "not_device_models": ("iPhone9",)}, True),
    ],
)
def test_all_conditions_must_hold(conditions: dict[str, tuple[str, ...]], expected: bool) -> None:
    assert matches(PHONE, **conditions) is expected


@pytest.mark.parametrize("field", sorted(LISTS))
def test_what_was_not_reported(field: str) -> None:
    included, excluded = LISTS[field]
    shy = Reported(**{name: "" if name == field else "x" for name in LISTS})
    assert matches(shy, **{included: (NONE,)})
    assert not matches(shy, **{included: ("x",)})
    assert not matches(shy, **{excluded: ("x",)})
    assert not matches(shy, **{excluded: (NONE,)})


def test_a_device_that_calls_itself_none_is_not_taken_for_one_that_is_silent() -> None:
    assert not matches(Reported(type=NONE), device_types=(NONE,))
    assert matches(Reported(type=NONE), not_device_types=(NONE,))


words = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=4)
reports = st.builds(Reported, type=words, model=words, os=words, agent=words)
lists = st.lists(words.filter(bool) | st.just(NONE), max_size=2).map(tuple)
some_rules = st.lists(
    st.builds(
        DeviceRule,
        name=st.just("rule"),
        effect=st.sampled_from(["ALLOW", "DENY"]),
        **{name: lists for pair in LISTS.values() for name in pair},
    ),
    max_size=4,
)


@given(some_rules, reports)
def test_rules_read_one_by_one_give_the_same_verdict(
    rules: list[DeviceRule], reported: Reported
) -> None:
    """Against a second reading of the guide: sets of what holds, rule by rule."""

    def fits(value: str, included: tuple[str, ...], excluded: tuple[str, ...]) -> bool:
        def one(prefix: str) -> bool:
            if prefix == NONE:
                return value == ""
            return value != "" and value.lower()[: len(prefix)] == prefix.lower()

        inside = not included or any(map(one, included))
        outside = not excluded or (bool(value) and not any(map(one, excluded)))
        return inside and outside

    matching = {
        each.effect
        for each in rules
        if all(
            fits(getattr(reported, field), getattr(each, yes), getattr(each, no))
            for field, (yes, no) in LISTS.items()
        )
    }
    expected = "DENY" if "DENY" in matching or not matching else "ALLOW"
    verdict = decide([(str(n), each) for n, each in enumerate(rules)], reported)
    assert verdict.effect == expected
    assert bool(verdict.matched) == bool(matching)


@settings(max_examples=40)
@given(some_rules, reports)
def test_case_makes_no_difference(rules: list[DeviceRule], reported: Reported) -> None:
    def swapped(text: str) -> str:
        return "".join(c.upper() if c.islower() and c not in "\xb5\xdf\xff" else c for c in text)

    loud = Reported(**{name: swapped(getattr(reported, name)) for name in LISTS})
    named = [(str(n), each) for n, each in enumerate(rules)]
    if loud.type != NONE:
        assert decide(named, loud) == decide(named, reported)
