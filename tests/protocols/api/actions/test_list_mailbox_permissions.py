"""ListMailboxPermissions."""

from tests.protocols.api.actions.test_put_mailbox_permissions import granted, put
from tests.support.api_server import Tenant, refused


def test_pages_of_grantees(demo: Tenant) -> None:
    ada = demo.user("ada")
    others = sorted(demo.user(f"user{n}") for n in range(5))
    for each in others:
        put(demo, ada, each, "SEND_AS")
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = demo("ListMailboxPermissions", EntityId=ada, MaxResults=2, **token)
        found += [each["GranteeId"] for each in page["Permissions"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == others
    code, _ = refused(demo, "ListMailboxPermissions", EntityId="nobody")
    assert code == "EntityNotFoundException"
    code, _ = refused(demo, "ListMailboxPermissions", EntityId=ada, NextToken="x")
    assert code == "InvalidParameterException"


def test_the_deleted_are_not_shown(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    put(demo, ada, grace)
    demo("DeregisterFromWorkMail", EntityId=grace)
    demo("DeleteUser", UserId=grace)
    assert granted(demo, ada) == {}
