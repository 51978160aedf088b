"""DeleteIdentityCenterApplication."""

from __future__ import annotations

from tests.support.api_server import Tenant, refused
from tests.support.identity import Center

INVALID = "InvalidParameterException"


def test_a_deleted_application_cannot_be_put(center: Center) -> None:
    application = center.application()
    delete = center.tenant.client.delete_identity_center_application
    delete(ApplicationArn=application)
    delete(ApplicationArn=application)
    wanted = center.configuration(application)
    code, _ = refused(center.tenant, "PutIdentityProviderConfiguration", **wanted)
    assert code == "ResourceNotFoundException"


def test_how_organizations_authenticate_stays_as_it_is(center: Center) -> None:
    application = center.put()
    before = center.tenant("DescribeIdentityProviderConfiguration")
    center.tenant.client.delete_identity_center_application(ApplicationArn=application)
    assert center.tenant("DescribeIdentityProviderConfiguration") == before


def test_anothers_application_is_refused_and_stays(center: Center, other: Tenant) -> None:
    application = center.application()
    delete = other.client.delete_identity_center_application
    assert refused(delete, ApplicationArn=application)[0] == INVALID
    own = application.replace(center.tenant.account, other.account)
    delete(ApplicationArn=own)
    center.tenant("PutIdentityProviderConfiguration", **center.configuration(application))
