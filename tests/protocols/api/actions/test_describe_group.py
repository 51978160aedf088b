"""DescribeGroup."""

from tests.support.api_server import Tenant, refused


def test_a_group_through_its_life(demo: Tenant) -> None:
    group = demo("CreateGroup", Name="everyone", HiddenFromGlobalAddressList=True)["GroupId"]
    new = {
        "GroupId": group,
        "Name": "everyone",
        "State": "DISABLED",
        "HiddenFromGlobalAddressList": True,
    }
    assert demo("DescribeGroup", GroupId=group) == new
    demo("RegisterToWorkMail", EntityId=group, Email="all@demo.test")
    answer = demo("DescribeGroup", GroupId="ALL@demo.test")
    assert answer.pop("EnabledDate")
    assert answer == {**new, "State": "ENABLED", "Email": "all@demo.test"}
    demo("DeregisterFromWorkMail", EntityId=group)
    answer = demo("DescribeGroup", GroupId="Everyone")
    assert answer["State"] == "DISABLED"
    assert answer["DisabledDate"] >= answer["EnabledDate"]
    demo("DeleteGroup", GroupId=group)
    assert demo("DescribeGroup", GroupId=group)["State"] == "DELETED"


def test_users_are_no_groups(demo: Tenant) -> None:
    user = demo.user("ada")
    for identifier in (user, "ada", "ada@demo.test", "nothing"):
        assert refused(demo, "DescribeGroup", GroupId=identifier)[0] == "EntityNotFoundException"
