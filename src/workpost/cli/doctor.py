"""`workpost doctor`: is everything around the server as it has to be?

Looks at DNS, addresses, ports, certificate, clock, block lists, disk, keys, backups, database and
queue, and changes nothing. Without --online only DNS servers and this machine are asked. Exit
codes: 0 no failure (there may be warnings), 1 a failure, 78 settings that cannot be used.
"""

from __future__ import annotations

import argparse

from workpost.cli.common import add_settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor", help="look at DNS, ports, certificate, keys and more", description=__doc__
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--online",
        action="store_true",
        help="also ask block lists, a time server and a mail server elsewhere, and come back by"
        " the public addresses",
    )
    parser.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="IP",
        help="a public address of this machine, where it cannot know it (may be repeated)",
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine and print; returns the exit code. Raises SettingsError."""
    # Only here, as it brings half of the server with it.
    from workpost.cli.doctor_run import examine_and_print

    return examine_and_print(args)
