"""The functions of examples/functions: as callables, over HTTP and at a Lambda endpoint.

They read and replace messages through the Message Flow API, and use buckets, as in AWS.
"""

from __future__ import annotations

import contextlib
import email
import json
from email.message import Message
from typing import Any

import boto3
import pytest

from tests.support.functions import BUCKET, EXAMPLES, Functions, event_of
from tests.support.lambda_endpoint import LambdaEndpoint
from tests.support.message_flow import refused
from tests.support.moto import MotoServer
from tests.support.transit import RAW
from workpost.domain.access.accounts import create_access_key
from workpost.integrations.lambda_.base import FunctionFailed
from workpost.kernel.outside_settings import Outside
from workpost.operations.functions.invoking import invoke

ALL_DEFAULT = {"actions": [{"allRecipients": True, "action": {"type": "DEFAULT"}}]}


def run(functions: Functions, module: str, **environment: str) -> tuple[str, Any]:
    """Map an example as a callable; its ARN, and the answer for a message in transit."""
    arn = functions.callable(
        module.replace("_", "-"),
        f"{module}.lambda_handler",
        environment=tuple(f"{name}={value}" for name, value in environment.items()),
    )
    return arn, functions.flow.begin(function=arn)


def replaced(functions: Functions, id: str) -> Message:
    content, was_put = functions.flow.finish(id)
    assert was_put
    return email.message_from_bytes(content)


def test_hello_world(functions: Functions) -> None:
    arn, id = run(functions, "hello_world")
    assert functions.invoke(arn, event_of(id), request_id="first") == ALL_DEFAULT
    lines = functions.log("hello-world")
    assert lines[0] == "START RequestId: first Version: $LATEST"
    assert lines[1].startswith("[INFO]\t20")
    assert lines[1].endswith(
        f"Z\tfirst\tinbound message {id} from grace@elsewhere.example to 1 recipients"
    )
    assert lines[2] == "END RequestId: first"
    assert lines[3].startswith("REPORT RequestId: first\tDuration: ")
    assert "\tMemory Size: 256 MB\tMax Memory Used: " in lines[3]
    assert "\tInit Duration: " in lines[3]
    functions.invoke(arn, event_of(id), request_id="second")
    assert "Init Duration" not in functions.log("hello-world")[-1]


def test_subject_tag_and_disclaimer(functions: Functions) -> None:
    arn, id = run(
        functions,
        "subject_tag",
        SUBJECT_TAG="[EXTERNAL]",
        DISCLAIMER="Take care.",
        UPDATED_EMAIL_BUCKET=BUCKET,
    )
    assert functions.invoke(arn, event_of(id)) == ALL_DEFAULT
    # A second run, over what was put, finds nothing to do.
    assert functions.invoke(arn, event_of(id)) == ALL_DEFAULT
    assert functions.log("subject-tag")[-3] == "tagged before"
    message = replaced(functions, id)
    assert message["Subject"] == "[EXTERNAL] Hello"
    assert message["Message-ID"] == "<1@elsewhere.example>"
    assert "How are you?\r\n\r\n-- \r\nTake care." in message.get_payload()


def test_translation(functions: Functions) -> None:
    arn, id = run(
        functions,
        "translate",
        WORDS='{"how": "comment", "you": "vous"}',
        UPDATED_EMAIL_BUCKET=BUCKET,
    )
    assert functions.invoke(arn, event_of(id)) == ALL_DEFAULT
    text = replaced(functions, id).get_payload()
    assert "comment are vous?" in text
    assert "How are you?" in text


def restricted(functions: Functions) -> dict[str, str]:
    """An address that only ada may write to: the variables of its function."""
    demo = functions.demo
    user = demo("CreateUser", Name="ada", DisplayName="Ada", Password="Test-1234-Word")["UserId"]
    demo("RegisterToWorkMail", EntityId=user, Email="ada@demo.test")
    group = demo("CreateGroup", Name="board")["GroupId"]
    demo("RegisterToWorkMail", EntityId=group, Email="board@demo.test")
    demo("AssociateMemberToGroup", GroupId=group, MemberId=user)
    return {
        "RESTRICTED": "board@demo.test",
        "GROUP_ID": group,
        "WORKMAIL_ORGANIZATION_ID": demo.organization,
    }


def check_restricted(functions: Functions, arn: str) -> None:
    recipients = ("ada@demo.test", "board@demo.test")
    allowed = functions.invoke(arn, event_of("1", *recipients, sender="ada@demo.test"))
    assert allowed == ALL_DEFAULT
    told = functions.invoke(arn, event_of("1", *recipients))
    bounce = told["actions"][0]
    assert bounce["recipients"] == ["board@demo.test"]
    assert bounce["action"]["type"] == "BOUNCE"
    assert told["actions"][1:] == ALL_DEFAULT["actions"]


def test_restricted_mailbox(functions: Functions) -> None:
    environment = tuple(f"{name}={value}" for name, value in restricted(functions).items())
    handler = "restricted_mailbox.lambda_handler"
    arn = functions.callable(
        "restricted",
        handler,
        environment=environment,
        actions=("DescribeEntity", "ListGroupMembers"),
    )
    check_restricted(functions, arn)
    # Without the actions it may not ask.
    arn = functions.callable("restricted", handler, environment=environment)
    with pytest.raises(FunctionFailed, match="AccessDeniedException|ClientError"):
        functions.invoke(arn, event_of("1", "board@demo.test"))


def test_mail_storm_stopper(functions: Functions) -> None:
    arn, _ = run(functions, "storm_stopper", STATE_BUCKET=BUCKET, MOST_MESSAGES="2")
    kinds = []
    for number in range(4):
        event = {**event_of("1"), "invocationId": f"{number:032}"}
        kinds.append(functions.invoke(arn, event)["actions"][0]["action"]["type"])
    assert kinds == ["DEFAULT", "DEFAULT", "DROP", "DROP"]
    calm = functions.invoke(arn, event_of("1", sender="other@elsewhere.example"))
    assert calm == ALL_DEFAULT


def test_save_to_s3(functions: Functions) -> None:
    arn, id = run(functions, "save_to_s3", ARCHIVE_BUCKET=BUCKET)
    assert functions.invoke(arn, event_of(id)) == ALL_DEFAULT
    assert functions.depot.fetch(f"inbound/{id}.eml", "", 10_000) == RAW
    assert functions.flow.finish(id)[1] is False


# --- the same, elsewhere --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "aws"])
def test_examples_run_unchanged_elsewhere(
    functions: Functions,
    moto_server: MotoServer,
    kind: str,
) -> None:
    """With a long-lived key for Message Flow, and buckets in S3."""
    account = functions.demo.account
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    functions.set(outside=Outside(buckets=(f"{account} {BUCKET} s3",)))
    key = functions.api.run(create_access_key(functions.api.core, account))
    environment = {
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": functions.api.url,
        "AWS_ENDPOINT_URL_S3": moto_server.url,
        "SUBJECT_TAG": "[EXTERNAL]",
        "UPDATED_EMAIL_BUCKET": BUCKET,
        "ARCHIVE_BUCKET": BUCKET,
        "STATE_BUCKET": BUCKET,
        "MOST_MESSAGES": "0",
        "WORDS": '{"how": "comment"}',
        **restricted(functions),
    }
    results = {}
    with contextlib.closing(LambdaEndpoint(EXAMPLES, environment)) as endpoint:
        for module in ("hello_world", "subject_tag", "translate", "storm_stopper", "save_to_s3"):
            endpoint.handlers[module] = f"{module}.lambda_handler"
            url = f"{endpoint.url}/url/{module}" if kind == "http" else endpoint.url
            arn = functions.map(module, kind=kind, url=url)
            id = functions.flow.begin(function=arn)
            answer = functions.invoke(arn, event_of(id))
            results[module] = (answer["actions"][0]["action"]["type"], *functions.flow.finish(id))
        endpoint.handlers["restricted"] = "restricted_mailbox.lambda_handler"
        url = f"{endpoint.url}/url/restricted" if kind == "http" else endpoint.url
        check_restricted(functions, functions.map("restricted", kind=kind, url=url))
    assert {module: result[0] for module, result in results.items()} == {
        **dict.fromkeys(results, "DEFAULT"),
        "storm_stopper": "DROP",
    }
    assert b"Subject: [EXTERNAL] Hello\r\n" in results["subject_tag"][1]
    assert b"comment are you?" in results["translate"][1]
    assert not results["save_to_s3"][2]
    stored = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="inbound/")
    assert stored["KeyCount"] == 1


def test_a_function_reaches_messages_only_while_it_runs_over_them(functions: Functions) -> None:
    arn, id = run(functions, "save_to_s3", ARCHIVE_BUCKET=BUCKET)
    functions.flow.finish(id)
    with pytest.raises(FunctionFailed):
        functions.invoke(arn, event_of(id))
    somebody = functions.flow.begin(function=functions.arn("another"))
    with pytest.raises(FunctionFailed):
        functions.invoke(arn, event_of(somebody))
    # The account's own key still can.
    assert functions.flow.get(somebody) == RAW
    assert refused(lambda: functions.flow.get("0" * 36), 404)[0] == "ResourceNotFoundException"


def test_a_lambda_endpoint_queues_what_nobody_waits_for(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invocation type Event: Lambda runs it when it likes, and retries it by itself."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "operator")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the operator")
    environment = {"AWS_DEFAULT_REGION": "us-east-1"}
    with contextlib.closing(LambdaEndpoint(EXAMPLES, environment)) as endpoint:
        endpoint.handlers["hello_world"] = "hello_world.lambda_handler"
        arn = functions.map("hello_world", kind="aws", url=endpoint.url)
        answer = invoke(
            functions.api.core,
            organization=functions.demo.organization,
            arn=arn,
            event=json.dumps(event_of("1")).encode(),
            seconds=20.0,
            waited=False,
        )
        assert functions.api.run(answer) == b""
        ((name, event),) = endpoint.queued
        assert (name, json.loads(event)) == ("hello_world", event_of("1"))
        unknown = functions.map("unknown", kind="aws", url=endpoint.url)
        with pytest.raises(FunctionFailed, match="missing"):
            functions.invoke(unknown, event_of("1"))
