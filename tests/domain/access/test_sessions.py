"""Session tokens: sealed, bound to their key, over at their time."""

from typing import Any

import pytest

from tests.support.stores import Run
from workpost.domain.access import accounts, iam
from workpost.domain.access.sessions import (
    MAX_TOKEN,
    Session,
    find_credential,
    find_role,
    open_key_session,
    open_role_session,
)
from workpost.kernel.clock import FixedEnvironment
from workpost.store.core import Core

TRUST = '{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}'


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment()


@pytest.fixture
def account(run: Run[Any], bare_core: Core) -> str:
    made: str = run(accounts.create_account(bare_core))
    return made


async def role_session(core: Core, account: str, *, seconds: int = 900) -> Session:
    if await core.store.read(find_role, account=account, name="reader") is None:
        await core.store.write(
            iam.create_role,
            account=account,
            name="reader",
            role_id=iam.fresh_id(core.env, "AROA"),
            trust=TRUST,
            max_session=3600,
        )
    role = await core.store.read(find_role, account=account, name="Reader")
    assert role is not None
    return await open_role_session(
        core, role, name="it", seconds=seconds, policy=None, tags={"team": "mail"}
    )


async def test_a_session_of_a_role(bare_core: Core, account: str, env: FixedEnvironment) -> None:
    session = await role_session(bare_core, account)
    assert session.secret_access_key not in repr(session)
    found = await find_credential(bare_core, session.access_key_id, session.session_token)
    assert found is not None
    assert found.secret == session.secret_access_key.encode()
    assert found.principal_arn == f"arn:aws:sts::{account}:assumed-role/reader/it"
    assert found.arns == (found.principal_arn, f"arn:aws:iam::{account}:role/reader")
    assert found.expires == env.now() + 900_000
    assert found.session is not None
    assert found.session.tags == {"team": "mail"}
    assert found.restricted


async def test_it_outlives_the_rotation_of_the_system_key(bare_core: Core, account: str) -> None:
    session = await role_session(bare_core, account)
    await bare_core.keys.rotate_system()
    assert await find_credential(bare_core, session.access_key_id, session.session_token)


async def test_tokens_fit_their_own_key_only(bare_core: Core, account: str) -> None:
    one, other = await role_session(bare_core, account), await role_session(bare_core, account)
    for token in (
        other.session_token,
        one.session_token[:-4] + "AAA=",
        one.session_token + "A" * MAX_TOKEN,
        "not base64",
        "\u00e4",
        "",
    ):
        assert await find_credential(bare_core, one.access_key_id, token) is None
    assert await find_credential(bare_core, one.access_key_id) is None


async def test_a_session_of_a_key_ends_with_it(bare_core: Core, account: str) -> None:
    made = await accounts.create_access_key(bare_core, account)
    caller = await find_credential(bare_core, made.access_key_id)
    assert caller is not None
    assert caller.arns == (f"arn:aws:iam::{account}:root",)
    session = await open_key_session(bare_core, caller, seconds=900)
    place = (session.access_key_id, session.session_token)
    found = await find_credential(bare_core, *place)
    assert found is not None
    assert not found.restricted
    lasting = await find_credential(bare_core, made.access_key_id, session.session_token)
    assert lasting is not None
    assert lasting.session_token is None
    await bare_core.store.write(iam.delete_key, account=account, access_key=made.access_key_id)
    assert await find_credential(bare_core, *place) is None
