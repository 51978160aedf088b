"""`workpost check` and `workpost rebuild`: is the data as it should be, and making it so.

Both run beside a server or without one. `check` exits 0 when nothing was found, or when everything
found was repaired; 1 otherwise.
"""

from __future__ import annotations

import argparse

import msgspec

from workpost.cli.common import (
    EX_FAILED,
    add_settings,
    load_settings,
    print_json,
    require_data,
    with_core,
)
from workpost.cli.mailbox import HELP, METAVAR, find_mailbox
from workpost.operations.upkeep.check import check
from workpost.operations.upkeep.findings import Report
from workpost.operations.upkeep.rebuild import Rebuilt, rebuild
from workpost.store.core import Core


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    parser = commands.add_parser(
        "check", help="recount, and look for what dangles", description=__doc__
    )
    parser.add_argument("--repair", action="store_true", help="mend what can be mended")
    parser.add_argument("--full", action="store_true", help="open every message, not a sample")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_settings(parser)
    parser.set_defaults(run=run_check)

    again = commands.add_parser(
        "rebuild",
        help="make derived data again",
        description="Makes summaries, Message-ID tags and sums again from the messages.",
    )
    again.add_argument("--mailbox", metavar=METAVAR, help=f"of one mailbox only: {HELP}")
    add_settings(again)
    again.set_defaults(run=run_rebuild)


def run_check(args: argparse.Namespace) -> int:
    """Check, and print what was found; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)

    async def work(core: Core) -> Report:
        return await check(core, repair=args.repair, full=args.full)

    report = with_core(settings, work)
    if args.json:
        print_json(msgspec.to_builtins(report) | {"clean": report.clean})
    else:
        _print(report)
    return 0 if sum(report.found.values()) == report.repaired else EX_FAILED


def _print(report: Report) -> None:
    for finding in report.findings:
        mended = " (repaired)" if finding.repaired else ""
        print(f"{finding.kind}: {finding.place}: {finding.detail}{mended}")
    for mailbox in report.unsettled:
        print(f"note: mailbox {mailbox} kept changing; its sums were not compared")
    looked = (
        f"{report.mailboxes} mailboxes, {report.items} items, {report.contents} contents, "
        f"{report.opened} messages opened"
    )
    found = sum(report.found.values())
    print(f"{looked}: " + (f"{found} found, {report.repaired} repaired" if found else "clean"))


def run_rebuild(args: argparse.Namespace) -> int:
    """Rebuild, and print how much; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)

    async def work(core: Core) -> Rebuilt:
        only = (await find_mailbox(core, args.mailbox)).id if args.mailbox else None
        return await rebuild(core, only=only)

    done = with_core(settings, work)
    print_json(msgspec.to_builtins(done))
    return EX_FAILED if done.unreadable else 0
