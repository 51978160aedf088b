"""The API over HTTP: boto3, the AWS CLI, presigned queries, and clients that misbehave."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import uvicorn
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError

from tests.support.api import (
    ACCESS_KEY,
    NOW,
    ORGANIZATION,
    SECRET,
    FakeCredentials,
    call,
    make_credential,
    make_dispatcher,
    replace,
    unsigned,
)
from workpost.kernel.clock import FixedEnvironment, SystemEnvironment
from workpost.kernel.errors import EntityNotFound, Fault, TryLater
from workpost.protocols.api import server as server_module
from workpost.protocols.api.call import Call
from workpost.protocols.api.server import MAX_DRAINED, ApiApplication
from workpost.protocols.api.wire.body import MAX_BODY
from workpost.protocols.signing.messages import ApiRequest, Streamed

USERS = [f"user{n}" for n in range(5)]
TOKEN = "session/token+="
TEMPORARY = "ASIAWORKPOSTEXAMPLE1"


async def DescribeUser(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    if document["UserId"] == "nobody":
        raise EntityNotFound("There is no entity nobody.")
    return {"UserId": document["UserId"], "State": "ENABLED", "EnabledDate": NOW + 250}


async def ListUsers(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    start = int(document.get("NextToken", "0"))
    end = start + document.get("MaxResults", 100)
    return {
        "Users": [{"Id": one} for one in USERS[start:end]],
        "NextToken": str(end) if end < len(USERS) else None,
    }


async def ListOrganizations(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    summary = {"OrganizationId": ORGANIZATION, "Alias": call.peer, "State": call.caller}
    return {"OrganizationSummaries": [summary]}


async def DeleteUser(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    return {}


PIECES = 64
"""Of a megabyte each, of a streamed message."""
ended = threading.Event()


async def GetRawMessageContent(call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    id = document["messageId"]
    if id in {"whole", "unreadable", "out-of-reach"}:
        return {"messageContent": Streamed(PIECES << 20, pieces(id))}
    return {"messageContent": b"Subject: " + id.encode() + b"\r\n\r\n"}


async def pieces(id: str) -> AsyncGenerator[bytes, None]:
    try:
        for number in range(PIECES):
            if number == 2 and id == "unreadable":
                raise Fault("bytes are missing")
            if number == 2 and id == "out-of-reach":
                raise TryLater("the bucket is away")
            yield bytes([number]) * (1 << 20)
    finally:
        ended.set()


HANDLERS = {
    one.__name__: one
    for one in (DescribeUser, ListUsers, ListOrganizations, DeleteUser, GetRawMessageContent)
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    temporary = make_credential(access_key_id=TEMPORARY, session_token=TOKEN)
    dispatcher = make_dispatcher(
        HANDLERS,
        environment=SystemEnvironment(),
        credentials=FakeCredentials(make_credential(), temporary),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            ApiApplication(dispatcher),
            http="httptools",
            ws="none",
            lifespan="off",
            log_level="warning",
            date_header=False,
            server_header=False,
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


def client(url: str, service: str = "workmail", **keys: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=keys.get("access_key", ACCESS_KEY),
        aws_secret_access_key=keys.get("secret", SECRET),
        aws_session_token=keys.get("token"),
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )


class TestBoto3:
    def test_a_call(self, url: str) -> None:
        answer = client(url).describe_user(OrganizationId=ORGANIZATION, UserId="ada")
        assert answer["UserId"] == "ada"
        assert answer["EnabledDate"].timestamp() == (NOW + 250) / 1000
        metadata = answer["ResponseMetadata"]
        assert len(metadata["RequestId"]) == 36
        assert metadata["HTTPHeaders"]["x-amzn-requestid"] == metadata["RequestId"]
        assert metadata["HTTPHeaders"]["date"].endswith("GMT")
        assert metadata["RetryAttempts"] == 0

    def test_an_empty_output(self, url: str) -> None:
        answer = client(url).delete_user(OrganizationId=ORGANIZATION, UserId="ada")
        assert answer.keys() == {"ResponseMetadata"}

    def test_pages(self, url: str) -> None:
        pages = (
            client(url)
            .get_paginator("list_users")
            .paginate(OrganizationId=ORGANIZATION, PaginationConfig={"PageSize": 2})
        )
        assert [[user["Id"] for user in page["Users"]] for page in pages] == [
            USERS[:2],
            USERS[2:4],
            USERS[4:],
        ]

    def test_modelled_errors_are_classes(self, url: str) -> None:
        workmail = client(url)
        with pytest.raises(workmail.exceptions.EntityNotFoundException) as caught:
            workmail.describe_user(OrganizationId=ORGANIZATION, UserId="nobody")
        assert caught.value.response["Error"]["Message"] == "There is no entity nobody."
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert len(caught.value.response["ResponseMetadata"]["RequestId"]) == 36

    @pytest.mark.parametrize(
        ("keys", "code"),
        [
            ({"secret": "wrong"}, "InvalidSignatureException"),
            ({"access_key": "AKIAUNKNOWNUNKNOWN01"}, "UnrecognizedClientException"),
            ({"token": "token"}, "UnrecognizedClientException"),
            ({"access_key": TEMPORARY}, "UnrecognizedClientException"),
        ],
    )
    def test_bad_credentials(self, url: str, keys: dict[str, str], code: str) -> None:
        with pytest.raises(ClientError) as caught:
            client(url, **keys).list_organizations()
        assert caught.value.response["Error"]["Code"] == code

    def test_temporary_credentials(self, url: str) -> None:
        answer = client(url, access_key=TEMPORARY, token=TOKEN).list_organizations()
        assert answer["OrganizationSummaries"][0]["Alias"] == "127.0.0.1"

    def test_actions_that_are_not_there_yet(self, url: str) -> None:
        with pytest.raises(ClientError) as caught:
            client(url).list_resources(OrganizationId=ORGANIZATION)
        assert caught.value.response["Error"] == {
            "Code": "UnsupportedOperationException",
            "Message": "ListResources is not available in this version of Workpost",
        }

    def test_message_flow(self, url: str) -> None:
        flow = client(url, "workmailmessageflow")
        answer = flow.get_raw_message_content(messageId="abc-1")
        assert answer["messageContent"].read() == b"Subject: abc-1\r\n\r\n"
        with pytest.raises(ClientError) as caught:
            flow.put_raw_message_content(
                messageId="abc", content={"s3Reference": {"bucket": "bucket", "key": "k"}}
            )
        assert caught.value.response["Error"]["Code"] == "UnsupportedOperationException"

    def test_a_stream(self, url: str) -> None:
        flow = client(url, "workmailmessageflow")
        answer = flow.get_raw_message_content(messageId="whole")["messageContent"]
        for number in range(PIECES):
            assert answer.read(1 << 20) == bytes([number]) * (1 << 20)
        assert answer.read() == b""
        assert flow.get_raw_message_content(messageId="a")["messageContent"].read(7) == b"Subject"

    @pytest.mark.parametrize("why", ["unreadable", "out-of-reach"])
    def test_a_stream_that_breaks_off(
        self, url: str, why: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        flow = client(url, "workmailmessageflow")
        answer = flow.get_raw_message_content(messageId=why)["messageContent"]
        with pytest.raises((ResponseStreamingError, IncompleteReadError)):
            answer.read()
        assert ("an answer breaks off: the bucket is away" in caplog.text) == (
            why == "out-of-reach"
        )

    def test_a_client_that_takes_nothing_of_a_stream(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server_module, "STALLED_SECONDS", 0.2)
        ended.clear()
        flow = client(url, "workmailmessageflow")
        answer = flow.get_raw_message_content(messageId="whole")["messageContent"]
        assert ended.wait(20)
        with pytest.raises((ResponseStreamingError, IncompleteReadError)):
            answer.read()

    def test_message_flow_with_a_wrong_key_is_403(self, url: str) -> None:
        with pytest.raises(ClientError) as caught:
            client(url, "workmailmessageflow", secret="x").get_raw_message_content(messageId="a")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_aws_cli(url: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("aws")),
        *("workmail", "describe-user", "--organization-id", ORGANIZATION, "--user-id", "ada"),
        *("--endpoint-url", url, "--region", "us-east-1"),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["UserId"] == "ada"


def send(
    url: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request(method, path, body=body or None, headers=dict(headers or {}))
    response = connection.getresponse()
    response.body = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


def aws_request(url: str, action: str, body: bytes = b"") -> AWSRequest:
    headers = {"X-Amz-Target": f"WorkMailService.{action}", "Host": urlsplit(url).netloc}
    return AWSRequest("POST", f"{url}/", headers=headers, data=body)


class TestSigners:
    def test_presigned_by_botocore(self, url: str) -> None:
        request = aws_request(url, "ListOrganizations")
        credentials = Credentials(TEMPORARY, SECRET, TOKEN)
        SigV4QueryAuth(credentials, "workmail", "us-east-1", expires=60).add_auth(request)
        target = "/?" + urlsplit(request.url).query
        headers = {"X-Amz-Target": "WorkMailService.ListOrganizations"}
        assert send(url, "POST", target, headers=headers).status == 200
        changed = target.replace("X-Amz-Expires=60", "X-Amz-Expires=61")
        response = send(url, "POST", changed, headers=headers)
        assert response.headers["x-amzn-ErrorType"] == "InvalidSignatureException"

    def test_declared_hash_of_the_body(self, url: str) -> None:
        request = aws_request(url, "ListOrganizations", b'{"MaxResults": 5}')
        auth = SigV4Auth(Credentials(ACCESS_KEY, SECRET), "workmail", "us-east-1")
        request.headers["X-Amz-Content-SHA256"] = auth.payload(request)
        auth.add_auth(request)
        assert send(url, "POST", "/", request.body, dict(request.headers)).status == 200


class TestMisbehaviour:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
    def test_the_root_answers_every_method(self, url: str, method: str) -> None:
        response = send(url, method, "/")
        assert response.status == 405
        assert response.headers["Allow"] == "POST"

    @pytest.mark.parametrize("path", ["/favicon.ico", "/messages/", "/%ff", "//", "/a?b=%zz"])
    def test_other_paths_are_404(self, url: str, path: str) -> None:
        assert send(url, "GET", path).status == 404

    @pytest.mark.parametrize("size", [MAX_BODY + 1, 3 * MAX_BODY])
    def test_large_bodies_hear_their_413(self, url: str, size: int) -> None:
        response = send(url, "POST", "/", b"x" * size)
        assert response.status == 413
        assert response.headers["x-amzn-ErrorType"] == "RequestEntityTooLarge"
        assert response.headers["Connection"] == "close"

    def test_expect_100_continue(self, url: str) -> None:
        host, port = urlsplit(url).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as link:
            link.sendall(
                b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            )
            assert link.recv(100).startswith(b"HTTP/1.1 100")
            link.sendall(b"{}")
            assert link.recv(1000).startswith(b"HTTP/1.1 400")

    def test_a_connection_is_kept(self, url: str) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        for _ in range(3):
            connection.request("POST", "/", body=b"{}")
            response = connection.getresponse()
            response.read()
            assert response.status == 400
        connection.close()


def scope(**changes: Any) -> dict[str, Any]:
    values = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 5000),
        "scheme": "http",
    }
    return {**values, **changes}


def serve(
    application: ApiApplication, events: list[dict[str, Any]], **changes: Any
) -> list[dict[str, Any]]:
    """Run one ASGI request; when its events are used up the client is silent."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not events:
            await asyncio.Event().wait()
        return events.pop(0)

    async def collect(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(scope(**changes), receive, collect))
    return sent


def body_event(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


class TestAsgi:
    def application(self, **options: Any) -> ApiApplication:
        dispatcher = make_dispatcher(HANDLERS, environment=FixedEnvironment(NOW))
        return ApiApplication(dispatcher, **options)

    def test_bodies_come_in_pieces(self) -> None:
        request = call("DescribeUser", {"OrganizationId": ORGANIZATION, "UserId": "ada"})
        events = [body_event(request.body[:10], True), body_event(request.body[10:])]
        sent = serve(self.application(), events, headers=request.headers)
        assert sent[0]["status"] == 200

    def test_a_client_that_leaves_gets_nothing(self) -> None:
        events = [body_event(b"{", True), {"type": "http.disconnect"}]
        assert serve(self.application(), events) == []

    def test_a_client_that_stalls_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_module, "BODY_SECONDS", 0.01)
        sent = serve(self.application(), [body_event(b"{", True)])
        assert sent[0]["status"] == 408
        assert (b"Connection", b"close") in sent[0]["headers"]

    def test_draining_has_an_end(self) -> None:
        piece = b"x" * MAX_BODY
        events = [body_event(piece, True) for _ in range(MAX_DRAINED // MAX_BODY + 2)]
        sent = serve(self.application(), events)
        assert sent[0]["status"] == 413
        assert events

    @pytest.mark.parametrize("length", [MAX_DRAINED + 1, 10**12])
    def test_a_length_beyond_that_is_refused_before_anything_is_sent(
        self, url: str, length: int
    ) -> None:
        host, port = urlsplit(url).netloc.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as link:
            head = (
                b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
            )
            link.sendall(head % length)
            assert link.recv(100).startswith(b"HTTP/1.1 413")

    def test_websockets_are_closed_and_lifespans_ignored(self) -> None:
        events = [{"type": "websocket.connect"}]
        sent = serve(self.application(), events, type="websocket")
        assert sent == [{"type": "websocket.close", "code": 1000}]
        assert serve(self.application(), [], type="lifespan") == []

    def test_a_head_has_no_body(self) -> None:
        sent = serve(self.application(), [body_event(b"")], method="HEAD")
        assert sent[1]["body"] == b""

    def test_a_scope_may_lack_what_is_optional(self) -> None:
        sent = serve(self.application(), [body_event(b"")], raw_path=None, client=None)
        assert sent[0]["status"] == 400

    def proxied(
        self, trusted: list[str], peer: str = "10.0.0.9", nearest: bytes = b"203.0.113.5"
    ) -> tuple[int, dict[str, Any]]:
        request: ApiRequest = call("ListOrganizations")
        headers = [(n, b"inside:80" if n == b"host" else v) for n, v in request.headers]
        headers += [
            (b"x-forwarded-host", dict(request.headers)[b"host"]),
            (b"x-forwarded-proto", b"https"),
            (b"x-forwarded-for", b"192.0.2.7, " + nearest),
        ]
        events = [body_event(request.body)]
        application = self.application(trusted_proxies=trusted)
        sent = serve(application, events, headers=headers, client=(peer, 1))
        return sent[0]["status"], json.loads(sent[1]["body"])

    def test_a_trusted_proxy_tells_the_host_that_was_signed(self) -> None:
        status, body = self.proxied(["10.0.0.0/8"])
        assert status == 200
        assert body["OrganizationSummaries"][0]["Alias"] == "203.0.113.5"

    @pytest.mark.parametrize(
        ("nearest", "peer"),
        [
            (b"2001:DB8::1", "2001:db8::1"),
            (b"fe80::1%\x9b2J", "fe80::1"),
            (b"\x9b2Jforged", "10.0.0.9"),
            (b"9" * 60_000, "10.0.0.9"),
            (b"", "10.0.0.9"),
        ],
    )
    def test_a_client_is_an_address_or_the_proxy_itself(self, nearest: bytes, peer: str) -> None:
        _, body = self.proxied(["10.0.0.0/8"], nearest=nearest)
        assert body["OrganizationSummaries"][0]["Alias"] == peer

    @pytest.mark.parametrize("trusted", [[], ["192.168.0.0/16"]])
    def test_nobody_else_does(self, trusted: list[str]) -> None:
        assert self.proxied(trusted)[1]["__type"] == "InvalidSignatureException"
        assert self.proxied(trusted, peer="unix")[1]["__type"] == "InvalidSignatureException"

    def test_a_trusted_proxy_may_add_nothing(self) -> None:
        request = replace(unsigned("ListOrganizations"), headers=[])
        application = self.application(trusted_proxies=["127.0.0.1/32"])
        assert serve(application, [body_event(request.body)])[0]["status"] == 400
