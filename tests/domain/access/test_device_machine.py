"""Any order of requests of devices and orders of administrators equals a small model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.support.directories import Directory
from tests.support.mailboxes import ada, house, mail_core
from tests.support.stores import Run
from workpost.domain.access import device_admin, device_overrides, devices, mobile_policy
from workpost.domain.access import device_rule_shell as rules
from workpost.domain.access import shell as access
from workpost.domain.access.device_rules import DeviceRule, Reported
from workpost.domain.access.mobile_policy import MobilePolicy
from workpost.kernel.errors import ResourceNotFound
from workpost.kernel.principal import Grant

__all__ = ["ada", "house", "mail_core"]

TABLES = ("device", "device_override", "device_rule", "mobile_policy")
POLICIES = (MobilePolicy(), MobilePolicy(require_device_encryption=True))
DEVICES = {"D1": Reported(type="iPhone"), "D2": Reported(type="Android")}
ids = st.sampled_from(sorted(DEVICES))
effects = st.sampled_from(["ALLOW", "DENY"])


@dataclass
class Known:
    """A device as the model knows it."""

    state: str = "PROVISIONING_REQUIRED"
    key: int = 0
    offered: int = 0
    version: int = -1


class DeviceMachine(RuleBasedStateMachine):
    """Ada's devices; every request is answered as the model says."""

    def __init__(self, house: Directory, grant: Grant, run: Run[Any]) -> None:
        super().__init__()
        self.house = house
        self.core = house.core
        self.old = grant
        self.run = run
        self.devices: dict[str, Known] = {}
        self.overrides: dict[str, str] = {}
        self.rules: dict[str, DeviceRule] = {}
        self.policy = POLICIES[0]
        self.version = 0

    @initialize()
    def begin(self) -> None:
        for table in TABLES:
            self.run(self.house.change(f"DELETE FROM {table}"))

    @property
    def grant(self) -> Grant:
        return self.run(access.renew(self.core, self.old))

    def expected(self, device: str) -> str:
        known = self.devices[device]
        outdated = known.state == "PROVISIONING_SUCCEEDED" and known.version != self.version
        return "PROVISIONING_REQUIRED" if outdated else known.state

    def allowed(self, device: str) -> bool:
        if device in self.overrides:
            return self.overrides[device] == "ALLOW"
        type = DEVICES[device].type
        found = {
            each.effect
            for each in self.rules.values()
            if not each.device_types or type in each.device_types
        }
        return found == {"ALLOW"}

    def known(self, device: str, work: Any) -> Any:
        """The answer of a call that fails for an unknown device."""
        try:
            answer = self.run(work)
        except ResourceNotFound:
            assert device not in self.devices
            return None
        assert device in self.devices
        return answer

    @rule(device=ids)
    def sync(self, device: str) -> None:
        known = self.devices.setdefault(device, Known())
        if known.state == "WIPE_SUCCEEDED":
            known.state = "WIPE_REQUIRED"
        spelled = device.lower() if known.key % 2 else device
        told = self.run(devices.see_device(self.core, self.grant, spelled, DEVICES[device]))
        assert told.state == self.expected(device)
        assert told.verdict.allowed == self.allowed(device)
        assert told.may_go_on(known.key) == (told.state == "PROVISIONING_SUCCEEDED")

    @rule(device=ids)
    def offer(self, device: str) -> None:
        offer = self.known(device, devices.offer_policy(self.core, self.grant, device))
        known = self.devices.get(device)
        if known is None:
            return
        assert (offer is None) == known.state.startswith("WIPE")
        if offer is not None:
            assert offer.policy == self.policy
            known.state, known.version = "PROVISIONING_REQUIRED", self.version
            known.key = known.offered = offer.key

    @rule(device=ids)
    def accept(self, device: str) -> None:
        known = self.devices.get(device) or Known()
        work = devices.accept_policy(self.core, self.grant, device, known.offered)
        key = self.known(device, work)
        good = (
            known.state == "PROVISIONING_REQUIRED"
            and known.version == self.version
            and known.key == known.offered != 0
        )
        assert (key is not None) == good
        if good:
            known.state, known.key = "PROVISIONING_SUCCEEDED", key

    @rule(device=ids)
    def wiped(self, device: str) -> None:
        done = self.known(device, devices.acknowledge_wipe(self.core, self.grant, device))
        known = self.devices.get(device)
        if known is not None:
            assert done == known.state.startswith("WIPE")
            known.state = "WIPE_SUCCEEDED" if done else known.state

    @rule(device=ids)
    def wipe(self, device: str) -> None:
        order = device_admin.wipe_mobile_device(self.core, self.house.grant, "ada", device)
        self.known(device, order)
        if device in self.devices:
            self.devices[device].state = "WIPE_REQUIRED"

    @rule(device=ids)
    def remove(self, device: str) -> None:
        order = device_admin.delete_mobile_device(self.core, self.house.grant, "ada", device)
        self.known(device, order)
        self.devices.pop(device, None)

    @rule(policy=st.sampled_from(POLICIES))
    def change_policy(self, policy: MobilePolicy) -> None:
        self.run(mobile_policy.set_mobile_policy(self.core, self.house.grant, policy))
        self.version += policy != self.policy
        self.policy = policy

    @rule(device=ids, effect=effects)
    def override(self, device: str, effect: str) -> None:
        put = device_overrides.put_device_override
        self.run(put(self.core, self.house.grant, user="ada", device=device, effect=effect))
        self.overrides[device] = effect

    @rule(device=ids)
    def back_to_the_rules(self, device: str) -> None:
        delete = device_overrides.delete_device_override
        self.run(delete(self.core, self.house.grant, user="ada", device=device))
        self.overrides.pop(device, None)

    @rule(effect=effects, types=st.sampled_from([(), ("iPhone",), ("iPhone", "Android")]))
    def add_rule(self, effect: str, types: tuple[str, ...]) -> None:
        if len(self.rules) < self.core.settings.limits.device_rules:
            given = DeviceRule(name="rule", effect=effect, device_types=types)
            made = self.run(rules.create_device_rule(self.core, self.house.grant, given))
            self.rules[made] = given

    @rule(chance=st.randoms(use_true_random=False))
    def delete_rule(self, chance: Any) -> None:
        if self.rules:
            gone = chance.choice(sorted(self.rules))
            self.run(rules.delete_device_rule(self.core, self.house.grant, gone))
            del self.rules[gone]

    @invariant()
    def the_list_is_true(self) -> None:
        found, _ = self.run(
            device_admin.get_mobile_devices(self.core, self.house.grant, "ada", after="", limit=10)
        )
        assert {each.id.upper(): (each.state, each.verdict.allowed) for each in found} == {
            device: (self.expected(device), self.allowed(device)) for device in self.devices
        }


def test_any_order_of_requests_and_orders(house: Directory, ada: Grant, run: Run[Any]) -> None:
    on_sqlite = not house.core.settings.database.url
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: DeviceMachine(house, ada, run),
        settings=settings(
            max_examples=15 if on_sqlite else 4, stateful_step_count=30, deadline=None
        ),
    )
