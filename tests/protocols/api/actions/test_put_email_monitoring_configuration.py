"""PutEmailMonitoringConfiguration; how lines travel is in tests/operations/monitoring."""

from __future__ import annotations

import json
from typing import Any

import boto3

from tests.operations.mailflow.mails import envelope
from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.log_groups import LogGroups, role_arn
from tests.support.mailboxes import log_in, message
from tests.support.moto import MotoServer
from workpost.operations.mailflow import pipeline

PUT = "PutEmailMonitoringConfiguration"
DESCRIBE = "DescribeEmailMonitoringConfiguration"


def send(api: ApiServer, *recipients: str) -> None:
    async def submit() -> None:
        grant = await log_in(api.core, "ada@demo.test")
        await pipeline.submit(api.core, grant, envelope(*recipients), message("Tea"))

    api.run(submit())


def test_mail_is_told_to_the_log_group(api: ApiServer, demo: Tenant, log_groups: LogGroups) -> None:
    demo.user("ada")
    demo.user("grace")
    log_groups.put()
    send(api, "grace@demo.test", "bob@elsewhere.example")
    assert api.work() == 1
    assert [event["eventName"] for event in log_groups.events()] == [
        "OUTGOING_EMAIL_SUBMITTED",
        "OUTGOING_EMAIL_SENT",
        "ORGANIZATION_EMAIL_RECEIVED",
        "MAILBOX_EMAIL_DELIVERED",
    ]
    log_groups.put("/mail/others")
    send(api, "grace@demo.test")
    api.work()
    assert len(log_groups.events()) == len(log_groups.events("/mail/others")) == 4


def test_mail_is_told_to_cloudwatch_logs(
    api: ApiServer, demo: Tenant, log_groups: LogGroups, moto_server: MotoServer
) -> None:
    demo.user("ada")
    demo.user("grace")
    log_groups.map("logs")
    client: Any = boto3.client("logs")
    wrong = refused(demo, PUT, LogGroupArn=log_groups.arn())
    assert wrong[0] == "ResourceNotFoundException"
    client.create_log_group(logGroupName="/mail/events")
    log_groups.put()
    send(api, "grace@demo.test")
    api.work()
    [stream] = client.describe_log_streams(logGroupName="/mail/events")["logStreams"]
    told = client.get_log_events(
        logGroupName="/mail/events", logStreamName=stream["logStreamName"], startFromHead=True
    )
    names = [json.loads(each["message"])["event"]["eventName"] for each in told["events"]]
    assert names[0] == "OUTGOING_EMAIL_SUBMITTED"
    assert len(names) == 4


def test_the_role_may_be_given_and_is_checked(
    demo: Tenant, other: Tenant, log_groups: LogGroups
) -> None:
    role = role_arn(demo.account)
    log_groups.put(RoleArn=role)
    assert demo(DESCRIBE) == {"RoleArn": role, "LogGroupArn": log_groups.arn()}
    for wrong, code in (
        (role_arn(other.account), "InvalidParameterException"),
        (f"arn:aws:iam::{demo.account}:user/events", "InvalidParameterException"),
        (f"arn:aws:iam::{demo.account}:role/unknown", "ResourceNotFoundException"),
    ):
        values = {"LogGroupArn": log_groups.arn("/mail/new"), "RoleArn": wrong}
        assert refused(demo, PUT, **values)[0] == code, wrong
    assert demo(DESCRIBE) == {"RoleArn": role, "LogGroupArn": log_groups.arn()}
    # Describe's answer can be put again, that of the service's own role, too.
    log_groups.put()
    log_groups.put(**demo(DESCRIBE))


def test_log_groups_of_others_do_not_exist(
    demo: Tenant, other: Tenant, log_groups: LogGroups
) -> None:
    for arn, code in (
        (log_groups.arn(account=other.account), "InvalidParameterException"),
        (log_groups.arn(region="eu-west-1"), "InvalidParameterException"),
        (log_groups.arn("/elsewhere"), "ResourceNotFoundException"),
        (log_groups.arn("/mail/../../escape"), "ResourceNotFoundException"),
    ):
        assert refused(demo, PUT, LogGroupArn=arn)[0] == code, arn
    theirs = log_groups.arn(account=other.account)
    assert refused(other, PUT, LogGroupArn=theirs)[0] == "ResourceNotFoundException"
