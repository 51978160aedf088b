"""The audit log between a call and the disk."""

import asyncio

import orjson
import pytest

from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import TryLater
from workpost.operations.audit import log as audit_log
from workpost.operations.audit.log import AuditLog
from workpost.operations.audit.reading import KEPT_MS, parse_time, purge_audit, read_audit
from workpost.store.core import Core
from workpost.store.database.unit import Reader
from workpost.store.keys import sealing

ACCOUNT, OTHER = "111122223333", "444455556666"


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment()


def line(name: str, time: str = "2026-01-01T00:00:00Z") -> bytes:
    return orjson.dumps({"eventName": name, "eventTime": time})


async def names(core: Core, account: str = ACCOUNT, **filters: object) -> list[str]:
    return [
        record["eventName"]
        async for record in read_audit(core, account, **filters)  # type: ignore[arg-type]
    ]


def chunks(tx: Reader) -> list[tuple[str, int, bytes]]:
    rows = tx.rows("SELECT account, calls, sealed FROM audit ORDER BY account")
    return [(row[0], row[1], row[2]) for row in rows]


async def test_calls_are_written_together_sealed_and_by_account(bare_core: Core) -> None:
    log = AuditLog(bare_core)
    for number in range(3):
        log.add(ACCOUNT, number, line(f"Call{number}"))
    log.add(OTHER, 9, line("Theirs"))
    await log.flush()
    rows = await bare_core.store.read(chunks)
    assert [(account, calls) for account, calls, _ in rows] == [(ACCOUNT, 3), (OTHER, 1)]
    assert not any(b"Call" in sealed for _, _, sealed in rows)
    assert await names(bare_core) == ["Call0", "Call1", "Call2"]
    assert await names(bare_core, OTHER) == ["Theirs"]
    await log.flush()
    await log.close()
    assert len(await bare_core.store.read(chunks)) == 2


async def test_calls_are_written_without_being_asked_to(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "EVERY", 0.001)
    log = AuditLog(bare_core)
    log.add(ACCOUNT, 1, line("First"))
    for _ in range(6_000):
        if await names(bare_core):
            break
        await asyncio.sleep(0.005)
    assert await names(bare_core) == ["First"]
    await log.close()


async def test_the_end_of_the_process_loses_none(bare_core: Core) -> None:
    log = AuditLog(bare_core)
    log.add(ACCOUNT, 1, line("Last"))
    await log.close()
    assert await names(bare_core) == ["Last"]


async def test_large_bursts_are_cut_into_chunks(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "CHUNK_CALLS", 10)
    monkeypatch.setattr(audit_log, "CHUNK_BYTES", 600)
    monkeypatch.setattr(audit_log, "CHUNKS_OF_A_WRITE", 2)
    log = AuditLog(bare_core)
    for number in range(57):
        log.add(ACCOUNT, number, line(f"Call{number}"))
    for number in range(3):
        log.add(OTHER, number, line("x" * 400))
    await log.close()
    assert await names(bare_core) == [f"Call{number}" for number in range(57)]
    counts = [calls for account, calls, _ in await bare_core.store.read(chunks)]
    assert max(counts) <= 10


@pytest.mark.parametrize("step", ["seal", "write"])
async def test_a_failure_that_nobody_foresaw_keeps_the_calls_and_does_not_end_the_writing(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(audit_log, "EVERY", 0.0)
    monkeypatch.setattr(audit_log, "AGAIN", 0.001)
    log = AuditLog(bare_core)
    failures: list[str] = []
    # Who asks at the same moment shares the making of a key, and its failure.
    await bare_core.keys.token_key(audit_log.PURPOSE)

    def fail(*_: object, **__: object) -> None:
        failures.append(step)
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        if step == "seal":
            patch.setattr(sealing, "seal", fail)
        else:
            patch.setattr(bare_core.store, "write_background", fail)
        log.add(ACCOUNT, 1, line("First"))
        for _ in range(6_000):
            if failures:
                break
            await asyncio.sleep(0.001)
    for _ in range(6_000):
        if await names(bare_core):
            break
        await asyncio.sleep(0.005)
    assert await names(bare_core) == ["First"]
    await log.close()


async def test_a_full_buffer_says_so_and_keeps_what_it_has(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "MAX_CALLS", 3)
    monkeypatch.setattr(audit_log, "EVERY", 0.0)
    monkeypatch.setattr(audit_log, "AGAIN", 0.001)
    log = AuditLog(bare_core)
    write = bare_core.store.write_background

    async def down(*_: object, **__: object) -> None:
        raise TryLater("the database is gone")

    monkeypatch.setattr(bare_core.store, "write_background", down)
    for number in range(3):
        assert not log.full
        log.add(ACCOUNT, number, line(f"Call{number}"))
    for _ in range(5):
        await asyncio.sleep(0.002)
        assert log.full
    with pytest.raises(TryLater):
        await log.flush()
    monkeypatch.setattr(bare_core.store, "write_background", write)
    await log.close()
    assert not log.full
    assert await names(bare_core) == ["Call0", "Call1", "Call2"]


async def test_what_cannot_be_written_at_the_end_is_told(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def down(*_: object, **__: object) -> None:
        raise TryLater("the database is gone")

    log = AuditLog(bare_core)
    log.add(ACCOUNT, 1, line("Lost"))
    monkeypatch.setattr(bare_core.store, "write_background", down)
    await log.close()
    assert "1 calls are not in the audit log" in caplog.text


async def test_reading_by_time_and_name(bare_core: Core) -> None:
    log = AuditLog(bare_core)
    for hour in range(30):
        time = f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:00:00Z"
        log.add(ACCOUNT, parse_time(time), line("Even" if hour % 2 == 0 else "Odd", time))
        await log.flush()
    since = parse_time("2026-01-01T12:00:00")
    assert len(await names(bare_core)) == 30
    assert len(await names(bare_core, since=since)) == 18
    assert await names(bare_core, since=since, event_name="odd") == ["Odd"] * 9
    await log.close()


async def test_it_is_kept_for_ninety_days(bare_core: Core, env: FixedEnvironment) -> None:
    log = AuditLog(bare_core)
    log.add(ACCOUNT, env.now(), line("Old"))
    await log.flush()
    env.advance(KEPT_MS)
    log.add(ACCOUNT, env.now(), line("New"))
    await log.close()
    assert await purge_audit(bare_core) == 0
    env.advance(1)
    assert await purge_audit(bare_core) == 1
    assert await names(bare_core) == ["New"]
