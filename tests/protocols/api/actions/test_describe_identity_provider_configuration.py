"""DescribeIdentityProviderConfiguration."""

from __future__ import annotations

from tests.support.api_server import Tenant, refused
from tests.support.identity import Center

DESCRIBE = "DescribeIdentityProviderConfiguration"


def test_without_a_configuration_there_is_nothing_to_describe(demo: Tenant) -> None:
    assert refused(demo, DESCRIBE)[0] == "ResourceNotFoundException"


def test_everything_that_was_put(center: Center) -> None:
    application = center.put(LifetimeInDays=365)
    shown = center.tenant(DESCRIBE)
    assert shown["AuthenticationMode"] == "IDENTITY_PROVIDER_AND_DIRECTORY"
    assert shown["IdentityCenterConfiguration"]["ApplicationArn"] == application
    assert shown["PersonalAccessTokenConfiguration"]["LifetimeInDays"] == 365
