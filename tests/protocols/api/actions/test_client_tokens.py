"""ClientToken over HTTP: CreateOrganization and DeleteOrganization repeated."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.api_server import ApiServer, Tenant, refused

TOKEN = "one-call"


def test_create_organization_repeated_answers_with_the_same_organization(demo: Tenant) -> None:
    create = demo.client.create_organization
    first = create(Alias="second", ClientToken=TOKEN)["OrganizationId"]
    assert create(Alias="second", ClientToken=TOKEN)["OrganizationId"] == first
    assert len(demo.client.list_organizations()["OrganizationSummaries"]) == 2
    code, text = refused(create, Alias="third", ClientToken=TOKEN)
    assert code == "InvalidParameterException"
    assert "ClientToken" in text
    assert refused(create, Alias="second", ClientToken="other")[0] == "NameAvailabilityException"


def test_create_organization_twice_at_once_makes_one(demo: Tenant) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(demo.client.create_organization, Alias="second", ClientToken=TOKEN)
            for _ in range(4)
        ]
        made = {call.result()["OrganizationId"] for call in calls}
    assert len(made) == 1


def test_delete_organization_repeated_is_told_again(api: ApiServer, demo: Tenant) -> None:
    values = {"DeleteDirectory": True, "ForceDelete": True, "ClientToken": TOKEN}
    first = demo("DeleteOrganization", **values)
    api.work()
    assert demo("DeleteOrganization", **values) == first
    values["ClientToken"] = "other"
    code, _ = refused(demo, "DeleteOrganization", **values)
    assert code == "OrganizationStateException"
