"""The Query protocol beside JSON and REST-JSON on one endpoint."""

import asyncio
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.api import HOST, FakeCredentials, make_credential, make_dispatcher, sign
from tests.support.api import services as json_services
from workpost.protocols.api.model import STS, load_sts
from workpost.protocols.signing.messages import ApiRequest, ApiResponse

FORM = b"application/x-www-form-urlencoded; charset=utf-8"
IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"
SERVICES = {**json_services(), STS: load_sts()}


async def GetCallerIdentity(call: Any, document: Any) -> dict[str, Any]:
    return {"Arn": call.caller, "Account": call.account, "UserId": "me"}


async def AssumeRole(call: Any, document: Any) -> dict[str, Any]:
    raise RuntimeError(document["RoleArn"])


HANDLERS = {"GetCallerIdentity": GetCallerIdentity, "AssumeRole": AssumeRole}


def form(
    body: bytes, *, method: bytes = b"POST", kind: bytes = FORM, query: bytes = b""
) -> ApiRequest:
    headers = [(b"host", HOST), (b"content-type", kind)]
    return ApiRequest(method, b"/", query, headers, body, "127.0.0.1")


def answer(request: ApiRequest, *, signed: bool = True, **parts: Any) -> ApiResponse:
    dispatcher = make_dispatcher(HANDLERS, services=SERVICES, **parts)
    return asyncio.run(dispatcher.handle(sign(request, service="sts") if signed else request))


def told(response: ApiResponse) -> tuple[int, str]:
    root = ET.fromstring(response.body)
    code = next(element.text for element in root.iter() if element.tag.endswith("Code"))
    return response.status, code or ""


def test_a_success() -> None:
    response = answer(form(IDENTITY))
    assert response.status == 200
    assert dict(response.headers)[b"Content-Type"] == b"text/xml"
    assert (
        b"<GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ada</Arn>" in response.body
    )


def test_fields_in_the_query() -> None:
    assert answer(form(b"", method=b"GET", query=IDENTITY)).status == 200
    assert answer(form(b"", query=IDENTITY)).status == 200


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (form(b"Action=GetCallerIdentity"), (400, "InvalidAction")),
        (form(b"Action=Dance&Version=2011-06-15"), (400, "InvalidAction")),
        (form(b"Action=%3Cx%3E&Version=%3Cy%3E"), (400, "InvalidAction")),
        (form(b""), (400, "InvalidAction")),
        (form(b"", method=b"PUT", query=IDENTITY), (405, "InvalidAction")),
        (form(b"Action=%ff"), (400, "MalformedInput")),
        (form(b"Action=AssumeRole&Version=2011-06-15"), (400, "ValidationError")),
        (
            form(
                b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=it&RoleArn="
                b"arn:aws:iam::111122223333:role/x"
            ),
            (500, "InternalFailure"),
        ),
        (form(b"x" * ((1 << 20) + 1)), (413, "RequestEntityTooLarge")),
    ],
)
def test_errors(request_: ApiRequest, expected: tuple[int, str]) -> None:
    assert told(answer(request_)) == expected


def test_errors_of_authentication() -> None:
    assert told(answer(form(IDENTITY), signed=False)) == (403, "MissingAuthenticationToken")
    nobody = FakeCredentials(make_credential(active=False))
    assert told(answer(form(IDENTITY), credentials=nobody)) == (403, "InvalidClientTokenId")
    expired = FakeCredentials(make_credential(session_token="t", expires=1))
    request = form(IDENTITY)
    request.headers.append((b"x-amz-security-token", b"t"))
    assert told(answer(request, credentials=expired)) == (403, "ExpiredToken")
    foreign = sign(form(IDENTITY), service="workmail")
    assert told(answer(foreign, signed=False)) == (403, "SignatureDoesNotMatch")
    broken = form(IDENTITY)
    broken.headers.append((b"authorization", b"AWS4-HMAC-SHA256 Credential=x"))
    assert told(answer(broken, signed=False)) == (400, "IncompleteSignature")


def test_policies_do_not_matter_to_who_asks_who_it_is() -> None:
    from workpost.domain.access.policies import NOTHING

    poor = FakeCredentials(make_credential(policy=NOTHING))
    assert answer(form(IDENTITY), credentials=poor).status == 200


def test_json_stays_json() -> None:
    request = form(b"{}")
    request.headers.append((b"x-amz-target", b"WorkMailService.ListOrganizations"))
    response = asyncio.run(make_dispatcher({}, services=SERVICES).handle(sign(request)))
    assert dict(response.headers)[b"Content-Type"] == b"application/x-amz-json-1.1"
