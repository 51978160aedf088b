"""Workpost itself, started as an operator starts it, with people and messages to measure with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from benchmarks.clients import Connection, Unexpected, drive, expect, response
from benchmarks.signing import Signer
from tests.support.processes import Peer, dying_with_us
from workpost.domain.access import shell as access
from workpost.domain.directory import users
from workpost.domain.directory.entities import Props
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.configuration import load
from workpost.kernel.principal import Grant
from workpost.node.build import attached_core
from workpost.node.demo import for_demo
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command

PASSWORD = "Benchmark-0-password"
PEOPLE = 20
IN_FLIGHT = 64
SLICE = 25
MOST_USERS = 1_000_000
HASH = PasswordHasher().hash(PASSWORD)
"""Of users whose password nobody asks for."""


class Workpost:
    """One `workpost serve --demo` with two front ends."""

    def __init__(
        self, folder: Path, database_url: str = "", settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "WORKPOST_LOG__LEVEL": "warning",
            "WORKPOST_PROCESSES__FRONT_ENDS": "2",
            "WORKPOST_DATABASE__URL": database_url,
            "WORKPOST_LIMITS__USERS_PER_ORGANIZATION": str(MOST_USERS),
            **(settings or {}),
        }
        self._peer: Peer | None = None
        self.demo_mode = True
        """The demo keeps mail for outside in its queue; set to False before a later start."""
        self.people: list[str] = []
        self.filled = 0

    def start(self) -> float:
        """Serve; the seconds from exec to every listener accepting."""
        self.begin()
        return self.ready()

    def begin(self) -> None:
        """Start to serve; `ready` waits for it."""
        self.folder.mkdir(exist_ok=True)
        self._log = self.folder.parent / f"{self.folder.name}.log"
        command = [
            str(Path(sys.executable).with_name("workpost")), "serve", "--random-ports",
            "--data", str(self.folder), *(["--demo"] if self.demo_mode else []),
        ]  # fmt: skip
        self._begun = time.perf_counter()
        self._peer = Peer("workpost", dying_with_us(command), self._log, env=self._environment)

    def ready(self) -> float:
        """Wait until every listener accepts; the seconds since `begin`."""
        assert self._peer is not None
        announced = self.folder / "run" / "endpoints.json"
        while not announced.exists():
            late = time.perf_counter() - self._begun > 60
            if self._peer.process.poll() is not None or late:
                raise Unexpected(f"workpost did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.002)
        took = time.perf_counter() - self._begun
        self.endpoints: dict[str, Any] = json.loads(announced.read_bytes())
        self.demo: dict[str, Any] = json.loads((self.folder / "demo.json").read_bytes())
        return took

    def port(self, listener: str) -> int:
        return int(self.endpoints[listener].rpartition(":")[2])

    def stop(self) -> None:
        if self._peer is not None:
            self._peer.stop(signal.SIGTERM)
            self._peer = None

    def processes(self) -> list[int]:
        """The supervisor and its children, which are what the product costs."""
        return family(int(self.endpoints["pid"]))

    # --- administration ---

    @property
    def organization(self) -> str:
        return str(self.demo["organization_id"])

    @property
    def domain(self) -> str:
        return str(self.demo["domain"])

    def signer(self) -> Signer:
        return Signer(
            self.endpoints["api"].removeprefix("http://"),
            self.demo["region"],
            self.demo["access_key_id"],
            self.demo["secret_access_key"],
        )

    def call(self, action: str, **document: Any) -> Any:
        """One call of the API; its answer."""
        connection = Connection(self.port("api"))
        answers: list[bytearray] = []
        request = self.signer().call(action, {"OrganizationId": self.organization, **document})

        def script() -> Any:
            answers.append((yield request, response))

        drive({connection: script()})
        connection.close()
        expect(answers[0], b"HTTP/1.1 200")
        return json.loads(answers[0].partition(b"\r\n\r\n")[2] or b"{}")

    def add_people(self, count: int = PEOPLE) -> list[str]:
        """Make people with mailboxes; their addresses."""
        for number in range(len(self.people), count):
            address = f"person-{number}@{self.domain}"
            user = self.call(
                "CreateUser", Name=f"person-{number}", DisplayName=f"Person {number}",
                Password=PASSWORD,
            )["UserId"]  # fmt: skip
            self.call("RegisterToWorkMail", EntityId=user, Email=address)
            self.people.append(address)
        return self.people[:count]

    def add_users(self, stem: str, count: int) -> list[str]:
        """Make users as CreateUser does, all with one hash made beforehand; their ids.

        They are not registered, and named by the stem and numbers from 0.
        """
        return asyncio.run(self._add_users([f"{stem}-{number}" for number in range(count)]))

    async def _add_users(self, names: list[str]) -> list[str]:
        async with self.attached() as core:
            return await create_users(core, self.organization, names)

    @contextlib.asynccontextmanager
    async def attached(self) -> AsyncIterator[Core]:
        """A core of this process beside the server's, as the command line has it."""
        settings = for_demo(load(None, str(self.folder), self._environment))
        async with attached_core(settings, SystemEnvironment()) as core:
            yield core

    # --- messages ---

    def fill(self, address: str, source: Iterable[bytes], copies: int, folder: str) -> int:
        """Put messages into INBOX, and each so many times into another folder; how many in all."""
        return asyncio.run(self._fill(address, source, copies, folder))

    async def _fill(self, address: str, source: Iterable[bytes], copies: int, folder: str) -> int:
        async with self.attached() as core:
            grant = await access.log_in(
                core, username=address, password=PASSWORD.encode(), protocol="IMAP",
                address="127.0.0.1",
            )  # fmt: skip
            inbox = await mailboxes.find_folder(core, grant, "INBOX")
            waiting: set[asyncio.Task[Any]] = set()
            count = 0
            for raw in source:
                waiting.add(asyncio.create_task(messages.append(core, grant, inbox.id, raw)))
                count += 1
                if len(waiting) >= IN_FLIGHT:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            await asyncio.gather(*waiting)
            if copies:
                target = await mailboxes.create_folder(core, grant, folder)
                uids = list(await messages.uid_map(core, grant, inbox.id))
                for _ in range(copies):
                    await messages.copy(core, grant, inbox.id, uids, target.id)
            return count * (1 + copies)


async def create_users(core: Core, organization: str, names: list[str]) -> list[str]:
    """The command of CreateUser for each name, many in flight; the ids."""
    grant = Grant.system("benchmark", organization)
    made = [(core.env.new_uuid(), name) for name in names]
    # PostgreSQL makes each command wait for the commit of the one before; its commands run in this
    # process, so that one of ours can make many users.
    slice_ = SLICE if core.store.engine == "postgresql" else 1
    waiting = iter([made[start : start + slice_] for start in range(0, len(made), slice_)])

    async def work() -> None:
        for some in waiting:
            if len(some) == 1:
                await core.store.write(users.create_user, **_new_user(grant, *some[0]))
            else:
                await core.store.write(create_some, grant=grant, some=some)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return [entity for entity, _ in made]


@command
def create_some(tx: Tx, *, grant: Grant, some: list[tuple[str, str]]) -> None:
    """Users of these ids and names."""
    for entity, name in some:
        users.create_user(tx, **_new_user(grant, entity, name))


def _new_user(grant: Grant, entity: str, name: str) -> dict[str, Any]:
    return {
        "grant": grant,
        "entity": entity,
        "name": name,
        "display": f"User {name}",
        "hidden": False,
        "password": HASH,
        "props": Props(),
        "limit": MOST_USERS,
    }


def pss(processes: Iterable[int]) -> int:
    """Bytes of memory, shared pages divided among those who share them."""
    total = 0
    for process in processes:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def family(process: int) -> list[int]:
    """A process and all that came of it."""
    found = [process]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def processor_seconds(server: int) -> float:
    """Seconds that a server's processes have computed, those that ended included."""
    ticks = 0
    for process in family(server):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
