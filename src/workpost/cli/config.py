"""`workpost config show|check`: what the settings are, and whether they can be used."""

from __future__ import annotations

import argparse

from workpost.cli.common import add_settings, load_settings
from workpost.kernel import configuration


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("config", help="show or check the settings", description=__doc__)
    parser.add_argument("what", choices=("show", "check"))
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show or check; returns the exit code. Raises SettingsError."""
    settings = load_settings(args)
    print(configuration.to_toml(settings) if args.what == "show" else "The settings are fine.")
    return 0
