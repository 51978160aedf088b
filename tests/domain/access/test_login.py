"""Logging in, staying logged in, opening a mailbox."""

import logging

import msgspec
import pytest

from tests.support.directories import CHEAP, PASSWORD, Directory
from workpost.domain.access import shell as access
from workpost.domain.access import verified as cache
from workpost.domain.access.verified import ENTRIES, SECONDS, VerifiedPasswords
from workpost.domain.directory import passwords, shell
from workpost.domain.directory.entities import Props
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.domain.organizations.shell import delete_organization
from workpost.kernel.errors import AccessDenied, AuthenticationFailed, Busy, MailboxNotFound
from workpost.kernel.principal import OWNER, Grant
from workpost.kernel.settings import Passwords

ADA = "ada@demo.test"
RULE = "INSERT INTO access_rule VALUES (?, ?, ?, 0, 0)"


async def log_in(
    demo: Directory, username: str = ADA, password: str | bytes = PASSWORD, protocol: str = "IMAP"
) -> Grant:
    return await access.log_in(
        demo.core,
        username=username,
        password=password.encode() if isinstance(password, str) else password,
        protocol=protocol,
        address="192.0.2.10",
    )


async def test_a_login_grants_ones_own_mailbox(demo: Directory) -> None:
    user = await demo.user("ada")
    grant = await log_in(demo)
    row = (await shell.describe_user(demo.core, demo.grant, user)).row
    assert (grant.organization, grant.entity, grant.mailbox) == (
        demo.organization,
        user,
        row.mailbox,
    )
    assert grant.rights == OWNER
    assert grant.policy_version == (await demo.run("SELECT policy_version FROM organization"))[0][0]
    assert grant.principal.actor == user
    assert (grant.principal.protocol, grant.principal.address) == ("IMAP", "192.0.2.10")


async def test_any_address_is_a_login_name(demo: Directory) -> None:
    user = await demo.user("ada")
    await shell.create_alias(demo.core, demo.grant, user, "countess@demo.test")
    for username in ("ADA@demo.test", "countess@Demo.test", "ada", "Ada"):
        assert (await log_in(demo, username)).entity == user


async def test_user_names_serve_while_there_is_one_organization(
    demo: Directory, other: Directory
) -> None:
    await demo.user("ada")
    await other.user("ada")
    with pytest.raises(AuthenticationFailed):
        await log_in(demo, "ada")
    await delete_organization(other.core, other.grant, force=True)
    assert (await log_in(demo, "ada")).organization == demo.organization


async def test_every_refusal_sounds_the_same(
    demo: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await demo.user("ada")
    await demo.user("grace", enabled=False)
    await demo.user("remote", props=Props(user_role="REMOTE_USER"))
    await demo.user("barbara", password=None)
    await demo.group("everyone")
    refused = [
        (ADA, "Wrong-Horse7"),
        (ADA, ""),
        (ADA, PASSWORD + "\0"),
        (ADA, "x" * 2000),
        ("grace", PASSWORD),
        ("remote@demo.test", PASSWORD),
        ("barbara@demo.test", ""),
        ("everyone@demo.test", PASSWORD),
        ("nobody@demo.test", PASSWORD),
        ("n" * 600, PASSWORD),
        ("", ""),
    ]
    messages = set()
    for username, password in refused:
        with pytest.raises(AuthenticationFailed) as caught:
            await log_in(demo, username, password)
        messages.add(caught.value.message)
    assert messages == {"The user name or the password is wrong."}
    assert PASSWORD not in caplog.text
    assert "Wrong-Horse7" not in caplog.text


async def test_names_that_do_not_exist_cost_a_hash(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = passwords._verify

    def count(stored: str, password: bytes) -> bool:
        asked.append(stored)
        return original(stored, password)

    monkeypatch.setattr(passwords, "_verify", count)
    with pytest.raises(AuthenticationFailed):
        await log_in(demo, "nobody@demo.test")
    [stored] = asked
    assert stored.startswith("$argon2id$v=19$m=8192,t=1,p=1$")


async def test_passwords_may_come_as_latin_1_or_decomposed(demo: Directory) -> None:
    await demo.user("ada", password="Passwörd-7")
    for spelled in (
        "Passwörd-7".encode(),
        "Passwörd-7".encode("latin-1"),
        "Passwo\u0308rd-7".encode(),
    ):
        assert await log_in(demo, ADA, spelled)


async def test_a_verified_password_is_not_hashed_again(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await demo.user("ada")
    await log_in(demo)

    class Stuck(passwords.Hasher):
        async def verify(self, stored: str, password: bytes) -> bool:
            raise Busy("hashing")

    monkeypatch.setattr(passwords, "hasher", lambda: Stuck(1))
    assert (await log_in(demo)).entity == user
    with pytest.raises(Busy):
        await log_in(demo, ADA, "Wrong-Horse7")


async def test_an_old_password_dies_with_the_reset(demo: Directory) -> None:
    user = await demo.user("ada")
    await log_in(demo)
    await shell.reset_password(demo.core, demo.grant, user, "Another-Horse8")
    with pytest.raises(AuthenticationFailed):
        await log_in(demo)
    assert await log_in(demo, ADA, "Another-Horse8")


async def test_rules_decide_after_the_password(demo: Directory) -> None:
    await demo.user("ada")
    deny = '{"Effect":"DENY","Actions":["IMAP"],"IpRanges":["192.0.2.0/24"]}'
    await demo.change(RULE, demo.organization, "no-imap", deny)
    with pytest.raises(AccessDenied):
        await log_in(demo)
    with pytest.raises(AuthenticationFailed):
        await log_in(demo, ADA, "Wrong-Horse7")
    assert await log_in(demo, protocol="SMTP")


async def test_without_rules_nobody_gets_in(demo: Directory) -> None:
    await demo.user("ada")
    await demo.change("DELETE FROM access_rule")
    with pytest.raises(AccessDenied):
        await log_in(demo)


async def test_a_renewed_grant_has_the_new_version(demo: Directory) -> None:
    await demo.user("ada")
    grant = await log_in(demo)
    await demo.user("grace")
    renewed = await access.renew(demo.core, grant)
    assert renewed.policy_version > grant.policy_version
    assert msgspec.structs.replace(renewed, policy_version=grant.policy_version) == grant


async def test_who_was_disabled_reset_or_ruled_out_is_not_renewed(demo: Directory) -> None:
    user = await demo.user("ada")
    grant = await log_in(demo)
    await demo.change(RULE, demo.organization, "closed", '{"Effect":"DENY"}')
    with pytest.raises(AccessDenied):
        await access.renew(demo.core, grant)
    await demo.change("DELETE FROM access_rule WHERE name = 'closed'")
    assert await access.renew(demo.core, grant)
    await deregister_from_workmail(demo.core, demo.grant, user)
    with pytest.raises(AuthenticationFailed):
        await access.renew(demo.core, grant)
    await demo.register(user, ADA)
    assert await access.renew(demo.core, grant)
    await shell.reset_password(demo.core, demo.grant, user, PASSWORD)
    with pytest.raises(AuthenticationFailed):
        await access.renew(demo.core, grant)
    grant = await log_in(demo)
    await delete_organization(demo.core, demo.grant, force=True)
    with pytest.raises(AuthenticationFailed):
        await access.renew(demo.core, grant)


async def test_a_hash_of_another_cost_is_renewed_and_sessions_stay(demo: Directory) -> None:
    user = await demo.user("ada")
    grant = await log_in(demo)
    dearer = Passwords(time_cost=2, memory_kib=8192, parallelism=1)
    settings = msgspec.structs.replace(demo.core.settings, passwords=dearer)
    core = msgspec.structs.replace(demo.core, settings=settings)
    cache.verified.cache_clear()
    moved = Directory(core, demo.account, demo.organization, demo.domain)
    assert await log_in(moved)
    row = (await shell.describe_user(core, demo.grant, user)).row
    assert row.password is not None
    assert ",t=2," in row.password
    assert not passwords.is_outdated(dearer, row.password)
    assert passwords.is_outdated(CHEAP, row.password)
    assert await access.renew(core, grant) == grant


async def test_only_ones_own_mailbox_opens(demo: Directory) -> None:
    user = await demo.user("ada")
    await demo.user("grace")
    await shell.create_alias(demo.core, demo.grant, user, "countess@demo.test")
    grant = await log_in(demo)
    for own in (ADA, "COUNTESS@demo.test"):
        assert await access.open_mailbox(demo.core, grant, own) == grant
    for foreign in ("grace@demo.test", "nobody@demo.test"):
        with pytest.raises(MailboxNotFound):
            await access.open_mailbox(demo.core, grant, foreign)


def test_the_cache_forgets_after_five_minutes_and_holds_no_password() -> None:
    known = VerifiedPasswords()
    known.add("$hash", b"secret", 100.0)
    assert known.knows("$hash", b"secret", 100.0 + SECONDS - 1)
    assert not known.knows("$hash", b"secret", 100.0 + SECONDS)
    assert not known.knows("$hash", b"other", 101.0)
    assert not known.knows("$new", b"secret", 101.0)
    assert b"secret" not in b"".join(known._until)


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ENTRIES", 3)
    known = VerifiedPasswords()
    for number in range(5):
        known.add("$hash", b"%d" % number, 0.0)
    assert [known.knows("$hash", b"%d" % number, 1.0) for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert ENTRIES > 3


def test_of_a_directorys_person_the_last_password_alone_is_remembered() -> None:
    known = VerifiedPasswords()
    known.add("d/ada/1", b"first", 0.0, seconds=60, only=True)
    known.add("d/grace/1", b"hers", 0.0, seconds=60, only=True)
    assert known.knows("d/ada/1", b"first", 59.0)
    assert not known.knows("d/ada/1", b"first", 60.0)
    known.add("d/ada/1", b"second", 1.0, seconds=60, only=True)
    assert not known.knows("d/ada/1", b"first", 2.0)
    assert known.knows("d/ada/1", b"second", 2.0)
    assert known.knows("d/grace/1", b"hers", 2.0)
    for number in range(ENTRIES + 1):
        known.add(f"d/{number}/1", b"x", 3.0, only=True)
    assert not known.knows("d/ada/1", b"second", 4.0)
