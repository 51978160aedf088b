"""Handlers that only answer, for tests of the front end, and how its answers are read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from tests.support.api import (
    NOW,
    ORGANIZATION,
    make_dispatcher,
)
from workpost.kernel.errors import EntityNotFound, ResourceNotFound, TryLater
from workpost.protocols.api.call import Call
from workpost.protocols.api.dispatch import Dispatcher
from workpost.protocols.signing.messages import ApiRequest, ApiResponse

DESCRIBE = {"OrganizationId": ORGANIZATION, "UserId": "ada"}
seen: list[Call] = []


async def DescribeUser(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    seen.append(call)
    return {"UserId": document["UserId"], "Name": "ada", "EnabledDate": NOW, "Email": None}


async def DescribeOrganization(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    return {"ARN": call.organization_arn(document["OrganizationId"])}


async def ListOrganizations(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    return {"OrganizationSummaries": []}


async def TagResource(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    return {}


async def DeleteUser(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    raise EntityNotFound("There is no user ada.")


async def DeleteGroup(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    raise RuntimeError("a secret of the house")


async def ListUsers(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    return {"Nonsense": 1}


async def ListGroups(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    raise TryLater("the database is away")


async def GetRawMessageContent(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    if document["messageId"] == "gone":
        raise ResourceNotFound("There is no message gone.")
    return {"messageContent": b"Subject: hello\r\n\r\n"}


async def PutRawMessageContent(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    assert document["content"]["s3Reference"]["bucket"] == "bucket"
    return {}


HANDLERS = {
    one.__name__: one
    for one in (
        DescribeUser,
        DescribeOrganization,
        ListOrganizations,
        TagResource,
        DeleteUser,
        DeleteGroup,
        ListUsers,
        ListGroups,
        GetRawMessageContent,
        PutRawMessageContent,
    )
}


def answer(request: ApiRequest, dispatcher: Dispatcher | None = None, **parts: Any) -> ApiResponse:
    return asyncio.run((dispatcher or make_dispatcher(HANDLERS, **parts)).handle(request))


def refused(response: ApiResponse) -> tuple[int, str, str]:
    """Status, code and message of an error, its frame checked."""
    headers = dict(response.headers)
    body = json.loads(response.body)
    assert headers[b"x-amzn-ErrorType"].decode() == body["__type"]
    assert body["Message"] == body["message"]
    check_frame(response)
    return response.status, body["__type"], body["message"]


def check_frame(response: ApiResponse) -> None:
    headers = dict(response.headers)
    assert len(headers[b"x-amzn-RequestId"]) == 36
    assert headers[b"Content-Length"] == b"%d" % len(response.body)
    assert headers[b"Date"] == b"Thu, 01 Jan 2026 00:00:00 GMT"
