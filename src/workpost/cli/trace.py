"""`workpost trace ID`: the whole life of a message, from its acceptance to where it lies now."""

from __future__ import annotations

import argparse
import time
from typing import Any

import msgspec

from workpost.cli.audit import read_since
from workpost.cli.common import (
    EX_FAILED,
    EX_USAGE,
    add_settings,
    fail,
    load_settings,
    print_json,
    require_data,
    shown_time,
    with_core,
)
from workpost.operations.mailflow.tracing import Step, trace_message
from workpost.store.core import Core


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("trace", help="tell the life of a message", description=__doc__)
    parser.add_argument(
        "id",
        help="a Message-ID, or the 16 digits of a trace id (in Received and in the reply to DATA)",
    )
    parser.add_argument("--organization", metavar="ID", default="", help="one organization only")
    parser.add_argument(
        "--since",
        metavar="TIME",
        default="7d",
        help="how far back to look: 2026-01-31T08:00Z, or 12h, 30d ago (default: 7d)",
    )
    parser.add_argument("--json", action="store_true", help="whole records as JSON")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the steps, a line each; returns the exit code, 1 when nothing is known."""
    try:
        since = read_since(args.since, time.time_ns() // 1_000_000)
    except ValueError:
        return fail(f"--since {args.since}: neither a time nor like 15m, 12h, 7d", EX_USAGE)
    settings = load_settings(args)
    require_data(settings)

    async def work(core: Core) -> list[Step]:
        told = trace_message(core, args.id, since=since, organization=args.organization)
        return [step async for step in told]

    steps = with_core(settings, work)
    if not steps:
        return fail(f"nothing is known of {args.id} since {args.since}", EX_FAILED)
    if args.json:
        print_json([msgspec.to_builtins(step) for step in steps])
    else:
        for step in steps:
            print(_line(step))
    return 0


def _line(step: Step) -> str:
    when = shown_time(step.at) if step.at else "now".ljust(20)
    story = "  ".join(f"{key}={_value(value)}" for key, value in step.story.items())
    return "  ".join(part for part in (when, step.kind, step.trace, story) if part)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_value(each) for each in value)
    if isinstance(value, dict):
        return "(" + " ".join(f"{key}={_value(each)}" for key, each in value.items()) + ")"
    # Much of it is as strangers wrote it, and must not steer the operator's terminal.
    return "".join(each if each.isprintable() else "?" for each in str(value))
