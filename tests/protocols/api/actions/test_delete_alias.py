"""DeleteAlias."""

from tests.support.api_server import Tenant, refused


def test_an_alias_is_free_at_once(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    demo("CreateAlias", EntityId=ada, Alias="Countess@demo.test")
    assert demo("DeleteAlias", EntityId=ada, Alias="countess@DEMO.test") == {}
    assert demo("ListAliases", EntityId=ada) == {"Aliases": []}
    demo("CreateAlias", EntityId=grace, Alias="countess@demo.test")


def test_what_is_not_its_alias_is_no_change(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    demo("CreateAlias", EntityId=grace, Alias="admiral@demo.test")
    for alias in ("admiral@demo.test", "nobody@demo.test", "x@other.example"):
        assert demo("DeleteAlias", EntityId=ada, Alias=alias) == {}
    assert demo("ListAliases", EntityId=grace)["Aliases"] == ["admiral@demo.test"]


def test_what_is_refused(demo: Tenant) -> None:
    ada = demo.user("ada")
    code, message = refused(demo, "DeleteAlias", EntityId=ada, Alias="Ada@demo.test")
    assert (code, "primary" in message) == ("InvalidParameterException", True)
    gone = demo.user("gone", enabled=False)
    demo("DeleteUser", UserId=gone)
    code, _ = refused(demo, "DeleteAlias", EntityId=gone, Alias="gone@demo.test")
    assert code == "EntityStateException"
    code, _ = refused(demo, "DeleteAlias", EntityId="nobody-at-all", Alias="x@demo.test")
    assert code == "EntityNotFoundException"
