"""CreateAlias."""

from tests.support.api_server import Tenant, refused


def test_users_and_groups_get_aliases(demo: Tenant) -> None:
    for entity in (demo.user("ada"), demo.group("everyone")):
        alias = f"alias-{entity}@demo.test"
        assert demo("CreateAlias", EntityId=entity, Alias=alias) == {}
        assert demo("DescribeEntity", Email=alias.upper())["EntityId"] == entity
        demo("CreateAlias", EntityId=entity, Alias=alias)


def test_what_is_refused(demo: Tenant, other: Tenant) -> None:
    ada = demo.user("ada")
    demo.user("grace")
    disabled = demo.user("disabled", enabled=False)

    def code(entity: str, alias: str) -> str:
        return refused(demo, "CreateAlias", EntityId=entity, Alias=alias)[0]

    assert code(ada, "grace@demo.test") == "EmailAddressInUseException"
    assert code(ada, "ada@other.test") == "MailDomainNotFoundException"
    assert code(ada, "a..b@demo.test") == "InvalidParameterException"
    assert code(disabled, "more@demo.test") == "EntityStateException"
    assert code("nobody-at-all", "more@demo.test") == "EntityNotFoundException"
    assert code(ada, "not an address") == "ValidationException"
