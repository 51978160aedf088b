"""DeregisterFromWorkMail."""

from tests.support.api_server import Tenant, refused


def test_by_id_name_or_address(demo: Tenant) -> None:
    identifiers = {"ada": None, "grace": "grace", "barbara": "Barbara@demo.test"}
    for name, identifier in identifiers.items():
        user = demo.user(name)
        assert demo("DeregisterFromWorkMail", EntityId=identifier or user) == {}
        assert demo("DescribeUser", UserId=user)["State"] == "DISABLED"


def test_it_frees_the_addresses(demo: Tenant) -> None:
    ada = demo.user("ada")
    demo("CreateAlias", EntityId=ada, Alias="countess@demo.test")
    demo("DeregisterFromWorkMail", EntityId=ada)
    grace = demo.user("grace")
    demo("CreateAlias", EntityId=grace, Alias="countess@demo.test")
    demo("CreateAlias", EntityId=grace, Alias="ada@demo.test")


def test_a_disabled_entity_stays_as_it_is(demo: Tenant) -> None:
    ada = demo.user("ada")
    demo("DeregisterFromWorkMail", EntityId=ada)
    before = demo("DescribeUser", UserId=ada)
    demo("DeregisterFromWorkMail", EntityId=ada)
    assert demo("DescribeUser", UserId=ada) == before
    code, _ = refused(demo, "DeregisterFromWorkMail", EntityId="nobody")
    assert code == "EntityNotFoundException"


def test_groups_too(demo: Tenant) -> None:
    demo.group("everyone")
    demo("DeregisterFromWorkMail", EntityId="everyone")
    code, _ = refused(demo, "DescribeEntity", Email="everyone@demo.test")
    assert code == "EntityNotFoundException"
