"""DescribeOrganization."""

import re
from datetime import UTC, datetime, timedelta

from tests.support.api_server import ApiServer, Tenant, refused


def test_all_members(demo: Tenant) -> None:
    answer = demo("DescribeOrganization")
    completed = answer.pop("CompletedDate")
    assert abs(datetime.now(UTC) - completed) < timedelta(minutes=1)
    assert re.fullmatch("d-[0-9a-f]{10}", answer.pop("DirectoryId"))
    assert answer == {
        "OrganizationId": demo.organization,
        "Alias": "demo",
        "State": "Active",
        "DirectoryType": "VpcDirectory",
        "DefaultMailDomain": "demo.test",
        "ARN": f"arn:aws:workmail:us-east-1:{demo.account}:organization/{demo.organization}",
        "InteroperabilityEnabled": False,
    }


def test_a_deleted_organization_is_still_described(api: ApiServer, demo: Tenant) -> None:
    demo("DeleteOrganization", DeleteDirectory=True)
    api.work()
    answer = demo("DescribeOrganization")
    assert answer["State"] == "Deleted"
    assert answer["Alias"] == "demo"


def test_unknown_and_foreign_organizations_are_not_found(demo: Tenant, other: Tenant) -> None:
    for organization in ("m-" + "0" * 32, demo.organization):
        code, message = refused(other, "DescribeOrganization", OrganizationId=organization)
        assert code == "OrganizationNotFoundException"
        assert organization in message
