"""`script/bench`: one run, one table, with the machine, the versions and the ratios.

script/bench                 everything (some minutes)
script/bench --smoke         everything in a few seconds; the figures mean nothing
script/bench --only api,imap sections by name
script/bench --json FILE     the rows for programs
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    actions,
    api,
    directory,
    dkim,
    footprint,
    imap,
    inbound,
    mixed,
    outbound,
    peers,
    rules,
    submission,
)
from benchmarks.product import Workpost
from benchmarks.scale import FULL, SMOKE, Scale
from benchmarks.table import Row, as_json, machine, render
from tests.support.peers import postgres_folder
from tests.support.postgres import PostgresServer

BESIDE_MAIL_SERVERS = {"submission", "inbound", "outbound", "postgres", "imap"}
SECTIONS = (
    "api",
    "submission",
    "inbound",
    "outbound",
    "postgres",
    "imap",
    "memory",
    "latency",
    "directory",
    "dkim",
    "rules",
)


class Bench:
    """What the sections share: the product, its peers, how much is measured."""

    def __init__(self, folder: Path, scale: Scale, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.scale = scale
        self.say = say
        self.rows: list[Row] = []
        self.open = contextlib.ExitStack()
        self.dovecot: peers.Dovecot | None = None
        self.postfix: peers.Postfix | None = None
        self.postgres: PostgresServer | None = None

    def start(self, sections: list[str]) -> None:
        """Start the product, and the peers that these sections are measured beside."""
        self.product = Workpost(self.folder / "workpost")
        self.open.callback(self.product.stop)
        self.product.start()
        missing = peers.missing()
        for reason in missing:
            self.say(f"without peers: {reason}")
        if not missing and {"submission", "inbound", "outbound", "postgres", "imap"} & set(
            sections
        ):
            self.dovecot = peers.Dovecot(self.folder / "dovecot")
            self.open.callback(self.dovecot.close)
            self.postfix = peers.Postfix(self.folder / "postfix", self.dovecot)
            self.open.callback(self.postfix.close)

    def measure(self, section: str) -> None:
        """Run one section; each row is told as it comes."""
        self.say(f"measuring {section} ...")
        rows: dict[str, Callable[[], Iterator[Row]]] = {
            "api": lambda: api.measure(self.product, self.scale),
            "submission": lambda: submission.measure(self.product, self.postfix, self.scale),
            "inbound": self._inbound,
            "outbound": self._outbound,
            "postgres": self._postgres,
            "imap": lambda: imap.measure(self.product, self.dovecot, self.scale),
            "memory": lambda: footprint.measure(self.product, self.scale),
            "latency": lambda: mixed.measure(self.product, self.scale),
            "directory": self._directory,
            "dkim": lambda: dkim.measure(self.scale),
            "rules": lambda: rules.measure(self.folder, self.scale),
        }
        for row in rows[section]():
            self.rows.append(row)
            self.say(f"  {row.what}: {row.value:,.3f} {row.unit}")

    def _inbound(self) -> Iterator[Row]:
        sender = inbound.Sender()
        try:
            product = inbound.start(self.folder / "inbound", sender)
            try:
                yield from inbound.measure(product, sender, self.postfix, self.scale)
            finally:
                product.stop()
        finally:
            sender.close()

    def _outbound(self) -> Iterator[Row]:
        if self.dovecot is None:
            self.say("without outbound mail: its peers are not installed")
            return
        yield from outbound.measure(self.folder, self.dovecot, self.scale)

    def _postgres(self) -> Iterator[Row]:
        server = self._postgres_server()
        if server is None:
            return
        product = Workpost(self.folder / "on-postgres", server.url(server.create_database()))
        try:
            product.start()
            yield from submission.measure(product, self.postfix, self.scale, "PostgreSQL")
        finally:
            product.stop()

    def _directory(self) -> Iterator[Row]:
        server = self._postgres_server()
        urls: dict[str, Callable[[], str]] = {"SQLite": lambda: ""}
        if server is not None:
            urls["PostgreSQL"] = lambda: server.url(server.create_database())
        small, large = (
            {
                engine: Workpost(self.folder / f"{size}-{engine}", url())
                for engine, url in urls.items()
            }
            for size in ("small", "large")
        )
        with contextlib.ExitStack() as running:
            for product in (*small.values(), *large.values()):
                running.callback(product.stop)
                product.begin()
            for product in (*small.values(), *large.values()):
                product.ready()
            yield from actions.measure(large, self.scale)
            for engine in urls:
                yield from directory.measure(engine, small[engine], large[engine], self.scale)

    def _postgres_server(self) -> PostgresServer | None:
        """The one of this run, None where it is not installed."""
        if postgres_folder() is None:
            self.say("without PostgreSQL: it is not installed (apt install postgresql)")
        elif self.postgres is None:
            self.postgres = PostgresServer(durable=True)
            self.open.callback(self.postgres.close)
        return self.postgres


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 1 when a gate is missed in a full run."""
    parser = argparse.ArgumentParser(prog="script/bench", description="Measure Workpost.")
    parser.add_argument("--smoke", action="store_true", help="a few seconds; figures mean nothing")
    parser.add_argument("--only", metavar="LIST", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows to a file")
    parser.add_argument("--folder", metavar="DIR", type=Path, help="work here (default: /tmp)")
    args = parser.parse_args(argv)
    sections = args.only.split(",") if args.only else list(SECTIONS)
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        parser.error(f"{unknown[0]} is none of {', '.join(SECTIONS)}")
    facts = machine()
    folder = Path(tempfile.mkdtemp(prefix="wp-bench-", dir=args.folder))
    bench = Bench(folder, SMOKE if args.smoke else FULL, lambda text: print(text, file=sys.stderr))
    try:
        with bench.open:
            bench.start(sections)
            for section in sections:
                bench.measure(section)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(facts))
    print(render(bench.rows))
    if args.json:
        args.json.write_bytes(as_json(bench.rows))
    failed = [row for row in bench.rows if row.passed is False]
    return 1 if failed and not args.smoke else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
