"""ListOrganizations."""

from tests.support.api_server import ApiServer, Tenant, refused


def test_summaries_of_the_accounts_own_organizations(demo: Tenant, other: Tenant) -> None:
    assert demo.client.list_organizations()["OrganizationSummaries"] == [
        {
            "OrganizationId": demo.organization,
            "Alias": "demo",
            "DefaultMailDomain": "demo.test",
            "State": "Active",
        }
    ]


def test_pages_through_boto3s_paginator(demo: Tenant) -> None:
    made = {demo.organization}
    for number in range(4):
        made.add(demo.client.create_organization(Alias=f"more{number}")["OrganizationId"])
    pages = list(
        demo.client.get_paginator("list_organizations").paginate(PaginationConfig={"PageSize": 2})
    )
    assert [len(page["OrganizationSummaries"]) for page in pages] == [2, 2, 1]
    seen = [one["OrganizationId"] for page in pages for one in page["OrganizationSummaries"]]
    assert seen == sorted(made)


def test_a_deleted_organization_stays_in_the_list(api: ApiServer, demo: Tenant) -> None:
    demo("DeleteOrganization", DeleteDirectory=True)
    api.work()
    [summary] = demo.client.list_organizations()["OrganizationSummaries"]
    assert summary == {
        "OrganizationId": demo.organization,
        "Alias": "demo",
        "State": "Deleted",
    }


def test_a_token_belongs_to_its_listing(demo: Tenant, other: Tenant) -> None:
    demo.client.create_organization(Alias="more")
    token = demo.client.list_organizations(MaxResults=1)["NextToken"]
    for call, parameters in (
        (other.client.list_organizations, {}),
        (demo.client.list_users, {"OrganizationId": demo.organization}),
    ):
        code, _ = refused(call, NextToken=token, **parameters)
        assert code == "InvalidParameterException"
    assert refused(demo.client.list_organizations, NextToken="?")[0] == "InvalidParameterException"
