"""Other people's mailboxes: RFC 2342, PutMailboxPermissions with FULL_ACCESS, and its end."""

from __future__ import annotations

import imaplib
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.protocols.imap.conftest import MESSAGE, Wire, World, message
from tests.support.directories import PASSWORD
from tests.support.mailboxes import assert_numbers_are_true
from tests.support.patience import Stopwatch
from workpost.domain.access import permissions, rule_shell
from workpost.domain.access.rules import AccessRule
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes import registration

Connect = Callable[..., Wire]


def share(world: World, owner: str, grantee: str, *values: str) -> None:
    """Give permissions, FULL_ACCESS unless others are named."""
    world.run(
        permissions.put_mailbox_permissions(
            world.core,
            world.demo.grant,
            owner=owner,
            grantee=grantee,
            values=list(values or ("FULL_ACCESS",)),
        )
    )


def withdraw(world: World, owner: str, grantee: str) -> None:
    world.run(
        permissions.delete_mailbox_permissions(
            world.core, world.demo.grant, owner=owner, grantee=grantee
        )
    )


@pytest.fixture
def owner(world: World) -> str:
    """A person whose mailbox is shared with `user`."""
    return world.person()


@pytest.fixture
def shared(world: World, owner: str, user: str) -> str:
    share(world, owner, user)
    return f"Other Users/{owner}"


def enter(connect: Connect, who: str) -> Wire:
    wire = connect()
    wire.ok(f'LOGIN {who} "{PASSWORD}"')
    return wire


def listed(wire: Wire, command: str = 'LIST "" "*"') -> dict[str, bytes]:
    found = {}
    for line in wire.ok(command):
        match = re.fullmatch(rb'\* L(?:IST|SUB) \((.*?)\) "/" "?(.*?)"?', line)
        if match:
            found[match[2].decode()] = match[1]
    return found


def test_list_shows_shared_mailboxes_under_other_users(
    world: World, log_in: Connect, connect: Connect, owner: str, shared: str
) -> None:
    enter(connect, owner).ok("CREATE Projects/Engine")
    wire = log_in()
    found = listed(wire)
    assert found["Other Users"] == found[shared] == b"\\HasChildren \\Noselect"
    assert found[f"{shared}/INBOX"] == b"\\HasNoChildren"
    assert found[f"{shared}/Sent Items"] == b"\\HasNoChildren"
    assert found["Sent Items"] == b"\\HasNoChildren \\Sent"
    assert f"{shared}/Projects/Engine" in found
    assert listed(wire, 'LIST "" "Other Users/%"') == {shared: found[shared]}
    assert f"{shared}/INBOX" not in listed(wire, 'LIST "" "%"')
    assert "Other Users" in listed(wire, 'LIST "" "%"')
    assert set(listed(wire, f'LIST "" "{shared}/%"')) == {
        name for name in found if name.startswith(shared + "/") and name.count("/") == 2
    }
    assert "Other Users" not in listed(wire, 'LIST "" "INBOX"')


def test_a_shared_folder_is_opened_read_and_written(
    world: World, log_in: Connect, connect: Connect, owner: str, shared: str
) -> None:
    theirs = enter(connect, owner)
    theirs.append(MESSAGE)
    wire = log_in()
    wire.ok(f'SELECT "{shared}/inbox"')
    assert b"algebraic patterns" in b"".join(wire.ok("FETCH 1 BODY[]"))
    assert wire.ok("SEARCH SUBJECT Engines") == [b"* SEARCH 1"]
    wire.ok("STORE 1 +FLAGS (\\Flagged $Work)")
    wire.append(message("mine"), f'"{shared}/INBOX"')
    wire.ok("NOOP")
    theirs.ok("SELECT INBOX")
    flags = theirs.ok("FETCH 1:2 (FLAGS)")
    assert b"\\Flagged" in flags[0]
    assert b"$Work" in flags[0]
    assert len(flags) == 2
    wire.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    wire.ok("EXPUNGE")
    assert b"* 1 EXPUNGE" in theirs.ok("NOOP")
    wire.ok("CLOSE")
    assert wire.ok(f'STATUS "{shared}/INBOX" (MESSAGES)') == [
        f'* STATUS "{shared}/INBOX" (MESSAGES 1)'.encode()
    ]
    world.run(assert_numbers_are_true(world.demo))


def test_news_of_a_shared_folder_are_heard_while_idle(
    log_in: Connect, connect: Connect, owner: str, shared: str
) -> None:
    wire = log_in(f'"{shared}/INBOX"')
    wire.send(b"a IDLE\r\n")
    assert wire.line() == b"+ idling"
    with Stopwatch() as watch:
        enter(connect, owner).append(MESSAGE)
        assert wire.line() == b"* 1 EXISTS"
    assert watch.seconds < 2


def test_folders_are_made_renamed_deleted_in_it_and_not_across(
    log_in: Connect, connect: Connect, owner: str, shared: str
) -> None:
    wire = log_in()
    wire.ok(f'CREATE "{shared}/Plans/Old"')
    wire.ok(f'RENAME "{shared}/Plans/Old" "{shared}/Plans/New"')
    assert "Plans/New" in listed(enter(connect, owner))
    assert wire.do(f'RENAME "{shared}/Plans/New" "Mine"')[-1].startswith(b"NO [CANNOT]")
    assert wire.do(f'DELETE "{shared}/Sent Items"')[-1].startswith(b"NO [CANNOT]")
    wire.ok(f'DELETE "{shared}/Plans/New"')
    wire.append(message("one"), f'"{shared}/INBOX"')
    wire.ok(f'RENAME "{shared}/INBOX" "{shared}/Plans/Inbox"')
    assert b"MESSAGES 1" in wire.ok(f'STATUS "{shared}/Plans/Inbox" (MESSAGES)')[0]


def test_subscriptions_are_ones_own(
    log_in: Connect, connect: Connect, owner: str, shared: str
) -> None:
    theirs, wire = enter(connect, owner), log_in()
    theirs.ok("SUBSCRIBE Archive")
    wire.ok(f'SUBSCRIBE "{shared}/INBOX"')
    assert set(listed(wire, 'LSUB "" "*"')) == {f"{shared}/INBOX"}
    assert set(listed(wire, 'LIST (SUBSCRIBED) "" "*"')) == {f"{shared}/INBOX"}
    assert set(listed(theirs, 'LSUB "" "*"')) == {"Archive"}


@pytest.mark.parametrize("count", [3, 260])
def test_copy_and_move_between_mailboxes(
    world: World, log_in: Connect, connect: Connect, owner: str, shared: str, count: int
) -> None:
    wire = log_in("INBOX")
    for number in range(count):
        wire.append(message(f"Number {number}"))
    wire.ok("NOOP")
    wire.ok("STORE 1:2 +FLAGS (\\Flagged $Keep)")
    done = wire.do(f'COPY 1:* "{shared}/Archive"')[-1]
    assert re.match(rb"OK \[COPYUID \d+ 1:%d 1:%d\]" % (count, count), done)
    before = wire.ok("FETCH 1 (FLAGS INTERNALDATE ENVELOPE RFC822.SIZE BODY[])")
    *moved, last = wire.do(f'MOVE 2:* "{shared}/INBOX"')
    assert last.startswith(b"OK")
    assert any(b"COPYUID" in line for line in moved)
    assert wire.ok("SEARCH ALL") == [b"* SEARCH 1"]
    theirs = enter(connect, owner)
    theirs.ok("SELECT Archive")
    after = theirs.ok("FETCH 1 (FLAGS INTERNALDATE ENVELOPE RFC822.SIZE BODY[])")
    recent = b" \\Recent"
    assert [line.replace(recent, b"") for line in after] == [
        line.replace(recent, b"") for line in before
    ]
    theirs.ok("SELECT INBOX")
    assert b"\\Flagged $Keep" in theirs.ok("FETCH 1 (FLAGS)")[0]
    assert theirs.ok(f'SEARCH SUBJECT "Number {count - 1}"') == [b"* SEARCH %d" % (count - 1)]
    wire.ok(f'SELECT "{shared}/INBOX"')
    wire.ok("COPY 1 INBOX")
    wire.ok("MOVE 1 Drafts")
    assert b"MESSAGES 2" in wire.ok("STATUS INBOX (MESSAGES)")[0]
    wire.ok(f'MOVE 1 "{shared}/Junk E-mail"')
    world.run(assert_numbers_are_true(world.demo))


def test_a_copy_that_fails_leaves_nothing(
    world: World, log_in: Connect, owner: str, shared: str
) -> None:
    wire = log_in("INBOX")
    wire.append(message("large", "x" * 5000))
    wire.ok("NOOP")
    grant = world.grant(owner)
    world.run(world.demo.change("UPDATE mailbox SET quota = 100 WHERE id = ?", grant.mailbox))
    for command in ("COPY", "MOVE"):
        assert wire.do(f'{command} 1 "{shared}/INBOX"')[-1].startswith(b"NO [OVERQUOTA]")
    assert b"TRYCREATE" in wire.do(f'COPY 1 "{shared}/Nowhere"')[-1]
    assert wire.ok("SEARCH ALL") == [b"* SEARCH 1"]
    world.run(assert_numbers_are_true(world.demo))


def test_strangers_and_other_permissions_open_nothing(
    world: World, log_in: Connect, owner: str, user: str
) -> None:
    share(world, owner, user, "SEND_AS", "SEND_ON_BEHALF")
    wire = log_in()
    assert "Other Users" not in listed(wire)
    for name in (f"Other Users/{owner}/INBOX", "Other Users/no@where.test/INBOX"):
        for command in (f'SELECT "{name}"', f'STATUS "{name}" (MESSAGES)', f'CREATE "{name}/x"'):
            *_, answer = wire.do(command)
            assert answer == b"NO [NONEXISTENT] There is no such mailbox."
    for name in ("Other Users", f"Other Users/{owner}", "Other Users//INBOX"):
        assert wire.do(f'SELECT "{name}"')[-1].startswith(b"NO")
        assert wire.do(f'CREATE "{name}"')[-1].startswith(b"NO")
    wire.ok("CREATE Mine")
    assert wire.do('RENAME Mine "Other Users"')[-1].startswith(b"NO")
    assert wire.do(f'APPEND "Other Users/{owner}/INBOX" {{1+}}\r\nx')[-1].startswith(b"NO")


def test_ones_own_address_leads_to_ones_own_mailbox(log_in: Connect, user: str) -> None:
    wire = log_in("INBOX")
    wire.append(MESSAGE)
    wire.ok("NOOP")
    wire.ok(f'COPY 1 "Other Users/{user}/Archive"')
    wire.ok(f'MOVE 1 "Other Users/{user.upper()}/Drafts"')
    assert b"MESSAGES 1" in wire.ok("STATUS Archive (MESSAGES)")[0]
    assert b"MESSAGES 1" in wire.ok("STATUS Drafts (MESSAGES)")[0]


def test_groups_in_groups_while_they_are_enabled(
    world: World, log_in: Connect, owner: str, user: str
) -> None:
    name = user.partition("@")[0]
    inner = world.run(world.demo.group(f"inner-{name}", user))
    world.run(world.demo.group(f"outer-{name}", inner))
    share(world, owner, f"outer-{name}")
    wire = log_in(f'"Other Users/{owner}/INBOX"')
    wire.ok("NOOP")
    world.run(registration.deregister_from_workmail(world.core, world.demo.grant, inner))
    assert wire.line().startswith(b"* BYE")


@pytest.mark.parametrize("idle", [True, False])
def test_withdrawing_ends_the_session_in_it_within_two_seconds(
    world: World, log_in: Connect, owner: str, user: str, shared: str, idle: bool
) -> None:
    wire, elsewhere = log_in(f'"{shared}/INBOX"'), log_in("INBOX")
    if idle:
        wire.send(b"a IDLE\r\n")
        assert wire.line() == b"+ idling"
    with Stopwatch() as watch:
        withdraw(world, owner, user)
        assert wire.line().startswith(b"* BYE")
        assert wire.at_end()
    assert watch.seconds < 2
    elsewhere.ok("NOOP")
    assert elsewhere.do(f'SELECT "{shared}/INBOX"')[-1].startswith(b"NO [NONEXISTENT]")
    assert "Other Users" not in listed(elsewhere)


def test_an_owner_who_is_deregistered_or_a_member_who_leaves(
    world: World, log_in: Connect, owner: str, user: str
) -> None:
    group = world.run(world.demo.group("team-" + owner.partition("@")[0], user))
    share(world, owner, group)
    wire = log_in(f'"Other Users/{owner}/INBOX"')
    world.run(directory.remove_member(world.core, world.demo.grant, group=group, member=user))
    assert wire.line().startswith(b"* BYE")
    share(world, owner, user)
    wire = log_in(f'"Other Users/{owner}/INBOX"')
    grant = world.grant(owner)
    world.run(registration.deregister_from_workmail(world.core, world.demo.grant, grant.entity))
    assert wire.line().startswith(b"* BYE")


def test_a_rule_that_denies_ends_sessions_and_refuses_logins(
    world: World, log_in: Connect, connect: Connect, user: str
) -> None:
    wire, other = log_in("INBOX"), enter(connect, world.person())
    wire.send(b"a IDLE\r\n")
    assert wire.line() == b"+ idling"
    grant = world.grant(user)
    rule = AccessRule(
        effect="DENY",
        description="x",
        actions=("IMAP",),
        user_ids=(grant.entity,),
        ip_ranges=("127.0.0.0/8",),
    )
    name = "no-" + user.partition("@")[0]
    with Stopwatch() as watch:
        world.run(rule_shell.put_access_rule(world.core, world.demo.grant, name, rule))
        assert wire.line().startswith(b"* BYE")
    assert watch.seconds < 2
    other.ok("NOOP")
    fresh = connect()
    assert fresh.do(f'LOGIN {user} "{PASSWORD}"')[-1].startswith(b"NO [NOPERM]")
    effect = world.run(
        rule_shell.access_effect(
            world.core, world.demo.grant, address="127.0.0.1", action="IMAP", user=grant.entity
        )
    )
    assert (effect.effect, effect.matched) == ("DENY", (name,))
    world.run(rule_shell.delete_access_rule(world.core, world.demo.grant, name))
    fresh.ok(f'LOGIN {user} "{PASSWORD}"')


def test_the_standard_librarys_client(
    world: World, client: imaplib.IMAP4, owner: str, shared: str
) -> None:
    assert client.namespace()[1] == [b'(("" "/")) (("Other Users/" "/")) NIL']
    assert client.select(f'"{shared}/INBOX"') == ("OK", [b"0"])
    stamp = imaplib.Time2Internaldate(time.time())
    assert client.append(f'"{shared}/INBOX"', "", stamp, MESSAGE)[0] == "OK"
    assert client.noop()[0] == "OK"
    assert client.fetch("1", "(RFC822.SIZE)")[0] == "OK"
    assert client.copy("1", "INBOX")[0] == "OK"
    assert client.select("INBOX") == ("OK", [b"1"])


def test_an_access_that_was_used_before_is_not_remembered_too_long(
    world: World, log_in: Connect, owner: str, user: str, shared: str
) -> None:
    wire: Any = log_in()
    wire.ok(f'STATUS "{shared}/INBOX" (MESSAGES)')
    withdraw(world, owner, user)
    assert wire.do(f'STATUS "{shared}/INBOX" (MESSAGES)')[-1].startswith(b"NO [NONEXISTENT]")
    assert wire.do(f'APPEND "{shared}/INBOX" {{1+}}\r\nx')[-1].startswith(b"NO")
