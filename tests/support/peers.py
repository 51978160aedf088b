"""Which real peers this machine has, and what to say about those it has not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

# Debian package that brings each program; `.ci/run` installs them all.
PROGRAMS = {
    "postgres": ("initdb", "postgresql"),
    "postfix": ("postfix", "postfix"),
    "dovecot": ("dovecot", "dovecot-imapd"),
    "doveadm": ("doveadm", "dovecot-core"),
    "swaks": ("swaks", "swaks"),
    "curl": ("curl", "curl"),
    "aws": ("aws", "awscli"),
    "openssl": ("openssl", "openssl"),
    "slapd": ("slapd", "slapd"),
    "sieve-connect": ("sieve-connect", "sieve-connect"),
    "pigeonhole": ("sieve-test", "dovecot-sieve"),
    "rspamd": ("rspamd", "rspamd"),
    "spamd": ("spamd", "spamd"),
    "clamd": ("clamd", "clamav-daemon"),
}


def postgres_folder() -> Path | None:
    """Find the newest PostgreSQL server's binaries (Debian keeps them off PATH)."""
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if versions:
        return max(versions, key=lambda folder: float(folder.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def find(program: str) -> str | None:
    """Find a program on PATH or where Debian keeps those of the administrator."""
    if program == "initdb":
        folder = postgres_folder()
        return str(folder / "initdb") if folder else None
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def require_peer(name: str) -> str:
    """Return the path of a peer's program.

    Where it is not installed the test is skipped with the reason, and fails with the same words
    when CI_REQUIRE_PEERS=1.
    """
    program, package = PROGRAMS[name]
    path = find(program)
    if path is None:
        reason = f"{name} is not installed (no {program}; on Debian: apt install {package})"
        if os.environ.get("CI_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return path
