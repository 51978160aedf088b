"""DeleteUser."""

from tests.support.api_server import Tenant, refused


def test_a_disabled_user_is_deleted_by_id_or_name(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo.user("grace", enabled=False)
    assert demo("DeleteUser", UserId=user) == {}
    assert demo("DeleteUser", UserId="grace") == {}
    assert demo("ListUsers")["Users"] == []


def test_an_enabled_user_is_not(demo: Tenant) -> None:
    user = demo.user("ada")
    code, message = refused(demo, "DeleteUser", UserId=user)
    assert code == "EntityStateException"
    assert user in message
    demo("DeregisterFromWorkMail", EntityId=user)
    demo("DeleteUser", UserId=user)


def test_deleting_again_changes_nothing_and_unknown_names_are_told(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo("DeleteUser", UserId=user)
    assert demo("DeleteUser", UserId=user) == {}
    assert refused(demo, "DeleteUser", UserId="nobody")[0] == "EntityNotFoundException"


def test_the_name_is_free_and_gets_a_new_id(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo("DeleteUser", UserId=user)
    assert demo.user("ada") != user
