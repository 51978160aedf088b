"""What logging in, impersonation and tokens tell the audit logs (Administrator Guide)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.domain.access.test_impersonation import PEER, act, assume, role, rule
from tests.support.directories import PASSWORD, Directory
from tests.support.mailboxes import log_in
from tests.support.trails import Remembered
from workpost.domain.access import rule_shell
from workpost.domain.access import shell as access
from workpost.domain.access.rules import AccessRule
from workpost.kernel.errors import AccessDenied, AuthenticationFailed
from workpost.kernel.principal import Grant
from workpost.kernel.trail import ACCESS_CONTROL, AUTHENTICATION, NO_TRAIL


@pytest.fixture
def trail(house: Directory) -> Iterator[Remembered]:
    made = house.core.trail = Remembered()
    yield made
    house.core.trail = NO_TRAIL


async def refuse(house: Directory, username: str, password: str) -> None:
    with pytest.raises(AuthenticationFailed):
        await access.log_in(
            house.core,
            username=username,
            password=password.encode(),
            protocol="SMTP",
            address="192.0.2.7",
        )


async def test_a_login_is_told_with_its_rule(house: Directory, trail: Remembered) -> None:
    grant = await log_in(house.core, "ada@demo.test")
    [told] = trail.of(AUTHENTICATION)
    assert told == {
        "user_id": grant.entity,
        "user": "ada@demo.test",
        "protocol": "IMAP",
        "source_ip": "127.0.0.1",
        "method": "basic",
        "auth_successful": True,
    }
    [rules] = trail.of(ACCESS_CONTROL)
    assert rules["rule_id"]
    assert (rules["scope"], rules["access_granted"]) == ("AccessControl", True)


async def test_failures_are_told_to_whom_they_concern(house: Directory, trail: Remembered) -> None:
    await refuse(house, "ada@demo.test", "wrong")
    await refuse(house, "nobody@Demo.test", PASSWORD)
    await refuse(house, "nobody@elsewhere.example", PASSWORD)
    assert [organization for _, organization, _ in trail.told] == [
        house.organization,
        house.organization,
        "",
    ]
    first, second, third = trail.of(AUTHENTICATION)
    assert first["auth_failed_reason"] == "The password is wrong."
    assert "user_id" in first
    assert "user_id" not in second
    assert second["auth_failed_reason"] == third["auth_failed_reason"]
    assert {first["protocol"], first["source_ip"]} == {"SMTP", "192.0.2.7"}
    assert "wrong" not in repr([each["user"] for each in trail.of(AUTHENTICATION)])


async def test_a_denial_by_the_rules_follows_a_right_password(
    house: Directory, ada: Grant, trail: Remembered
) -> None:
    closed = AccessRule(effect="DENY", description="", actions=("IMAP",))
    await rule_shell.put_access_rule(house.core, house.grant, "closed", closed)
    with pytest.raises(AccessDenied):
        await log_in(house.core, "ada@demo.test")
    [login] = trail.of(AUTHENTICATION)
    [rules] = trail.of(ACCESS_CONTROL)
    assert login["auth_successful"]
    assert (rules["rule_id"], rules["access_granted"]) == ("closed", False)


async def test_impersonation_tells_both_kinds_of_rules(
    house: Directory, ada: Grant, trail: Remembered
) -> None:
    made, token = await assume(house, role(rule()))
    await act(house, token)
    own, theirs = trail.of(ACCESS_CONTROL)
    assert (own["scope"], theirs["scope"]) == ("AccessControl", "ImpersonationAccessControl")
    for each in (own, theirs):
        assert each["impersonator_id"] == made
        assert each["user_id"] == ada.entity
        assert each["source_ip"] == PEER
        assert each["protocol"] == "EWS"
