"""ListAvailabilityConfigurations."""

from __future__ import annotations

from tests.protocols.api.actions.providers import ARN, DOMAIN, USER, ews
from tests.support.api_server import Tenant, refused

LIST = "ListAvailabilityConfigurations"


def test_what_is_shown(demo: Tenant) -> None:
    demo("CreateAvailabilityConfiguration", DomainName=DOMAIN, **ews(443))
    [shown] = demo(LIST)["AvailabilityConfigurations"]
    assert shown.pop("DateCreated") == shown.pop("DateModified")
    assert shown == {
        "DomainName": DOMAIN,
        "ProviderType": "EWS",
        "EwsProvider": {
            "EwsEndpoint": "https://localhost:443/EWS/Exchange.asmx",
            "EwsUsername": USER,
        },
    }


def test_pages(demo: Tenant) -> None:
    names = [f"d{number}.example" for number in range(5)]
    for name in reversed(names):
        function = {"LambdaArn": ARN}
        demo("CreateAvailabilityConfiguration", DomainName=name, LambdaProvider=function)
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = demo(LIST, MaxResults=2, **token)
        found += [each["DomainName"] for each in page["AvailabilityConfigurations"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == names
    assert refused(demo, LIST, NextToken="Zm9yZ2Vk")[0] == "InvalidParameterException"
