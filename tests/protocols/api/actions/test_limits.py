"""Reserved names, and limits that refuse without an effect."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from botocore.exceptions import ClientError

from tests.support.api_server import ApiServer, Tenant, refused


@pytest.fixture
def small(api: ApiServer) -> Tenant:
    """An organization of an installation where everything is scarce."""
    limits = msgspec.structs.replace(
        api.core.settings.limits,
        organizations_per_account=2,
        users_per_organization=2,
        aliases_per_entity=2,
    )
    api.set(limits=limits)
    return api.tenant("demo")


def test_names_of_the_system(demo: Tenant) -> None:
    for name in ("administrator", "Guest", "KRBTGT", "amazonjournaling"):
        for action, more in (
            ("CreateUser", {"DisplayName": "x"}),
            ("CreateGroup", {}),
            ("CreateResource", {"Type": "ROOM"}),
        ):
            code, message = refused(demo, action, Name=name, **more)
            assert (code, name in message) == ("ReservedNameException", True)


def test_users_of_an_organization(small: Tenant) -> None:
    ada = small.user("ada", enabled=False)
    small.user("grace")
    for _ in range(2):
        code, _ = refused(small, "CreateUser", Name="barbara", DisplayName="Barbara")
        assert code == "LimitExceededException"
    assert len(small("ListUsers")["Users"]) == 2
    small.group("everyone")
    small("DeleteUser", UserId=ada)
    small("DeleteUser", UserId=ada)
    small.user("barbara")
    code, _ = refused(small, "CreateUser", Name="frances", DisplayName="Frances")
    assert code == "LimitExceededException"


def test_of_many_at_once_as_many_as_allowed_are_created(small: Tenant) -> None:
    def create(name: str) -> str:
        try:
            small("CreateUser", Name=name, DisplayName=name)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(create, [f"user{number}" for number in range(6)]))
    assert sorted(codes) == ["", ""] + ["LimitExceededException"] * 4
    assert len(small("ListUsers")["Users"]) == 2


def test_organizations_of_an_account(api: ApiServer, small: Tenant) -> None:
    create = small.client.create_organization
    second = create(Alias="second")["OrganizationId"]
    assert refused(create, Alias="third")[0] == "LimitExceededException"
    small.client.delete_organization(OrganizationId=second, DeleteDirectory=True)
    assert refused(create, Alias="third")[0] == "LimitExceededException"
    api.work()
    create(Alias="third")


def test_aliases_of_an_entity(small: Tenant) -> None:
    ada = small.user("ada")
    for alias in ("one", "two", "one"):
        small("CreateAlias", EntityId=ada, Alias=f"{alias}@demo.test")
    code, _ = refused(small, "CreateAlias", EntityId=ada, Alias="three@demo.test")
    assert code == "LimitExceededException"
    code, _ = refused(small, "UpdatePrimaryEmailAddress", EntityId=ada, Email="three@demo.test")
    assert code == "LimitExceededException"
    assert small("ListAliases", EntityId=ada)["Aliases"] == ["one@demo.test", "two@demo.test"]
    small("UpdatePrimaryEmailAddress", EntityId=ada, Email="two@demo.test")
    assert small("ListAliases", EntityId=ada)["Aliases"] == ["ada@demo.test", "one@demo.test"]
    small.group("three")
