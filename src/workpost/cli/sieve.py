"""`workpost sieve`: the Sieve scripts of a mailbox, which people else write over ManageSieve."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from workpost.cli.common import print_json, shown_time
from workpost.cli.mailbox import add_mailbox_verb, run_on_mailbox
from workpost.domain.mailboxes import script_shell as scripts
from workpost.formats.sieve.checker import compile_script
from workpost.formats.sieve.errors import SieveError
from workpost.kernel.errors import InvalidParameter, ScriptInvalid
from workpost.kernel.principal import Grant
from workpost.store.core import Core

MOST = 1 << 20
"""Octets read of a file: a script has far fewer."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("sieve", help="manage Sieve scripts", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    add_mailbox_verb(verbs, "list", "list the scripts of a mailbox").set_defaults(run=list_all)
    _named(verbs, "get", "print a script").set_defaults(run=get)
    put_verb = _named(verbs, "put", "check a script and keep it")
    put_verb.add_argument("file", metavar="FILE", help="the script; - for standard input")
    put_verb.add_argument("--activate", action="store_true", help="let it run at delivery")
    put_verb.set_defaults(run=put)
    _named(verbs, "activate", "let a script run at delivery").set_defaults(run=activate)
    add_mailbox_verb(verbs, "deactivate", "let no script run at delivery").set_defaults(
        run=deactivate
    )
    _named(verbs, "delete", "delete a script that is not active").set_defaults(run=delete)
    text = "say whether a script could be kept, and what is wrong with it"
    check_verb = verbs.add_parser("check", help=text, description=text)
    check_verb.add_argument("file", metavar="FILE", help="the script; - for standard input")
    check_verb.set_defaults(run=check)


def _named(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = add_mailbox_verb(verbs, name, text)
    parser.add_argument("name", metavar="NAME", help="the script's name")
    return parser


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(MOST)
        with Path(name).open("rb") as file:
            return file.read(MOST)
    except OSError as error:
        raise InvalidParameter(f"cannot read {name}: {error.strerror}") from error


def list_all(args: argparse.Namespace) -> int:
    """Print what is known of the scripts as JSON; returns the exit code."""

    async def work(core: Core, grant: Grant) -> list[scripts.Script]:
        return await scripts.list_scripts(core, grant)

    print_json(
        [
            {
                "Name": one.name,
                "Active": one.active,
                "Size": one.size,
                "DateModified": shown_time(one.changed),
            }
            for one in run_on_mailbox(args, work)
        ]
    )
    return 0


def get(args: argparse.Namespace) -> int:
    """Print a script as it is; returns the exit code. Raises ScriptNotFound."""

    async def work(core: Core, grant: Grant) -> bytes:
        return await scripts.get_script(core, grant, args.name)

    source = run_on_mailbox(args, work)
    sys.stdout.write(source.decode().replace("\r\n", "\n"))
    return 0


def put(args: argparse.Namespace) -> int:
    """Keep a script; returns the exit code. Raises ScriptInvalid, ScriptTooLarge."""
    source = _read(args.file)

    async def work(core: Core, grant: Grant) -> None:
        await scripts.put_script(core, grant, args.name, source)
        if args.activate:
            await scripts.activate_script(core, grant, args.name)

    run_on_mailbox(args, work)
    print(f"The script {args.name} is kept{' and active' * args.activate}.")
    return 0


def activate(args: argparse.Namespace) -> int:
    """Make a script the active one; returns the exit code. Raises ScriptNotFound."""

    async def work(core: Core, grant: Grant) -> None:
        await scripts.activate_script(core, grant, args.name)

    run_on_mailbox(args, work)
    print(f"The script {args.name} is active.")
    return 0


def deactivate(args: argparse.Namespace) -> int:
    """Let no script be active; returns the exit code."""

    async def work(core: Core, grant: Grant) -> None:
        await scripts.activate_script(core, grant, "")

    run_on_mailbox(args, work)
    print("No script is active.")
    return 0


def delete(args: argparse.Namespace) -> int:
    """Delete a script; returns the exit code. Raises ScriptNotFound, ScriptActive."""

    async def work(core: Core, grant: Grant) -> None:
        await scripts.delete_script(core, grant, args.name)

    run_on_mailbox(args, work)
    print(f"The script {args.name} is deleted.")
    return 0


def check(args: argparse.Namespace) -> int:
    """Say that a script could be kept; returns the exit code. Raises ScriptInvalid."""
    try:
        compile_script(_read(args.file), new=True)
    except SieveError as error:
        raise ScriptInvalid(f"{args.file}: {error}") from None
    print(f"{args.file} is a script that this server can run.")
    return 0
