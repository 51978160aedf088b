"""The embedded master: a key ring in a file of mode 0600.

    {"current": 2, "keys": {"1": {"key": "<base64>", "created": <ms>}, "2": {...}}}

Whoever has this file and the key store can read everything; docs/operator-guide.md says how to
keep them. The file is replaced atomically and read again when its identity changes, so that a
rotation by one process reaches the others at their next wrap.
"""

from __future__ import annotations

import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workpost.kernel.clock import Environment
from workpost.kernel.errors import Fault, TryLater

NONCE = 12


class RingKey(msgspec.Struct):
    """One version of the master key."""

    key: str
    created: int


class Ring(msgspec.Struct):
    """The file."""

    current: int
    keys: dict[str, RingKey]


def _context(scope: str, gen: int) -> bytes:
    return f"master\0{scope}\0{gen}".encode()


class KeyRing:
    """The local key ring; implements `Master`.

    Every method raises TryLater when the file is missing or cannot be read.
    """

    def __init__(self, path: Path, env: Environment) -> None:
        self._path = path
        self._env = env
        self._seen: tuple[int, int, int] | None = None
        self._ring = Ring(current=0, keys={})

    def create(self) -> None:
        """Make the file with a first version; an existing one stays as it is."""
        with self._locked():
            if not self._path.exists():
                self._add_version(Ring(current=0, keys={}))

    def wrap(self, scope: str, gen: int, key: bytes) -> tuple[int, bytes]:
        ring = self._read()
        nonce = os.urandom(NONCE)
        sealed = self._cipher(ring, ring.current).encrypt(nonce, key, _context(scope, gen))
        return ring.current, nonce + sealed

    def unwrap(self, scope: str, gen: int, version: int, wrapped: bytes) -> bytes:
        cipher = self._cipher(self._read(), version)
        try:
            return cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], _context(scope, gen))
        except (InvalidTag, ValueError):
            raise Fault(f"the wrapped key of {scope} does not fit the key ring") from None

    def rotate(self) -> int:
        """Add a version and make it the current one; returns it."""
        with self._locked():
            return self._add_version(self._read())

    def versions(self) -> dict[int, int]:
        """Each version with the time it was made, in milliseconds since the epoch."""
        return {int(version): entry.created for version, entry in self._read().keys.items()}

    def current(self) -> int:
        """The version that wraps."""
        return self._read().current

    def drop(self, version: int) -> None:
        """Destroy an old version. The caller knows that nothing is wrapped by it."""
        with self._locked():
            ring = self._read()
            if version == ring.current:
                raise Fault("the current version of the key ring cannot be dropped")
            keys = {name: key for name, key in ring.keys.items() if name != str(version)}
            if len(keys) < len(ring.keys):
                self._write(Ring(current=ring.current, keys=keys))

    def export(self) -> bytes:
        """The file as it is, for `workpost keys backup`."""
        self._read()
        return self._path.read_bytes()

    def _cipher(self, ring: Ring, version: int) -> AESGCM:
        entry = ring.keys.get(str(version))
        if entry is None:
            raise Fault(f"the key ring {self._path} has no version {version}")
        return AESGCM(base64.b64decode(entry.key))

    def _read(self) -> Ring:
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._ring = msgspec.json.decode(self._path.read_bytes(), type=Ring)
                self._seen = seen
        except (OSError, msgspec.DecodeError) as error:
            raise TryLater(f"the key ring {self._path} cannot be read: {error}") from error
        return self._ring

    def _add_version(self, ring: Ring) -> int:
        version = ring.current + 1
        key = base64.b64encode(self._env.random_bytes(32)).decode()
        entry = RingKey(key=key, created=self._env.now())
        self._write(Ring(current=version, keys={**ring.keys, str(version): entry}))
        return version

    def _write(self, ring: Ring) -> None:
        # The ring in memory is never changed: nothing may be wrapped by what is not on disk.
        try:
            write_private(self._path, msgspec.json.format(msgspec.json.encode(ring)))
        except OSError as error:
            raise TryLater(f"the key ring {self._path} cannot be written: {error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def write_private(path: Path, data: bytes) -> None:
    """Replace a file of mode 0600 so that after a crash it is the old or the new one, whole."""
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
