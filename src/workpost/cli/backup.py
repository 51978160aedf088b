"""`workpost backup` and `workpost restore`: the data, without its keys, and both together again."""

from __future__ import annotations

import argparse
from pathlib import Path

from workpost.cli.common import (
    EX_FAILED,
    add_settings,
    fail,
    keeping_record,
    load_settings,
    print_json,
    require_data,
)
from workpost.kernel.clock import SystemEnvironment
from workpost.operations.upkeep.backup import back_up_data
from workpost.operations.upkeep.marks import mark
from workpost.operations.upkeep.restore import restore


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    parser = commands.add_parser(
        "backup",
        help="write the backup of the data, beside a server or not",
        description="One moment of every table and the contents it refers to. It holds no key: "
        "take `workpost keys backup` right after it, to another place.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--without-objects", action="store_true", help="leave out contents that lie in S3"
    )
    add_settings(parser)
    parser.set_defaults(run=run_backup)

    again = commands.add_parser(
        "restore",
        help="make an empty data directory from both backups",
        description="Checks both files, leaves out what was shredded, and gives every mailbox a "
        "new epoch, so that clients read everything again.",
    )
    again.add_argument("file", type=Path, metavar="FILE", help="the backup of the data")
    again.add_argument(
        "--keys", type=Path, required=True, metavar="FILE", help="the backup of the keys"
    )
    again.add_argument(
        "--shred-list",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a shred.log newer than both files (may be given more than once)",
    )
    add_settings(again)
    again.set_defaults(run=run_restore)


def run_backup(args: argparse.Namespace) -> int:
    """Back up the data; returns the exit code."""
    settings = load_settings(args)
    require_data(settings)
    try:
        with keeping_record(settings):
            done = back_up_data(
                settings, args.file, SystemEnvironment(), objects=not args.without_objects
            )
    except OSError as error:
        return fail(f"{args.file} cannot be written: {error.strerror}")
    if not done.missing:
        mark(settings, "data", SystemEnvironment().now())
    print_json(
        {
            "File": str(args.file),
            "Bytes": done.bytes,
            "Rows": done.rows,
            "Contents": done.contents,
            "Missing": done.missing,
        }
    )
    if done.missing:
        return fail(f"{len(done.missing)} contents are not there; run `workpost check`")
    return 0


def run_restore(args: argparse.Namespace) -> int:
    """Restore; returns the exit code."""
    settings = load_settings(args)
    try:
        done = restore(
            settings, args.file, args.keys, SystemEnvironment(), shred_lists=args.shred_list
        )
    except OSError as error:
        return fail(f"{settings.data} cannot be written: {error.strerror}")
    with keeping_record(settings):
        # There was nowhere to write it before.
        pass
    print_json(
        {
            "Data": str(settings.data),
            "Rows": done.rows,
            "Contents": done.contents,
            "Keys": done.keys,
            "Shredded": done.shredded,
            "MailboxesWithoutKey": done.mailboxes_without_key,
        }
    )
    if done.mailboxes_without_key:
        fail(
            f"{done.mailboxes_without_key} mailboxes have no key: the backup of the keys is older"
            " than that of the data"
        )
        return EX_FAILED
    return 0
