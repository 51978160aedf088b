"""A real PostgreSQL for the tests: one server a session, one fresh database a test."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.support.peers import postgres_folder
from tests.support.processes import Peer, PeerFailed, dying_with_us, free_port

ROLE = "workpost"
SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "synchronous_commit": "on",
    "autovacuum_naptime": "5s",
    "log_min_messages": "warning",
}


class PostgresServer:
    """A server of its own; it refuses to run as root, so root runs it as the user `postgres`.

    Tests kill processes, never the machine: only what measures needs one that is `durable`.
    """

    def __init__(self, *, durable: bool = False) -> None:
        binaries = postgres_folder()
        assert binaries is not None
        self._folder = Path(tempfile.mkdtemp(prefix="wp-pg-"))
        self._made: dict[str, str] = {}
        self._count = 0
        self.password = secrets.token_hex(16)
        user = "postgres" if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(self._folder, user, user)
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)  # inside a folder that only its owner can enter
        data = self._folder / "data"
        self._run(
            str(binaries / "initdb"), "--pgdata", str(data), "--username", ROLE,
            "--pwfile", str(password_file), "--auth", "password", "--encoding", "UTF8",
            "--locale", "C", "--no-sync", "--no-instructions", user=user,
        )  # fmt: skip
        self.port = free_port()
        safe = "on" if durable else "off"
        settings = SERVER_OPTIONS | {"fsync": safe, "full_page_writes": safe}
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [
            str(binaries / "postgres"), "-D", str(data), "-p", str(self.port),
            "-k", str(self._folder), *options,
        ]  # fmt: skip
        self._command = dying_with_us(command, user=user, by="INT")
        self.start()
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)
        # Thousands of connections are opened: SCRAM makes each pay for 4,096 rounds of a hash.
        self._admin.execute("SET password_encryption = 'md5'")
        self._admin.execute(f"ALTER ROLE {ROLE} PASSWORD '{self.password}'")

    def start(self) -> None:
        """Start it (again, after `stop`); returns when it answers."""
        self._peer = Peer("postgres", self._command, self._folder / "log", cwd=self._folder)
        self._peer.wait_until(self._answers)

    def stop(self) -> None:
        """A restart's first half: connections are cut, what was committed stays."""
        self._peer.stop(signal.SIGINT)

    def _run(self, *command: str, user: str | None) -> None:
        done = subprocess.run(
            dying_with_us(command, user=user), capture_output=True, cwd=self._folder, check=False
        )
        if done.returncode:
            raise PeerFailed(f"{command[0]}: {done.stderr.decode(errors='replace')}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def pid(self) -> int:
        return self._peer.pid

    def url(self, database: str) -> str:
        """Make the `database.url` of one of the server's databases."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template0") -> str:
        """Make a database, empty or as a copy of a template of ours, and return its name."""
        self._count += 1
        name = f"test{self._count}"
        self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def template(self, key: str, fill: Callable[[str], None]) -> str:
        """Return the name of the template `key`, which `fill(url)` makes once a session."""
        if key not in self._made:
            name = self.create_database()
            fill(self.url(name))
            self._made[key] = name
        return self._made[key]

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def kill(self) -> None:
        """Take the server away as a power cut does; `close` cleans up."""
        self._peer.stop(signal.SIGQUIT)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self._admin.close()
        self._peer.stop(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)
