"""`workpost quickstart ada@example.test`: from nothing to a server that can be started.

Writes the configuration, makes directories, keys, the first account with its access key, the
organization, its domain and its first person, and prints the DNS records to publish. Needs no
network. A second run says what there is and changes nothing. Exit codes: 0 done, 1 failure, 2
usage, 78 a configuration that is there and cannot be used.
"""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "quickstart",
        help="write the configuration, make the first person, print the DNS records",
        description=__doc__,
    )
    parser.add_argument("address", metavar="ADDRESS", help="of the first person")
    parser.add_argument(
        "--data", metavar="DIR", help="for the mail (default: /var/lib/workpost as root, ./data)"
    )
    parser.add_argument(
        "--keys", metavar="DIR", help="for the keys; another disk is best (default: DIR-keys)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="to write (default: /etc/workpost/workpost.toml as root, ./workpost.toml)",
    )
    parser.add_argument(
        "--hostname", metavar="NAME", help="the server's name (default: mail.<domain>)"
    )
    parser.add_argument(
        "--tls",
        nargs="+",
        default=["self-signed"],
        metavar="MODE",
        help="`files CERT KEY`, `acme` (with --agree-tos) or `self-signed` (the default)",
    )
    parser.add_argument(
        "--agree-tos", action="store_true", help="with acme: you agree to the authority's terms"
    )
    parser.add_argument(
        "--acme-directory", default="", metavar="URL", help="another authority than Let's Encrypt"
    )
    parser.add_argument(
        "--alias", metavar="NAME", help="the organization's alias (default: from the domain)"
    )
    parser.add_argument("--name", default="", help="the person's name to show")
    parser.add_argument(
        "--address",
        dest="public",
        action="append",
        default=[],
        metavar="IP",
        help="a public address of this machine, where it cannot know it (may be repeated)",
    )
    parser.add_argument(
        "--secrets", metavar="FILE", help="write password and key there (mode 0600), print none"
    )
    parser.add_argument(
        "--user", metavar="NAME", help="as root: who serves (default: workpost, if there is one)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Set everything up; returns the exit code. Raises SettingsError, WorkpostError."""
    # Only here, as it brings half of the server with it.
    from workpost.cli.quickstart_run import set_up

    return set_up(args)
