"""DKIM keys of a domain: sealed under the organization's key, fit for what DNS shows of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from tests.support.directories import Directory
from workpost.domain.organizations import dkim, mail_domains
from workpost.domain.organizations import domains_shell as shell
from workpost.domain.organizations.dns_records import SELECTORS, selector
from workpost.domain.organizations.shell import delete_organization
from workpost.kernel.errors import LimitExceeded, OrganizationStateInvalid
from workpost.store.keys import sealing
from workpost.store.tables import domains
from workpost.store.tables.dkim_keys import ED25519, RSA, list_keys

NAME = "mail.example"


async def test_the_private_keys_sign_what_the_published_ones_verify(demo: Directory) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    rows = await demo.core.store.read(list_keys, org=demo.organization, domain=NAME)
    by_algorithm = {row.algorithm: row for row in rows}
    assert set(by_algorithm) == {RSA, ED25519}
    for row in rows:
        key = await demo.core.keys.organization(demo.organization, row.gen)
        place = dkim.place(demo.organization, NAME, row.selector)
        clear = sealing.unseal(key.key, row.sealed, place)
        private = serialization.load_der_private_key(clear, None)
        shown = base64.b64decode(row.public)
        if isinstance(private, rsa.RSAPrivateKey):
            assert private.key_size == 2048
            signed = private.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
            public = serialization.load_der_public_key(shown)
            assert isinstance(public, rsa.RSAPublicKey)
            public.verify(signed, b"x", padding.PKCS1v15(), hashes.SHA256())
        else:
            assert isinstance(private, ed25519.Ed25519PrivateKey)
            ed25519.Ed25519PublicKey.from_public_bytes(shown).verify(private.sign(b"x"), b"x")


async def test_selectors_follow_the_token_and_keys_stay(demo: Directory) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    token = (await shell.get_domain(demo.core, demo.grant, NAME)).row.token
    names = {selector(token, number) for number in range(SELECTORS)}
    assert len(names) == SELECTORS
    before = await demo.core.store.read(list_keys, org=demo.organization, domain=NAME)
    assert {row.selector for row in before} < names
    await shell.register_domain(demo.core, demo.grant, NAME)
    after = await demo.core.store.read(list_keys, org=demo.organization, domain=NAME)
    assert after == before


async def test_whether_a_domain_is_in_use_is_one_look_up(demo: Directory) -> None:

    await demo.user("ada")
    find = domains.address_in_domain
    org = demo.organization
    assert await demo.core.store.read(find, org=org, name="demo.test") == "ada@demo.test"
    for name in ("test", "emo.test", "ada@demo.test", ""):
        assert await demo.core.store.read(find, org=org, name=name) is None
    if demo.core.settings.database_url.startswith("sqlite"):
        plan = await demo.run(
            "EXPLAIN QUERY PLAN SELECT address FROM address WHERE org = ? AND "
            f"{domains._DOMAIN_OF} = ? LIMIT 1",
            org,
            "demo.test",
        )
        assert "address_domain" in str(plan)


async def test_of_two_registrations_at_once_one_gives_the_token_and_the_keys(
    demo: Directory,
) -> None:
    key = await demo.core.keys.organization(demo.organization)
    for _ in range(2):
        # Both have seen that there is no such domain.
        (new,) = await shell.prepare_domains(demo.core, demo.organization, [NAME], key)
        await demo.core.store.write(
            mail_domains.register_domain, grant=demo.grant, new=new, limit=10
        )
    row = (await shell.get_domain(demo.core, demo.grant, NAME)).row
    keys = await demo.core.store.read(list_keys, org=demo.organization, domain=NAME)
    assert {key.selector for key in keys} == {selector(row.token, number) for number in range(2)}


async def test_a_deregistration_in_between_leaves_no_domain_without_keys(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    write = demo.core.store.write

    async def too_late(command: Callable[..., Any], **values: Any) -> Any:
        monkeypatch.undo()
        await shell.deregister_domain(demo.core, demo.grant, NAME)
        return await write(command, **values)

    monkeypatch.setattr(demo.core.store, "write", too_late)
    await shell.register_domain(demo.core, demo.grant, NAME)
    row = (await shell.get_domain(demo.core, demo.grant, NAME)).row
    keys = await demo.core.store.read(list_keys, org=demo.organization, domain=NAME)
    assert {key.selector for key in keys} == {selector(row.token, number) for number in range(2)}


async def test_an_organization_deleted_in_between_is_told_as_such(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_key = demo.core.keys.organization

    async def too_late(organization: str) -> object:
        await delete_organization(demo.core, demo.grant, force=True)
        await demo.work()
        return await find_key(organization)

    monkeypatch.setattr(demo.core.keys, "organization", too_late)
    with pytest.raises(OrganizationStateInvalid, match="Deleted"):
        await shell.register_domain(demo.core, demo.grant, NAME)


async def test_a_refusal_costs_no_keys(demo: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = msgspec.structs.replace(demo.core.settings.limits, domains_per_organization=1)
    settings = msgspec.structs.replace(demo.core.settings, limits=limits)
    core = msgspec.structs.replace(demo.core, settings=settings)
    monkeypatch.setattr(core.keys, "organization", None)
    with pytest.raises(LimitExceeded):
        await shell.register_domain(core, demo.grant, NAME)
