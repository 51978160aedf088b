"""Audit logs of WorkMail's five kinds, from a login to the line in the log group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.operations.monitoring.conftest import Monitored
from tests.support.directories import PASSWORD, Directory, new_directory
from tests.support.mailboxes import log_in
from tests.support.stores import Run
from workpost.domain.access import shell as access
from workpost.domain.access.tokens import SCOPES
from workpost.kernel import metrics
from workpost.kernel.errors import AuthenticationFailed, TryLater
from workpost.kernel.principal import Grant
from workpost.kernel.trail import (
    ACCESS_CONTROL,
    AUTHENTICATION,
    AVAILABILITY,
    MAILBOX_ACCESS,
    NO_TRAIL,
    tell_token,
)
from workpost.operations.audit import trail as trails
from workpost.operations.audit.trail import ServiceTrail
from workpost.operations.monitoring.chunks import seal_chunk
from workpost.operations.upkeep.rotation import rewrap_organization
from workpost.store.core import Core
from workpost.store.tables.service_logs import LogChunk

GROUP = "/mail/audit"


@pytest.fixture
def trail(run: Run[Any], monitored: Monitored) -> Iterator[ServiceTrail]:
    monitored.map(
        "/mail/* folder", audit=(f"{AUTHENTICATION} {GROUP}", f"{ACCESS_CONTROL} {GROUP}")
    )
    core = monitored.house.core
    made = core.trail = ServiceTrail(core)
    yield made
    run(made.close())
    core.trail = NO_TRAIL


async def fail(house: Directory) -> None:
    with pytest.raises(AuthenticationFailed):
        await access.log_in(
            house.core,
            username="ada@demo.test",
            password=b"wrong",
            protocol="IMAP",
            address="192.0.2.1",
        )


def count_of(name: str, organization: str) -> float:
    for line in metrics.render().decode().splitlines():
        if line.startswith(f'{name}{{organization="{organization}"}}'):
            return float(line.split()[-1])
    return 0.0


async def test_lines_reach_the_log_group_with_the_common_fields(
    monitored: Monitored, house: Directory, trail: ServiceTrail
) -> None:
    grant = await log_in(house.core, "ada@demo.test")
    await fail(house)
    await trail.flush()
    assert PASSWORD.encode() not in (await house.run("SELECT sealed FROM service_log"))[0][0]
    assert await monitored.ship() == 1
    right, wrong = monitored.lines(GROUP, AUTHENTICATION)
    assert right["user_id"] == grant.entity
    assert right["organization_arn"] == (
        f"arn:aws:workmail:us-east-1:{house.account}:organization/{house.organization}"
    )
    assert isinstance(right["event_timestamp"], int)
    assert len({right["request_id"], wrong["request_id"]}) == 2
    assert wrong["auth_successful"] is False
    [rules] = monitored.lines(GROUP, ACCESS_CONTROL)
    assert rules["access_granted"] is True
    assert await house.run("SELECT id FROM service_log") == []


async def test_texts_of_strangers_are_cut_and_never_keep_a_line_from_being_written(
    monitored: Monitored, house: Directory, trail: ServiceTrail
) -> None:
    name = "\ud800" + "x\r\n\x9b" * 1_000
    trail.add(AUTHENTICATION, house.organization, {"user": name, "auth_successful": False})
    await trail.flush()
    assert await monitored.ship() == 1
    [line] = monitored.lines(GROUP, AUTHENTICATION)
    assert line["user"] == ("?" + "x\r\n\x9b" * 1_000)[: trails.MAX_FIELD]


async def test_what_no_setting_wants_is_kept_nowhere(
    monitored: Monitored, house: Directory, ada: Grant, trail: ServiceTrail
) -> None:
    tell_token(house.core.trail, ada, "create", user="ada", name="x", scopes=SCOPES)
    monitored.map("/mail/* folder")
    await log_in(house.core, "ada@demo.test")
    await trail.flush()
    assert await house.run("SELECT id FROM service_log") == []


async def test_zeros_and_ones_are_counted_for_everybody(
    monitored: Monitored, house: Directory, trail: ServiceTrail
) -> None:
    monitored.map("/mail/* folder")
    await log_in(house.core, "ada@demo.test")
    await fail(house)
    await fail(house)
    org = house.organization
    assert count_of("workpost_authentication_failure_count", org) == 3
    assert count_of("workpost_authentication_failure_sum", org) == 2
    assert count_of("workpost_access_denied_count", org) == 1
    assert count_of("workpost_access_denied_sum", org) == 0


@pytest.mark.parametrize(
    ("kind", "metric"),
    [
        (AUTHENTICATION, "authentication_failure"),
        (ACCESS_CONTROL, "access_denied"),
        (MAILBOX_ACCESS, "action_denied"),
        (AVAILABILITY, "availability_provider_failure"),
    ],
)
async def test_each_metric_of_zeros_and_ones_counts_attempts_and_sums_failures(
    house: Directory, trail: ServiceTrail, kind: str, metric: str
) -> None:
    org = house.organization
    trail.add(kind, org, {"protocol": "IMAP"})
    trail.add(kind, org, {"protocol": "IMAP"}, failed=True)
    assert count_of(f"workpost_{metric}_count", org) == 2
    assert count_of(f"workpost_{metric}_sum", org) == 1


async def test_a_database_that_takes_nothing_delays_lines_and_bounds_them(
    house: Directory, trail: ServiceTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any, **__: Any) -> None:
        raise TryLater("busy")

    monkeypatch.setattr(trails, "MAX_LINES", 2)
    with monkeypatch.context() as patched:
        patched.setattr(house.core.store, "write_background", busy)
        for _ in range(3):
            await fail(house)
        with pytest.raises(TryLater):
            await trail.flush()
    await trail.flush()
    [[lines]] = await house.run("SELECT sum(lines) FROM service_log")
    assert lines == 2


async def test_a_log_group_that_is_not_mapped_any_more_delays(
    monitored: Monitored, house: Directory, trail: ServiceTrail
) -> None:
    await fail(house)
    await trail.flush()
    monitored.map("/else/* folder", audit=(f"{AUTHENTICATION} {GROUP}",))
    await monitored.ship()
    assert len(await house.run("SELECT id FROM service_log")) == 1
    monitored.map("/mail/* folder", audit=(f"{AUTHENTICATION} {GROUP}",))
    await monitored.again()
    [line] = monitored.lines(GROUP, AUTHENTICATION)
    assert line["auth_failed_reason"] == "The password is wrong."
    assert 'wrong"' not in json.dumps(line)


async def test_a_group_that_is_away_keeps_no_other_log_waiting(
    monitored: Monitored, house: Directory, trail: ServiceTrail
) -> None:
    audit = (f"{AUTHENTICATION} /away/audit", f"{ACCESS_CONTROL} {GROUP}")
    monitored.map("/mail/* folder", audit=audit)
    for _ in range(2):
        await log_in(house.core, "ada@demo.test")
        await trail.flush()
    await monitored.ship()
    assert len(monitored.lines(GROUP, ACCESS_CONTROL)) == 2
    assert await house.run("SELECT kind FROM service_log") == [(AUTHENTICATION,)] * 2
    monitored.map("/mail/* folder", "/away/* folder", audit=audit)
    await monitored.again()
    assert len(monitored.lines("/away/audit", AUTHENTICATION)) == 2
    assert len(monitored.lines(GROUP, ACCESS_CONTROL)) == 2


async def test_an_organization_whose_key_is_away_keeps_no_other_waiting(
    house: Directory, trail: ServiceTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await new_directory(house.core, "other", house.account)

    async def away(core: Core, organization: str, *rest: Any) -> LogChunk:
        if organization == house.organization:
            raise TryLater("its own KMS key is disabled")
        return await seal_chunk(core, organization, *rest)

    for one in (house, other):
        trail.add(AUTHENTICATION, one.organization, {"user": "ada"})
        trail.add(ACCESS_CONTROL, one.organization, {"user": "ada"})
    with monkeypatch.context() as patched:
        patched.setattr(trails, "seal_chunk", away)
        patched.setattr(trails, "MAX_AWAY", 1)
        with pytest.raises(TryLater):
            await trail.flush()
    [[lines]] = await house.run("SELECT sum(lines) FROM service_log")
    assert lines == 2
    await trail.flush()
    rows = await house.run("SELECT org, lines FROM service_log WHERE org = ?", house.organization)
    assert rows == [(house.organization, 1)]


async def test_lines_are_told_after_keys_were_rotated(
    monitored: Monitored, house: Directory, trail: ServiceTrail
) -> None:
    await fail(house)
    await trail.flush()
    await house.core.keys.rotate_organization(house.organization)
    assert await rewrap_organization(house.core, house.organization) >= 1
    assert await house.run("SELECT gen FROM service_log") == [(2,)]
    await monitored.ship()
    assert len(monitored.lines(GROUP, AUTHENTICATION)) == 1


async def test_lines_that_do_not_open_keep_no_others_waiting(
    monitored: Monitored, house: Directory, trail: ServiceTrail
) -> None:
    await fail(house)
    await trail.flush()
    await house.change("UPDATE service_log SET id = id + 1")
    await fail(house)
    await trail.flush()
    await monitored.ship()
    assert len(monitored.lines(GROUP, AUTHENTICATION)) == 1
    assert await house.run("SELECT id FROM service_log") == []
