"""Bytes that are kept until the end of an export, outside memory.

They hold folder names, so the file, which has no name and ends with its process, is encrypted under
a key that is nowhere but in this object.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from workpost.kernel.clock import Environment

BLOCK = 256 * 1024


class Spool:
    """Append-only; read once, from the start. Blocking. Raises OSError."""

    def __init__(self, folder: Path, env: Environment) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close()
        self._cipher = Cipher(algorithms.AES(env.random_bytes(32)), modes.CTR(bytes(16)))
        self._encryptor = self._cipher.encryptor()
        self._waiting = bytearray()
        self.size = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._waiting += data
        self.size += len(data)
        if len(self._waiting) >= BLOCK:
            self._write()

    def read(self) -> Iterator[bytes]:
        """All bytes, a block at a time; nothing is appended any more."""
        self._write()
        self._file.seek(0)
        decryptor = self._cipher.decryptor()
        while block := self._file.read(BLOCK):
            yield decryptor.update(block)

    def close(self) -> None:
        """Give the space back."""
        self._file.close()

    def _write(self) -> None:
        self._file.write(self._encryptor.update(bytes(self._waiting)))
        self._waiting.clear()
