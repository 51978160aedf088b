"""DeleteOrganization."""

from tests.support.api_server import ApiServer, Tenant, refused


def test_it_answers_with_the_id_and_the_state(demo: Tenant) -> None:
    answer = demo("DeleteOrganization", DeleteDirectory=True)
    assert answer == {"OrganizationId": demo.organization, "State": "Deleting"}


def test_enabled_users_need_force(api: ApiServer, demo: Tenant) -> None:
    demo.user("ada")
    code, message = refused(demo, "DeleteOrganization", DeleteDirectory=False)
    assert code == "OrganizationStateException"
    assert "ForceDelete" in message
    assert demo("DescribeOrganization")["State"] == "Active"
    demo("DeleteOrganization", DeleteDirectory=False, ForceDelete=True)
    assert demo("DescribeOrganization")["State"] == "Deleting"
    api.work()
    assert demo("DescribeOrganization")["State"] == "Deleted"


def test_what_is_deleted_answers_with_its_state(api: ApiServer, demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo("DeleteOrganization", DeleteDirectory=True)
    message = f"Organization {demo.organization} is not Active, state: Deleting"
    assert refused(demo, "ListUsers") == ("OrganizationStateException", message)
    assert demo("DeleteOrganization", DeleteDirectory=True)["State"] == "Deleting"
    api.work()
    expected = (
        "OrganizationStateException",
        f"Organization {demo.organization} is not Active, state: Deleted",
    )
    assert refused(demo, "DescribeUser", UserId=user) == expected
    assert refused(demo, "CreateGroup", Name="everyone") == expected
    assert refused(demo, "ListUsers") == expected
    assert refused(demo, "DeleteOrganization", DeleteDirectory=True) == expected


def test_alias_and_addresses_are_free_again(api: ApiServer, demo: Tenant) -> None:
    demo.user("ada")
    demo("DeleteOrganization", DeleteDirectory=True, ForceDelete=True)
    api.work()
    answer = demo.client.create_organization(Alias="demo")
    Tenant(demo.client, demo.account, answer["OrganizationId"], "demo.test").user("ada")
