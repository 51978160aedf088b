"""UpdatePrimaryEmailAddress."""

from tests.support.api_server import Tenant, refused


def addresses(demo: Tenant, entity: str) -> tuple[str, list[str]]:
    primary = demo("DescribeUser", UserId=entity)["Email"]
    return primary, demo("ListAliases", EntityId=entity)["Aliases"]


def test_the_old_address_becomes_an_alias_and_an_alias_changes_places(demo: Tenant) -> None:
    ada = demo.user("ada")
    assert demo("UpdatePrimaryEmailAddress", EntityId="ada", Email="lovelace@demo.test") == {}
    assert addresses(demo, ada) == ("lovelace@demo.test", ["ada@demo.test"])
    demo("UpdatePrimaryEmailAddress", EntityId="ada@demo.test", Email="Ada@demo.test")
    assert addresses(demo, ada) == ("Ada@demo.test", ["lovelace@demo.test"])
    demo("UpdatePrimaryEmailAddress", EntityId=ada, Email="ada@demo.test")
    assert addresses(demo, ada) == ("Ada@demo.test", ["lovelace@demo.test"])
    for address in ("ada@demo.test", "lovelace@demo.test"):
        assert demo("DescribeEntity", Email=address)["EntityId"] == ada
    [found] = demo("ListUsers", Filters={"PrimaryEmailPrefix": "ada@"})["Users"]
    assert found["Email"] == "Ada@demo.test"


def test_groups_and_resources_too(demo: Tenant) -> None:
    group = demo.group("everyone")
    demo("UpdatePrimaryEmailAddress", EntityId=group, Email="all@demo.test")
    assert demo("DescribeGroup", GroupId=group)["Email"] == "all@demo.test"
    room = demo.resource("room")
    demo("UpdatePrimaryEmailAddress", EntityId="room", Email="attic@demo.test")
    assert demo("DescribeResource", ResourceId=room)["Email"] == "attic@demo.test"


def test_what_is_refused(demo: Tenant) -> None:
    ada = demo.user("ada")
    demo.user("grace")
    disabled = demo.user("disabled", enabled=False)

    def code(entity: str, email: str) -> str:
        return refused(demo, "UpdatePrimaryEmailAddress", EntityId=entity, Email=email)[0]

    assert code(ada, "grace@demo.test") == "EmailAddressInUseException"
    assert code(ada, "ada@other.test") == "MailDomainNotFoundException"
    assert code(ada, "a..b@demo.test") == "InvalidParameterException"
    assert code(disabled, "new@demo.test") == "EntityStateException"
    assert code("nobody", "new@demo.test") == "EntityNotFoundException"
    assert addresses(demo, ada) == ("ada@demo.test", [])


def test_a_login_under_either_address_goes_on(demo: Tenant) -> None:
    ada = demo.user("ada")
    demo("UpdatePrimaryEmailAddress", EntityId=ada, Email="lovelace@demo.test")
    demo("DeleteAlias", EntityId=ada, Alias="ada@demo.test")
    assert refused(demo, "DescribeEntity", Email="ada@demo.test")[0] == "EntityNotFoundException"
