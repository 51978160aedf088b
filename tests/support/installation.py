"""An installation that `workpost quickstart` has made, and what is in the zone that it prints."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import dns.rdatatype
import dns.rdtypes.txtbase
import dns.zone

from tests.support.server import Server, command_line

ADDRESS = "192.0.2.25"
HOST = "mail.example.org"


class Installation:
    """A folder in which `workpost quickstart` was run."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.config = folder / "workpost.toml"
        self.data = folder / "data"
        self.options = options
        self.env: dict[str, str] = {}

    def quickstart(self, *more: str, code: int = 0) -> str:
        done = command_line(
            *("quickstart", "ada@example.org", "--data", str(self.data)),
            *("--config", str(self.config), "--address", ADDRESS, "--user", "root"),
            *self.options,
            *more,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def run(self, command: str, *more: str) -> Any:
        return command_line(command, "--config", str(self.config), *more, env=self.env)

    def tree(self) -> dict[str, str]:
        """What is in the folder, file by file."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(content(path)).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def server(self) -> Server:
        return Server(self.data, "--config", str(self.config), env=self.env, demo=False)


def content(path: Path) -> bytes:
    """What a file says: SQLite counts in its head how often it was opened."""
    if path.suffix != ".db":
        return path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump()).encode()


def secret(text: str, name: str) -> str:
    found = re.search(rf"^ *{name} +(\S+)$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def zone_of(text: str) -> dict[tuple[str, str], list[str]]:
    """The records of the block to copy, read by dnspython as a name server reads its file."""
    block = text.partition("Publish in DNS")[2].partition("\n")[2].partition("\nNext:")[0]
    # A zone file has a SOA and a name server, which the owner's zone has already.
    head = "@ 60 IN SOA a.test. b.test. 1 1 1 1 1\n@ 60 IN NS a.test.\n"
    zone = dns.zone.from_text(head + block, origin="example.org.", relativize=False)
    found: dict[tuple[str, str], list[str]] = {}
    for name, _, record in zone.iterate_rdatas():
        kind = dns.rdatatype.to_text(record.rdtype)
        if kind not in {"SOA", "NS"}:
            value = record.to_text()
            if isinstance(record, dns.rdtypes.txtbase.TXTBase):
                value = b"".join(record.strings).decode()
            key = (kind, name.to_text(omit_final_dot=True))
            found.setdefault(key, []).append(value)
    return found
