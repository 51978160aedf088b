"""DeleteAccessControlRule."""

from tests.protocols.api.actions.test_put_access_control_rule import put
from tests.support.api_server import Tenant


def test_deleting_is_idempotent(demo: Tenant) -> None:
    put(demo)
    assert demo("DeleteAccessControlRule", Name="office") == {}
    assert demo("DeleteAccessControlRule", Name="office") == {}
    demo("DeleteAccessControlRule", Name="default")
    assert demo("ListAccessControlRules") == {"Rules": []}
