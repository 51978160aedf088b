"""Functions behind ARNs: at a Lambda endpoint, and at a URL."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.support.moto import MotoServer
from tests.support.outside import Asked, OutsideServer, Reply
from workpost.integrations.lambda_ import aws, base
from workpost.integrations.lambda_.base import FunctionFailed, Invocation, Trouble
from workpost.integrations.lambda_.mapping import find_mapping, open_function
from workpost.kernel.outside_settings import Function, Lambda
from workpost.kernel.settings import Settings

ACCOUNT = "111122223333"
ARN = "arn:aws:lambda:us-east-1:444455556666:function:availability"
ORGANIZATION = f"arn:aws:workmail:us-east-1:{ACCOUNT}:organization/m-1"


@pytest.fixture(autouse=True)
def _fresh_clients() -> Iterator[None]:
    aws._client.cache_clear()
    yield
    aws._client.cache_clear()


@pytest.fixture
def server() -> Iterator[OutsideServer]:
    made = OutsideServer()
    yield made
    made.close()


def mapped(**values: Any) -> Settings:
    function = Function(**{"arn": ARN, "accounts": (ACCOUNT,), "kind": "aws", **values})
    return Settings(lambda_=Lambda(functions=(function,)))


def invoke(
    settings: Settings, arn: str = ARN, event: bytes = b"{}", seconds: float = 30.0
) -> bytes:
    invocation = Invocation(
        event=event, source_arn=ORGANIZATION, source_account=ACCOUNT, seconds=seconds
    )
    return asyncio.run(open_function(find_mapping(settings, ACCOUNT, arn), arn).invoke(invocation))


def trouble(settings: Settings, arn: str = ARN, **values: Any) -> Trouble:
    with pytest.raises(FunctionFailed) as caught:
        invoke(settings, arn, **values)
    return caught.value.trouble


# --- the mapping ---


def test_what_is_not_mapped_is_missing() -> None:
    assert trouble(Settings()) is Trouble.MISSING
    assert trouble(mapped(accounts=("999999999999",))) is Trouble.MISSING
    assert trouble(mapped(), ARN + "s") is Trouble.MISSING
    assert trouble(mapped(arn=ARN + ":live")) is Trouble.MISSING


def test_a_mapping_without_a_version_serves_all_and_one_with_it_goes_before(
    server: OutsideServer,
) -> None:
    url = f"http://127.0.0.1:{server.port}"
    functions = tuple(
        Function(arn=arn, accounts=(ACCOUNT,), kind="http", url=f"{url}/{path}")
        for arn, path in ((ARN, "any"), (f"{ARN}:live", "live"))
    )
    settings = Settings(lambda_=Lambda(functions=functions))
    for suffix in ("", ":live", ":$LATEST"):
        invoke(settings, ARN + suffix)
    assert [asked.path for asked in server.asked] == ["/any", "/live", "/any"]


# --- a URL ---


def test_a_url_is_given_the_event_and_who_asks(server: OutsideServer) -> None:
    server.answer = lambda asked: (200, {}, b'{"mailboxes": []}')
    settings = mapped(kind="http", url=f"http://127.0.0.1:{server.port}/free?busy=1")
    assert invoke(settings, event=b'{"a": 1}') == b'{"mailboxes": []}'
    [asked] = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/free?busy=1", b'{"a": 1}')
    assert asked.headers["x-amz-source-arn"] == ORGANIZATION
    assert asked.headers["x-amz-source-account"] == ACCOUNT


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (302, Trouble.FAILED),
        (401, Trouble.REFUSED),
        (403, Trouble.REFUSED),
        (404, Trouble.MISSING),
        (429, Trouble.BUSY),
        (500, Trouble.FAILED),
        (503, Trouble.BUSY),
    ],
)
def test_what_a_url_says(server: OutsideServer, status: int, told: Trouble) -> None:
    server.answer = lambda asked: (status, {"Location": "/else"}, b"")
    assert trouble(mapped(kind="http", url=f"http://127.0.0.1:{server.port}/")) is told
    assert len(server.asked) == 1


def test_a_url_where_nobody_is() -> None:
    assert trouble(mapped(kind="http", url="http://127.0.0.1:1/")) is Trouble.UNREACHABLE


# --- Invoke as Lambda answers it ---


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def test_invoke_is_signed_for_the_region_of_the_arn(
    server: OutsideServer, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.port}")
    server.answer = lambda asked: (200, {}, b'{"ok": true}')
    arn = ARN.replace("us-east-1", "eu-west-1")
    assert invoke(mapped(arn=arn), f"{arn}:live", b'{"a": 1}') == b'{"ok": true}'
    [asked] = server.asked
    assert asked.path.startswith("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A")
    assert asked.path.endswith("%3Alive/invocations")
    assert asked.body == b'{"a": 1}'
    assert "/eu-west-1/lambda/aws4_request" in asked.headers["authorization"]
    assert asked.headers.get("x-amz-invocation-type", "RequestResponse") == "RequestResponse"


@pytest.mark.parametrize(
    ("status", "headers", "body", "told"),
    [
        (200, {"X-Amz-Function-Error": "Unhandled"}, b'{"errorType": "E"}', Trouble.FAILED),
        (404, {"x-amzn-ErrorType": "ResourceNotFoundException"}, b"{}", Trouble.MISSING),
        (403, {"x-amzn-ErrorType": "AccessDeniedException"}, b"{}", Trouble.REFUSED),
        (429, {"x-amzn-ErrorType": "TooManyRequestsException"}, b"{}", Trouble.BUSY),
        (500, {"x-amzn-ErrorType": "ServiceException"}, b"{}", Trouble.BUSY),
        (502, {}, b"<html>", Trouble.UNREACHABLE),
    ],
)
def test_what_invoke_says(
    server: OutsideServer,
    credentials: None,
    status: int,
    headers: dict[str, str],
    body: bytes,
    told: Trouble,
) -> None:
    server.answer = lambda asked: (status, headers, body)
    assert trouble(mapped(url=f"http://127.0.0.1:{server.port}")) is told
    assert len(server.asked) == 1


def test_an_endpoint_where_nobody_is_and_one_that_is_slow(
    server: OutsideServer, credentials: None
) -> None:
    assert trouble(mapped(url="http://127.0.0.1:1")) is Trouble.UNREACHABLE

    told = threading.Event()

    def slow(asked: Asked) -> Reply:
        told.wait(60)
        return 200, {}, b"{}"

    server.answer = slow
    url = f"http://127.0.0.1:{server.port}"
    assert trouble(mapped(url=url), seconds=0.1) is Trouble.TIME
    told.set()


def test_slow_functions_of_an_account_keep_no_others_waiting(
    server: OutsideServer, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "EACH", 1)
    aws._invoking.cache_clear()
    told = threading.Event()

    def slow(asked: Asked) -> Reply:
        if b"slow" in asked.body:
            told.wait(60)
        return 200, {}, b"{}"

    server.answer = slow
    url = f"http://127.0.0.1:{server.port}"
    assert trouble(mapped(url=url), event=b'"slow"', seconds=0.1) is Trouble.TIME
    function = aws.AwsFunction(ARN, url)
    quick = Invocation(event=b"{}", source_arn="", source_account="222233334444", seconds=5.0)
    assert asyncio.run(function.invoke(quick)) == b"{}"
    told.set()
    aws._invoking.cache_clear()


def test_without_credentials(server: OutsideServer) -> None:
    url = f"http://127.0.0.1:{server.port}"
    assert trouble(mapped(url=url)) is Trouble.UNREACHABLE
    assert server.asked == []


def test_answers_are_bounded(
    server: OutsideServer, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (aws, base):
        monkeypatch.setattr(module, "ANSWER_BYTES", 10)
    server.answer = lambda asked: (200, {}, b'"xxxxxxxxxxxxxxxxxxxx"')
    assert trouble(mapped(url=f"http://127.0.0.1:{server.port}")) is Trouble.TOO_LARGE


# --- moto, which knows Lambda and runs nothing ---


def test_a_function_that_moto_keeps(
    moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_json(moto_server, "/moto-api/config", {"lambda": {"use_docker": False}})
    answer = {"results": ['{"mailboxes": []}'], "region": "us-east-1"}
    post_json(moto_server, "/moto-api/static/lambda-simple/response", answer)
    options = {"endpoint_url": moto_server.url, "region_name": "us-east-1"}
    role = boto3.client("iam", **options).create_role(
        RoleName="function", AssumeRolePolicyDocument="{}"
    )["Role"]["Arn"]
    arn = boto3.client("lambda", **options).create_function(
        FunctionName="availability",
        Runtime="python3.13",
        Role=role,
        Handler="code.handler",
        Code={"ZipFile": code()},
    )["FunctionArn"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", moto_server.url)
    assert invoke(mapped(arn=arn), arn) == b'{"mailboxes": []}'


def code() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("code.py", "def handler(event, context):\n    return {}\n")
    return packed.getvalue()


def post_json(server: MotoServer, path: str, document: dict[str, Any]) -> None:
    request = urllib.request.Request(
        server.url + path, json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=30).close()
