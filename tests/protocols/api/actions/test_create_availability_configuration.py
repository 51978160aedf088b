"""CreateAvailabilityConfiguration."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.protocols.api.actions.providers import ARN, DOMAIN, PASSWORD, USER, ews
from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.directories import Directory
from workpost.operations.audit.reading import read_audit

CREATE = "CreateAvailabilityConfiguration"
FUNCTION = {"LambdaProvider": {"LambdaArn": ARN}}


def listed(tenant: Tenant) -> list[str]:
    answer = tenant("ListAvailabilityConfigurations")
    return [each["DomainName"] for each in answer["AvailabilityConfigurations"]]


def test_of_both_kinds(demo: Tenant, other: Tenant) -> None:
    assert demo(CREATE, DomainName="Partner.Example", **ews(443)) == {}
    assert demo(CREATE, DomainName="second.example", **FUNCTION) == {}
    assert listed(demo) == [DOMAIN, "second.example"]
    assert listed(other) == []


def test_one_of_a_domain(demo: Tenant, other: Tenant) -> None:
    demo(CREATE, DomainName=DOMAIN, **FUNCTION)
    code, _ = refused(demo, CREATE, DomainName=DOMAIN.upper(), **ews(443))
    assert code == "NameAvailabilityException"
    other(CREATE, DomainName=DOMAIN, **FUNCTION)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**ews(443), **FUNCTION},
        ews(443, EwsEndpoint="http://mail.partner.example/EWS/Exchange.asmx"),
        ews(99_999),
        ews(443, EwsEndpoint="https://.../EWS/Exchange.asmx"),
        {"DomainName": "-partner-.example", **FUNCTION},
        {"DomainName": "a..example", **FUNCTION},
    ],
)
def test_what_is_not_acceptable(demo: Tenant, wrong: dict[str, object]) -> None:
    code, _ = refused(demo, CREATE, **{"DomainName": DOMAIN, **wrong})
    assert code == "InvalidParameterException"
    assert listed(demo) == []


def test_a_limit(api: ApiServer, demo: Tenant) -> None:
    limits = api.core.settings.limits
    api.set(limits=msgspec.structs.replace(limits, availability_configurations=1))
    demo(CREATE, DomainName=DOMAIN, **FUNCTION)
    code, _ = refused(demo, CREATE, DomainName="second.example", **FUNCTION)
    assert code == "LimitExceededException"
    assert listed(demo) == [DOMAIN]


def test_a_call_that_is_repeated(demo: Tenant) -> None:
    call = {"DomainName": DOMAIN, "ClientToken": "once", **ews(443)}
    assert demo(CREATE, **call) == demo(CREATE, **call) == {}
    assert listed(demo) == [DOMAIN]
    other = {**call, **ews(443, EwsPassword="Another-1")}
    assert refused(demo, CREATE, **other)[0] == "InvalidParameterException"


def test_the_password_is_sealed_and_nowhere_else(api: ApiServer, demo: Tenant) -> None:
    demo(CREATE, DomainName=DOMAIN, **ews(443))
    demo("UpdateAvailabilityConfiguration", DomainName=DOMAIN, **ews(443))
    demo("TestAvailabilityConfiguration", DomainName=DOMAIN)
    shown = json.dumps(demo("ListAvailabilityConfigurations"), default=str)
    assert USER in shown
    assert PASSWORD not in shown
    house = Directory(api.core, demo.account, demo.organization, demo.domain)
    for (table,) in ((each,) for each in ("availability", "client_token", "event")):
        assert PASSWORD not in repr(api.run(house.run(f"SELECT * FROM {table}")))
    api.run(api.front.audit.flush())

    async def audited() -> list[dict[str, object]]:
        return [each async for each in read_audit(api.core, demo.account)]

    records = json.dumps(api.run(audited()))
    assert "UpdateAvailabilityConfiguration" in records
    assert USER in records
    assert PASSWORD not in records
