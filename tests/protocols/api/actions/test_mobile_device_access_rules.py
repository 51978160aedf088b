"""CreateMobileDeviceAccessRule, UpdateMobileDeviceAccessRule, DeleteMobileDeviceAccessRule,
ListMobileDeviceAccessRules, GetMobileDeviceAccessEffect.
"""

from __future__ import annotations

from typing import Any

from tests.support.api_server import Tenant, refused

PHONE = {
    "DeviceType": "iPhone",
    "DeviceModel": "iPhone10C1",
    "DeviceOperatingSystem": "iOS 14.2.1 16F203",
    "DeviceUserAgent": "iOS/14.2 (18B92) exchangesyncd/1.0",
}


def create(tenant: Tenant, name: str, effect: str = "ALLOW", **more: Any) -> str:
    made: str = tenant("CreateMobileDeviceAccessRule", Name=name, Effect=effect, **more)[
        "MobileDeviceAccessRuleId"
    ]
    return made


def rules(tenant: Tenant) -> dict[str, dict[str, Any]]:
    return {each["Name"]: each for each in tenant("ListMobileDeviceAccessRules")["Rules"]}


def effect(tenant: Tenant, **reported: str) -> tuple[str, list[str]]:
    answer = tenant("GetMobileDeviceAccessEffect", **reported)
    return answer["Effect"], [each["Name"] for each in answer["MatchedRules"]]


def test_a_new_organization_lets_every_device_in(demo: Tenant) -> None:
    assert [(each["Name"], each["Effect"]) for each in rules(demo).values()] == [
        ("default", "ALLOW")
    ]
    assert effect(demo) == effect(demo, **PHONE) == ("ALLOW", ["default"])


def test_a_rule_comes_back_as_it_was_given(demo: Tenant) -> None:
    given = {
        "Description": "Café phones",
        "DeviceTypes": ["iPhone", "$NONE"],
        "NotDeviceModels": ["iPhone6"],
        "DeviceOperatingSystems": ["iOS 14"],
        "NotDeviceUserAgents": ["Outlook"],
    }
    rule_id = create(demo, "phones", "DENY", **given)
    shown = rules(demo)["phones"]
    assert shown.pop("DateCreated") == shown.pop("DateModified")
    assert shown == {
        "MobileDeviceAccessRuleId": rule_id,
        "Name": "phones",
        "Effect": "DENY",
        **given,
    }


def test_conditions_are_prefixes_without_regard_to_case(demo: Tenant) -> None:
    phones = create(demo, "phones", "DENY", DeviceTypes=["IPHONE"], DeviceModels=["iphone10"])
    assert effect(demo, **PHONE) == ("DENY", ["phones"])
    assert demo("GetMobileDeviceAccessEffect", **PHONE)["MatchedRules"] == [
        {"MobileDeviceAccessRuleId": phones, "Name": "phones"}
    ]
    assert effect(demo, **{**PHONE, "DeviceModel": "iPhone9C1"})[0] == "ALLOW"
    assert effect(demo, DeviceType="iPhone") == ("ALLOW", ["default"])


def test_what_was_not_reported(demo: Tenant) -> None:
    create(demo, "shy", "DENY", DeviceUserAgents=["$NONE"])
    assert effect(demo, DeviceType="iPad") == ("DENY", ["shy"])
    assert effect(demo, **PHONE) == ("ALLOW", ["default"])
    demo("DeleteMobileDeviceAccessRule", MobileDeviceAccessRuleId=ids(demo)["shy"])
    create(demo, "others", "DENY", NotDeviceTypes=["iPhone"])
    assert effect(demo, DeviceType="Android") == ("DENY", ["others"])
    assert effect(demo) == effect(demo, **PHONE) == ("ALLOW", ["default"])


def ids(tenant: Tenant) -> dict[str, str]:
    return {name: each["MobileDeviceAccessRuleId"] for name, each in rules(tenant).items()}


def test_without_rules_no_device_gets_in(demo: Tenant) -> None:
    demo("DeleteMobileDeviceAccessRule", MobileDeviceAccessRuleId=ids(demo)["default"])
    assert rules(demo) == {}
    assert effect(demo, **PHONE) == ("DENY", [])
    demo("DeleteMobileDeviceAccessRule", MobileDeviceAccessRuleId="not-there")


def test_an_update_replaces_the_rule_and_keeps_the_date_of_making(demo: Tenant) -> None:
    rule_id = create(demo, "phones", DeviceTypes=["iPhone"], Description="Phones")
    before = rules(demo)["phones"]
    demo(
        "UpdateMobileDeviceAccessRule",
        MobileDeviceAccessRuleId=rule_id,
        Name="tablets",
        Effect="DENY",
        NotDeviceTypes=["iPhone"],
    )
    after = rules(demo)["tablets"]
    assert after["DateCreated"] == before["DateCreated"] <= after["DateModified"]
    assert "Description" not in after
    assert "DeviceTypes" not in after
    assert (after["Effect"], after["NotDeviceTypes"]) == ("DENY", ["iPhone"])


def test_ten_rules_at_most(demo: Tenant) -> None:
    for number in range(9):
        create(demo, f"rule{number}")
    code, _ = refused(demo, "CreateMobileDeviceAccessRule", Name="more", Effect="ALLOW")
    assert code == "LimitExceededException"
    assert len(rules(demo)) == 10


def test_a_repeat_with_the_token_makes_no_second_rule(demo: Tenant) -> None:
    first = create(demo, "phones", ClientToken="once")
    assert create(demo, "phones", ClientToken="once") == first
    assert len(rules(demo)) == 2
    values = {"Name": "phones", "Effect": "DENY", "ClientToken": "once"}
    assert refused(demo, "CreateMobileDeviceAccessRule", **values)[0] == "InvalidParameterException"


def test_rules_of_others_are_not_there(demo: Tenant, other: Tenant) -> None:
    theirs = create(other, "theirs", "DENY")
    values = {"MobileDeviceAccessRuleId": theirs, "Name": "x", "Effect": "ALLOW"}
    assert refused(demo, "UpdateMobileDeviceAccessRule", **values)[0] == "EntityNotFoundException"
    demo("DeleteMobileDeviceAccessRule", MobileDeviceAccessRuleId=theirs)
    assert set(rules(other)) == {"default", "theirs"}
    assert effect(demo) == ("ALLOW", ["default"])


def test_malformed_rules(demo: Tenant) -> None:
    for wrong in ({"DeviceModels": ["x"] * 11}, {"Effect": "MAYBE"}, {"DeviceTypes": ["\u20ac"]}):
        values = {"Name": "x", "Effect": "ALLOW", **wrong}
        code, _ = refused(demo, "CreateMobileDeviceAccessRule", **values)
        assert code == "ValidationException"
