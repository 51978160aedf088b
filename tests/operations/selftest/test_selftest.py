"""`workpost selftest`: whatever happens, the person who was made for it is gone afterwards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.directories import Directory, bare_core
from tests.support.mailboxes import house, log_in, mail_core
from tests.support.stores import Run
from tests.support.talking import listening, repeats
from workpost.domain.directory import shell as directory
from workpost.domain.directory.listing import EntityFilter
from workpost.domain.organizations import domains_shell
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import AuthenticationFailed
from workpost.kernel.listener_settings import Listeners
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.domains.verification import verify_now
from workpost.operations.selftest import person as persons
from workpost.operations.selftest.clients import Failed
from workpost.operations.selftest.person import person
from workpost.operations.selftest.running import find_place, places, run_selftest
from workpost.operations.selftest.signature import judge, signed
from workpost.store.tables.entities import USER

__all__ = ["bare_core", "house", "mail_core"]


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One engine: nothing here depends on it."""
    return Settings(data_dir=str(tmp_path_factory.mktemp("selftest") / "data"))


async def names(house: Directory) -> set[str]:
    rows, _ = await directory.list_entities(
        house.core, house.grant, USER, EntityFilter(), after=("", ""), limit=100
    )
    return {row.row.name for row in rows}


async def test_the_person_and_the_mailbox_are_gone_at_once(house: Directory) -> None:
    before = await house.run("SELECT COUNT(*) FROM mailbox")
    async with person(house.core, house.organization, house.domain) as somebody:
        assert len(await names(house)) == 3
    with pytest.raises(AuthenticationFailed):
        await log_in(house.core, somebody.address)
    assert await names(house) == {"ada", "grace"}
    await house.work()
    assert await house.run("SELECT COUNT(*) FROM mailbox") == before


async def test_a_test_that_breaks_leaves_nobody(house: Directory) -> None:
    with pytest.raises(ZeroDivisionError):
        async with person(house.core, house.organization, house.domain):
            raise ZeroDivisionError
    assert await names(house) == {"ada", "grace"}


async def test_who_was_left_by_a_test_that_was_cut_short_goes_with_the_next(
    house: Directory,
) -> None:
    await house.user(f"{persons.PREFIX}old")
    await house.user(f"{persons.PREFIX}older", enabled=False)
    async with person(house.core, house.organization, house.domain):
        assert len(await names(house)) == 3
    assert await names(house) == {"ada", "grace"}


def test_the_server_has_to_run() -> None:
    with pytest.raises(Failed, match="does not run"):
        places({})
    with pytest.raises(Failed, match="listener imaps"):
        places({"submission": "127.0.0.1:1", "smtp": "127.0.0.1:1"})
    assert places(dict.fromkeys(("submission", "smtp", "imaps"), "[::]:1"))["smtp"].host == "::1"


@pytest.mark.parametrize(
    ("first", "then", "text"),
    [
        (b"554 no\r\n", b"", "554"),
        (b"220 x\r\n", b"250 x\r\n", "STARTTLS"),
    ],
)
async def test_the_first_step_that_fails_is_told_and_is_the_last(
    house: Directory, first: bytes, then: bytes, text: str
) -> None:
    async with listening(repeats(first, then)) as where:
        endpoints = dict.fromkeys(("submission", "smtp", "imaps"), where)
        steps = await run_selftest(house.core, endpoints, house.organization, house.domain)
    (step,) = steps
    assert step.name.startswith("submission")
    assert text in step.problem
    assert await names(house) == {"ada", "grace"}


def test_a_run(run: Run[Any], house: Directory) -> None:
    """A port where nobody listens is told in one line, too."""
    endpoints = dict.fromkeys(("submission", "smtp", "imaps"), "127.0.0.1:1")
    work = run_selftest(house.core, endpoints, house.organization, house.domain)
    (step,) = run(work)
    assert "refused" in step.problem


async def test_a_listener_that_only_proxies_speak_to_is_told(house: Directory) -> None:
    endpoints = dict.fromkeys(("submission", "smtp", "imaps"), "127.0.0.1:1")
    listeners = Listeners(proxies=("127.0.0.1 imaps",))
    house.core.settings = msgspec.structs.replace(house.core.settings, listeners=listeners)
    with pytest.raises(Failed, match="only proxies speak to imaps"):
        await run_selftest(house.core, endpoints, house.organization, house.domain)


async def test_where_to_write(house: Directory) -> None:
    with pytest.raises(Failed, match="no verified mail domain, as in a demo"):
        await find_place(house.core, None)
    with pytest.raises(Failed, match="no verified mail domain x.example"):
        await find_place(house.core, "x.example")
    grant = Grant.system("test", house.organization)
    await domains_shell.register_domain(house.core, grant, "example.org")
    await verify_now(house.core, house.core.resolver, grant, "example.org", force=True)
    for wanted in (None, "Example.ORG"):
        assert await find_place(house.core, wanted) == (house.organization, "example.org")
    assert await find_place(house.core, house.domain) == (house.organization, house.domain)


async def test_signatures_are_judged_as_others_judge_them(house: Directory) -> None:
    """Signed with the keys of the domain, verified with those that DNS shows."""
    core, grant = house.core, Grant.system("test", house.organization)
    await domains_shell.register_domain(core, grant, "example.org")
    raw = b"From: ada@example.org\r\nSubject: x\r\n\r\nHello\r\n"
    before = await signed(core, house.organization, "other.example", raw)
    assert (before.is_signed, before.raw) == (False, raw), "a domain without keys in use"

    await verify_now(core, core.resolver, grant, "example.org", force=True)
    sent = await signed(core, house.organization, "example.org", raw)
    assert sent.is_signed
    with pytest.raises(Failed, match="permerror"):
        await judge(core, sent.raw)
    assert isinstance(core.resolver, MemoryResolver)
    for record in await domains_shell.key_records(core, grant, "example.org"):
        name = f"{record.name.partition('.')[0]}._domainkey.example.org"
        core.resolver.records["TXT", name] = [record.value]
    assert await judge(core, b"Received: x\r\n" + sent.raw) == (
        "pass rsa-sha256, pass ed25519-sha256"
    )
    with pytest.raises(Failed, match="fail"):
        await judge(core, sent.raw.replace(b"Hello", b"Jello"))
    with pytest.raises(Failed, match="gone"):
        await judge(core, raw)
