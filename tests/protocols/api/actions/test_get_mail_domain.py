"""GetMailDomain."""

import base64

from tests.protocols.api.actions.test_register_mail_domain import NAME, verify
from tests.support.api_server import ApiServer, Tenant, refused


def test_the_records_come_in_the_order_of_the_reference(api: ApiServer, demo: Tenant) -> None:
    demo("RegisterMailDomain", DomainName=NAME)
    host = api.core.settings.host_name
    domain = demo("GetMailDomain", DomainName="MAIL.example")
    shown = [(each["Type"], each["Hostname"], each["Value"]) for each in domain["Records"]]
    ownership, mx, discover, *dkim, spf, dmarc = shown
    assert ownership[:2] == ("TXT", f"_workpost.{NAME}")
    assert len(base64.b64decode(ownership[2])) == 32
    assert mx == ("MX", NAME, f"10 {host}")
    assert discover == ("CNAME", f"autodiscover.{NAME}", host)
    assert len(dkim) == 3
    for kind, name, value in dkim:
        selector = name.removesuffix(f"._domainkey.{NAME}")
        assert (kind, len(selector), value) == ("CNAME", 32, f"{selector}.dkim.{host}")
    assert spf == ("TXT", NAME, f"v=spf1 mx a:{host} ~all")
    assert dmarc == ("TXT", f"_dmarc.{NAME}", "v=DMARC1;p=quarantine;pct=100;fo=1")
    assert all(len(value) <= 256 for record in shown for value in record)
    assert demo("GetMailDomain", DomainName=NAME) == domain


def test_states_and_marks(api: ApiServer, demo: Tenant) -> None:
    test_domain = demo("GetMailDomain", DomainName="demo.test")
    assert (test_domain["IsTestDomain"], test_domain["IsDefault"]) == (True, True)
    assert test_domain["OwnershipVerificationStatus"] == "VERIFIED"
    assert [each["Type"] for each in test_domain["Records"]] == ["MX", "CNAME", "TXT", "TXT"]
    demo("RegisterMailDomain", DomainName=NAME)
    verify(api, demo)
    own = demo("GetMailDomain", DomainName=NAME)
    assert (own["IsTestDomain"], own["IsDefault"]) == (False, False)
    assert own["OwnershipVerificationStatus"] == own["DkimVerificationStatus"] == "VERIFIED"


def test_international_names_come_back_as_they_were_given(demo: Tenant) -> None:
    name = "xn--mller-kva.example"
    demo("RegisterMailDomain", DomainName=name)
    domain = demo("GetMailDomain", DomainName=name.upper())
    assert domain["Records"][1]["Hostname"] == name
    assert name in [each["DomainName"] for each in demo("ListMailDomains")["MailDomains"]]


def test_what_is_not_there(demo: Tenant, other: Tenant) -> None:
    other("RegisterMailDomain", DomainName=NAME)
    code, message = refused(demo, "GetMailDomain", DomainName=NAME)
    assert code == "MailDomainNotFoundException"
    assert NAME in message
