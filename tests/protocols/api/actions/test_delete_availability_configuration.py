"""DeleteAvailabilityConfiguration."""

from __future__ import annotations

from tests.protocols.api.actions.providers import ARN, DOMAIN
from tests.support.api_server import Tenant

DELETE = "DeleteAvailabilityConfiguration"
FUNCTION = {"LambdaProvider": {"LambdaArn": ARN}}


def test_it_is_gone_and_what_is_not_there_is_no_error(demo: Tenant, other: Tenant) -> None:
    for tenant in (demo, other):
        tenant("CreateAvailabilityConfiguration", DomainName=DOMAIN, **FUNCTION)
    assert demo(DELETE, DomainName=DOMAIN.upper()) == {}
    assert demo("ListAvailabilityConfigurations")["AvailabilityConfigurations"] == []
    assert demo(DELETE, DomainName=DOMAIN) == {}
    assert len(other("ListAvailabilityConfigurations")["AvailabilityConfigurations"]) == 1
    demo("CreateAvailabilityConfiguration", DomainName=DOMAIN, **FUNCTION)
