"""MTA-STS (RFC 8461): the record in the DNS and the policy file, read tolerantly within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

MAX_BYTES = 64 * 1024
"""Of a policy file (RFC 8461 3.3)."""
MAX_AGE = 31_557_600
MAX_PATTERNS = 200

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_AGE = re.compile(r"[0-9]{1,10}")
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


class PolicyError(ValueError):
    """The file is no policy; the message says why."""


class Policy(msgspec.Struct, frozen=True):
    """A policy: `mx` are host names, or `*.` before one; `max_age` in seconds."""

    mode: Literal["enforce", "testing", "none"]
    mx: tuple[str, ...]
    max_age: int

    def covers(self, host: str) -> bool:
        """Whether mail may go to this host (RFC 8461 4.1)."""
        return any(covers(pattern, host) for pattern in self.mx)

    @property
    def lines(self) -> list[str]:
        """The policy as reports quote it (RFC 8460 4.4)."""
        hosts = [f"mx: {pattern}" for pattern in self.mx]
        return ["version: STSv1", f"mode: {self.mode}", *hosts, f"max_age: {self.max_age}"]


def covers(pattern: str, host: str) -> bool:
    """Whether a name with an optional `*` as its whole first label covers a host's name."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        first, dot, rest = host.partition(".")
        return bool(first and dot) and rest == pattern[2:]
    return pattern == host


def parse_record(texts: Iterable[str]) -> str | None:
    """The policy's id out of the TXT records of `_mta-sts.DOMAIN`; None: there is no policy.

    More than one record that begins as ours is none (RFC 8461 3.1).
    """
    ours = [text for text in texts if re.match(r"v=STSv1[ \t]*;", text)]
    if len(ours) != 1:
        return None
    for field in ours[0].split(";")[1:]:
        name, equals, value = field.partition("=")
        if equals and name.strip() == "id":
            return value.strip() if _ID.fullmatch(value.strip()) else None
    return None


def parse_policy(data: bytes) -> Policy:
    """Read a policy file (RFC 8461 3.2). Raises PolicyError."""
    if len(data) > MAX_BYTES:
        raise PolicyError("the file is too large")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyError("the file is not UTF-8") from None
    values, patterns = _fields(text)
    if values.get("version") != "STSv1":
        raise PolicyError("the version is not STSv1")
    age = values.get("max_age", "")
    if not _AGE.fullmatch(age) or int(age) > MAX_AGE:
        raise PolicyError("max_age is missing or malformed")
    mode = values.get("mode", "")
    if mode == "none":
        return Policy("none", (), int(age))
    if mode not in {"enforce", "testing"}:
        raise PolicyError("the mode is unknown")
    if not patterns:
        raise PolicyError("no mx is named")
    return Policy("enforce" if mode == "enforce" else "testing", tuple(patterns), int(age))


def _fields(text: str) -> tuple[dict[str, str], Sequence[str]]:
    values: dict[str, str] = {}
    patterns: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip():
            continue
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon or not _KEY.fullmatch(key):
            raise PolicyError("a line is malformed")
        if key != "mx":
            values.setdefault(key, value)
            continue
        if not _PATTERN.fullmatch(value.lower()) or len(patterns) >= MAX_PATTERNS:
            raise PolicyError("an mx is malformed, or there are too many")
        patterns.append(value.lower())
    return values, patterns
