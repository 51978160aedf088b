"""What the commands share: settings from arguments, one-line errors, exit codes.

Exit codes: 0 done, 1 failure, 2 usage, 75 already running, 78 configuration (decisions 23).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from workpost.kernel import configuration
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import WorkpostError
from workpost.kernel.settings import Settings, SettingsError, sqlite_path
from workpost.store.core import Core

T = TypeVar("T")

EX_FAILED = 1
EX_USAGE = 2
EX_TEMPFAIL = 75
EX_CONFIG = 78


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add `--data` and `--config` to a command."""
    parser.add_argument("--data", metavar="DIR", help="the data directory (default: ./data)")
    parser.add_argument("--config", metavar="FILE", help="a TOML file of settings")


def load_settings(args: argparse.Namespace) -> Settings:
    """The settings that the arguments and the environment describe. Raises SettingsError."""
    return configuration.load(args.config, args.data, os.environ)


def require_data(settings: Settings) -> None:
    """Refuse to make a new data directory where an existing one was meant. Raises SettingsError."""
    path = sqlite_path(settings.database_url)
    if path is None:
        return
    try:
        path.stat()
    except FileNotFoundError:
        raise SettingsError(f"there is no data at {path}; name its directory with --data") from None
    except OSError as error:
        raise SettingsError(
            f"the data at {path} cannot be reached: {error.strerror}; name its directory with"
            " --data, and run this as the server's user"
        ) from None


def fail(message: str, code: int = EX_FAILED) -> int:
    """Say in one line what is wrong, and return the exit code."""
    print(f"workpost: {message}", file=sys.stderr)
    return code


def print_json(value: object) -> None:
    """Print a result for people and programs."""
    print(json.dumps(value, indent=2))


def shown_time(milliseconds: int) -> str:
    """Milliseconds since 1970 as people read them, in UTC."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_core(settings: Settings, work: Callable[[Core], Awaitable[T]]) -> T:
    """Run `work(core)` over the data of a server that may be running or not.

    What changes something is in the audit log before and after it (`ordering`).
    """
    from workpost.cli import ordering

    return _attached(settings, lambda core: ordering.carry_out(core, work))


def _attached(settings: Settings, work: Callable[[Core], Awaitable[T]]) -> T:
    from workpost.node.build import attached_core

    async def run() -> T:
        async with attached_core(settings, SystemEnvironment()) as core:
            return await work(core)

    return asyncio.run(run())


@contextlib.contextmanager
def keeping_record(settings: Settings) -> Iterator[None]:
    """Write the records of an order that works without the server's core, around it.

    What saves data is done though they cannot be written; then that is said. They are not written
    into data of another version: opening it would bring that up to date, and a backup may be what
    somebody takes before.
    """
    from workpost.cli import ordering
    from workpost.store.database.condition import look_at
    from workpost.store.schema.migrate import migrations

    def tell(step: Callable[[Core], Awaitable[None]]) -> None:
        try:
            if look_at(settings, 0.0).schema != migrations()[-1].number:
                fail("the audit log does not hear of this: the data is of another version")
                return
            _attached(settings, step)
        except (WorkpostError, SettingsError, OSError) as error:
            # A full disk and missing keys among them: just then data is to be saved.
            reason = error.message if isinstance(error, WorkpostError) else str(error)
            fail(f"the audit log does not hear of this: {reason}")

    tell(ordering.ordered)
    try:
        yield
    except Exception as error:
        name = type(error).__name__
        tell(lambda core: ordering.finish(core, ordering.FAILED, name))
        raise
    tell(lambda core: ordering.finish(core, ordering.DONE))


def add_verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Add a verb that works on one organization: ORG, `--data` and `--config`."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("organization", metavar="ORG", help="m- and 32 hexadecimal digits")
    add_settings(parser)
    return parser


async def every_page(read: Callable[[str], Awaitable[tuple[list[T], str]]]) -> list[T]:
    """All that `read` gives by pages: it is told where to go on, and tells where, "" at the end."""
    found: list[T] = []
    after = ""
    while True:
        page, after = await read(after)
        found += page
        if not after:
            return found


def run_on_data(args: argparse.Namespace, work: Callable[..., Awaitable[T]]) -> T:
    """Run `work(core)` over data that is there already. Raises SettingsError."""
    settings = load_settings(args)
    require_data(settings)
    return with_core(settings, work)
