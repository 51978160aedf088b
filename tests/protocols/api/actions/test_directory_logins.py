"""Passwords that a directory outside checks."""

from __future__ import annotations

import pytest

from tests.support.api_server import ApiServer
from tests.support.directories import PASSWORD
from tests.support.outside_directory import Outside, users
from tests.support.slapd import Slapd
from workpost.domain.access import shell as access
from workpost.kernel.errors import AuthenticationFailed, TryLater
from workpost.kernel.principal import Grant

pytestmark = pytest.mark.peer("slapd")


def log_in(outside: Outside, username: str, password: str | bytes) -> Grant:
    return outside.api.run(
        access.log_in(
            outside.api.core,
            username=username,
            password=password.encode() if isinstance(password, str) else password,
            protocol="IMAP",
            address="192.0.2.10",
        )
    )


@pytest.mark.parametrize("tree", ["open", "active"])
def test_passwords_are_the_directorys(api: ApiServer, slapd: Slapd, tree: str) -> None:
    outside = Outside(api, slapd, tree, cache_seconds=60)
    outside.tree.person("ada", PASSWORD)
    tenant = outside.create()
    address = f"ada@{tenant.domain}"
    with pytest.raises(AuthenticationFailed):
        log_in(outside, "ada", PASSWORD)
    tenant("RegisterToWorkMail", EntityId="ada", Email=address)
    grant = log_in(outside, address, PASSWORD)
    assert grant.entity == users(tenant)["ada"]
    for wrong in ("", "wrong", b"\0", b"\xff", PASSWORD + "x", "x" * 2000):
        with pytest.raises(AuthenticationFailed):
            log_in(outside, address, wrong)
    for stranger in ("*", "ada)(uid=*", f"*@{tenant.domain}", "\0"):
        with pytest.raises(AuthenticationFailed):
            log_in(outside, stranger, PASSWORD)
    slapd.stop()
    assert log_in(outside, address, PASSWORD).entity == grant.entity, "it was right just now"
    with pytest.raises(TryLater):
        log_in(outside, address, "another")
    slapd.start()
    outside.configure(bind_dn=f"cn=nobody,dc={tree},dc=test", cache_seconds=60)
    with pytest.raises(TryLater):
        log_in(outside, address, "another")
    outside.configure(cache_seconds=60)
    outside.tree.change(outside.tree.dn("ada"), userPassword="Another-Horse8")
    assert log_in(outside, address, "Another-Horse8")
    with pytest.raises(AuthenticationFailed):
        log_in(outside, address, PASSWORD)
    outside.close()


def test_a_moved_entry_logs_in_before_it_is_read_again(outside: Outside) -> None:
    ada = outside.tree.person("ada", PASSWORD)
    tenant = outside.create()
    tenant("RegisterToWorkMail", EntityId="ada", Email=f"ada@{tenant.domain}")
    outside.tree.rename(ada, "uid=countess")
    assert log_in(outside, f"ada@{tenant.domain}", PASSWORD)


def test_logins_end_when_the_password_was_changed_or_the_account_locked(active: Outside) -> None:
    ada = active.tree.person("ada", PASSWORD)
    tenant = active.create()
    address = f"ada@{tenant.domain}"
    tenant("RegisterToWorkMail", EntityId="ada", Email=address)
    renew = access.renew
    grant = log_in(active, address, PASSWORD)
    active.tree.change(ada, displayName="Countess")
    active.sync(full=False)
    grant = active.api.run(renew(active.api.core, grant))
    active.tree.change(ada, pwdLastSet=2)
    active.sync(full=False)
    with pytest.raises(AuthenticationFailed):
        active.api.run(renew(active.api.core, grant))
    grant = log_in(active, address, PASSWORD)
    active.tree.change(ada, userAccountControl=514)
    with pytest.raises(AuthenticationFailed):
        log_in(active, address, PASSWORD)
    active.sync(full=False)
    with pytest.raises(AuthenticationFailed):
        active.api.run(renew(active.api.core, grant))
    active.tree.change(ada, userAccountControl=512)
    active.sync(full=False)
    assert log_in(active, address, PASSWORD)


@pytest.mark.parametrize("name", ["ada (left)", "grace"])
def test_logins_end_though_the_name_cannot_be(active: Outside, name: str) -> None:
    """Who leaves is often renamed and locked in one go."""
    ada = active.tree.person("ada", PASSWORD)
    active.tree.person("grace")
    tenant = active.create()
    address = f"ada@{tenant.domain}"
    tenant("RegisterToWorkMail", EntityId="ada", Email=address)
    renew = access.renew
    grant = log_in(active, address, PASSWORD)
    active.tree.change(ada, sAMAccountName=name, userAccountControl=514)
    active.sync(full=False)
    with pytest.raises(AuthenticationFailed):
        active.api.run(renew(active.api.core, grant))
    active.tree.change(ada, sAMAccountName="ada", userAccountControl=512)
    active.sync(full=False)
    grant = log_in(active, address, PASSWORD)
    active.tree.change(ada, sAMAccountName=name, pwdLastSet=2)
    active.sync(full=False)
    with pytest.raises(AuthenticationFailed):
        active.api.run(renew(active.api.core, grant))


def test_logins_end_when_the_password_was_changed_for_the_first_time(active: Outside) -> None:
    ada = active.tree.person("ada", PASSWORD, pwdLastSet=[])
    tenant = active.create()
    address = f"ada@{tenant.domain}"
    tenant("RegisterToWorkMail", EntityId="ada", Email=address)
    grant = log_in(active, address, PASSWORD)
    active.tree.change(ada, pwdLastSet=2)
    active.sync(full=False)
    with pytest.raises(AuthenticationFailed):
        active.api.run(access.renew(active.api.core, grant))
