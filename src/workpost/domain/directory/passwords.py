"""Passwords: which are acceptable, how they are hashed and checked.

argon2id runs in threads of its own (it releases the interpreter), as many as there are cores, and
with a bounded queue: a storm of logins gets "try later" instead of the machine's memory. Nothing
here keeps or logs a password.
"""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import argon2
from argon2 import low_level

from workpost.kernel import settings
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Busy, PasswordUnacceptable

MIN_LENGTH = 8
MAX_LENGTH = 63
MIN_CLASSES = 3
WAITING_PER_THREAD = 64
"""At about 20 ms each, nobody waits much longer than a second."""
NEW_PER_THREAD = 32
"""Of these, new passwords: one account that sets many at once shuts nobody out of their mail."""

_LATIN_SUPPLEMENT = range(0xA0, 0x100)
_SALT = 16

R = TypeVar("R")


def check_password(password: str) -> None:
    """Raise PasswordUnacceptable unless the password meets the policy of WorkMail directories.

    8 to 63 characters of Basic Latin and Latin-1 Supplement, from at least three of: upper case,
    lower case, digits, special characters, Latin-1 Supplement.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordUnacceptable("A password has 8 to 63 characters.")
    if not all(" " <= c <= "~" or ord(c) in _LATIN_SUPPLEMENT for c in password):
        raise PasswordUnacceptable("A password has only characters of Latin-1 that can be typed.")
    if len({_class(c) for c in password}) < MIN_CLASSES:
        raise PasswordUnacceptable(
            "A password has characters of at least three kinds: upper case, lower case, digits,"
            " special characters, Latin-1 Supplement."
        )


def _class(character: str) -> str:
    if not character.isascii():
        return "supplement"
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "upper" if character.isupper() else "lower"
    return "special"


def normalize(password: str | bytes) -> bytes:
    """The bytes that are hashed: UTF-8 of the composed characters (NFC).

    Bytes that are no UTF-8 are read as Latin-1, which some mail clients still send.
    """
    text = password if isinstance(password, str) else _decode(password)
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def _decode(password: bytes) -> str:
    try:
        return password.decode()
    except UnicodeDecodeError:
        return password.decode("latin-1")


class Hasher:
    """argon2id in a bounded pool of threads; one for each process."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._threads = threads
        self._running = 0
        self._new = 0

    async def hash(self, cost: settings.Passwords, env: Environment, password: bytes) -> str:
        """A fresh hash in the PHC string format. Raises Busy when too many wait."""
        if self._new >= self._threads * NEW_PER_THREAD:
            raise Busy("Too many passwords are being set; try again in a moment.")
        self._new += 1
        try:
            return await self._run(_hasher(cost).hash, password, salt=env.random_bytes(_SALT))
        finally:
            self._new -= 1

    async def verify(self, stored: str, password: bytes) -> bool:
        """True when the password has this hash. Raises Busy when too many wait."""
        return await self._run(_verify, stored, password)

    async def verify_nobody(self, cost: settings.Passwords, password: bytes) -> None:
        """Spend the time of `verify` for a name that does not exist. Raises Busy."""
        await self._run(_verify_nobody, cost, password)

    async def _run(self, work: Callable[..., R], *args: object, **kw: object) -> R:
        if self._running >= self._threads * WAITING_PER_THREAD:
            raise Busy("Too many passwords are being checked; try again in a moment.")
        self._running += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, lambda: work(*args, **kw))
        finally:
            self._running -= 1


@cache
def hasher() -> Hasher:
    """The process's hasher, made at its first use: after the fork of the process."""
    return Hasher(len(os.sched_getaffinity(0)))


@cache
def _hasher(cost: settings.Passwords) -> argon2.PasswordHasher:
    return argon2.PasswordHasher(cost.time_cost, cost.memory_kib, cost.parallelism)


def is_outdated(cost: settings.Passwords, stored: str) -> bool:
    """True when a hash was made at another cost than the settings ask for."""
    return _hasher(cost).check_needs_rehash(stored)


def _verify(stored: str, password: bytes) -> bool:
    try:
        return low_level.verify_secret(stored.encode(), password, low_level.Type.ID)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _verify_nobody(cost: settings.Passwords, password: bytes) -> None:
    _verify(_decoy(cost), password)


@cache
def _decoy(cost: settings.Passwords) -> str:
    return _hasher(cost).hash(os.urandom(32))
