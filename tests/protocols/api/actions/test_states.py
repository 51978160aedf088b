"""What every action says of an organization that is deleted."""

from __future__ import annotations

from tests.protocols.api.actions.test_strangers import CALLS
from tests.support.api_server import Tenant, refused
from workpost.protocols.api.model import CONSOLE, load_services

SERVICES = load_services()
OPERATIONS = {**SERVICES["workmail"].operations, **SERVICES[CONSOLE].operations}
STATE = "OrganizationStateException"


def test_a_deleted_organization_is_not_active(demo: Tenant) -> None:
    demo("DeleteOrganization", DeleteDirectory=True, ForceDelete=True)
    for action, parameters in CALLS.items():
        if STATE in OPERATIONS[action].errors and action != "DeleteOrganization":
            code, message = refused(demo, action, **parameters)
            assert code == STATE, action
            assert message.startswith(f"Organization {demo.organization} is not Active, state: ")
