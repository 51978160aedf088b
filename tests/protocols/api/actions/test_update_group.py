"""UpdateGroup."""

from tests.support.api_server import Tenant, refused


def test_hiding_showing_and_neither(demo: Tenant) -> None:
    group = demo.group("everyone")
    for given, hidden in (
        ({"HiddenFromGlobalAddressList": True}, True),
        ({}, True),
        ({"HiddenFromGlobalAddressList": False}, False),
    ):
        assert demo("UpdateGroup", GroupId="everyone@demo.test", **given) == {}
        assert demo("DescribeGroup", GroupId=group)["HiddenFromGlobalAddressList"] is hidden


def test_deleted_and_unknown_groups(demo: Tenant) -> None:
    group = demo.group("everyone", enabled=False)
    demo("DeleteGroup", GroupId=group)
    assert refused(demo, "UpdateGroup", GroupId=group)[0] == "EntityStateException"
    assert refused(demo, "UpdateGroup", GroupId="everyone")[0] == "EntityNotFoundException"
