"""What an operator orders at the machine, in the audit log: before it is done, and how it ended.

Who runs a command is told by name, with the arguments that `order_table` lets into records. Both
records have the same `orderId`; where the second is missing the command was cut short. What belongs
to no organization and no account is told under the account `INSTALLATION`.
"""

from __future__ import annotations

import argparse
import os
import pwd
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from workpost.cli.order_table import ORDERS, Order
from workpost.domain.access.accounts import INSTALLATION
from workpost.kernel.errors import ResourceNotFound, WorkpostError
from workpost.operations.audit.service_events import record_order
from workpost.store.core import Core
from workpost.store.tables import organizations

T = TypeVar("T")
ORDERED, DONE, FAILED = "ordered", "done", "failed"
"""The outcomes that records tell."""
_ACCOUNT = re.compile(r"[0-9]{12}")


class _Given(msgspec.Struct):
    """The order that this process was started for."""

    order: Order
    command: str
    args: argparse.Namespace
    operator: dict[str, str]
    number: str = ""
    account: str = INSTALLATION
    organization: str = ""
    details: dict[str, Any] = {}
    over: bool = False


_given: ContextVar[_Given | None] = ContextVar("order", default=None)


def leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command by its words, with the parser of its arguments."""
    below = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    for action in below:
        for name, inner in action.choices.items():
            yield from leaves(inner, (*path, name))
    if not below:
        yield " ".join(path), parser


def begin(args: argparse.Namespace) -> None:
    """Remember what this process is started for, if that changes something."""
    command = " ".join(filter(None, (args.path, getattr(args, "what", ""))))
    order = ORDERS.get(command)
    given = None
    if order is not None and (
        not order.when or any(_is_given(getattr(args, name)) for name in order.when)
    ):
        given = _Given(order, command, args, _operator())
    _given.set(given)


def forget() -> None:
    """The command is over: what this process does after it is no part of its order."""
    _given.set(None)


def _is_given(value: object) -> bool:
    """Whether an argument was on the command line; a 0 was."""
    return value is not None and value is not False


async def carry_out(core: Core, work: Callable[..., Awaitable[T]]) -> T:
    """Run `work(core)` between the records of the order, where it is one.

    Raises TryLater where the first cannot be written; then nothing is done.
    """
    given = _given.get()
    if given is None or given.over:
        # A command may look at the data again when it has done what it was told.
        return await work(core)
    if not given.order.itself:
        await ordered(core)
    try:
        done = await work(core)
    except Exception as error:
        await finish(core, FAILED, type(error).__name__)
        raise
    await finish(core, DONE)
    return done


async def ordered(core: Core, account: str = "", **details: object) -> None:
    """Write what is about to be done, with `details` that only the command knows.

    Raises TryLater; then nothing may be done.
    """
    given = _given.get()
    if given is None:
        return
    given.number = core.env.new_uuid()
    told = {name: getattr(given.args, name) for name in given.order.told}
    given.details = {
        _camel(name): str(each) if isinstance(each, Path) else each
        for name, each in told.items()
        if each not in (None, "")
    }
    given.details |= {"command": given.command, **given.operator, **details}
    await _place(core, given, account)
    await _record(core, given, ORDERED)


def note(**details: object) -> None:
    """Tell more in the last record, such as the id of what was made."""
    given = _given.get()
    if given is not None:
        given.details |= details


async def finish(core: Core, outcome: str, error: str = "") -> None:
    """Write how it ended; what was never ordered has no end."""
    given = _given.get()
    if given is None or not given.number:
        return
    given.over = True
    try:
        await _record(core, given, outcome, error)
    except WorkpostError as reason:
        print(f"workpost: the audit log does not hear of the end: {reason}", file=sys.stderr)


async def _record(core: Core, given: _Given, outcome: str, error: str = "") -> None:
    await record_order(
        core,
        given.account,
        given.organization,
        given.order.event,
        {**given.details, "orderId": given.number, "outcome": outcome},
        error=error,
    )


async def _place(core: Core, given: _Given, account: str) -> None:
    """Find out whom the order concerns, as far as it names somebody."""
    # Only here: that module's verbs give orders, too.
    from workpost.cli.mailbox import find_mailbox

    organization = getattr(given.args, "organization", None) or ""
    if mailbox := getattr(given.args, "mailbox", None):
        given.details["mailbox"] = mailbox
        try:
            row = await find_mailbox(core, mailbox)
        except ResourceNotFound:
            pass
        else:
            organization = row.org
            given.details["mailboxId"] = row.id
    if organization:
        given.details["organizationId"] = organization
        known = await core.store.read(organizations.get_state, organization=organization)
        if known is not None:
            given.account, given.organization = known[0], organization
    account = account or getattr(given.args, "account", None) or ""
    if _ACCOUNT.fullmatch(account):
        given.account = account


def _operator() -> dict[str, str]:
    """The login name of whoever runs this, or the number where there is none."""
    try:
        told = {"operator": pwd.getpwuid(os.getuid()).pw_name}
    except KeyError:
        told = {"operator": str(os.getuid())}
    if os.getuid() == 0 and (name := os.environ.get("SUDO_USER")):
        told["sudoUser"] = name
    return told


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))
