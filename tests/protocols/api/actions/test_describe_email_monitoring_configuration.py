"""DescribeEmailMonitoringConfiguration."""

from __future__ import annotations

from tests.support.api_server import Tenant, refused
from tests.support.log_groups import LogGroups

DESCRIBE = "DescribeEmailMonitoringConfiguration"


def test_the_service_has_a_role_of_its_own(
    demo: Tenant, other: Tenant, log_groups: LogGroups
) -> None:
    assert refused(demo, DESCRIBE)[0] == "ResourceNotFoundException"
    log_groups.put("/aws/workmail/emailevents/demo")
    assert demo(DESCRIBE) == {
        "RoleArn": f"arn:aws:iam::{demo.account}:role/aws-service-role/"
        "events.workmail.amazonaws.com/AWSServiceRoleForAmazonWorkMailEvents",
        "LogGroupArn": log_groups.arn("/aws/workmail/emailevents/demo"),
    }
    assert refused(other, DESCRIBE)[0] == "ResourceNotFoundException"
