"""ListAccessControlRules."""

from tests.protocols.api.actions.test_put_access_control_rule import rules
from tests.support.api_server import Tenant


def test_a_new_organization_lets_everybody_in(demo: Tenant) -> None:
    (default,) = rules(demo).items()
    assert default[0] == "default"
    assert default[1].pop("DateCreated").timestamp() == 0
    assert default[1].pop("DateModified").timestamp() == 0
    assert default[1] == {"Effect": "ALLOW", "Description": "Default WorkMail Rule"}
