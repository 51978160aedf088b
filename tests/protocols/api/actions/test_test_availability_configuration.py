"""TestAvailabilityConfiguration: it really asks, and tells what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.protocols.api.actions.providers import (
    ARN,
    DOMAIN,
    PASSWORD,
    SOAP,
    USER,
    allow,
    ews,
    exchange,
    function,
)
from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.outside import Authority, OutsideServer
from workpost.kernel.outside_settings import Egress

TEST = "TestAvailabilityConfiguration"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[OutsideServer]:
    server = OutsideServer(authority.context_for("localhost"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[OutsideServer]:
    server = OutsideServer()
    yield server
    server.close()


@pytest.fixture
def open_demo(
    api: ApiServer, demo: Tenant, authority: Authority, secure: OutsideServer, plain: OutsideServer
) -> Tenant:
    """The organization `demo` where the tests' servers may be asked."""
    allow(api, ca_file=str(authority.file), account=demo.account, server=plain)
    secure.answer, plain.answer = exchange, function
    secure.asked.clear()
    plain.asked.clear()
    return demo


def reason(tenant: Tenant, **provider: Any) -> str:
    answer = tenant(TEST, **provider)
    assert answer["TestPassed"] is False
    told: str = answer["FailureReason"]
    assert len(told) <= 256
    assert PASSWORD not in told
    return told


def test_an_exchange_server_that_lets_us_in(open_demo: Tenant, secure: OutsideServer) -> None:
    assert open_demo(TEST, **ews(secure.port)) == {"TestPassed": True}
    [asked] = secure.asked
    assert asked.path == "/EWS/Exchange.asmx"
    assert b"GetUserAvailabilityRequest" in asked.body
    assert f"<t:Address>{USER}</t:Address>".encode() in asked.body


def test_a_stored_configuration(open_demo: Tenant, secure: OutsideServer) -> None:
    open_demo("CreateAvailabilityConfiguration", DomainName=DOMAIN, **ews(secure.port))
    assert open_demo(TEST, DomainName=DOMAIN.upper()) == {"TestPassed": True}
    wrong = ews(secure.port, EwsPassword="Wrong-1-sesame")
    open_demo("UpdateAvailabilityConfiguration", DomainName=DOMAIN, **wrong)
    assert "user name and password" in reason(open_demo, DomainName=DOMAIN)


def test_what_is_wrong_with_an_exchange_server(
    api: ApiServer, open_demo: Tenant, secure: OutsideServer, plain: OutsideServer
) -> None:
    provider = ews(secure.port)
    assert "user name and password" in reason(open_demo, **ews(secure.port, EwsPassword="x"))
    closed = ews(1)
    assert "unreachable" in reason(open_demo, **closed)
    assert "unreachable" in reason(
        open_demo, **ews(1, EwsEndpoint="https://nobody.invalid/EWS/Exchange.asmx")
    )
    told = reason(open_demo, **ews(1, EwsEndpoint=f"https://127.0.0.1:{secure.port}/"))
    assert "certificate" in told
    for status, body, words in (
        (200, b"<html/>", "not an EWS endpoint"),
        (200, b"", "not an EWS endpoint"),
        (404, b"", "HTTP status 404"),
        (500, b"oops", "HTTP status 500"),
        (500, SOAP.format("<s:Fault><faultcode>s:Odd</faultcode></s:Fault>").encode(), "Odd"),
    ):
        secure.answer = lambda asked, status=status, body=body: (status, {}, body)  # type: ignore[misc]
        assert words in reason(open_demo, **provider)
    secure.answer = lambda asked: (302, {"Location": f"http://localhost:{plain.port}/"}, b"")
    assert "without TLS" in reason(open_demo, **provider)
    moved = f"https://127.0.0.1:{secure.port}/"
    secure.answer = lambda asked: (302, {"Location": moved}, b"")
    assert "certificate of 127.0.0.1" in reason(open_demo, **provider)
    plain_settings = msgspec.structs.replace(api.core.settings.egress, plain_http=True)
    api.set(egress=plain_settings)
    secure.answer = lambda asked: (307, {"Location": f"http://localhost:{plain.port}/"}, b"")
    plain.answer = exchange
    assert "redirects to localhost" in reason(open_demo, **provider)


def test_addresses_of_ones_own_are_refused(api: ApiServer, demo: Tenant, plain: Any) -> None:
    api.set(egress=Egress(plain_http=True))
    plain.asked.clear()
    for host in ("127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "127.1"):
        endpoint = f"http://{host}:{plain.port}/"
        told = reason(demo, **ews(1, EwsEndpoint=endpoint))
        assert "no address that may be connected to" in told
    assert plain.asked == []


def test_a_function(open_demo: Tenant, plain: OutsideServer, other: Tenant) -> None:
    provider = {"LambdaProvider": {"LambdaArn": ARN}}
    assert open_demo(TEST, **provider) == {"TestPassed": True}
    [asked] = plain.asked
    assert f'"organization":"{open_demo.organization}"'.encode() in asked.body
    assert asked.headers["x-amz-source-account"] == open_demo.account
    # Mapped for the account of demo, for nobody else.
    assert "not found" in reason(other, **provider)
    assert len(plain.asked) == 1
    missing = {"LambdaProvider": {"LambdaArn": f"{ARN}s"}}
    assert "not found" in reason(open_demo, **missing)
    for status, body, words in (
        (500, b"{}", "failed"),
        (403, b"{}", "may not be invoked"),
        (429, b"{}", "no capacity"),
        (200, b"{", "not valid"),
        (200, b'{"mailboxes": [{"mailbox": "availability-test@example.invalid"}]}', "not valid"),
    ):
        plain.answer = lambda asked, status=status, body=body: (status, {}, body)  # type: ignore[misc]
        assert words in reason(open_demo, **provider)


def test_one_of_three_is_tested(demo: Tenant) -> None:
    one, two = ews(1), {"LambdaProvider": {"LambdaArn": ARN}}
    for wrong in ({}, {**one, **two}, {"DomainName": DOMAIN, **one}, {"DomainName": DOMAIN, **two}):
        assert refused(demo, TEST, **wrong)[0] == "InvalidParameterException"
    plain = ews(1, EwsEndpoint="http://mail.partner.example/EWS/Exchange.asmx")
    assert refused(demo, TEST, **plain)[0] == "InvalidParameterException"


def test_a_domain_without_a_configuration(demo: Tenant, other: Tenant) -> None:
    other(
        "CreateAvailabilityConfiguration",
        DomainName=DOMAIN,
        LambdaProvider={"LambdaArn": ARN},
    )
    code, _ = refused(demo, TEST, DomainName=DOMAIN)
    assert code == "ResourceNotFoundException"
