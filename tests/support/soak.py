"""Many crash rounds, for a night: `script/soak [--rounds 1000]`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import crash
from tests.support.crash import Field
from tests.support.peers import postgres_folder
from tests.support.postgres import PostgresServer
from tests.support.server import Server

KINDS = {
    "sqlite": ("group", "writer", "front-end"),
    "postgresql": ("group", "front-end", "backends"),
}
CHECK_EVERY = 100


@contextmanager
def database(engine: str) -> Iterator[str]:
    """URL of an empty database, empty text for SQLite."""
    if engine == "sqlite":
        yield ""
        return
    server = PostgresServer(durable=True)
    try:
        yield server.url(server.create_database())
    finally:
        server.close()


def soak(engine: str, kind: str, rounds: int, seed: int) -> None:
    """Play so many rounds on a fresh server; AssertionError when something is not as it must be."""
    strike = crash.STRIKES[kind]
    with tempfile.TemporaryDirectory(prefix="wp-soak-") as folder, database(engine) as url:
        environment = {"WORKPOST_DATABASE__URL": url} if url else {}
        server = Server(Path(folder) / "data", env=environment).start()
        try:
            field = Field([server], database=url, seed=seed)
            started = time.monotonic()
            for number in range(1, rounds + 1):
                crash.play_round(field, number, strike)
                if number % CHECK_EVERY == 0 or number == rounds:
                    crash.check_numbers(field)
                    crash.check_queue(field)
                    took = time.monotonic() - started
                    print(
                        f"{engine} {kind}: {number} of {rounds} rounds, "
                        f"{field.ledger.accepted} messages accepted, "
                        f"{field.ledger.unanswered} without an answer, {took:.0f} s",
                        flush=True,
                    )
        finally:
            server.kill()


def main() -> int:
    """Play the rounds that the arguments ask for; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="script/soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="rounds of each engine and kind")
    parser.add_argument("--engine", choices=(*KINDS, "all"), default="all")
    parser.add_argument("--kind", choices=(*crash.STRIKES, "all"), default="all")
    parser.add_argument("--seed", type=int, default=time.time_ns())
    args = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("WORKPOST_")]:
        del os.environ[name]
    print(f"seed {args.seed}", flush=True)
    for engine, kinds in KINDS.items():
        if args.engine not in {engine, "all"}:
            continue
        if engine == "postgresql" and postgres_folder() is None:
            print("postgresql: not installed (on Debian: apt install postgresql); left out")
            continue
        for kind in kinds:
            if args.kind in {kind, "all"}:
                soak(engine, kind, args.rounds, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
