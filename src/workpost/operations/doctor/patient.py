"""What a check is given, and what it says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

import msgspec

from workpost.integrations.dns.base import Resolver
from workpost.kernel.clock import Environment
from workpost.kernel.settings import Settings
from workpost.store.core import Core

Level = Literal["ok", "warning", "failure", "skipped"]


class Verdict(msgspec.Struct, frozen=True):
    """One thing that was looked at; `advice` says what to do unless it is well."""

    check: str
    """`dns.mx`, `port.smtp`: what fail-over scripts and people look for."""
    level: Level
    subject: str
    """A name, address, path or listener."""
    text: str
    advice: str = ""


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """What a check may look at."""

    settings: Settings
    resolver: Resolver
    env: Environment
    core: Core | None = None
    """None where the data cannot be opened; that is a finding of its own."""
    endpoints: Mapping[str, str] = {}
    """Where the running server listens, from endpoints.json; nothing where it does not run."""
    addresses: Sequence[str] = ()
    """The public addresses of the machine as far as it knows them, or as the operator says."""
    online: bool = False
    """Whether others than DNS servers may be asked."""

    @property
    def now(self) -> dt.datetime:
        """The machine's time at this moment."""
        return dt.datetime.fromtimestamp(self.env.now() / 1000, dt.UTC)


Check = Callable[[Patient], Awaitable[list[Verdict]]]


def ok(check: str, subject: str, text: str) -> Verdict:
    """All is well."""
    return Verdict(check, "ok", subject, text)


def warning(check: str, subject: str, text: str, advice: str) -> Verdict:
    """Mail flows, but not as well as it could."""
    return Verdict(check, "warning", subject, text, advice)


def failure(check: str, subject: str, text: str, advice: str) -> Verdict:
    """Mail is lost to somebody, or will be."""
    return Verdict(check, "failure", subject, text, advice)


def skipped(check: str, subject: str, text: str) -> Verdict:
    """Nobody looked, and why."""
    return Verdict(check, "skipped", subject, text)


NEEDS_ONLINE = "others are asked with --online only"
NEEDS_DATA = "the data could not be opened"
