"""PutMobileDeviceAccessOverride, GetMobileDeviceAccessOverride, DeleteMobileDeviceAccessOverride,
ListMobileDeviceAccessOverrides.
"""

from __future__ import annotations

from typing import Any

from tests.support.api_server import Tenant, refused


def put(tenant: Tenant, user: str, device: str, effect: str = "ALLOW", **more: Any) -> None:
    values = {"UserId": user, "DeviceId": device, "Effect": effect, **more}
    assert tenant("PutMobileDeviceAccessOverride", **values) == {}


def get(tenant: Tenant, user: str, device: str) -> dict[str, Any]:
    return tenant("GetMobileDeviceAccessOverride", UserId=user, DeviceId=device)


def listed(tenant: Tenant, **wanted: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    token: dict[str, str] = {}
    while True:
        page = tenant("ListMobileDeviceAccessOverrides", **wanted, **token)
        found += [(each["UserId"], each["DeviceId"]) for each in page["Overrides"]]
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


def test_an_override_comes_back_by_every_name_of_its_user(demo: Tenant) -> None:
    ada = demo.user("ada")
    put(demo, "ada", "6APMEKPHCP2ND42VIJ4BR8ECDO", Description="Compliant")
    for user in (ada, "ada", "ADA@demo.test"):
        shown = get(demo, user, "6apmekphcp2nd42vij4br8ecdo")
        assert shown.pop("DateCreated") == shown.pop("DateModified")
        assert shown == {
            "UserId": ada,
            "DeviceId": "6APMEKPHCP2ND42VIJ4BR8ECDO",
            "Effect": "ALLOW",
            "Description": "Compliant",
        }


def test_a_second_put_updates(demo: Tenant) -> None:
    demo.user("ada")
    put(demo, "ada", "D1", Description="Compliant")
    before = get(demo, "ada", "D1")
    put(demo, "ada", "d1", "DENY")
    after = get(demo, "ada", "D1")
    assert after["DateCreated"] == before["DateCreated"] <= after["DateModified"]
    assert (after["Effect"], after["DeviceId"]) == ("DENY", "d1")
    assert "Description" not in after
    assert len(listed(demo)) == 1


def test_a_deleted_override_is_gone_and_may_be_deleted_again(demo: Tenant) -> None:
    demo.user("ada")
    put(demo, "ada", "D1")
    for device in ("d1", "D1", "D2"):
        demo("DeleteMobileDeviceAccessOverride", UserId="ada", DeviceId=device)
    values = {"UserId": "ada", "DeviceId": "D1"}
    code, _ = refused(demo, "GetMobileDeviceAccessOverride", **values)
    assert code == "ResourceNotFoundException"


def test_of_a_user_of_a_device_and_in_pages(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    for user in (ada, grace):
        for device in ("D3", "d1", "D2"):
            put(demo, user, device)
    every = listed(demo)
    assert every == sorted(every, key=lambda each: (each[0], each[1].lower()))
    assert listed(demo, MaxResults=1) == listed(demo, MaxResults=4) == every
    assert listed(demo, UserId="ada") == [(ada, "d1"), (ada, "D2"), (ada, "D3")]
    assert set(listed(demo, DeviceId="D2", MaxResults=1)) == {(ada, "D2"), (grace, "D2")}
    assert listed(demo, UserId="ada", DeviceId="d3") == [(ada, "D3")]
    assert listed(demo, DeviceId="D4") == []


def test_overrides_go_with_their_user(demo: Tenant, other: Tenant) -> None:
    ada = demo.user("ada", enabled=False)
    put(demo, ada, "D1", "DENY")
    other.user("ada")
    put(other, "ada", "D1")
    demo("DeleteUser", UserId=ada)
    assert listed(demo) == []
    assert len(listed(other)) == 1
