"""PutRawMessageContent over HTTP: what goes on in a message's stead, and what is refused."""

from __future__ import annotations

import concurrent.futures
from contextlib import AsyncExitStack

import pytest

from tests.protocols.api.actions.test_audit import records
from tests.support.api_server import ApiServer, Tenant
from tests.support.message_flow import BUCKET, KEY, Flow, refused, s3
from tests.support.moto import MotoServer
from tests.support.transit import RAW, RETURN_PATH
from workpost.operations.transit import putting

NEW = RAW.replace(b"Subject: Hello", b"Subject: [outside] Hello")
ELSEWHERE = "InvalidContentLocation"
REJECTED = "MessageRejected"


def test_what_a_function_puts_goes_on_and_is_read(flow: Flow) -> None:
    id = flow.begin()
    flow.put(id, NEW)
    assert flow.get(id) == NEW
    assert flow.finish(id) == (RETURN_PATH + NEW, True)


def test_what_is_put_after_the_function_ended_is_only_read(flow: Flow) -> None:
    id = flow.begin()
    assert flow.finish(id) == (RETURN_PATH + RAW, False)
    flow.put(id, NEW)
    assert flow.get(id) == NEW


def test_what_an_asynchronous_function_puts_is_only_read(flow: Flow) -> None:
    id = flow.begin(synchronous=False)
    flow.put(id, NEW)
    assert flow.get(id) == NEW
    assert not flow.finish(id)[1]


def test_it_can_be_put_again(flow: Flow) -> None:
    id = flow.begin()
    for number in range(3):
        flow.put(id, NEW + b"%d\r\n" % number)
    flow.put(id, RAW)
    assert flow.finish(id) == (RETURN_PATH + RAW, True)


def test_what_was_not_changed_counts_as_the_original(flow: Flow) -> None:
    id = flow.begin()
    flow.put(id, RAW)
    assert flow.finish(id) == (RETURN_PATH + RAW, False)


def test_line_ends_of_scripts_are_mended(flow: Flow) -> None:
    id = flow.begin()
    flow.put(id, NEW.replace(b"\r\n", b"\n").removesuffix(b"\n"))
    assert flow.get(id) == NEW


def test_several_functions_put_at_the_same_time(flow: Flow) -> None:
    ids = [flow.begin() for _ in range(12)]
    flow.store(NEW)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(flow.put, ids))
    assert all(flow.finish(id) == (RETURN_PATH + NEW, True) for id in ids)


def test_large_messages_are_put(flow: Flow) -> None:
    large = NEW + (b"x" * 70 + b"\r\n") * 50_000
    id = flow.begin()
    flow.put(id, large)
    assert flow.get(id) == large


# --- buckets -------------------------------------------------------------------------------------


def test_a_bucket_in_s3_and_a_version_of_an_object(flow: Flow, moto_server: MotoServer) -> None:
    client = s3()
    client.create_bucket(Bucket="really")
    client.put_bucket_versioning(Bucket="really", VersioningConfiguration={"Status": "Enabled"})
    flow.map("s3 really")
    version = client.put_object(Bucket="really", Key=KEY, Body=NEW)["VersionId"]
    client.put_object(Bucket="really", Key=KEY, Body=NEW + b"later\r\n")
    id = flow.begin()
    flow.put(id, objectVersion=version)
    assert flow.get(id) == NEW
    flow.put(id)
    assert flow.get(id) == NEW + b"later\r\n"


def test_objects_that_cannot_be_accessed(flow: Flow, moto_server: MotoServer) -> None:
    id = flow.begin()
    places = [
        {},
        {"bucket": "other-bucket"},
        {"key": "other/key"},
        {"key": "/key"},
        {"objectVersion": "no-such-version"},
    ]
    for place in places:
        code, text = flow.refusal(id, **place)
        bucket = place.get("bucket", BUCKET)
        assert (code, f"in the bucket {bucket}." in text) == (ELSEWHERE, True), place
    flow.map("s3 nowhere")
    assert flow.refusal(id)[0] == ELSEWHERE
    s3().create_bucket(Bucket="nowhere")
    assert flow.refusal(id)[0] == ELSEWHERE
    assert flow.finish(id) == (RETURN_PATH + RAW, False)


def test_a_bucket_of_another_account_is_not_there(flow: Flow, other: Tenant) -> None:
    flow.store(NEW)
    organization = other.organization
    flow.demo.organization = organization
    id = flow.begin()
    stranger = flow.signed(account=other.account)
    assert refused(lambda: flow.put(id, client=stranger))[0] == ELSEWHERE


def test_a_bucket_out_of_reach_is_tried_again_by_the_caller(
    flow: Flow, moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    flow.map("s3 really")
    id = flow.begin()
    assert refused(lambda: flow.put(id), 503)[0] == "ServiceUnavailableException"


def test_a_process_brings_a_bounded_number_of_contents_at_once(
    flow: Flow, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting, "PATIENCE_SECONDS", 0.1)
    id = flow.begin()
    for tenants in (("a", "b") * putting.EACH_AT_ONCE, (flow.demo.account,) * putting.EACH_AT_ONCE):
        held = AsyncExitStack()

        async def fill(tenants: tuple[str, ...] = tenants, held: AsyncExitStack = held) -> None:
            for tenant in tenants:
                await held.enter_async_context(putting.ROOMS.enter(tenant, 1.0))

        api.run(fill())
        assert refused(lambda: flow.put(id, NEW), 503)[0] == "ServiceUnavailableException"
        api.run(held.aclose())
    for _ in range(putting.AT_ONCE + 1):
        assert flow.refusal(id, b"x: y\r\n\r\n")[0] == REJECTED
    flow.put(id, NEW)


# --- refusals ------------------------------------------------------------------------------------


def test_messages_that_are_not_there(flow: Flow, other: Tenant) -> None:
    flow.store(NEW)
    id = flow.begin()
    stranger = flow.signed(account=other.account)
    unknown = "0f0e0d0c-0b0a-4908-8706-050403020100"
    for message, client in ((unknown, flow.client), (id, stranger)):
        code, text = refused(lambda m=message, c=client: flow.put(m, client=c), 404)
        assert (code, message in text) == ("ResourceNotFoundException", True)
    assert flow.get(id) == RAW


def test_a_stranger_cannot_freeze_a_message_by_fields_of_redirection(flow: Flow) -> None:
    resent = b"Resent-From: ada@demo.test\r\nResent-To: grace@demo.test\r\n"
    id = flow.begin(resent + RAW)
    more = b"Resent-From: eve@elsewhere.example\r\n"
    code, text = flow.refusal(id, more + resent + NEW)
    assert (code, "Resent-*" in text) == (REJECTED, True)
    for content in (resent + NEW, NEW):
        flow.put(id, content)
    assert flow.finish(id) == (RETURN_PATH + NEW, True)


CRITERIA: list[tuple[bytes, bytes, str]] = [
    (b"From: Grace <grace@elsewhere.example>\r\n", b"", "The required header From is missing."),
    (b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nM", b"M", "The required header Date"),
    (b"Subject: Hello\r\n", b"Subject: a\r\nSubject: b\r\n", "Subject can only appear once"),
    (b"<1@", b"<2@", "The value of the header Message-ID must remain unchanged."),
    (b"mx.elsewhere", b"mx.other", "The value of the header Received must remain unchanged."),
    (b"Subject", b"Return-Path: <x@demo.test>\r\nSubject", "header Return-Path"),
    (b"How are you?", b"x" * 999, "exceeds 1000 characters"),
    (b"Subject", b"Content-Type: multipart/mixed; boundary=b\r\nSubject", "multipart/mixed"),
    (b"Subject", b"Content-Type: text/plain; name=a.exe\r\nSubject", "type .exe"),
    (b"Subject", b"no field\r\nSubject", "a line that is no field: 'no field'"),
    (b"Subject", b"Resent-From: x@demo.test\r\nSubject", "Resent-*"),
    (b"you", b"y\0u", "NUL"),
    (b"you", b"y\ru", "carriage return"),
]


def test_the_criteria_of_a_message(flow: Flow) -> None:
    id = flow.begin()
    for old, new, reason in CRITERIA:
        assert old in RAW
        code, text = flow.refusal(id, RAW.replace(old, new))
        assert (code, reason in text) == (REJECTED, True), text
    assert flow.get(id) == RAW
    assert flow.finish(id) == (RETURN_PATH + RAW, False)


def test_who_sends_cannot_be_changed_on_the_way_out(flow: Flow) -> None:
    changed = RAW.replace(b"Grace <grace@", b"Ada <ada@")
    id = flow.begin(direction="outgoing")
    assert flow.refusal(id, changed) == (
        REJECTED,
        "The value of the header From must remain unchanged.",
    )
    flow.put(flow.begin(), changed)


def test_messages_have_the_largest_size_that_is_accepted(flow: Flow) -> None:
    flow.limit(message_bytes=100_000, outgoing_message_bytes=70_000)
    for direction, most in (("incoming", 100_000), ("outgoing", 70_000)):
        id = flow.begin(direction=direction)
        fill = most - len(NEW)
        body = (b"x" * 70 + b"\r\n") * (fill // 72) + b"y" * (fill % 72 - 2) + b"\r\n"
        flow.put(id, NEW + body)
        assert len(flow.get(id)) == most
        code, text = flow.refusal(id, NEW + b"1" + body)
        assert (code, text) == (REJECTED, f"The message exceeds {most} bytes.")
        # Line ends that have to be mended count.
        bare = (NEW + b"\n" + body).replace(b"\r\n", b"\n")
        assert flow.refusal(id, bare)[0] == REJECTED


def test_a_message_that_is_larger_already_may_go_back(flow: Flow) -> None:
    large = RAW + (b"x" * 70 + b"\r\n") * 2000
    id = flow.begin(large)
    flow.limit(message_bytes=100_000)
    flow.put(id, large.replace(b"Hello", b"hello"))
    assert flow.refusal(id, large + b"x\r\n")[0] == REJECTED


def test_the_constraints_of_the_model(flow: Flow) -> None:
    id = flow.begin()
    for place in ({"key": "a.eml"}, {"bucket": "A_B"}):
        code, text = flow.refusal(id, **place)
        assert (code, f"content.s3Reference.{next(iter(place))}" in text) == (
            "ValidationException",
            True,
        )


def test_the_audit_log_tells_where_the_content_came_from(flow: Flow, api: ApiServer) -> None:
    id = flow.begin()
    flow.refusal(id)
    flow.put(id, NEW)
    done = records(api, flow.demo, "PutRawMessageContent")
    assert {record["eventSource"] for record in done} == {"workmailMessageFlow.amazonaws.com"}
    assert {record["readOnly"] for record in done} == {False}
    reference = {"s3Reference": {"bucket": BUCKET, "key": KEY}}
    for record in done:
        assert record["requestParameters"] == {"messageId": id, "content": reference}
    assert [record.get("errorCode") for record in done].count(ELSEWHERE) == 1
