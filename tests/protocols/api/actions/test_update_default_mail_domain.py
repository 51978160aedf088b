"""UpdateDefaultMailDomain."""

from tests.protocols.api.actions.test_register_mail_domain import NAME, verify
from tests.support.api_server import ApiServer, Tenant, refused


def test_a_verified_domain_becomes_the_only_default(api: ApiServer, demo: Tenant) -> None:
    demo("RegisterMailDomain", DomainName=NAME)
    verify(api, demo)
    assert demo("UpdateDefaultMailDomain", DomainName=NAME.title()) == {}
    assert demo("DescribeOrganization")["DefaultMailDomain"] == NAME
    default = [each for each in demo("ListMailDomains")["MailDomains"] if each["DefaultDomain"]]
    assert default == [{"DomainName": NAME, "DefaultDomain": True}]
    demo("UpdateDefaultMailDomain", DomainName=NAME)
    demo("UpdateDefaultMailDomain", DomainName="demo.test")
    assert demo("DescribeOrganization")["DefaultMailDomain"] == "demo.test"


def test_unverified_and_unknown_domains(demo: Tenant) -> None:
    demo("RegisterMailDomain", DomainName=NAME)
    code, _ = refused(demo, "UpdateDefaultMailDomain", DomainName=NAME)
    assert code == "MailDomainStateException"
    code, _ = refused(demo, "UpdateDefaultMailDomain", DomainName="no.example")
    assert code == "MailDomainNotFoundException"
