"""DeleteOrganization."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.identity import Center


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


def test_deletions_at_the_same_moment_are_all_told_that_it_goes(
    api: ApiServer, demo: Tenant
) -> None:
    clients = [api.client(demo.account) for _ in range(4)]
    with ThreadPoolExecutor(len(clients)) as pool:
        calls = [
            pool.submit(
                client.delete_organization,
                OrganizationId=demo.organization,
                DeleteDirectory=True,
                ForceDelete=True,
            )
            for client in clients
        ]
    assert {call.result()["State"] for call in calls} == {"Deleting"}


def test_alias_and_addresses_are_free_again(api: ApiServer, demo: Tenant) -> None:
    demo.user("ada")
    demo("DeleteOrganization", DeleteDirectory=True, ForceDelete=True)
    api.work()
    answer = demo.client.create_organization(Alias="demo")
    Tenant(demo.client, demo.account, answer["OrganizationId"], "demo.test").user("ada")


def test_a_directory_that_stays_is_taken_over_by_another_organization(
    api: ApiServer, demo: Tenant, other: Tenant
) -> None:
    ada, room = demo.user("ada"), demo.resource("room")
    group = demo.group("everyone")
    demo("AssociateMemberToGroup", GroupId=group, MemberId=ada)
    demo("AssociateDelegateToResource", ResourceId=room, EntityId=ada)
    gone = demo.user("gone", enabled=False)
    demo("DeleteUser", UserId=gone)
    directory = demo("DescribeOrganization")["DirectoryId"]
    demo("DeleteOrganization", DeleteDirectory=False, ForceDelete=True)
    create = demo.client.create_organization
    assert refused(create, Alias="new", DirectoryId=directory)[0] == "DirectoryInUseException"
    api.work()
    assert refused(create, Alias="new", DirectoryId=directory)[0] == "InvalidParameterException"
    code, _ = refused(other.client.create_organization, Alias="demo", DirectoryId=directory)
    assert code == "DirectoryUnavailableException"
    answer = create(Alias="demo", DirectoryId=directory)
    new = Tenant(demo.client, demo.account, answer["OrganizationId"], "demo.test")
    described = new("DescribeOrganization")
    assert (described["State"], described["DirectoryId"]) == ("Creating", directory)
    assert refused(create, Alias="new", DirectoryId=directory)[0] == "DirectoryInUseException"
    api.work()
    assert new("DescribeOrganization")["CompletedDate"]
    assert new("DescribeUser", UserId=ada)["State"] == "DISABLED"
    assert refused(new, "DescribeUser", UserId=gone)[0] == "EntityNotFoundException"
    [member] = new("ListGroupMembers", GroupId="everyone")["Members"]
    [delegate] = new("ListResourceDelegates", ResourceId="room")["Delegates"]
    assert member["Id"] == delegate["Id"] == ada
    new("RegisterToWorkMail", EntityId=ada, Email="ada@demo.test")
    assert new("GetMailboxDetails", UserId=ada)["MailboxSize"] == 0


def test_a_directory_that_was_deleted_is_unavailable(api: ApiServer, demo: Tenant) -> None:
    directory = demo("DescribeOrganization")["DirectoryId"]
    demo("DeleteOrganization", DeleteDirectory=True)
    api.work()
    code, _ = refused(demo.client.create_organization, Alias="demo", DirectoryId=directory)
    assert code == "DirectoryUnavailableException"


def test_the_identity_center_application_goes_when_asked(center: Center, api: ApiServer) -> None:
    application = center.put()
    demo = center.tenant
    demo("DeleteOrganization", DeleteDirectory=True, DeleteIdentityCenterApplication=True)
    api.work()
    second = demo.client.create_organization(Alias="second")["OrganizationId"]
    wanted = {**center.configuration(application), "OrganizationId": second}
    code, _ = refused(demo, "PutIdentityProviderConfiguration", **wanted)
    assert code == "ResourceNotFoundException"
