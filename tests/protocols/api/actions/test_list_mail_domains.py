"""ListMailDomains."""

from tests.support.api_server import Tenant, refused


def test_pages_by_name_with_the_test_domain(demo: Tenant) -> None:
    for name in ("c.example", "a.example", "b.example"):
        demo("RegisterMailDomain", DomainName=name)
    names: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = demo("ListMailDomains", MaxResults=3, **token)
        names += [each["DomainName"] for each in page["MailDomains"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert names == ["a.example", "b.example", "c.example", "demo.test"]
    default = [each for each in demo("ListMailDomains")["MailDomains"] if each["DefaultDomain"]]
    assert default == [{"DomainName": "demo.test", "DefaultDomain": True}]


def test_tokens_of_others(demo: Tenant, other: Tenant) -> None:
    demo("RegisterMailDomain", DomainName="a.example")
    token = demo("ListMailDomains", MaxResults=1)["NextToken"]
    assert refused(other, "ListMailDomains", NextToken=token)[0] == "InvalidParameterException"
    assert refused(demo, "ListMailDomains", MaxResults=101)[0] == "ValidationException"
