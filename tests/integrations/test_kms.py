"""Keys wrapped by a KMS key, against moto's KMS over HTTP."""

from __future__ import annotations

import pytest

from workpost.integrations.kms.aws import KmsKey, KmsService
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import Fault, TryLater
from workpost.kernel.settings import Keys as KeySettings
from workpost.kernel.settings import Settings
from workpost.store.keys.build import open_keys

ORG = "m-0123456789abcdef0123456789abcdef"


def new_key() -> str:
    from botocore.session import get_session

    client = get_session().create_client("kms")
    return client.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def kms_key(moto_server):
    return new_key()


def settings_for(tmp_path, key: str) -> Settings:
    return Settings(data_dir=str(tmp_path), keys=KeySettings(kms_key=key))


async def test_an_organizations_key_is_wrapped_by_kms_with_workmails_encryption_context(
    tmp_path, kms_key
):
    keys = open_keys(settings_for(tmp_path, kms_key), SystemEnvironment())
    await keys.create_organization(ORG)
    await keys.create_mailbox(ORG, 7)
    wanted = await keys.mailbox(ORG, 7)
    row = keys.hierarchy.store.load(f"org/{ORG}")
    assert row.parent == f"kms:{kms_key}"
    assert not (tmp_path / "keys" / "keyring.json").exists()
    keys.hierarchy.clear.clear()
    assert await keys.mailbox(ORG, 7) == wanted
    account = kms_key.split(":")[4]
    from botocore.session import get_session

    plain = (
        get_session()
        .create_client("kms")
        .decrypt(
            CiphertextBlob=row.wrapped,
            EncryptionContext={
                "aws:workmail:arn": f"arn:aws:workmail:us-east-1:{account}:organization/{ORG}"
            },
        )["Plaintext"]
    )
    assert plain == (await keys.organization(ORG)).key
    await keys.close()


async def test_a_key_named_by_its_id_is_remembered_by_its_arn(tmp_path, kms_key):
    keys = open_keys(settings_for(tmp_path, kms_key.rpartition("/")[2]), SystemEnvironment())
    await keys.system()
    assert keys.hierarchy.store.load("system").parent == f"kms:{kms_key}"
    await keys.close()


async def test_an_organization_may_bring_its_own_key(tmp_path, kms_key):
    keys = open_keys(Settings(data_dir=str(tmp_path)), SystemEnvironment())
    await keys.create_organization(ORG, kms_key=kms_key)
    await keys.create_organization("m-ring")
    store = keys.hierarchy.store
    assert store.load(f"org/{ORG}").parent == f"kms:{kms_key}"
    assert store.load("org/m-ring").parent == "ring"
    assert await keys.organization(ORG)
    await keys.close()


async def test_an_installation_moves_from_the_ring_to_kms(tmp_path, kms_key):
    keys = open_keys(Settings(data_dir=str(tmp_path)), SystemEnvironment())
    await keys.create_organization(ORG)
    await keys.rotate_organization(ORG)
    before = [await keys.organization(ORG, gen) for gen in (1, 2)]
    await keys.close()
    keys = open_keys(settings_for(tmp_path, kms_key), SystemEnvironment())
    assert keys.hierarchy.rotate_master() == 2
    assert keys.hierarchy.rewrap_master() == 0
    assert not keys.hierarchy.store.has_children("ring")
    assert [await keys.organization(ORG, gen) for gen in (1, 2)] == before
    await keys.close()


def test_a_wrap_of_another_scope_or_damaged_is_refused(kms_key):
    key = KmsKey(KmsService("us-east-1"), kms_key)
    version, wrapped = key.wrap(f"org/{ORG}", 1, bytes(32))
    assert key.unwrap(f"org/{ORG}", 1, version, wrapped) == bytes(32)
    with pytest.raises(Fault):
        key.unwrap("org/m-other", 1, version, wrapped)


async def test_kms_down_is_try_later_never_more(tmp_path, kms_key, monkeypatch):
    keys = open_keys(settings_for(tmp_path, kms_key), SystemEnvironment())
    await keys.create_organization(ORG)
    await keys.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    keys = open_keys(settings_for(tmp_path, kms_key), SystemEnvironment())
    with pytest.raises(TryLater):
        await keys.organization(ORG)
    with pytest.raises(TryLater):
        await keys.create_organization("m-new")
    await keys.close()


async def test_a_kms_key_that_is_not_there_is_try_later(tmp_path, moto_server):
    missing = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    keys = open_keys(settings_for(tmp_path, missing), SystemEnvironment())
    with pytest.raises(TryLater, match="NotFound"):
        await keys.create_organization(ORG)
    await keys.close()
