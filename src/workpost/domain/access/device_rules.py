"""Mobile-device rules: one pure function that says yes or no (WorkMail guide, mobile access).

`GetMobileDeviceAccessEffect` asks it, and ActiveSync for every command of a device. All conditions
of a rule must hold; the values within one are alternatives, each a prefix of what the device has
reported, not case-sensitive. Any matching DENY denies, else any matching ALLOW allows, else the
answer is no. An override for the device takes the place of all rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from workpost.domain.access.rules import ALLOW, weigh

NONE = "$NONE"
"""In a condition: a property that the device did not report."""


class DeviceRule(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """One rule as it is stored; the members are those of the API."""

    name: str
    effect: str
    description: str = ""
    device_types: tuple[str, ...] = ()
    not_device_types: tuple[str, ...] = ()
    device_models: tuple[str, ...] = ()
    not_device_models: tuple[str, ...] = ()
    device_operating_systems: tuple[str, ...] = ()
    not_device_operating_systems: tuple[str, ...] = ()
    device_user_agents: tuple[str, ...] = ()
    not_device_user_agents: tuple[str, ...] = ()


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says of itself; empty is not reported."""

    type: str = ""
    model: str = ""
    os: str = ""
    agent: str = ""


class DeviceVerdict(msgspec.Struct, frozen=True):
    """ALLOW or DENY, and id and name of the rules that made it so."""

    effect: str
    matched: tuple[tuple[str, str], ...] = ()
    overridden: bool = False
    """True when an override said so, and no rule."""

    @property
    def allowed(self) -> bool:
        """True for ALLOW."""
        return self.effect == ALLOW


_rule = msgspec.json.Decoder(DeviceRule)


@lru_cache(maxsize=1024)
def read_rule(text: str) -> DeviceRule:
    """The rule of a row's JSON text."""
    return _rule.decode(text)


def decide(
    rules: Iterable[tuple[str, DeviceRule]], reported: Reported, override: str | None = None
) -> DeviceVerdict:
    """The verdict on a device of rules with their ids; `override` is the effect of its own one."""
    if override is not None:
        return DeviceVerdict(override, overridden=True)
    effect, matched = weigh(
        (rule.effect, (rule_id, rule.name)) for rule_id, rule in rules if _matches(rule, reported)
    )
    return DeviceVerdict(effect, matched)


def _matches(rule: DeviceRule, reported: Reported) -> bool:
    return (
        _fits(reported.type, rule.device_types, rule.not_device_types)
        and _fits(reported.model, rule.device_models, rule.not_device_models)
        and _fits(reported.os, rule.device_operating_systems, rule.not_device_operating_systems)
        and _fits(reported.agent, rule.device_user_agents, rule.not_device_user_agents)
    )


def _fits(value: str, included: Sequence[str], excluded: Sequence[str]) -> bool:
    if included and not _listed(value, included):
        return False
    # A condition on what must not be there says nothing of what was not reported.
    return not excluded or (value != "" and not _listed(value, excluded))


def _listed(value: str, prefixes: Sequence[str]) -> bool:
    if not value:
        return NONE in prefixes
    folded = value.lower()
    return any(folded.startswith(each.lower()) for each in prefixes if each != NONE)
