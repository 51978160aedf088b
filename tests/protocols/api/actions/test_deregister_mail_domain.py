"""DeregisterMailDomain."""

from tests.protocols.api.actions.test_register_mail_domain import NAME, verify
from tests.support.api_server import ApiServer, Tenant, refused


def test_a_domain_goes_when_no_address_uses_it(api: ApiServer, demo: Tenant) -> None:
    ada = demo.user("ada")
    demo("RegisterMailDomain", DomainName=NAME)
    verify(api, demo)
    demo("CreateAlias", EntityId=ada, Alias=f"ada@{NAME}")
    code, message = refused(demo, "DeregisterMailDomain", DomainName=NAME)
    assert code == "MailDomainInUseException"
    assert f"ada@{NAME}" in message
    demo("DeregisterFromWorkMail", EntityId=ada)
    assert demo("DeregisterMailDomain", DomainName=NAME.upper()) == {}
    assert refused(demo, "GetMailDomain", DomainName=NAME)[0] == "MailDomainNotFoundException"
    assert demo("DeregisterMailDomain", DomainName=NAME) == {}


def test_a_freed_name_is_free_for_others(api: ApiServer, demo: Tenant, other: Tenant) -> None:
    demo("RegisterMailDomain", DomainName=NAME)
    verify(api, demo)
    first = demo("GetMailDomain", DomainName=NAME)["Records"]
    demo("DeregisterMailDomain", DomainName=NAME)
    other("RegisterMailDomain", DomainName=NAME)
    assert other("GetMailDomain", DomainName=NAME)["Records"][0] != first[0]
    verify(api, other)


def test_test_domain_and_default_stay(api: ApiServer, demo: Tenant) -> None:
    code, message = refused(demo, "DeregisterMailDomain", DomainName="demo.test")
    assert (code, "test domain" in message) == ("InvalidParameterException", True)
    demo("RegisterMailDomain", DomainName=NAME)
    verify(api, demo)
    demo("UpdateDefaultMailDomain", DomainName=NAME)
    assert refused(demo, "DeregisterMailDomain", DomainName=NAME)[0] == "MailDomainInUseException"
    code, _ = refused(demo, "DeregisterMailDomain", DomainName="demo.test")
    assert code == "InvalidParameterException"
