"""`workpost iam apply FILE`: make an account's users, roles and policies those of a file."""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path
from typing import Any

from workpost.cli.common import EX_USAGE, add_settings, fail, load_settings, print_json, with_core
from workpost.cli.ordering import note, ordered
from workpost.domain.access.iam_files import Change, apply_iam, plan_iam, read_wanted
from workpost.store.core import Core

MOST_TOLD = 1_000
"""Changes in an audit record; the count is of all."""


def add_parser(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command below `workpost iam`."""
    parser = kinds.add_parser(
        "apply",
        help="make an account's IAM that of a file",
        description="Make the users, roles and policies of an account those of a TOML or JSON "
        "file; what the file does not name is deleted. A second run changes nothing.",
    )
    parser.add_argument("file", metavar="FILE", help="TOML, or JSON if it ends in .json")
    parser.add_argument(
        "--account", metavar="ID", help="the account (default: `account` in the file)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change, and change nothing"
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Apply a file and print what was changed as JSON; returns the exit code."""
    path = Path(args.file)
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:
        return fail(f"{path} cannot be used: {error}", EX_USAGE)
    account = args.account or content.get("account")
    if not isinstance(account, str):
        return fail("say which account: --account ID, or account = 'ID' in the file", EX_USAGE)

    async def work(core: Core) -> list[Change]:
        wanted = read_wanted(core.env, content)
        if args.dry_run:
            steps = await core.store.read(plan_iam, account=account, wanted=wanted)
            return [step.change for step in steps]
        await ordered(core, account, file=str(path))
        changes: list[Change] = await core.store.write(apply_iam, account=account, wanted=wanted)
        note(changes=[_shown(change) for change in changes[:MOST_TOLD]], count=len(changes))
        return changes

    changes = with_core(load_settings(args), work)
    print_json(
        {
            "AccountId": account,
            "Applied": not args.dry_run,
            "Changes": [_shown(change) for change in changes],
        }
    )
    return 0


def _shown(change: Change) -> dict[str, str]:
    shown = {"Action": change.action, "Kind": change.kind, "Name": change.name}
    return {**shown, "Of": change.owner} if change.owner else shown


def read_file(path: Path) -> dict[str, Any]:
    """The file's content with the documents that it names in place of their paths.

    A policy or trust may be a text: the path of a JSON file, relative to this one. Raises OSError,
    ValueError.
    """
    text = path.read_text(encoding="utf-8")
    content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    if not isinstance(content, dict):
        raise ValueError("it must be an object")
    for kind in ("users", "roles"):
        entries = content.get(kind)
        for entry in entries.values() if isinstance(entries, dict) else ():
            if isinstance(entry, dict):
                _resolve(entry, "trust", path.parent)
                policies = entry.get("policies")
                if isinstance(policies, dict):
                    for name in policies:
                        _resolve(policies, name, path.parent)
    return content


def _resolve(entry: dict[str, Any], name: str, folder: Path) -> None:
    if isinstance(entry.get(name), str):
        entry[name] = json.loads((folder / entry[name]).read_text(encoding="utf-8"))
