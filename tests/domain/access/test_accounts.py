"""Accounts and access keys."""

import logging
import re

import msgspec
import pytest

from tests.support.directories import Directory
from workpost.domain.access.accounts import (
    INSTALLATION,
    create_access_key,
    create_account,
    credential,
)
from workpost.kernel.errors import Conflict, InvalidParameter, ResourceNotFound
from workpost.store.core import Core

POLICY = (
    '{"Version":"2012-10-17","Statement":'
    '[{"Effect":"Allow","Action":"workmail:List*","Resource":"*"}]}'
)


async def test_accounts_have_twelve_digits(bare_core: Core) -> None:
    assert re.fullmatch("[1-9][0-9]{11}", await create_account(bare_core, name="Example"))
    assert await create_account(bare_core, account="000000000012") == "000000000012"
    with pytest.raises(Conflict):
        await create_account(bare_core, account="000000000012")
    for wrong in ("12", "12345678901a", "١٢٣٤٥٦٧٨٩٠١٢", INSTALLATION):
        with pytest.raises(InvalidParameter):
            await create_account(bare_core, account=wrong)
    with pytest.raises(InvalidParameter):
        await create_account(bare_core, name="two\nlines")


async def test_a_key_is_shown_once_and_stored_sealed(
    bare_core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = await create_account(bare_core)
    key = await create_access_key(bare_core, account)
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key.access_key_id)
    assert len(key.secret_access_key) == 40
    assert key.secret_access_key not in repr(key)
    found = await credential(bare_core, key.access_key_id)
    assert found is not None
    assert found.secret.decode() == key.secret_access_key
    assert (found.account, found.principal_arn) == (account, f"arn:aws:iam::{account}:root")
    assert found.active
    assert found.policy is None
    directory = Directory(bare_core, account, "", "")
    [(sealed,)] = await directory.run("SELECT sealed_secret FROM access_key")
    assert key.secret_access_key.encode() not in sealed
    assert key.secret_access_key not in caplog.text


async def test_keys_of_users_carry_their_name_and_policy(bare_core: Core) -> None:
    account = await create_account(bare_core)
    key = await create_access_key(bare_core, account, policy=POLICY, user="ada")
    found = await credential(bare_core, key.access_key_id)
    assert found is not None
    assert (found.user_name, found.principal_arn) == ("ada", f"arn:aws:iam::{account}:user/ada")
    assert found.policy is not None


async def test_inactive_keys_say_so_and_unknown_ones_are_none(bare_core: Core) -> None:
    account = await create_account(bare_core)
    key = await create_access_key(bare_core, account)
    await Directory(bare_core, account, "", "").change("UPDATE access_key SET state = 'Inactive'")
    found = await credential(bare_core, key.access_key_id)
    assert found is not None
    assert not found.active
    assert await credential(bare_core, "AKIANOBODY") is None


async def test_what_cannot_be_a_key(bare_core: Core) -> None:
    account = await create_account(bare_core)
    with pytest.raises(InvalidParameter, match="policy"):
        await create_access_key(bare_core, account, policy="{}")
    with pytest.raises(InvalidParameter):
        await create_access_key(bare_core, account, user="a/b")
    with pytest.raises(ResourceNotFound):
        await create_access_key(bare_core, "999999999999")


async def test_a_sealed_secret_belongs_to_its_row(bare_core: Core) -> None:
    from workpost.kernel.errors import Fault

    account = await create_account(bare_core)
    first = await create_access_key(bare_core, account)
    second = await create_access_key(bare_core, account)
    await Directory(bare_core, account, "", "").change(
        "UPDATE access_key SET sealed_secret ="
        " (SELECT sealed_secret FROM access_key WHERE id = ?) WHERE id = ?",
        first.access_key_id,
        second.access_key_id,
    )
    with pytest.raises(Fault):
        await credential(bare_core, second.access_key_id)


def test_secrets_do_not_show_in_representations() -> None:
    from workpost.domain.access.accounts import NewAccessKey

    assert "hush" not in repr(NewAccessKey("AKIA", "hush", "1"))
    assert msgspec.structs.astuple(NewAccessKey("AKIA", "hush", "1"))[1] == "hush"
