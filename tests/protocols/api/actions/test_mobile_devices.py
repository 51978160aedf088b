"""GetMobileDevicesForUser, GetMobileDeviceDetails, WipeMobileDevice, DeleteMobileDevice,
GetMobilePolicyDetails, SetMobilePolicyDetails: devices as ActiveSync will tell of them.
"""

from __future__ import annotations

from typing import Any

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.mailboxes import log_in
from workpost.domain.access import devices
from workpost.domain.access.device_rules import Reported
from workpost.kernel.principal import Grant

PHONE = Reported(
    type="iPhone", model="iPhone10C1", os="iOS 14.2.1 16F203", agent="iOS/14.2 (18B92)"
)
DEVICE = "6APMEKPHCP2ND42VIJ4BR8ECDO"
POLICY = {
    "RequireDeviceEncryption": True,
    "PasswordRequired": True,
    "AllowSimplePassword": False,
    "MinimumPasswordLength": 6,
    "FailedAttemptsAllowed": 10,
    "ScreenLockTimeoutSeconds": 300,
}


class Phone:
    """A device that syncs as ActiveSync will."""

    def __init__(self, api: ApiServer, address: str, device: str = DEVICE) -> None:
        self.api = api
        self.address = address
        self.device = device

    @property
    def grant(self) -> Grant:
        return self.api.run(log_in(self.api.core, self.address))

    def sync(self, reported: Reported = PHONE, name: str = "") -> devices.Device:
        core = self.api.core
        return self.api.run(devices.see_device(core, self.grant, self.device, reported, name))

    def provision(self) -> int | None:
        offer = self.api.run(devices.offer_policy(self.api.core, self.grant, self.device))
        assert offer is not None
        accept = devices.accept_policy(self.api.core, self.grant, self.device, offer.key)
        return self.api.run(accept)

    def wiped(self) -> bool:
        return self.api.run(devices.acknowledge_wipe(self.api.core, self.grant, self.device))


def details(tenant: Tenant, user: str = "ada", device: str = DEVICE) -> dict[str, Any]:
    return tenant("GetMobileDeviceDetails", UserId=user, DeviceId=device)


def test_what_a_device_has_reported(api: ApiServer, demo: Tenant) -> None:
    demo.user("ada")
    assert demo("GetMobileDevicesForUser", UserId="ada") == {"Devices": []}
    Phone(api, "ada@demo.test").sync(name="Ada's phone")
    (shown,) = demo("GetMobileDevicesForUser", UserId="ada@demo.test")["Devices"]
    described = details(demo, device=DEVICE.lower())
    assert described.pop("Overridden") is False
    assert [each["Name"] for each in described.pop("MatchedRules")] == ["default"]
    assert described == shown
    assert shown.pop("DateFirstSync") == shown.pop("DateLastSync")
    assert shown == {
        "DeviceId": DEVICE,
        "DeviceType": "iPhone",
        "DeviceModel": "iPhone10C1",
        "DeviceOperatingSystem": "iOS 14.2.1 16F203",
        "DeviceUserAgent": "iOS/14.2 (18B92)",
        "FriendlyName": "Ada's phone",
        "Status": "PROVISIONING_REQUIRED",
        "Effect": "ALLOW",
    }


def test_devices_in_pages_and_of_their_user_only(
    api: ApiServer, demo: Tenant, other: Tenant
) -> None:
    demo.user("ada")
    demo.user("grace")
    for device in ("D3", "d1", "D2"):
        Phone(api, "ada@demo.test", device).sync(Reported(type="Android"))
    first = demo("GetMobileDevicesForUser", UserId="ada", MaxResults=2)
    token = first["NextToken"]
    rest = demo("GetMobileDevicesForUser", UserId="ada", MaxResults=2, NextToken=token)
    assert "NextToken" not in rest
    found = [each["DeviceId"] for each in first["Devices"] + rest["Devices"]]
    assert found == ["d1", "D2", "D3"]
    pages = demo.console.get_paginator("get_mobile_devices_for_user").paginate(
        OrganizationId=demo.organization, UserId="ada", PaginationConfig={"PageSize": 1}
    )
    assert [each["DeviceId"] for page in pages for each in page["Devices"]] == found
    assert demo("GetMobileDevicesForUser", UserId="grace") == {"Devices": []}
    demo.user("off", enabled=False)
    assert demo("GetMobileDevicesForUser", UserId="off") == {"Devices": []}
    other.user("eve")
    for action in ("GetMobileDeviceDetails", "WipeMobileDevice", "DeleteMobileDevice"):
        for tenant, user in ((demo, "grace"), (demo, "off"), (other, "eve")):
            code, _ = refused(tenant, action, UserId=user, DeviceId="D2")
            assert code == "ResourceNotFoundException"
    assert details(demo, device="D2")["Status"] == "PROVISIONING_REQUIRED"


def test_rules_and_overrides_on_a_known_device(api: ApiServer, demo: Tenant) -> None:
    demo.user("ada")
    phone = Phone(api, "ada@demo.test")
    assert phone.sync().verdict.allowed
    rule = demo("CreateMobileDeviceAccessRule", Name="none", Effect="DENY", DeviceTypes=["iPh"])
    shown = details(demo)
    assert (shown["Effect"], shown["Overridden"]) == ("DENY", False)
    assert shown["MatchedRules"] == [{**rule, "Name": "none"}]
    assert not phone.sync().verdict.allowed
    demo("PutMobileDeviceAccessOverride", UserId="ada", DeviceId=DEVICE.lower(), Effect="ALLOW")
    shown = details(demo)
    assert (shown["Effect"], shown["Overridden"], shown["MatchedRules"]) == ("ALLOW", True, [])
    assert phone.sync().verdict.allowed


def test_a_wipe_from_its_order_to_the_end(api: ApiServer, demo: Tenant) -> None:
    demo.user("ada")
    phone = Phone(api, "ada@demo.test")
    phone.sync()
    key = phone.provision()
    assert key
    assert phone.sync().may_go_on(key)
    assert not phone.wiped()
    assert details(demo)["Status"] == "PROVISIONING_SUCCEEDED"
    for _ in range(2):
        assert demo("WipeMobileDevice", UserId="ada", DeviceId=DEVICE.lower()) == {}
    told = phone.sync()
    assert (told.state, told.may_go_on(key)) == ("WIPE_REQUIRED", False)
    assert api.run(devices.offer_policy(api.core, phone.grant, DEVICE)) is None
    assert phone.wiped()
    assert phone.wiped()
    assert details(demo)["Status"] == "WIPE_SUCCEEDED"
    assert phone.sync().state == "WIPE_REQUIRED"
    assert demo("DeleteMobileDevice", UserId="ada", DeviceId=DEVICE) == {}
    assert demo("GetMobileDevicesForUser", UserId="ada") == {"Devices": []}
    assert phone.sync().state == "PROVISIONING_REQUIRED"


def test_the_policy_before_one_was_set(demo: Tenant) -> None:
    assert demo("GetMobilePolicyDetails") == {
        "Policy": {
            "RequireDeviceEncryption": False,
            "RequireStorageCardEncryption": False,
            "PasswordRequired": False,
            "AllowSimplePassword": True,
            "RequireAlphanumericPassword": False,
        }
    }


def test_a_policy_comes_back_as_it_was_given(demo: Tenant, other: Tenant) -> None:
    assert demo("SetMobilePolicyDetails", Policy=POLICY) == {}
    shown = demo("GetMobilePolicyDetails")
    unset = {"RequireStorageCardEncryption": False, "RequireAlphanumericPassword": False}
    assert shown["Policy"] == {**POLICY, **unset}
    assert shown["DateModified"]
    assert "DateModified" not in other("GetMobilePolicyDetails")


def test_conditions_on_passwords_need_a_password(demo: Tenant) -> None:
    for policy in ({"AllowSimplePassword": False}, {"PasswordHistory": 3}):
        code, _ = refused(demo, "SetMobilePolicyDetails", Policy=policy)
        assert code == "InvalidParameterException"
    code, _ = refused(demo, "SetMobilePolicyDetails", Policy={"MinimumPasswordLength": 17})
    assert code == "ValidationException"
    demo("SetMobilePolicyDetails", Policy={"RequireStorageCardEncryption": True})


def test_a_changed_policy_has_every_device_provisioned_again(
    api: ApiServer, demo: Tenant, other: Tenant
) -> None:
    phones = []
    for tenant, name in ((demo, "ada"), (demo, "grace"), (other, "eve")):
        tenant.user(name)
        phone = Phone(api, f"{name}@{tenant.domain}")
        phone.sync()
        phones.append((phone, phone.provision()))
    demo("WipeMobileDevice", UserId="grace", DeviceId=DEVICE)
    demo("SetMobilePolicyDetails", Policy=POLICY)
    assert details(demo)["Status"] == "PROVISIONING_REQUIRED"
    assert details(demo, "grace")["Status"] == "WIPE_REQUIRED"
    assert details(other, "eve")["Status"] == "PROVISIONING_SUCCEEDED"
    phone, key = phones[0]
    assert not phone.sync().may_go_on(key or 0)
    assert phone.provision()
    assert details(demo)["Status"] == "PROVISIONING_SUCCEEDED"
    demo("SetMobilePolicyDetails", Policy=POLICY)
    assert details(demo)["Status"] == "PROVISIONING_SUCCEEDED"
    demo("SetMobilePolicyDetails", Policy={})
    assert details(demo)["Status"] == "PROVISIONING_REQUIRED"
