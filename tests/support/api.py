"""Signed API requests and the fakes that a dispatcher needs."""

from __future__ import annotations

import functools
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from workpost.domain.access.credentials import Credential
from workpost.kernel.clock import FixedEnvironment
from workpost.protocols.api.actions import Handler
from workpost.protocols.api.dispatch import Dispatcher, OrganizationFacts
from workpost.protocols.api.model import Service, load_services
from workpost.protocols.signing import canonical, signature
from workpost.protocols.signing.messages import ApiRequest, ApiResponse, index_headers

ACCESS_KEY = "AKIAWORKPOSTEXAMPLE1"
SECRET = "the+secret/of/the+tests/0123456789012345"
ACCOUNT = "111122223333"
ORGANIZATION = "m-" + "0123456789abcdef" * 2
NOW = 1_767_225_600_000
HOST = b"api.workpost.test:8480"


def make_credential(**changes: Any) -> Credential:
    values: dict[str, Any] = {
        "access_key_id": ACCESS_KEY,
        "account": ACCOUNT,
        "secret": SECRET.encode(),
        "principal_arn": f"arn:aws:iam::{ACCOUNT}:user/ada",
        "user_name": "ada",
        "user_id": "AIDAEXAMPLE",
    }
    return Credential(**{**values, **changes})


class FakeCredentials:
    def __init__(self, *credentials: Credential) -> None:
        self.known = {one.access_key_id: one for one in credentials or (make_credential(),)}

    async def lookup(
        self, access_key_id: str, session_token: str | None = None
    ) -> Credential | None:
        return self.known.get(access_key_id)


class FakeOrganizations:
    def __init__(self, state: str = "Active", tags: Mapping[str, str] | None = None) -> None:
        self.answer: OrganizationFacts | None = OrganizationFacts(state, tags or {})

    async def facts(self, account: str, organization: str) -> OrganizationFacts | None:
        return self.answer if organization == ORGANIZATION else None


@functools.cache
def services() -> dict[str, Service]:
    return load_services()


def make_dispatcher(handlers: Mapping[str, Handler] | None = None, **parts: Any) -> Dispatcher:
    defaults: dict[str, Any] = {
        "services": services(),
        "handlers": handlers or {},
        "credentials": FakeCredentials(),
        "environment": FixedEnvironment(NOW),
    }
    return Dispatcher(**{**defaults, **parts})


def sign(
    request: ApiRequest,
    *,
    access_key: str = ACCESS_KEY,
    secret: str = SECRET,
    now: int = NOW,
    region: str = "us-east-1",
    service: str = "workmail",
    terminator: str = "aws4_request",
    leave_out: tuple[bytes, ...] = (),
) -> ApiRequest:
    """The request with a date and an Authorization over all of its headers but `leave_out`."""
    timestamp = signature.format_timestamp(now // 1000)
    headers = [*request.headers]
    if not any(name in {b"x-amz-date", b"date"} for name, _ in headers):
        headers.append((b"x-amz-date", timestamp.encode()))
    index = index_headers(headers)
    signed = tuple(sorted(set(index) - set(leave_out)))
    scope = f"{timestamp[:8]}/{region}/{service}/{terminator}"
    creq = canonical.canonical_request(
        request.method,
        request.path,
        request.query,
        index,
        signed=signed,
        payload_hash=signature.payload_hash(request.body, {}),
    )
    key = signature.derive_key(secret.encode(), timestamp[:8], region, service)
    digest = hmac.digest(key, canonical.string_to_sign(timestamp, scope, creq), "sha256").hex()
    names = b";".join(signed).decode()
    value = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={digest}"
    )
    return replace(request, headers=[*headers, (b"authorization", value.encode())])


def presign(
    request: ApiRequest, *, expires: int = 300, token: str = "", now: int = NOW
) -> ApiRequest:
    """The request with its signature in the query."""
    timestamp = signature.format_timestamp(now // 1000)
    scope = f"{timestamp[:8]}/us-east-1/workmail/aws4_request"
    index = index_headers(request.headers)
    signed = tuple(sorted(index))
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{ACCESS_KEY}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": b";".join(signed).decode(),
    }
    if token:
        parameters["X-Amz-Security-Token"] = token
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    creq = canonical.canonical_request(
        request.method,
        request.path,
        query.encode(),
        index,
        signed=signed,
        payload_hash=signature.payload_hash(request.body, {}),
    )
    key = signature.derive_key(SECRET.encode(), timestamp[:8], "us-east-1", "workmail")
    digest = hmac.digest(key, canonical.string_to_sign(timestamp, scope, creq), "sha256").hex()
    return replace(request, query=f"{query}&X-Amz-Signature={digest}".encode())


def replace(request: ApiRequest, **changes: Any) -> ApiRequest:
    values = {name: getattr(request, name) for name in ApiRequest.__struct_fields__}
    return ApiRequest(**{**values, **changes})


def unsigned(action: str, document: object = None, *, body: bytes | None = None) -> ApiRequest:
    """A JSON 1.1 request for an action of WorkMail, without authorization."""
    raw = json.dumps(document if document is not None else {}).encode() if body is None else body
    headers = [
        (b"host", HOST),
        (b"content-type", b"application/x-amz-json-1.1"),
        (b"x-amz-target", f"WorkMailService.{action}".encode()),
    ]
    return ApiRequest(b"POST", b"/", b"", headers, raw, "127.0.0.1")


def call(action: str, document: object = None, *, body: bytes | None = None) -> ApiRequest:
    """A signed JSON 1.1 request."""
    return sign(unsigned(action, document, body=body))


def rest(method: bytes, path: bytes, body: bytes = b"") -> ApiRequest:
    """A signed REST-JSON request to Message Flow."""
    request = ApiRequest(method, path, b"", [(b"host", HOST)], body, "127.0.0.1")
    return sign(request, service="workmailmessageflow")


def decode(response: ApiResponse) -> tuple[int, dict[str, Any]]:
    return response.status, json.loads(response.body)
