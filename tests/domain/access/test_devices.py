"""Mobile devices between their first request and their removal, as ActiveSync will drive them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.directories import Directory
from tests.support.mailboxes import ada, house, log_in, mail_core
from workpost.domain.access import device_admin, device_rule_shell, devices, mobile_policy
from workpost.domain.access.device_rules import DeviceRule, Reported
from workpost.domain.access.devices import (
    PROVISIONING_REQUIRED,
    PROVISIONING_SUCCEEDED,
    WIPE_REQUIRED,
    WIPE_SUCCEEDED,
    Device,
)
from workpost.domain.access.mobile_policy import MobilePolicy
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.kernel.errors import (
    AccessDenied,
    InvalidParameter,
    LimitExceeded,
    ResourceNotFound,
    StaleGrant,
)
from workpost.kernel.principal import Grant

__all__ = ["ada", "house", "mail_core"]

PHONE = Reported(type="iPhone", model="iPhone10C1", os="iOS 14.2.1", agent="iOS/14.2")
STRICT = MobilePolicy(password_required=True, minimum_password_length=6)
OTHER = MobilePolicy(require_device_encryption=True)
DAY_MS = 24 * 3_600_000


async def see(house: Directory, grant: Grant, reported: Reported = PHONE, **more: Any) -> Device:
    values = {"device": "D1", **more}
    return await devices.see_device(house.core, grant, reported=reported, **values)


async def fresh(house: Directory) -> Grant:
    """Ada's grant under the policy of now."""
    return await log_in(house.core, "ada@demo.test")


async def test_a_device_is_new_once_and_known_from_then_on(house: Directory, ada: Grant) -> None:
    first = await see(house, ada)
    assert (first.state, first.policy_key, first.reported) == (PROVISIONING_REQUIRED, 0, PHONE)
    assert first.verdict.allowed
    assert await see(house, ada) == first
    quiet = await see(house, ada, Reported(agent="iOS/15"), device="d1", name="Ada's phone")
    assert quiet.reported == msgspec.structs.replace(PHONE, agent="iOS/15")
    assert (quiet.id, quiet.name, quiet.first_seen) == ("d1", "Ada's phone", first.first_seen)
    assert await house.run("SELECT COUNT(*) FROM device") == [(1,)]
    long = await see(house, ada, Reported(model="x" * 10_000), device="D2")
    assert long.reported.model == "x" * 256


async def test_the_last_sync_is_written_once_a_minute(house: Directory, ada: Grant) -> None:
    seen = await see(house, ada)
    await house.change("UPDATE device SET last_seen = last_seen - 50000")
    assert (await see(house, ada)).last_seen == seen.last_seen - 50_000
    await house.change("UPDATE device SET last_seen = last_seen - ?", DAY_MS)
    assert (await see(house, ada)).last_seen >= seen.last_seen


async def test_what_is_not_taken_for_a_device(house: Directory, ada: Grant) -> None:
    for device in ("", "D" * 33, "D-1", "D1\n", "\u0661"):
        with pytest.raises(InvalidParameter):
            await see(house, ada, device=device)
    limits = msgspec.structs.replace(house.core.settings.limits, devices_per_mailbox=2)
    settings = msgspec.structs.replace(house.core.settings, limits=limits)
    core = msgspec.structs.replace(house.core, settings=settings)
    for device in ("D1", "D2", "d1"):
        await devices.see_device(core, ada, device, PHONE)
    with pytest.raises(LimitExceeded):
        await devices.see_device(core, ada, "D3", PHONE)
    for ask in (devices.offer_policy, devices.acknowledge_wipe):
        with pytest.raises(ResourceNotFound):
            await ask(core, ada, "D3")
    nobody = msgspec.structs.replace(ada, rights=0)
    with pytest.raises(AccessDenied):
        await devices.see_device(core, nobody, "D1", PHONE)


async def test_provisioning_in_two_steps(house: Directory, ada: Grant) -> None:
    await mobile_policy.set_mobile_policy(house.core, house.grant, STRICT)
    ada = await fresh(house)
    await see(house, ada)
    assert await devices.accept_policy(house.core, ada, "D1", 0) is None
    offer = await devices.offer_policy(house.core, ada, "d1")
    assert offer is not None
    assert (offer.policy, 0 < offer.key < 2**32) == (STRICT, True)
    assert not (await see(house, ada)).may_go_on(offer.key)
    assert await devices.accept_policy(house.core, ada, "D1", offer.key ^ 1) is None
    key = await devices.accept_policy(house.core, ada, "D1", offer.key)
    known = await see(house, ada)
    assert known.state == PROVISIONING_SUCCEEDED
    assert known.may_go_on(key or 0)
    assert not known.may_go_on(offer.key)
    assert await devices.accept_policy(house.core, ada, "D1", offer.key) is None
    assert await devices.offer_policy(house.core, ada, "D1")
    assert (await see(house, ada)).state == PROVISIONING_REQUIRED


async def test_a_policy_changed_between_the_steps_is_offered_again(
    house: Directory, ada: Grant
) -> None:
    await see(house, ada)
    offer = await devices.offer_policy(house.core, ada, "D1")
    assert offer == devices.Offer(MobilePolicy(), offer.key)
    await mobile_policy.set_mobile_policy(house.core, house.grant, STRICT)
    with pytest.raises(StaleGrant):
        await devices.accept_policy(house.core, ada, "D1", offer.key)
    ada = await fresh(house)
    assert await devices.accept_policy(house.core, ada, "D1", offer.key) is None
    again = await devices.offer_policy(house.core, ada, "D1")
    assert await devices.accept_policy(house.core, ada, "D1", again.key)
    await mobile_policy.set_mobile_policy(house.core, house.grant, OTHER)
    await mobile_policy.set_mobile_policy(house.core, house.grant, STRICT)
    assert (await see(house, await fresh(house))).state == PROVISIONING_REQUIRED


async def test_an_order_to_wipe_reaches_who_is_connected(house: Directory, ada: Grant) -> None:
    await see(house, ada)
    assert not await devices.acknowledge_wipe(house.core, ada, "D1")
    await device_admin.wipe_mobile_device(house.core, house.grant, "ada", "d1")
    with pytest.raises(StaleGrant):
        await see(house, ada)
    ada = await fresh(house)
    assert (await see(house, ada)).state == WIPE_REQUIRED
    assert await devices.offer_policy(house.core, ada, "D1") is None
    assert await devices.accept_policy(house.core, ada, "D1", 0) is None
    assert await devices.acknowledge_wipe(house.core, ada, "D1")
    shown = await device_admin.get_mobile_device(house.core, house.grant, "ada", "D1")
    assert shown.state == WIPE_SUCCEEDED
    await mobile_policy.set_mobile_policy(house.core, house.grant, STRICT)
    ada = await fresh(house)
    assert (await see(house, ada)).state == WIPE_REQUIRED
    assert await devices.acknowledge_wipe(house.core, ada, "D1")
    await device_admin.delete_mobile_device(house.core, house.grant, "ada", "D1")
    ada = await fresh(house)
    assert (await see(house, ada)).state == PROVISIONING_REQUIRED


async def test_rules_end_what_a_device_may_do(house: Directory, ada: Grant) -> None:
    await see(house, ada)
    phones = DeviceRule(name="phones", effect="DENY", device_types=("iPhone",))
    await device_rule_shell.create_device_rule(house.core, house.grant, phones)
    with pytest.raises(StaleGrant):
        await see(house, ada)
    ada = await fresh(house)
    assert not (await see(house, ada)).verdict.allowed
    assert (await see(house, ada, Reported(type="iPad"), device="D2")).verdict.allowed


async def test_devices_go_with_their_mailbox(house: Directory, ada: Grant) -> None:
    await see(house, ada)
    await see(house, await log_in(house.core, "grace@demo.test"))
    await deregister_from_workmail(house.core, house.grant, "ada")
    kept, _ = await device_admin.get_mobile_devices(
        house.core, house.grant, "ada", after="", limit=10
    )
    assert [each.id for each in kept] == ["D1"]
    await house.change("UPDATE mailbox SET purge_at = 1 WHERE purge_at IS NOT NULL")
    await house.work()
    gone = await device_admin.get_mobile_devices(house.core, house.grant, "ada", after="", limit=10)
    assert gone == ([], "")
    assert await house.run("SELECT COUNT(*) FROM device") == [(1,)]
