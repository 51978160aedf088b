"""RegisterMailDomain."""

from __future__ import annotations

import pytest

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.directories import grant_for
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.domains.verification import verify_now
from workpost.store.database.unit import Tx, command
from workpost.store.tables import domains

NAME = "mail.example"


def verify(api: ApiServer, tenant: Tenant, name: str = NAME) -> None:
    """Verify a domain by an operator's word."""
    grant = grant_for(tenant.account, tenant.organization)
    api.run(verify_now(api.core, MemoryResolver(), grant, name, force=True))


def test_a_registered_domain_is_there_at_once_and_pending(demo: Tenant) -> None:
    assert demo("RegisterMailDomain", DomainName="Mail.Example") == {}
    domain = demo("GetMailDomain", DomainName=NAME)
    assert domain["OwnershipVerificationStatus"] == domain["DkimVerificationStatus"] == "PENDING"
    assert {"DomainName": NAME, "DefaultDomain": False} in demo("ListMailDomains")["MailDomains"]


def test_a_repeat_changes_nothing(demo: Tenant) -> None:
    demo("RegisterMailDomain", DomainName=NAME, ClientToken="terraform-1")
    before = demo("GetMailDomain", DomainName=NAME)
    demo("RegisterMailDomain", DomainName=NAME, ClientToken="terraform-1")
    demo("RegisterMailDomain", DomainName=NAME.upper())
    assert demo("GetMailDomain", DomainName=NAME) == before
    code, message = refused(
        demo, "RegisterMailDomain", DomainName="two.example", ClientToken="terraform-1"
    )
    assert (code, "ClientToken" in message) == ("InvalidParameterException", True)


def test_addresses_wait_for_the_verification(api: ApiServer, demo: Tenant) -> None:
    ada = demo.user("ada")
    demo("RegisterMailDomain", DomainName=NAME)
    alias = {"EntityId": ada, "Alias": f"ada@{NAME}"}
    assert refused(demo, "CreateAlias", **alias)[0] == "MailDomainStateException"
    verify(api, demo)
    assert demo("CreateAlias", **alias) == {}


def test_two_may_register_what_nobody_has_verified(
    api: ApiServer, demo: Tenant, other: Tenant
) -> None:
    demo("RegisterMailDomain", DomainName=NAME)
    other("RegisterMailDomain", DomainName=NAME)
    verify(api, other)
    code, message = refused(demo, "RegisterMailDomain", DomainName=NAME)
    assert code == "MailDomainInUseException"
    assert NAME in message


@pytest.mark.parametrize("name", ["bare", "-a.example", "a..example", "new.test", "demo.test"])
def test_impossible_names_and_those_of_aliases(demo: Tenant, name: str) -> None:
    assert refused(demo, "RegisterMailDomain", DomainName=name)[0] == "InvalidParameterException"


def test_malformed_names(demo: Tenant) -> None:
    for name in ("a_b.example", "ex ample.com", "a" * 210):
        assert refused(demo, "RegisterMailDomain", DomainName=name)[0] == "ValidationException"


@command
def fill(tx: Tx, *, org: str, count: int) -> None:
    """Register domains behind the domain's back."""
    for number in range(count):
        domains.insert_domain(tx, org=org, name=f"d{number}.example", state=domains.PENDING)


def test_a_thousand_at_most(api: ApiServer, demo: Tenant) -> None:
    api.run(api.core.store.write(fill, org=demo.organization, count=998))
    demo("RegisterMailDomain", DomainName=NAME)
    code, message = refused(demo, "RegisterMailDomain", DomainName="more.example")
    assert code == "LimitExceededException"
    assert "1000" in message
    assert refused(demo, "GetMailDomain", DomainName="more.example")[0].startswith("MailDomainNot")
    demo("RegisterMailDomain", DomainName=NAME)


def test_domains_of_a_new_organization_are_registered(api: ApiServer, demo: Tenant) -> None:
    organization = demo.client.create_organization(
        Alias="acme", Domains=[{"DomainName": "Acme.example"}, {"DomainName": "b.example"}]
    )["OrganizationId"]
    acme = Tenant(demo.client, demo.account, organization, "acme.test")
    names = [each["DomainName"] for each in acme("ListMailDomains")["MailDomains"]]
    assert names == ["acme.example", "acme.test", "b.example"]
    records = acme("GetMailDomain", DomainName="acme.example")["Records"]
    assert [each["Type"] for each in records[:3]] == ["TXT", "MX", "CNAME"]
