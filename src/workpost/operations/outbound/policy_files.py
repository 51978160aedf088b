"""Policies of MTA-STS in files: a restart does not forget what a domain has promised.

Without them whoever can suppress a domain's record would only have to wait for a restart (RFC 8461
10.2). The processes of a node share the folder; each file is written whole or not at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import msgspec

from workpost.formats.mta_sts import Policy
from workpost.kernel.logging import logger

FILES = 10_000
"""Policies that stay; the oldest go when a process saves its first one."""
MAX_BYTES = 256 * 1024

log = logger("outbound")


class Kept(msgspec.Struct):
    """What is known of a domain; moments in seconds since the epoch."""

    id: str = ""
    policy: Policy | None = None
    expires: float = 0.0
    fetched: float = 0.0
    failed: float = float("-inf")
    problem: str = ""
    """Result type of RFC 8460 4.3, of the last fetch."""


class _Filed(msgspec.Struct):
    domain: str
    id: str
    policy: Policy
    expires: float
    fetched: float


class PolicyFiles:
    """One file for each domain in a folder, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_swept = False

    async def load(self, domain: str) -> Kept:
        """What was saved of a domain; nothing where there is nothing to be read. Never raises."""
        return await asyncio.to_thread(self._load, domain)

    async def save(self, domain: str, kept: Kept) -> None:
        """Keep a policy. A folder that cannot be written is logged: memory still has it."""
        if kept.policy is None:
            return
        filed = _Filed(domain, kept.id, kept.policy, kept.expires, kept.fetched)
        try:
            await asyncio.to_thread(self._save, filed)
        except OSError as error:
            log.warning("an MTA-STS policy was not saved", reason=type(error).__name__)

    def _path(self, domain: str) -> Path:
        return self._folder / f"{hashlib.sha256(domain.encode()).hexdigest()[:32]}.json"

    def _load(self, domain: str) -> Kept:
        try:
            with self._path(domain).open("rb") as file:
                filed = msgspec.json.decode(file.read(MAX_BYTES), type=_Filed)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return Kept()
        if filed.domain != domain:
            return Kept()
        return Kept(filed.id, filed.policy, filed.expires, filed.fetched)

    def _save(self, filed: _Filed) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(filed.domain)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.encode(filed))
        temporary.replace(path)
        if not self._is_swept:
            self._is_swept = True
            self._sweep()

    def _sweep(self) -> None:
        """Remove the oldest files over the bound."""
        found = list(self._folder.iterdir())
        if len(found) > FILES:
            found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            for path in found[FILES:]:
                path.unlink(missing_ok=True)
