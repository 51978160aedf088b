"""The cache of verified passwords: a client that logs in again pays for argon2id once.

Holds no password and nothing to guess one from: HMACs under a random key that never leaves the
process. The stored hash is part of what is authenticated, so an entry is dead the moment the
password is changed; state and rules are read anew at every login. Passwords that a directory
outside checks have no hash here: their owner stands for it, with one password at a time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from functools import cache

SECONDS = 300.0
ENTRIES = 20_000


class VerifiedPasswords:
    """At most `ENTRIES` passwords that were right within the last five minutes."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._last: OrderedDict[str, bytes] = OrderedDict()

    def _mark(self, stored: str, password: bytes) -> bytes:
        bound = len(stored).to_bytes(4, "big") + stored.encode() + password
        return hmac.digest(self._key, bound, hashlib.sha256)

    def knows(self, stored: str, password: bytes, now: float) -> bool:
        """True when the password fitted this hash a short while ago; `now` is monotonic."""
        return self._until.get(self._mark(stored, password), now) > now

    def add(
        self,
        stored: str,
        password: bytes,
        now: float,
        *,
        seconds: float = SECONDS,
        only: bool = False,
    ) -> None:
        """Remember that the password fits this hash; with `only` no other one does from now on."""
        mark = self._mark(stored, password)
        if only:
            before = self._last.pop(stored, mark)
            if before != mark:
                self._until.pop(before, None)
            self._last[stored] = mark
            if len(self._last) > ENTRIES:
                self._last.popitem(last=False)
        self._until[mark] = now + seconds
        self._until.move_to_end(mark)
        if len(self._until) > ENTRIES:
            self._until.popitem(last=False)


@cache
def verified() -> VerifiedPasswords:
    """The process's cache, made at its first use: after the fork of the process."""
    return VerifiedPasswords()
