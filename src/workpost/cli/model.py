"""`workpost model install`: give SDKs and the AWS CLI the model of the console's actions."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from workpost.cli.common import EX_FAILED, fail, print_json
from workpost.protocols.api.model import CONSOLE, OWN_MODELS, VERSIONS

DEFAULT = Path("~/.aws/models")
"""Where boto3 and the AWS CLI look beside their own models."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "model",
        help="install the model of the console's actions for boto3 and the AWS CLI",
        description=__doc__,
        epilog=f"Afterwards: boto3.client('{CONSOLE}', endpoint_url=...), aws {CONSOLE} help. "
        "Other folders than the default are found by AWS_DATA_PATH.",
    )
    parser.add_argument("what", choices=("install",))
    parser.add_argument(
        "--folder", metavar="DIR", default=str(DEFAULT), help=f"where to (default: {DEFAULT})"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Copy the model and print where to as JSON; returns the exit code."""
    place = Path(CONSOLE) / VERSIONS[CONSOLE]
    target = Path(args.folder) / place
    try:
        target = target.expanduser()
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted((OWN_MODELS / place).glob("*.json")):
            _replace(target / source.name, source.read_bytes())
    except (OSError, RuntimeError) as error:
        return fail(f"the model cannot be written to {target}: {error}", EX_FAILED)
    print_json({"Service": CONSOLE, "Version": VERSIONS[CONSOLE], "Folder": str(target)})
    return 0


def _replace(path: Path, content: bytes) -> None:
    # At once: a client that starts meanwhile reads the old file or the new one.
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)
