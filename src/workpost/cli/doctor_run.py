"""What `workpost doctor` does: opens the data if it may, runs the checks, prints what they say."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress

import msgspec

from workpost.cli.common import (
    EX_FAILED,
    EX_USAGE,
    fail,
    load_settings,
    print_json,
)
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import WorkpostError
from workpost.kernel.settings import Settings, SettingsError, sqlite_path
from workpost.node.build import attached_core
from workpost.node.datadir import read_endpoints
from workpost.node.resolver import build_caching_resolver
from workpost.operations.doctor.examining import examine
from workpost.operations.doctor.patient import Patient, Verdict, failure
from workpost.operations.domains.site import own_addresses
from workpost.store.database.condition import look_at
from workpost.store.schema.migrate import migrations

MARKS = {"ok": "ok     ", "warning": "WARNING", "failure": "FAILURE", "skipped": "-      "}


def examine_and_print(args: argparse.Namespace) -> int:
    """Examine and print; returns the exit code. Raises SettingsError."""
    settings = load_settings(args)
    try:
        addresses = [str(ipaddress.ip_address(each)) for each in args.address]
    except ValueError as error:
        return fail(f"--address: {error}", EX_USAGE)
    found = asyncio.run(_examine(settings, addresses or own_addresses(), online=args.online))
    counts = {level: sum(one.level == level for one in found) for level in MARKS}
    if args.json:
        print_json({"Findings": msgspec.to_builtins(found), "Counts": counts})
    else:
        _print(found, counts)
    return EX_FAILED if counts["failure"] else 0


async def _examine(settings: Settings, addresses: list[str], *, online: bool) -> list[Verdict]:
    env = SystemEnvironment()
    patient = Patient(
        settings=settings,
        resolver=build_caching_resolver(settings, env),
        env=env,
        endpoints=read_endpoints(settings),
        addresses=addresses,
        online=online,
    )
    problem = await asyncio.to_thread(_problem, settings)
    if problem is None:
        try:
            async with attached_core(settings, env) as core:
                return await examine(msgspec.structs.replace(patient, core=core))
        except (WorkpostError, SettingsError) as error:
            text = error.message if isinstance(error, WorkpostError) else str(error)
            problem = failure("data", str(settings.data), text, "See the guide: Keys and backups.")
    return [problem, *await examine(patient)]


def _problem(settings: Settings) -> Verdict | None:
    """Why the data must not be opened: opening would make or migrate it."""
    path = sqlite_path(settings.database_url)
    where = str(path or "the database")
    if path is not None and not path.exists():
        advice = "Name its directory by --data or --config, or begin with `workpost quickstart`."
        return failure("data", where, "there is none", advice)
    try:
        schema = look_at(settings, 0.0).schema
    except WorkpostError as error:
        return failure("data", where, error.message, "Is the disk there, may this user read it?")
    if schema != migrations()[-1].number:
        advice = "Start the server of this version; it brings the data up to date."
        return failure("data", where, "it is of another version of Workpost", advice)
    return None


def _print(found: list[Verdict], counts: dict[str, int]) -> None:
    for one in found:
        subject = f" {one.subject}:" if one.subject else ":"
        print(f"{MARKS[one.level]} {one.check}{subject} {one.text}")
        if one.advice and one.level != "ok":
            print(f"          -> {one.advice}")
    print(
        f"\n{counts['failure']} failures, {counts['warning']} warnings, {counts['ok']} well,"
        f" {counts['skipped']} not looked at"
    )
