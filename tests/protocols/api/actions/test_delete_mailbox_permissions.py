"""DeleteMailboxPermissions."""

import pytest

from tests.protocols.api.actions.test_put_mailbox_permissions import granted, put
from tests.support.api_server import Tenant, refused


def test_deleting_is_idempotent(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    put(demo, ada, grace)
    for _ in range(2):
        assert demo("DeleteMailboxPermissions", EntityId=ada, GranteeId=grace) == {}
        assert granted(demo, ada) == {}


@pytest.mark.parametrize("owner", [True, False])
def test_deleting_for_the_disabled_and_the_unknown(demo: Tenant, owner: bool) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    put(demo, ada, grace)
    demo("DeregisterFromWorkMail", EntityId=ada if owner else grace)
    parameters = {"EntityId": ada, "GranteeId": grace}
    if owner:
        code, _ = refused(demo, "DeleteMailboxPermissions", **parameters)
        assert code == "EntityStateException"
    else:
        demo("DeleteMailboxPermissions", **parameters)
        assert granted(demo, ada) == {}
    for name in parameters:
        code, _ = refused(demo, "DeleteMailboxPermissions", **{**parameters, name: "nobody"})
        assert code == "EntityNotFoundException"
