"""DeleteOrganization."""

from tests.support.api_server import Tenant, refused


def test_it_answers_with_the_id_and_the_state(demo: Tenant) -> None:
    answer = demo("DeleteOrganization", DeleteDirectory=True)
    assert answer == {"OrganizationId": demo.organization, "State": "Deleted"}


def test_enabled_users_need_force(demo: Tenant) -> None:
    demo.user("ada")
    code, message = refused(demo, "DeleteOrganization", DeleteDirectory=False)
    assert code == "OrganizationStateException"
    assert "ForceDelete" in message
    assert demo("DescribeOrganization")["State"] == "Active"
    demo("DeleteOrganization", DeleteDirectory=False, ForceDelete=True)
    assert demo("DescribeOrganization")["State"] == "Deleted"


def test_what_is_deleted_answers_with_its_state(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo("DeleteOrganization", DeleteDirectory=True)
    expected = (
        "OrganizationStateException",
        f"Organization {demo.organization} is not Active, state: Deleted",
    )
    assert refused(demo, "DescribeUser", UserId=user) == expected
    assert refused(demo, "CreateGroup", Name="everyone") == expected
    assert refused(demo, "ListUsers") == expected
    assert refused(demo, "DeleteOrganization", DeleteDirectory=True) == expected


def test_alias_and_addresses_are_free_again(demo: Tenant) -> None:
    demo.user("ada")
    demo("DeleteOrganization", DeleteDirectory=True, ForceDelete=True)
    answer = demo.client.create_organization(Alias="demo")
    Tenant(demo.client, demo.account, answer["OrganizationId"], "demo.test").user("ada")
