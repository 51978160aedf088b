"""Which certificate the listeners of a process show, and taking up a new one without a restart.

Every process looks at the file by itself: whoever replaces it, ours or another program, needs no
signal. A pair of files that does not fit together, because one of them is not there yet, is left
alone until it does.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from workpost.kernel.logging import logger
from workpost.kernel.settings import Settings, SettingsError
from workpost.operations.certificates.files import AcmeFiles
from workpost.protocols.listening.tls import Certificates
from workpost.store.core import Core

LOOK_SECONDS = 2.0

log = logger("node")

Files = tuple[Path, Path | None]
"""A certificate, and its key where that is in a file of its own."""


def certificate_files(settings: Settings, self_signed: Path) -> Files:
    """The configured files, the one fetched from an authority, or the self-signed one."""
    if settings.tls.certificate:
        return Path(settings.tls.certificate), Path(settings.tls.key)
    fetched = AcmeFiles(settings.tls_dir).certificate
    if settings.acme.enabled and fetched.exists():
        return fetched, None
    return self_signed, None


def certificates(settings: Settings, self_signed: Path) -> Certificates:
    """Load the files of `certificate_files`.

    Raises SettingsError when configured files are missing or do not fit together.
    """
    certificate, key = certificate_files(settings, self_signed)
    if key is None:
        return _load_own(certificate, self_signed)
    try:
        for path in (certificate, key):
            path.open("rb").close()
        return Certificates(certificate, key)
    except ssl.SSLError as error:
        reason = f"{certificate} and {key} are not a certificate and its key"
        raise SettingsError(f"tls: {reason} ({error.reason or error})") from error
    except OSError as error:
        raise SettingsError(f"tls: cannot read {error.filename}: {error.strerror}") from error


def _load_own(certificate: Path, self_signed: Path) -> Certificates:
    try:
        return Certificates(certificate)
    except OSError as error:
        if certificate == self_signed:
            raise
        log.error("the fetched certificate cannot be used", error=error)
        return Certificates(self_signed)


class CertificateWatch:
    """Takes up files that were replaced."""

    def __init__(self, core: Core, tls: Certificates, self_signed: Path) -> None:
        self._core = core
        self._tls = tls
        self._self_signed = self_signed
        self._seen = self._look()
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look, from now on and again and again."""
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(LOOK_SECONDS, self._again)

    def stop(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _again(self) -> None:
        if self._look() != self._seen:
            self.reload()
        self.start()

    def reload(self) -> None:
        """Load the files as they are now; at an error the old ones stay."""
        certificate, key = certificate_files(self._core.settings, self._self_signed)
        self._seen = self._look()
        try:
            self._tls.reload(certificate, key)
        except OSError as error:
            log.error("the new certificate cannot be used; the old one stays", error=error)

    def _look(self) -> tuple[object, ...]:
        """What changes when a file is replaced or written."""
        files = certificate_files(self._core.settings, self._self_signed)
        return (files, *(_mark(path) for path in files if path is not None))


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
