"""Personal access tokens as passwords: RFC 3501 6.2.3, and what follows their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.protocols.imap.conftest import LIMITS, MESSAGE, Wire, World
from tests.support.identity import UUID, configure, put_provider
from workpost.domain.access import identity, token_shell
from workpost.domain.access.token_text import write_token
from workpost.domain.access.tokens import NewToken
from workpost.domain.directory import shell as directory
from workpost.domain.directory.users import UserChanges
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.kernel.principal import Grant

Connect = Callable[..., Wire]
TEN_MINUTES = 600_000


@pytest.fixture
def token(world: World, user: str) -> Iterator[NewToken]:
    """A token of `user`."""
    demo = world.demo
    before = world.core.settings

    async def make() -> NewToken:
        configure(world.core, demo.account)
        await put_provider(demo)
        changes = UserChanges(props={"identity_provider_user_id": UUID})
        await directory.update_user(world.core, demo.grant, user, changes)
        return await token_shell.create_token(world.core, demo.grant, user, name="phone")

    async def undo() -> None:
        await identity.delete_identity_provider(world.core, demo.grant)
        changes = UserChanges(props={"identity_provider_user_id": ""})
        await directory.update_user(world.core, demo.grant, user, changes)

    yield world.run(make())
    world.run(undo())
    world.core.settings = before


@pytest.fixture
def wait(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the world's clock go on by twenty minutes."""
    now = world.core.env.now

    def go_on() -> None:
        monkeypatch.setattr(world.core.env, "now", lambda: now() + 2 * TEN_MINUTES)

    return go_on


def expire_soon(world: World, token: NewToken) -> None:
    """Let a token expire in ten minutes."""
    at = world.core.env.now() + TEN_MINUTES
    statement = "UPDATE personal_access_token SET expires = ? WHERE id = ?"
    world.run(world.demo.change(statement, at, token.id))


def test_nothing_can_be_done_after_the_token_has_expired(
    world: World, connect: Connect, user: str, token: NewToken, wait: Callable[[], None]
) -> None:
    expire_soon(world, token)
    wire = connect()
    wire.ok(f"LOGIN {user} {token.token}")
    wire.ok("SELECT INBOX")
    wait()
    wire.send(b"x STATUS INBOX (MESSAGES)\r\n")
    assert wire.line().startswith(b"* BYE")
    assert wire.at_end()
    (answer,) = connect().do(f"LOGIN {user} {token.token}")
    assert answer.startswith(b"NO [AUTHENTICATIONFAILED]")


def test_an_idling_session_hears_no_news_after_it(
    world: World, connect: Connect, user: str, token: NewToken, wait: Callable[[], None]
) -> None:
    owner: Grant = world.grant(user)
    expire_soon(world, token)
    wire = connect()
    wire.ok(f"LOGIN {user} {token.token}")
    wire.ok("SELECT INBOX")
    wire.send(b"x IDLE\r\n")
    assert wire.line() == b"+ idling"
    wait()

    async def deliver() -> None:
        inbox = await mailboxes.find_folder(world.core, owner, "INBOX")
        await messages.append(world.core, owner, inbox.id, MESSAGE)

    world.run(deliver())
    assert wire.line().startswith(b"* BYE")
    assert wire.at_end()


def test_unknown_tokens_are_wrong_passwords(connect: Connect, user: str, token: NewToken) -> None:
    wire = connect()
    unknown = write_token(b"\x07" * 24)
    (first,) = wire.do(f"LOGIN {user} {unknown}")
    (second,) = wire.do(f'LOGIN {user} "a wrong password"')
    assert first == second
    assert first.startswith(b"NO [AUTHENTICATIONFAILED]")
    # A connection has so many failures, of whatever kind; each is told to the guard.
    for _ in range(LIMITS.authentications - 3):
        wire.do(f"LOGIN {user} {unknown}")
    assert wire.do(f"LOGIN {user} {unknown}")[-1] == b""
    assert wire.at_end()
