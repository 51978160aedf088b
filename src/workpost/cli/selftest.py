"""`workpost selftest`: the running server writes to itself and reads what came.

Makes a user for the time of the test, submits a message over TLS as a mail program does, hands a
signed one in as other servers do, reads both over IMAP, verifies the signatures by what DNS shows,
and removes the user with everything it had. Exit codes: 0 all went well, 1 a step failed, 78
settings that cannot be used.
"""

from __future__ import annotations

import argparse

import msgspec

from workpost.cli.common import (
    EX_FAILED,
    add_settings,
    fail,
    load_settings,
    print_json,
    require_data,
    with_core,
)
from workpost.node.datadir import read_endpoints
from workpost.store.core import Core


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "selftest", help="let the running server write to itself", description=__doc__
    )
    parser.add_argument(
        "--domain",
        metavar="NAME",
        help="a verified mail domain (default: that of `workpost quickstart`, or the first one)",
    )
    parser.add_argument("--json", action="store_true", help="print the steps as JSON")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the test and print its steps; returns the exit code. Raises SettingsError."""
    # Only here, as mail programs and the directory come with it.
    from workpost.operations.selftest.clients import Failed
    from workpost.operations.selftest.running import Step, find_place, run_selftest

    settings = load_settings(args)
    require_data(settings)

    async def work(core: Core) -> list[Step]:
        organization, domain = await find_place(core, args.domain)
        return await run_selftest(core, read_endpoints(settings), organization, domain)

    try:
        steps = with_core(settings, work)
    except Failed as error:
        return fail(str(error))
    good = not any(step.problem for step in steps)
    if args.json:
        print_json({"Steps": msgspec.to_builtins(steps), "Good": good})
        return 0 if good else EX_FAILED
    for step in steps:
        told = step.problem or step.remark
        mark = "FAILURE" if step.problem else "ok     "
        print(f"{mark} {step.milliseconds:8.1f} ms  {step.name}{': ' if told else ''}{told}")
    return 0 if good else EX_FAILED
