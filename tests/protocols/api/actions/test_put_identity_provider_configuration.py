"""PutIdentityProviderConfiguration."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import Tenant, refused
from tests.support.identity import Center, configure
from tests.support.oidc import INSTANCE

NOT_FOUND = "ResourceNotFoundException"
SECOND = INSTANCE[:-1] + "0"
PUT = "PutIdentityProviderConfiguration"


def test_a_configuration_comes_back_as_it_was_put(center: Center) -> None:
    wanted = center.configuration(center.application(), LifetimeInDays=30)
    assert center.tenant(PUT, **wanted) == {}
    assert center.tenant("DescribeIdentityProviderConfiguration") == wanted


def test_putting_again_replaces(center: Center) -> None:
    center.put(LifetimeInDays=30)
    wanted = center.configuration(center.application(), Status="INACTIVE")
    wanted["AuthenticationMode"] = "IDENTITY_PROVIDER_ONLY"
    center.tenant(PUT, **wanted)
    assert center.tenant("DescribeIdentityProviderConfiguration") == wanted


def test_a_blank_lifetime_stays_blank(center: Center) -> None:
    center.put(LifetimeInDays=30)
    center.put()
    shown = center.tenant("DescribeIdentityProviderConfiguration")
    assert shown["PersonalAccessTokenConfiguration"] == {"Status": "ACTIVE"}


def test_another_lifetime_is_that_of_new_tokens(center: Center) -> None:
    center.tenant.user("ada", IdentityProviderUserId="9f2d3c4b-1111-2222-3333-0123456789ab")
    center.put(LifetimeInDays=30)
    old = center.token("ada")
    center.put(LifetimeInDays=60)
    new = center.token("ada")
    day = 24 * 3_600_000
    assert round((new.expires - old.expires) / day) == 30
    shown = center.tenant("GetPersonalAccessTokenMetadata", PersonalAccessTokenId=old.id)
    assert round(shown["ExpiresTime"].timestamp() * 1000 - old.expires) == 0


def test_unknown_instances_and_applications(center: Center, other: Tenant) -> None:
    application = center.application()
    wanted = center.configuration(application)
    instance = {"InstanceArn": SECOND, "ApplicationArn": application}
    code, _ = refused(center.tenant, PUT, **{**wanted, "IdentityCenterConfiguration": instance})
    assert code == NOT_FOUND
    unknown = center.configuration(application[:-1] + "x")
    assert refused(center.tenant, PUT, **unknown)[0] == NOT_FOUND
    # Neither the instance nor the application of another account.
    assert refused(other, PUT, **wanted)[0] == NOT_FOUND
    configure(center.api.core, other.account)
    code, message = refused(other, PUT, **wanted)
    assert code == NOT_FOUND
    assert "application" in message


def test_another_instance_only_after_deletion(center: Center) -> None:
    center.put()
    configure(center.api.core, center.tenant.account, instance_arn=SECOND)
    second = center.application(InstanceArn=SECOND)
    mixed = center.configuration(second)
    code, message = refused(center.tenant, PUT, **mixed)
    assert code == "InvalidParameterException"
    assert second in message
    wanted = center.configuration(second)
    wanted["IdentityCenterConfiguration"]["InstanceArn"] = SECOND
    code, message = refused(center.tenant, PUT, **wanted)
    assert code == "InvalidParameterException"
    assert "delete" in message
    center.tenant("DeleteIdentityProviderConfiguration")
    center.tenant(PUT, **wanted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"AuthenticationMode": "NONE"},
        {"PersonalAccessTokenConfiguration": {"Status": "ACTIVE", "LifetimeInDays": 3654}},
        {"PersonalAccessTokenConfiguration": {"Status": "On"}},
        {"IdentityCenterConfiguration": {"InstanceArn": INSTANCE, "ApplicationArn": INSTANCE}},
    ],
)
def test_malformed_configurations(center: Center, wrong: dict[str, Any]) -> None:
    wanted = {**center.configuration(center.application()), **wrong}
    assert refused(center.tenant, PUT, **wanted)[0] == "ValidationException"
