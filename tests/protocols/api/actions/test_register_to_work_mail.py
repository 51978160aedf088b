"""RegisterToWorkMail."""

from tests.support.api_server import Tenant, refused


def register(demo: Tenant, entity: str, email: str) -> tuple[str, str]:
    return refused(demo, "RegisterToWorkMail", EntityId=entity, Email=email)


def test_users_and_groups_by_id_or_name(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    assert demo("RegisterToWorkMail", EntityId=user, Email="ada@demo.test") == {}
    demo.group("everyone", enabled=False)
    assert demo("RegisterToWorkMail", EntityId="everyone", Email="all@demo.test") == {}
    assert demo("DescribeEntity", Email="all@demo.test")["Type"] == "GROUP"


def test_the_same_address_again_is_no_change(demo: Tenant) -> None:
    user = demo.user("ada")
    before = demo("DescribeUser", UserId=user)
    demo("RegisterToWorkMail", EntityId=user, Email="Ada@demo.test")
    assert demo("DescribeUser", UserId=user) == before
    code, message = register(demo, user, "countess@demo.test")
    assert code == "EntityAlreadyRegisteredException"
    assert "ada@demo.test" in message


def test_remote_users_have_their_address_elsewhere(demo: Tenant) -> None:
    made = demo("CreateUser", Name="bob", DisplayName="Bob", Role="REMOTE_USER")["UserId"]
    assert demo("RegisterToWorkMail", EntityId=made, Email="bob@elsewhere.example") == {}
    user = demo("DescribeUser", UserId=made)
    assert (user["State"], user["Email"]) == ("ENABLED", "bob@elsewhere.example")
    assert "MailboxProvisionedDate" not in user
    assert demo("DescribeEntity", Email="bob@elsewhere.example")["EntityId"] == made
    second = demo("CreateUser", Name="rob", DisplayName="Rob", Role="REMOTE_USER")["UserId"]
    assert register(demo, second, "Bob@elsewhere.example")[0] == "EmailAddressInUseException"
    demo("DeregisterFromWorkMail", EntityId=made)
    demo("RegisterToWorkMail", EntityId=second, Email="bob@elsewhere.example")


def test_what_is_refused(demo: Tenant, other: Tenant) -> None:
    demo.user("ada")
    grace = demo.user("grace", enabled=False)
    assert register(demo, grace, "ada@demo.test")[0] == "EmailAddressInUseException"
    assert register(demo, grace, "grace@other.test")[0] == "MailDomainNotFoundException"
    assert register(demo, grace, "gr..ace@demo.test")[0] == "InvalidParameterException"
    assert register(demo, "nobody", "grace@demo.test")[0] == "EntityNotFoundException"


def test_a_domain_must_be_verified(demo: Tenant) -> None:
    answer = demo.client.create_organization(
        Alias="pending", Domains=[{"DomainName": "pending.example"}]
    )
    pending = Tenant(demo.client, demo.account, answer["OrganizationId"], "pending.test")
    user = pending.user("ada", enabled=False)
    assert register(pending, user, "ada@pending.example")[0] == "MailDomainStateException"


def test_registering_again_restores(demo: Tenant) -> None:
    user = demo.user("ada")
    provisioned = demo("DescribeUser", UserId=user)["MailboxProvisionedDate"]
    demo("DeregisterFromWorkMail", EntityId=user)
    demo("RegisterToWorkMail", EntityId=user, Email="back@demo.test")
    answer = demo("DescribeUser", UserId=user)
    assert (answer["Email"], answer["State"]) == ("back@demo.test", "ENABLED")
    assert answer["MailboxProvisionedDate"] == provisioned
    assert "DisabledDate" not in answer
