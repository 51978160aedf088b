"""Keys rotate while mail is kept: old messages stay readable, old keys go."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives import serialization

from tests.operations.upkeep.conftest import Mail, MovedClock, message
from workpost.domain.access import accounts
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.organizations import availability, dkim, domains_shell
from workpost.domain.organizations.availability import EwsProvider, LambdaProvider
from workpost.kernel.errors import KeyDestroyed
from workpost.operations.filtering import model
from workpost.operations.upkeep import rotation
from workpost.operations.upkeep.sweep import HOUR_MS, sweep_generations
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import dkim_keys, spam
from workpost.store.tables.queue import NewQueueEntry, NewQueueRecipient, insert_entry


async def settle(core: Core, env: MovedClock) -> int:
    """Two sweeps an hour apart."""
    await sweep_generations(core)
    env.advance(HOUR_MS + 1)
    return await sweep_generations(core)


async def generations(mail: Mail, table: str) -> set[int]:
    box = mail.boxes["ada"]
    rows = await mail.directory.run(f"SELECT DISTINCT gen FROM {table} WHERE mailbox = ?", box)
    return {gen for (gen,) in rows}


async def test_a_mailbox_gets_a_new_key_without_a_byte_of_content_rewritten(
    mail: Mail, core: Core, env: MovedClock, settings
) -> None:
    bodies = [message(n, size=90_000 if n % 4 == 0 else 0) for n in range(9)]
    for body in bodies:
        await mail.append("ada", body)
    await mailboxes.create_folder(core, mail.grant("ada"), "Projects/Engine")
    await mailboxes.subscribe(core, mail.grant("ada"), "Projects")
    box = mail.boxes["ada"]
    sealed = "SELECT id, sealed FROM content_bytes ORDER BY id"
    summaries = "SELECT item, sealed FROM summary ORDER BY item"
    before = await mail.directory.run(sealed), await mail.directory.run(summaries)
    tag_key = await core.keys.tag_key(mail.organization, box)

    assert await rotation.rotate_mailbox(core, mail.organization, box) == 2

    assert (await mail.directory.run(sealed), await mail.directory.run(summaries)) == before
    for table in ("summary", "folder", "subscription"):
        assert await generations(mail, table) == {2}
    await mail.append("ada", message(9))
    assert await settle(core, env) == 1
    with pytest.raises(KeyDestroyed):
        await core.keys.mailbox(mail.organization, box, 1)
    assert await mail.read_all("ada") == [*bodies, message(9)]
    assert await core.keys.tag_key(mail.organization, box) == tag_key
    paths = [folder.path for folder in await mailboxes.list_folders(core, mail.grant("ada"))]
    assert "Projects/Engine" in paths
    assert await mailboxes.list_subscriptions(core, mail.grant("ada")) == ["Projects"]


async def test_mail_delivered_meanwhile_under_the_old_key_is_found_by_the_sweeper(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    box = mail.boxes["ada"]
    await mail.append("ada", message(1))
    old = await core.keys.mailbox(mail.organization, box)
    await rotation.rotate_mailbox(core, mail.organization, box)
    # Another process has not heard of it: its cache says generation 1 for up to a minute.
    core.keys.hierarchy.clear.put(f"mailbox/{box}", f"org/{mail.organization}", old, current=True)
    await mail.append("ada", message(2))
    assert await generations(mail, "summary") == {1, 2}
    assert await sweep_generations(core) == 0
    env.advance(61_000)
    assert await sweep_generations(core) == 0
    assert await generations(mail, "summary") == {2}
    env.advance(HOUR_MS + 1)
    assert await sweep_generations(core) == 0
    assert await settle(core, env) == 1
    assert await mail.read_all("ada") == [message(1), message(2)]


async def test_rotation_beside_deliveries_and_moves_loses_nothing(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    bodies = [message(n) for n in range(40)]

    async def deliver() -> None:
        for body in bodies:
            await mail.append("ada", body)

    async def rotate() -> None:
        for _ in range(4):
            await rotation.rotate_mailbox(core, mail.organization, mail.boxes["ada"])
            await rotation.rotate_organization(core, mail.organization)

    await asyncio.gather(deliver(), rotate(), sweep_generations(core))
    assert await mail.read_all("ada") == bodies
    await settle(core, env)
    core.keys.hierarchy.clear.clear()
    assert await mail.read_all("ada") == bodies
    assert len(await generations(mail, "summary")) == 1


async def test_an_organizations_key_moves_mailbox_keys_queue_and_events(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    await mail.append("ada", message(1))
    await _queue_and_event(core, mail.organization)
    assert await rotation.rotate_organization(core, mail.organization, mailboxes=True) == 2
    for table in ("queue", "event"):
        assert await mail.directory.run(f"SELECT gen FROM {table}") == [(2,)]
    assert await generations(mail, "summary") == {2}
    assert await settle(core, env) == 3
    with pytest.raises(KeyDestroyed):
        await core.keys.organization(mail.organization, 1)
    core.keys.hierarchy.clear.clear()
    assert await mail.read_all("ada") == [message(1)]
    await _check_queue_and_event(mail, core)


async def test_a_leased_queue_entry_keeps_its_generation_until_it_is_free(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    await _queue_and_event(core, mail.organization)
    await mail.directory.change("UPDATE queue_rcpt SET state = 'leased' WHERE n = 1")
    await rotation.rotate_organization(core, mail.organization)
    assert await mail.directory.run("SELECT gen FROM queue") == [(1,)]
    assert await settle(core, env) == 0
    await mail.directory.change("UPDATE queue_rcpt SET state = 'waiting'")
    assert await settle(core, env) == 0
    assert await mail.directory.run("SELECT gen FROM queue") == [(2,)]
    assert await settle(core, env) == 1
    await _check_queue_and_event(mail, core)


async def test_the_system_key_reseals_access_keys(mail: Mail, core: Core, env: MovedClock) -> None:
    made = await accounts.create_access_key(core, mail.directory.account)
    token_key = await core.keys.token_key("api")
    assert await rotation.rotate_system(core) == 2
    assert await mail.directory.run("SELECT DISTINCT gen FROM access_key") == [(2,)]
    assert await settle(core, env) == 1
    core.keys.hierarchy.clear.clear()
    found = await accounts.credential(core, made.access_key_id)
    assert found is not None
    assert found.secret == made.secret_access_key.encode()
    assert await core.keys.token_key("api") == token_key


async def test_the_master_key_is_replaced_and_its_old_version_dropped(
    mail: Mail, core: Core, env: MovedClock, settings
) -> None:
    await mail.append("ada", message(1))
    await core.keys.system()
    assert await rotation.rotate_master(core) == 2
    assert b'"1"' in settings.keyring_path.read_bytes()
    env.advance(HOUR_MS + 1)
    assert await sweep_generations(core) == 1
    assert b'"1"' not in settings.keyring_path.read_bytes()
    core.keys.hierarchy.clear.clear()
    assert await mail.read_all("ada") == [message(1)]


@command
def _insert(tx: Tx, *, entry: NewQueueEntry, recipients: list[NewQueueRecipient]) -> None:
    insert_entry(tx, entry, recipients, created=tx.env.now())
    tx.run(
        "INSERT INTO event (org, at, id, kind, gen, sealed) VALUES (?, 5, 6, 'test', ?, ?)",
        entry.org,
        entry.gen,
        entry.sealed_envelope,
    )


async def _queue_and_event(core: Core, org: str) -> None:
    key = await core.keys.organization(org)

    def seal(data: bytes, *place: object) -> bytes:
        table, column, owner, row = place
        return sealing.seal(key.key, data, sealing.place(table, column, org, owner, row))

    entry = NewQueueEntry(
        id=77,
        org=org,
        content=bytes(16),
        wrapped_key=seal(bytes(32), "queue", "wrapped_key", "queue", 77),
        gen=key.gen,
        sealed_envelope=seal(b"envelope", "queue", "sealed_envelope", "queue", 77),
        direction="outgoing",
        hold_until=None,
    )
    recipients = [
        NewQueueRecipient(n, "x.test", "waiting", 0, seal(b"rcpt", "queue_rcpt", "sealed", 77, n))
        for n in (0, 1)
    ]
    await core.store.write(_insert, entry=entry, recipients=recipients)
    event = seal(b"story", "event", "sealed", "event", 6)
    await core.store.write(_set_event, sealed=event)


@command
def _set_event(tx: Tx, *, sealed: bytes) -> None:
    tx.run("UPDATE event SET sealed = ? WHERE id = 6", sealed)


async def _check_queue_and_event(mail: Mail, core: Core) -> None:
    org = mail.organization
    key = (await core.keys.organization(org)).key
    [(wrapped, envelope)] = await mail.directory.run(
        "SELECT wrapped_key, sealed_envelope FROM queue"
    )
    place = sealing.place("queue", "wrapped_key", org, "queue", 77)
    assert sealing.unseal(key, wrapped, place) == bytes(32)
    place = sealing.place("queue", "sealed_envelope", org, "queue", 77)
    assert sealing.unseal(key, envelope, place) == b"envelope"
    for n, sealed in await mail.directory.run("SELECT n, sealed FROM queue_rcpt"):
        place = sealing.place("queue_rcpt", "sealed", org, 77, n)
        assert sealing.unseal(key, sealed, place) == b"rcpt"
    [(sealed,)] = await mail.directory.run("SELECT sealed FROM event WHERE id = 6")
    assert sealing.unseal(key, sealed, sealing.place("event", "sealed", org, "event", 6)) == (
        b"story"
    )


async def test_a_sweep_against_another_database_destroys_no_generation(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    box = mail.boxes["ada"]
    for rotate in (
        rotation.rotate_system(core),
        rotation.rotate_organization(core, mail.organization),
        rotation.rotate_mailbox(core, mail.organization, box),
    ):
        await rotate
    for table in ("mailbox", "summary", "folder", "organization", "access_key"):
        await mail.directory.change(f"DELETE FROM {table}")

    assert await settle(core, env) == 0
    assert (await core.keys.mailbox(mail.organization, box, 1)).gen == 1


async def test_the_dkim_keys_of_an_organization_outlive_the_key_that_sealed_them(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    grant, name = mail.directory.grant, "mail.example"
    await domains_shell.register_domain(core, grant, name)

    await rotation.rotate_organization(core, mail.organization)
    assert await settle(core, env) == 1

    keys = await core.store.read(dkim_keys.list_keys, org=mail.organization, domain=name)
    current = await core.keys.organization(mail.organization)
    assert {key.gen for key in keys} == {current.gen} == {2}
    for key in keys:
        place = dkim.place(mail.organization, name, key.selector)
        serialization.load_der_private_key(sealing.unseal(current.key, key.sealed, place), None)


async def test_the_key_of_learned_words_outlives_the_key_that_sealed_it(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    gen, sealed = await model.new_key(core, mail.organization)
    await core.store.write(plant, org=mail.organization, gen=gen, sealed=sealed)
    row = await core.store.read(spam.get_model, org=mail.organization)
    assert row is not None
    before = await model.open_key(core, mail.organization, row)

    await rotation.rotate_organization(core, mail.organization)
    assert await settle(core, env) == 1

    row = await core.store.read(spam.get_model, org=mail.organization)
    assert row is not None
    assert row.gen == 2
    assert await model.open_key(core, mail.organization, row) == before


@command
def plant(tx: Tx, *, org: str, gen: int, sealed: bytes) -> None:
    spam.insert_model(tx, org=org, gen=gen, sealed=sealed)


async def test_passwords_of_availability_providers_outlive_the_key_that_sealed_them(
    mail: Mail, core: Core, env: MovedClock
) -> None:
    grant, name = mail.directory.grant, "partner.example"
    provider = EwsProvider("https://mail.partner.example/EWS/Exchange.asmx", "ada", "sesame")
    await availability.create(core, grant, name, provider)
    await availability.create(core, grant, "second.example", LambdaProvider("arn:x"))

    await rotation.rotate_organization(core, mail.organization)
    assert await settle(core, env) == 1

    rows = await mail.directory.run("SELECT kind, gen FROM availability ORDER BY kind")
    assert rows == [("EWS", 2), ("LAMBDA", 0)]
    assert await availability.open_provider(core, grant, name) == provider
