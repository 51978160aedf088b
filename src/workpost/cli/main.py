"""`workpost`: reads the arguments and runs one command; errors are one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

import workpost
from workpost.cli import ordering
from workpost.cli.common import EX_CONFIG, EX_FAILED, EX_USAGE, fail
from workpost.cli.ordering import leaves
from workpost.kernel.errors import WorkpostError
from workpost.kernel.settings import SettingsError

COMMANDS = (
    "quickstart",
    "serve",
    "account",
    "access_key",
    "iam",
    "audit",
    "domain",
    "directory",
    "group",
    "mailbox",
    "sieve",
    "out_of_office",
    "rule",
    "gateway",
    "journaling",
    "limits",
    "token",
    "queue",
    "suppression",
    "trace",
    "spam",
    "functions",
    "keys",
    "doctor",
    "selftest",
    "check",
    "backup",
    "config",
    "model",
)
"""Modules of this package, in the order of `--help`; each has `add_parser`."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="workpost",
        description="Self-hosted business mail that speaks the Amazon WorkMail API.",
    )
    parser.add_argument("--version", action="version", version=f"workpost {workpost.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    for name in COMMANDS:
        importlib.import_module(f"workpost.cli.{name}").add_parser(commands)
    for path, leaf in leaves(parser):
        leaf.set_defaults(path=path)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help(sys.stderr)
        return EX_USAGE
    ordering.begin(args)
    try:
        return int(args.run(args))
    except SettingsError as error:
        return fail(str(error), EX_CONFIG)
    except WorkpostError as error:
        schema = type(error).__name__.startswith("Schema")
        return fail(error.message, EX_CONFIG if schema else EX_FAILED)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return EX_FAILED
    finally:
        ordering.forget()
