"""CreateResource, DescribeResource, UpdateResource, DeleteResource, ListResources."""

import re
from typing import Any

import pytest

from tests.support.api_server import Tenant, refused

DEFAULT_OPTIONS = {
    "AutoAcceptRequests": True,
    "AutoDeclineRecurringRequests": False,
    "AutoDeclineConflictingRequests": True,
}


def test_a_new_resource_is_disabled_and_accepts_what_does_not_conflict(demo: Tenant) -> None:
    room = demo("CreateResource", Name="room", Type="ROOM")["ResourceId"]
    assert re.fullmatch("r-[0-9a-f]{32}", room)
    assert demo("DescribeResource", ResourceId="room") == {
        "ResourceId": room,
        "Name": "room",
        "Type": "ROOM",
        "BookingOptions": DEFAULT_OPTIONS,
        "State": "DISABLED",
        "HiddenFromGlobalAddressList": False,
    }


def test_all_members_and_an_enabled_resource(demo: Tenant) -> None:
    given = {"Type": "EQUIPMENT", "Description": "For slides", "HiddenFromGlobalAddressList": True}
    beamer = demo("CreateResource", Name="beamer", **given)["ResourceId"]
    demo("RegisterToWorkMail", EntityId=beamer, Email="beamer@demo.test")
    answer = demo("DescribeResource", ResourceId="beamer@demo.test")
    assert answer.pop("EnabledDate")
    assert answer == {
        **given,
        "ResourceId": beamer,
        "Name": "beamer",
        "Email": "beamer@demo.test",
        "BookingOptions": DEFAULT_OPTIONS,
        "State": "ENABLED",
    }
    entity = demo("DescribeEntity", Email="beamer@demo.test")
    assert entity == {"EntityId": beamer, "Name": "beamer", "Type": "RESOURCE"}


def test_one_namespace_with_users_and_groups(demo: Tenant) -> None:
    demo.user("ada", enabled=False)
    demo.group("everyone", enabled=False)
    demo.resource("room", enabled=False)
    for name in ("Ada", "everyone", "ROOM"):
        code, _ = refused(demo, "CreateResource", Name=name, Type="ROOM")
        assert code == "NameAvailabilityException"
    assert refused(demo, "CreateGroup", Name="room")[0] == "NameAvailabilityException"


def test_what_is_absent_stays(demo: Tenant) -> None:
    room = demo("CreateResource", Name="room", Type="ROOM", Description="Blue")["ResourceId"]
    before = demo("DescribeResource", ResourceId=room)
    assert demo("UpdateResource", ResourceId=room) == {}
    assert demo("DescribeResource", ResourceId=room) == before
    given: dict[str, Any] = {
        "Name": "attic",
        "Type": "EQUIPMENT",
        "Description": "Green",
        "HiddenFromGlobalAddressList": True,
    }
    demo("UpdateResource", ResourceId="room", **given)
    assert demo("DescribeResource", ResourceId="attic") == {**before, **given}
    demo("UpdateResource", ResourceId=room, Description="")
    assert "Description" not in demo("DescribeResource", ResourceId=room)
    demo.resource("room")


def test_booking_options_left_out_are_false(demo: Tenant) -> None:
    room = demo.resource("room")
    options = {"AutoAcceptRequests": True, "AutoDeclineRecurringRequests": True}
    demo("UpdateResource", ResourceId=room, BookingOptions=options)
    answer = demo("DescribeResource", ResourceId=room)["BookingOptions"]
    assert answer == {**options, "AutoDeclineConflictingRequests": False}


def test_somebody_has_to_answer(demo: Tenant) -> None:
    room = demo.resource("room")
    options = {"AutoAcceptRequests": False}
    code, _ = refused(demo, "UpdateResource", ResourceId=room, BookingOptions=options)
    assert code == "InvalidConfigurationException"
    demo.user("ada")
    demo("AssociateDelegateToResource", ResourceId=room, EntityId="ada")
    demo("UpdateResource", ResourceId=room, BookingOptions=options)
    assert not any(demo("DescribeResource", ResourceId=room)["BookingOptions"].values())


def test_a_name_that_is_taken_or_reserved(demo: Tenant) -> None:
    room = demo.resource("room")
    demo.user("ada", enabled=False)
    for name in ("ADA", "Administrator"):
        code, _ = refused(demo, "UpdateResource", ResourceId=room, Name=name)
        assert code == "NameAvailabilityException"
    demo("UpdateResource", ResourceId=room, Name="Room")
    assert demo("DescribeResource", ResourceId=room)["Name"] == "Room"


def test_only_disabled_resources_are_deleted(demo: Tenant) -> None:
    room = demo.resource("room")
    assert refused(demo, "DeleteResource", ResourceId=room)[0] == "EntityStateException"
    demo("DeregisterFromWorkMail", EntityId=room)
    assert demo("DeleteResource", ResourceId="room") == {}
    assert demo("DeleteResource", ResourceId=room) == {}
    assert demo("DescribeResource", ResourceId=room)["State"] == "DELETED"
    assert refused(demo, "UpdateResource", ResourceId=room)[0] == "EntityStateException"
    for action in ("DeleteResource", "DescribeResource", "UpdateResource"):
        assert refused(demo, action, ResourceId="room")[0] == "EntityNotFoundException"


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["attic", "beamer", "room"]),
        ({"NamePrefix": "B"}, ["beamer"]),
        ({"PrimaryEmailPrefix": "attic@"}, ["attic"]),
        ({"State": "ENABLED"}, ["attic", "room"]),
        ({"State": "DISABLED"}, ["beamer"]),
        ({"State": "DELETED"}, []),
    ],
)
def test_filters_of_the_list(demo: Tenant, filters: dict[str, str], names: list[str]) -> None:
    demo.resource("attic")
    demo.resource("room")
    demo.resource("beamer", enabled=False)
    found = demo("ListResources", Filters=filters)["Resources"]
    assert [resource["Name"] for resource in found] == names


def test_summaries_pages_and_one_filter(demo: Tenant) -> None:
    demo("CreateResource", Name="beamer", Type="EQUIPMENT", Description="For slides")
    room = demo.resource("room")
    first = demo("ListResources", MaxResults=1)
    [beamer] = first["Resources"]
    assert beamer.pop("Id").startswith("r-")
    assert beamer == {
        "Name": "beamer",
        "Type": "EQUIPMENT",
        "State": "DISABLED",
        "Description": "For slides",
    }
    [last] = demo("ListResources", NextToken=first["NextToken"])["Resources"]
    assert (last["Id"], last["Email"]) == (room, "room@demo.test")
    filters = {"State": "ENABLED", "NamePrefix": "r"}
    code, _ = refused(demo, "ListResources", Filters=filters)
    assert code == "InvalidParameterException"
