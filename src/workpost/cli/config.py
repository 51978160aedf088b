"""`workpost config show|check`: what the settings are, and whether they can be used."""

from __future__ import annotations

import argparse

from workpost.cli.common import add_settings, load_settings
from workpost.kernel import configuration
from workpost.kernel.settings import Settings, sqlite_path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("config", help="show or check the settings", description=__doc__)
    parser.add_argument("what", choices=("show", "check"))
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show or check; returns the exit code. Raises SettingsError."""
    settings = load_settings(args)
    if args.what == "show":
        print(configuration.to_toml(settings))
        return 0
    for remark in remarks(settings):
        print(f"Note: {remark}")
    print("The settings are fine.")
    return 0


def remarks(settings: Settings) -> list[str]:
    """What can be used but may surprise."""
    found = []
    if sqlite_path(settings.database_url) is None and not settings.content.s3_bucket:
        found.append(
            "large messages lie in files of this machine; with several nodes on one database"
            " set content.s3_bucket, or share the directory"
        )
    return found
