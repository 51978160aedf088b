"""Organizations: what a new one starts with, and what is left of a deleted one."""

import json

import msgspec
import pytest

from tests.support.directories import Directory, grant_for, new_directory
from workpost.domain.access.accounts import create_account
from workpost.domain.organizations import shell
from workpost.domain.organizations.shell import NewOrganization
from workpost.kernel.errors import (
    AccessDenied,
    DirectoryUnavailable,
    InvalidParameter,
    KeyDestroyed,
    LimitExceeded,
    NameUnavailable,
    OrganizationNotFound,
    OrganizationStateInvalid,
)
from workpost.kernel.principal import Grant, Principal
from workpost.store.core import Core
from workpost.store.database.unit import Tx
from workpost.store.tables import organizations

KMS_KEY = "arn:aws:kms:us-east-1:111122223333:key/not-mapped"


async def test_a_new_organization_is_active_with_a_verified_test_domain(demo: Directory) -> None:
    row = await shell.describe_organization(demo.core, demo.grant)
    assert (row.state, row.alias, row.default_domain) == ("Active", "demo", "demo.test")
    assert row.id.startswith("m-")
    assert len(row.directory_id) == 12
    assert row.completed == row.created
    [domain] = await demo.run("SELECT name, state, is_default, is_test FROM domain")
    assert domain == ("demo.test", "VERIFIED", 1, 1)


async def test_a_new_organization_has_one_rule_of_each_kind_that_allows_everything(
    demo: Directory,
) -> None:
    [(name, rule, created, modified)] = await demo.run(
        "SELECT name, rule, created, modified FROM access_rule"
    )
    assert (name, created, modified) == ("default", 0, 0)
    assert json.loads(rule) == {"Effect": "ALLOW", "Description": "Default WorkMail Rule"}
    [(device,)] = await demo.run("SELECT rule FROM device_rule")
    assert json.loads(device)["Effect"] == "ALLOW"


async def test_the_keys_exist_before_the_row(demo: Directory) -> None:
    assert (await demo.core.keys.organization(demo.organization)).gen == 1


async def test_additional_domains_wait_for_verification(bare_core: Core) -> None:
    account = await create_account(bare_core)
    new = NewOrganization(alias="demo", domains=["Example.test", "sub.example"])
    with pytest.raises(InvalidParameter, match="belong"):
        await shell.create_organization(bare_core, grant_for(account), account, new)
    new = NewOrganization(alias="demo", domains=["Demo.Example", "sub.example"])
    organization = await shell.create_organization(bare_core, grant_for(account), account, new)
    directory = Directory(bare_core, account, organization, "demo.test")
    rows = await directory.run("SELECT name, state FROM domain WHERE is_default = 0 ORDER BY name")
    assert rows == [("demo.example", "PENDING"), ("sub.example", "PENDING")]


@pytest.mark.parametrize(
    ("new", "error"),
    [
        (NewOrganization(alias="Demo"), NameUnavailable),
        (NewOrganization(alias="demo"), NameUnavailable),
        (NewOrganization(alias="d-fresh"), NameUnavailable),
        (NewOrganization(alias="fresh", directory_id="d-0123456789"), DirectoryUnavailable),
        (NewOrganization(alias="fresh", interoperability=True), InvalidParameter),
        (NewOrganization(alias="fresh", kms_key=KMS_KEY), InvalidParameter),
        (NewOrganization(alias="fresh", domains=["-bad-.example"]), InvalidParameter),
        (NewOrganization(alias="fresh", domains=["nodots"]), InvalidParameter),
        (NewOrganization(alias="fresh", domains=["a.example", "A.example."]), InvalidParameter),
    ],
)
async def test_what_cannot_be_created(
    demo: Directory, new: NewOrganization, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await shell.create_organization(demo.core, demo.grant, demo.account, new)


async def test_pages_of_organizations_go_by_id(demo: Directory) -> None:
    ids = {demo.organization}
    for alias in ("one", "two", "three"):
        ids.add((await new_directory(demo.core, alias, demo.account)).organization)
    await new_directory(demo.core, "foreign")
    seen: list[str] = []
    after = ""
    while True:
        rows, after = await shell.list_organizations(
            demo.core, demo.grant, demo.account, after=after, limit=3
        )
        seen += [row.id for row in rows]
        if not after:
            break
    assert seen == sorted(ids)


async def test_only_administrators_see_or_change_organizations(demo: Directory) -> None:
    grant = Grant(principal=Principal(actor="someone"), organization=demo.organization)
    with pytest.raises(AccessDenied):
        await shell.describe_organization(demo.core, grant)
    with pytest.raises(AccessDenied):
        await shell.list_organizations(demo.core, grant, demo.account, after="", limit=1)
    with pytest.raises(AccessDenied):
        await shell.create_organization(
            demo.core, grant, demo.account, NewOrganization(alias="more")
        )


async def test_an_organization_of_another_account_is_not_found(
    demo: Directory, other: Directory
) -> None:
    stranger = grant_for(other.account, demo.organization)
    with pytest.raises(OrganizationNotFound):
        await shell.describe_organization(demo.core, stranger)
    with pytest.raises(OrganizationNotFound):
        await shell.delete_organization(demo.core, stranger, force=True)


async def test_enabled_users_keep_an_organization_alive_unless_forced(demo: Directory) -> None:
    await demo.user("ada")
    with pytest.raises(OrganizationStateInvalid, match="enabled users"):
        await shell.delete_organization(demo.core, demo.grant, force=False)
    assert await shell.delete_organization(demo.core, demo.grant, force=True) == "Deleting"


async def test_a_deleted_organization_leaves_a_tombstone_and_frees_its_names(
    demo: Directory,
) -> None:
    await demo.user("ada")
    heard: list[int] = []
    watch = demo.core.store.watch("policy", demo.organization, heard.append)
    before = (await shell.describe_organization(demo.core, demo.grant)).policy_version
    await shell.delete_organization(demo.core, demo.grant, force=True)
    await demo.work()
    row = await shell.describe_organization(demo.core, demo.grant)
    assert (row.state, row.default_domain) == ("Deleted", None)
    assert row.policy_version > before
    assert heard[-1] == row.policy_version
    watch.close()
    with pytest.raises(OrganizationStateInvalid) as caught:
        await demo.user("grace")
    expected = f"Organization {demo.organization} is not Active, state: Deleted"
    assert caught.value.message == expected
    with pytest.raises(OrganizationStateInvalid):
        await shell.delete_organization(demo.core, demo.grant, force=True)
    assert await demo.run("SELECT 1 FROM address") == []
    with pytest.raises(KeyDestroyed):
        await demo.core.keys.organization(demo.organization)
    again = await new_directory(demo.core, "demo", demo.account)
    await again.user("ada")


async def test_all_access_ends_before_the_job_has_begun(demo: Directory) -> None:
    await demo.user("ada")
    assert await shell.delete_organization(demo.core, demo.grant, force=True) == "Deleting"
    with pytest.raises(OrganizationStateInvalid, match="state: Deleting"):
        await demo.user("grace")
    assert await shell.delete_organization(demo.core, demo.grant, force=False) == "Deleting"
    with pytest.raises(NameUnavailable):
        await new_directory(demo.core, "demo", demo.account)
    assert await demo.work() == 1
    assert (await shell.describe_organization(demo.core, demo.grant)).state == "Deleted"


async def test_an_account_has_so_many_organizations(bare_core: Core) -> None:
    limits = msgspec.structs.replace(bare_core.settings.limits, organizations_per_account=2)
    settings = msgspec.structs.replace(bare_core.settings, limits=limits)
    core = msgspec.structs.replace(bare_core, settings=settings)
    first = await new_directory(core, "one")
    await new_directory(core, "two", first.account)
    with pytest.raises(LimitExceeded):
        await new_directory(core, "three", first.account)
    await new_directory(core, "elsewhere")
    await shell.delete_organization(core, first.grant, force=True)
    await first.work()
    await new_directory(core, "three", first.account)


async def test_a_call_that_meets_the_end_of_a_creation_is_let_in(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = organizations.take_gal_modseq
    early: list[bool] = []

    def too_early(tx: Tx, *, organization: str, account: str) -> int | None:
        if not early:
            early.append(True)
            return None
        return take(tx, organization=organization, account=account)

    monkeypatch.setattr(organizations, "take_gal_modseq", too_early)
    assert await demo.group("everyone")
    assert early
