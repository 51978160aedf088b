"""DescribeEntity."""

from tests.support.api_server import Tenant, refused


def test_primary_addresses_and_aliases_lead_to_the_entity(demo: Tenant) -> None:
    ada = demo.user("ada")
    demo("CreateAlias", EntityId=ada, Alias="countess@demo.test")
    for address in ("ada@demo.test", "ADA@DEMO.TEST", "countess@demo.test"):
        answer = demo("DescribeEntity", Email=address)
        assert answer == {"EntityId": ada, "Name": "ada", "Type": "USER"}
    group = demo.group("everyone")
    answer = demo("DescribeEntity", Email="everyone@demo.test")
    assert answer == {"EntityId": group, "Name": "everyone", "Type": "GROUP"}


def test_what_nobody_holds_is_not_found(demo: Tenant, other: Tenant) -> None:
    demo.user("ada")
    other.user("eve")
    for address in ("nobody@demo.test", "ada+tag@demo.test", "eve@other.test"):
        code, message = refused(demo, "DescribeEntity", Email=address)
        assert code == "EntityNotFoundException"
        assert address in message
