"""CreateGroup."""

from tests.support.api_server import Tenant, refused


def test_a_group_gets_an_id_and_is_disabled(demo: Tenant) -> None:
    answer = demo("CreateGroup", Name="Everyone at Köln", HiddenFromGlobalAddressList=True)
    assert list(answer) == ["GroupId"]
    assert len(answer["GroupId"]) == 36
    user = demo.user("ada")
    code, _ = refused(demo, "AssociateMemberToGroup", GroupId=answer["GroupId"], MemberId=user)
    assert code == "EntityStateException"


def test_names_are_unique(demo: Tenant) -> None:
    demo.user("ada", enabled=False)
    demo.group("everyone", enabled=False)
    for name in ("Ada", "EVERYONE"):
        code, message = refused(demo, "CreateGroup", Name=name)
        assert code == "NameAvailabilityException"
        assert name in message


def test_names_are_latin_1(demo: Tenant) -> None:
    code, _ = refused(demo, "CreateGroup", Name="группа")
    assert code == "ValidationException"
