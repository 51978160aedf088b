"""Audit logs on their way: gathered for a tenth of a second, then sealed and written together.

Lines are kept for organizations that `monitoring.audit_logs` names a log group for; the job
`monitoring.ship` brings them there. As with the record of API calls, a crash loses the last tenth
of a second; while the database takes nothing, what does not fit the buffer is lost, and counted.
Failures are counted for everybody, in metrics named as those of WorkMail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from workpost.formats.arn import organization_arn
from workpost.integrations.logs.base import Line
from workpost.kernel import trail as kinds
from workpost.kernel.errors import KeyDestroyed, TryLater, WorkpostError
from workpost.kernel.log_groups import find_audit_log
from workpost.kernel.logging import logger
from workpost.kernel.metrics import Histogram, counter, histogram
from workpost.kernel.trail import Trail
from workpost.operations.monitoring.chunks import CHUNK_LINES, seal_chunk
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.tables import organizations, service_logs
from workpost.store.tables.service_logs import LogChunk

EVERY = 0.1
"""Seconds between writes."""
AGAIN = 1.0
"""Seconds after a write that failed."""
MAX_LINES = 50_000
MAX_AWAY = 5_000
"""Lines that are kept for organizations whose keys are out of reach."""
MAX_FIELD = 1024
"""Characters of a text that somebody else has chosen."""
ACCOUNTS = 10_000
STOP_TRIES = 3

DROPPED = counter("workpost_audit_lines_dropped_total", "Lines of audit logs that did not fit.")

log = logger("audit")

_encode = msgspec.json.Encoder().encode


def _zero_or_one(name: str, what: str) -> Histogram:
    """WorkMail's metric of zeros and ones: its sum counts failures, its count attempts."""
    text = f"{what}: 1 for each that failed, 0 for others."
    return histogram(f"workpost_{name}", text, "organization", buckets=(0.0,))


METRICS: dict[str, Histogram] = {
    kinds.AUTHENTICATION: _zero_or_one("authentication_failure", "Logins"),
    kinds.ACCESS_CONTROL: _zero_or_one("access_denied", "Evaluations of access-control rules"),
    kinds.MAILBOX_ACCESS: _zero_or_one("action_denied", "Actions on mailboxes"),
    kinds.AVAILABILITY: _zero_or_one("availability_provider_failure", "Free/busy requests"),
}


def _observe(kind: str, organization: str, failed: bool) -> None:
    metric = METRICS.get(kind)
    if metric is not None:
        metric.labels(organization).gather(1.0 if failed else 0.0)


@command
def insert_lines(tx: Tx, *, chunks: list[LogChunk]) -> None:
    """Append chunks of lines; repeating it changes nothing."""
    service_logs.insert_chunks(tx, chunks)


_Told = tuple[str, str, int, dict[str, Any]]
"""Organization, kind, time in ms, fields."""


class ServiceTrail(Trail):
    """The audit logs of one process; to be used on its loop."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: list[_Told] = []
        self._sealed: list[LogChunk] = []
        self._accounts: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None

    def add(
        self, kind: str, organization: str, record: Mapping[str, Any], *, failed: bool = False
    ) -> None:
        _observe(kind, organization, failed)
        if not self._is_kept(kind, organization):
            return
        if len(self._waiting) + sum(chunk.lines for chunk in self._sealed) >= MAX_LINES:
            DROPPED.inc()
            return
        told = {key: _short(value) for key, value in record.items() if value not in ("", [])}
        env = self._core.env
        at = env.now()
        self._waiting.append(
            (organization, kind, at, {"event_timestamp": at, "request_id": env.new_uuid(), **told})
        )
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    def count(self, kind: str, organization: str, *, failed: bool = False) -> bool:
        if self._is_kept(kind, organization):
            return True
        _observe(kind, organization, failed)
        return False

    def _is_kept(self, kind: str, organization: str) -> bool:
        wanted = self._core.settings.monitoring.audit_logs
        return bool(organization and wanted) and any(kind in entry for entry in wanted)

    async def _write_soon(self) -> None:
        pause = EVERY
        while self._waiting or self._sealed:
            await asyncio.sleep(pause)
            try:
                await self.flush()
                pause = EVERY
            except WorkpostError as error:
                log.warning("audit logs are not written", reason=str(error))
                pause = AGAIN
            except Exception:  # whatever it is: a writer that is gone would lose all that follows
                log.exception("audit logs are not written")
                pause = AGAIN
        self._writing = None

    async def flush(self) -> None:
        """Write what was taken so far. Raises TryLater; what was not written is kept."""
        async with self._lock:
            await self._write_sealed()
            taken = self._waiting[:]
            self._sealed, away, trouble = await self._seal(taken)
            if len(away) > MAX_AWAY:
                DROPPED.inc(len(away) - MAX_AWAY)
            self._waiting[: len(taken)] = away[:MAX_AWAY]
            await self._write_sealed()
            if trouble is not None:
                raise trouble

    async def _write_sealed(self) -> None:
        if self._sealed:
            await self._core.store.write_background(insert_lines, chunks=self._sealed)
            self._sealed = []

    async def _seal(
        self, taken: list[_Told]
    ) -> tuple[list[LogChunk], list[_Told], TryLater | None]:
        """Chunks, and what has to wait because the key of its organization is out of reach."""
        by_log: dict[tuple[str, str], list[Line]] = {}
        told: dict[tuple[str, str], list[_Told]] = {}
        region = self._core.settings.api.region
        for one in taken:
            organization, kind, at, record = one
            account = await self._account_of(organization)
            wanted = self._core.settings.monitoring.audit_logs
            if account and find_audit_log(wanted, account, organization, kind) is not None:
                arn = organization_arn(region, account, organization)
                line = _encode({**record, "organization_arn": arn})
                by_log.setdefault((organization, kind), []).append((at, line))
                told.setdefault((organization, kind), []).append(one)
        chunks: list[LogChunk] = []
        away: list[_Told] = []
        trouble: TryLater | None = None
        for (organization, kind), lines in by_log.items():
            for start in range(0, len(lines), CHUNK_LINES):
                some = lines[start : start + CHUNK_LINES]
                try:
                    chunks.append(await seal_chunk(self._core, organization, kind, some))
                except KeyDestroyed:
                    continue
                except TryLater as error:
                    # One organization's key, perhaps taken away by itself, is no other's matter.
                    away += told[organization, kind][start : start + CHUNK_LINES]
                    trouble = error
        return chunks, away, trouble

    async def _account_of(self, organization: str) -> str:
        known = self._accounts.get(organization)
        if known is None:
            state = await self._core.store.read(organizations.get_state, organization=organization)
            if len(self._accounts) >= ACCOUNTS:
                self._accounts.clear()
            known = self._accounts[organization] = state[0] if state is not None else ""
        return known

    async def close(self) -> None:
        for _ in range(STOP_TRIES):
            try:
                await self.flush()
                break
            except WorkpostError as error:
                log.error("audit logs are not written", lines=len(self._waiting), reason=str(error))
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)


def _short(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # A lone surrogate cannot be written, and would keep all that waits with it from being written.
    return value[:MAX_FIELD].encode("utf-8", "replace").decode()
