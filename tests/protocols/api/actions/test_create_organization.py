"""CreateOrganization."""

import re

import pytest

from tests.support.api_server import ApiServer, Tenant, refused


def test_the_organization_is_active_when_the_call_answers(demo: Tenant) -> None:
    answer = demo.client.create_organization(Alias="second")
    assert re.fullmatch("m-[0-9a-f]{32}", answer["OrganizationId"])
    described = demo.client.describe_organization(OrganizationId=answer["OrganizationId"])
    assert described["State"] == "Active"
    assert described["DefaultMailDomain"] == "second.test"


def test_an_alias_is_taken_once_in_the_whole_installation(demo: Tenant, other: Tenant) -> None:
    for alias in ("demo", "DEMO"):
        code, message = refused(other.client.create_organization, Alias=alias)
        assert code == "NameAvailabilityException"
        assert alias in message


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Alias": "fresh", "DirectoryId": "d-0123456789"}, "DirectoryUnavailableException"),
        ({"Alias": "fresh", "EnableInteroperability": True}, "InvalidParameterException"),
        ({"Alias": "fresh", "Domains": [{"DomainName": "-.-"}]}, "InvalidParameterException"),
        ({"Alias": "d-fresh"}, "ValidationException"),
    ],
)
def test_what_is_refused(demo: Tenant, parameters: dict[str, object], code: str) -> None:
    assert refused(demo.client.create_organization, **parameters)[0] == code


def test_additional_domains_are_registered(demo: Tenant) -> None:
    answer = demo.client.create_organization(
        Alias="more", Domains=[{"DomainName": "example.example", "HostedZoneId": "Z1"}]
    )
    more = Tenant(demo.client, demo.account, answer["OrganizationId"], "more.test")
    user = more.user("ada")
    code, message = refused(more, "CreateAlias", EntityId=user, Alias="ada@example.example")
    assert code == "MailDomainStateException"
    assert "example.example" in message


def test_a_policy_can_forbid_it(api: ApiServer, demo: Tenant) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":'
        '{"Effect":"Allow","Action":"workmail:List*","Resource":"*"}}'
    )
    client = api.client(demo.account, policy)
    code, message = refused(client.create_organization, Alias="more")
    assert code == "AccessDeniedException"
    assert "workmail:CreateOrganization" in message
    assert client.list_organizations()["OrganizationSummaries"]
