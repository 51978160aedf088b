"""UpdateAvailabilityConfiguration."""

from __future__ import annotations

from tests.protocols.api.actions.providers import ARN, DOMAIN, ews
from tests.support.api_server import Tenant, refused

UPDATE = "UpdateAvailabilityConfiguration"
FUNCTION = {"LambdaProvider": {"LambdaArn": ARN}}


def test_the_provider_is_replaced_even_by_one_of_the_other_kind(demo: Tenant) -> None:
    demo("CreateAvailabilityConfiguration", DomainName=DOMAIN, **ews(443))
    [before] = demo("ListAvailabilityConfigurations")["AvailabilityConfigurations"]
    assert demo(UPDATE, DomainName=DOMAIN.upper(), **FUNCTION) == {}
    [after] = demo("ListAvailabilityConfigurations")["AvailabilityConfigurations"]
    assert (after["ProviderType"], after["LambdaProvider"]) == ("LAMBDA", {"LambdaArn": ARN})
    assert "EwsProvider" not in after
    assert before["DateCreated"] == after["DateCreated"] <= after["DateModified"]


def test_a_domain_without_a_configuration(demo: Tenant, other: Tenant) -> None:
    other("CreateAvailabilityConfiguration", DomainName=DOMAIN, **FUNCTION)
    code, _ = refused(demo, UPDATE, DomainName=DOMAIN, **FUNCTION)
    assert code == "ResourceNotFoundException"


def test_exactly_one_provider(demo: Tenant) -> None:
    demo("CreateAvailabilityConfiguration", DomainName=DOMAIN, **FUNCTION)
    plain = ews(443, EwsEndpoint="http://mail.partner.example/")
    for wrong in ({}, {**ews(443), **FUNCTION}, plain):
        code, _ = refused(demo, UPDATE, DomainName=DOMAIN, **wrong)
        assert code == "InvalidParameterException"
