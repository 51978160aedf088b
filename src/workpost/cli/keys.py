"""`workpost keys`: rotate keys, back them up, look at the shred list."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from workpost.cli.common import (
    EX_USAGE,
    add_settings,
    fail,
    keeping_record,
    load_settings,
    print_json,
    require_data,
    with_core,
)
from workpost.cli.mailbox import HELP, METAVAR, find_mailbox
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.operations.upkeep import rotation
from workpost.operations.upkeep.backup import back_up_keys
from workpost.operations.upkeep.marks import mark
from workpost.store.core import Core
from workpost.store.keys.build import open_key_store


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("keys", help="rotate and back up keys", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    rotate = verbs.add_parser(
        "rotate",
        help="replace a key and wrap anew what it wraps; mail is not rewritten",
        description="Safe while the server runs. An old key is destroyed by the server an hour "
        "after nothing refers to it any more.",
    )
    which = rotate.add_mutually_exclusive_group(required=True)
    which.add_argument("--mailbox", metavar=METAVAR, help=f"the key of one mailbox: {HELP}")
    which.add_argument("--organization", metavar="ID", help="the data key of an organization")
    which.add_argument("--system", action="store_true", help="the key of access keys")
    which.add_argument(
        "--master", action="store_true", help="the key ring's key, or the move from it to KMS"
    )
    rotate.add_argument(
        "--mailboxes", action="store_true", help="with --organization: its mailboxes' keys too"
    )
    add_settings(rotate)
    rotate.set_defaults(run=run_rotate)

    backup = verbs.add_parser("backup", help="write the backup of the keys; take it after the data")
    backup.add_argument("file", type=Path, metavar="FILE")
    add_settings(backup)
    backup.set_defaults(run=run_backup)

    shredded = verbs.add_parser("shredded", help="print the shred list")
    add_settings(shredded)
    shredded.set_defaults(run=run_shredded)


def run_rotate(args: argparse.Namespace) -> int:
    """Rotate one key; returns the exit code."""
    if args.mailboxes and not args.organization:
        return fail("--mailboxes goes with --organization", EX_USAGE)

    async def work(core: Core) -> dict[str, int]:
        if args.mailbox is not None:
            row = await find_mailbox(core, args.mailbox)
            gen = await rotation.rotate_mailbox(core, row.org, row.id)
        elif args.organization:
            gen = await rotation.rotate_organization(
                core, args.organization, mailboxes=args.mailboxes
            )
        elif args.system:
            gen = await rotation.rotate_system(core)
        else:
            return {"Rewrapped": await rotation.rotate_master(core)}
        return {"Generation": gen}

    print_json(with_core(_settings(args), work))
    return 0


def run_backup(args: argparse.Namespace) -> int:
    """Back up the keys; returns the exit code."""
    settings = _settings(args)
    try:
        with keeping_record(settings):
            done = back_up_keys(settings, args.file, SystemEnvironment())
    except OSError as error:
        return fail(f"{args.file} cannot be written: {error.strerror}")
    mark(settings, "keys", SystemEnvironment().now())
    print_json({"File": str(args.file), "Keys": done.keys, "Bytes": done.bytes})
    return 0


def run_shredded(args: argparse.Namespace) -> int:
    """Print the shred list; returns the exit code."""
    store = open_key_store(_settings(args))
    try:
        print_json([msgspec.to_builtins(entry) for entry in store.shred_list()])
    finally:
        store.close()
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    settings = load_settings(args)
    require_data(settings)
    return settings
