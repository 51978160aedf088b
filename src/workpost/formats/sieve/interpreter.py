"""Running a script over a message: commands in order, actions out, never an exception.

A script that goes wrong is broken off; what it had decided is dropped, and the message is kept
(RFC 5228 2.10.6), so that no error of a script loses mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

from workpost.formats.addresses import AddressError
from workpost.formats.mime import Summary
from workpost.formats.sieve.actions import (
    FileInto,
    Keep,
    Notify,
    Redirect,
    Reject,
    Result,
    Vacation,
    World,
)
from workpost.formats.sieve.checker import Script, Step
from workpost.formats.sieve.constants import IMPORTANCES, read_address
from workpost.formats.sieve.errors import SieveRunError
from workpost.formats.sieve.evaluation import chosen, holds, is_mailto
from workpost.formats.sieve.limits import MAX_VALUE_TO_MATCH, STEP
from workpost.formats.sieve.matching import Match
from workpost.formats.sieve.message import Message
from workpost.formats.sieve.run import Run, split_flags
from workpost.formats.sieve.variables import modify

_PROTECTED = ("received", "auto-submitted", "delivered-to")
"""What tells of circles is not deleted; RFC 5293 6 wants the attempt ignored in silence."""
MAX_FIELD_NAME = 70
"""Characters; the name stands on one line with what comes first of the value."""
_DAY = 24 * 3600
LONGEST_PERIOD = 365 * _DAY


class _Stop(Exception):
    """The script ends here."""


def run_script(script: Script, raw: bytes, world: World, summary: Summary | None = None) -> Result:
    """Run a script over a message. `summary` saves work where it is at hand."""
    message = Message(raw, summary)
    run = Run(message, world)
    try:
        with suppress(_Stop):
            _block(run, script.steps)
        flags = run.flags.get("", ()) if run.flags_touched else None
        if run.implicit_keep:
            run.act(Keep(flags))
    except (SieveRunError, RecursionError) as error:
        return Result([Keep()], [], error=str(error) or "the script is nested too deeply")
    edited = message.with_header_edited() if message.edited else None
    return Result(run.actions, run.seen, edited, flags=flags)


def _block(run: Run, steps: list[Step]) -> None:
    done = False
    for step in steps:
        run.spend()
        if step.name == "if":
            done = _branch(run, step, done=False)
        elif step.name in ("elsif", "else"):
            done = _branch(run, step, done=done)
        else:
            _COMMANDS[step.name](run, step)


def _branch(run: Run, step: Step, *, done: bool) -> bool:
    """Whether a branch of the chain was taken, this one included."""
    if not done and (step.name == "else" or holds(run, step.tests[0])):
        _block(run, step.block)
        return True
    return done


def _stop(_: Run, __: Step) -> None:
    raise _Stop


def _keep(run: Run, step: Step) -> None:
    run.act(Keep(run.flags_now(step)))
    run.implicit_keep = False


def _discard(run: Run, _: Step) -> None:
    run.implicit_keep = False


def _fileinto(run: Run, step: Step) -> None:
    folder = run.text(step.values[0])
    if not folder:
        raise SieveRunError("fileinto has no folder")
    run.act(
        FileInto(
            folder,
            run.flags_now(step),
            ":create" in step.tags,
            run.tag(step, ":specialuse"),
        )
    )
    if ":copy" not in step.tags:
        run.implicit_keep = False


def _redirect(run: Run, step: Step) -> None:
    try:
        address = read_address(run.text(step.values[0]))
    except AddressError as error:
        raise SieveRunError(f"redirect: {error}") from None
    local, _, domain = address.rpartition("@")
    run.act(Redirect(f"{local}@{domain.lower()}"))
    if ":copy" not in step.tags:
        run.implicit_keep = False


def _reject(run: Run, step: Step) -> None:
    run.act(Reject(run.text(step.values[0]), step.name == "ereject"))
    run.implicit_keep = False


def _vacation(run: Run, step: Step) -> None:
    reason, mime = run.text(step.values[0]), ":mime" in step.tags
    subject, from_ = run.tag(step, ":subject"), run.tag(step, ":from")
    handle = run.tag(step, ":handle")
    if not handle:
        # RFC 5230 4.2: without a handle, what is said tells one answer from another.
        told = f"{subject}\0{from_}\0{mime}\0{reason}"
        handle = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
    days, seconds = step.tags.get(":days"), step.tags.get(":seconds")
    period: int | None = None
    if isinstance(seconds, int):
        period = min(seconds, LONGEST_PERIOD)
    elif isinstance(days, int):
        period = min(max(days, 1) * _DAY, LONGEST_PERIOD)
    addresses = tuple(run.texts(step.tags.get(":addresses")))
    run.act(Vacation(reason, handle, period, subject, from_, addresses, mime))


def _change_flags(run: Run, step: Step) -> None:
    name = run.text(step.values[0]) if len(step.values) == 2 else ""
    given = split_flags(run.texts(step.values[-1]))
    old = run.get_flags(name)
    if step.name == "setflag":
        new = given
    elif step.name == "addflag":
        new = split_flags([*old, *given])
    else:
        gone = {flag.lower() for flag in given}
        new = tuple(flag for flag in old if flag.lower() not in gone)
    run.set_flags(name, new)


def _set(run: Run, step: Step) -> None:
    name, value = step.values
    tags: dict[str, object] = dict(step.tags)
    run.variables.set(str(name), modify(run.text(value), tags))


def _addheader(run: Run, step: Step) -> None:
    name = run.text(step.values[0])
    plain = all("!" <= letter <= "~" and letter != ":" for letter in name)
    if not plain or not 0 < len(name) <= MAX_FIELD_NAME:
        raise SieveRunError(f"{name[:40]!r} is no name of a header field")
    run.message.add(name, run.text(step.values[1]), last=":last" in step.tags)


def _deleteheader(run: Run, step: Step) -> None:
    name = run.text(step.values[0])
    if name.lower() in _PROTECTED:
        return
    fields = run.message.named([name])
    fields = chosen(step, fields)
    keys = run.texts(step.values[1]) if len(step.values) == 2 else None
    size = sum(min(len(field.text), MAX_VALUE_TO_MATCH) for field in fields) if keys else 0
    run.spend(1 + len(keys or ()) * (len(fields) + size // STEP))
    match = Match(
        {tag: value for tag, value in step.tags.items() if tag not in (":index", ":last")}
    )
    if keys is not None and match.count is not None:
        fields = fields if match.any_of([field.text for field in fields], keys) else []
        keys = None
    for field in fields:
        if keys is None or match.any_of([field.text], keys, run.check_time):
            run.message.delete(field)


def _notify(run: Run, step: Step) -> None:
    method = run.text(step.values[0])
    if not is_mailto(method):
        raise SieveRunError(f"notify knows no method {method[:40]!r}")
    importance = run.tag(step, ":importance") or "2"
    if importance not in IMPORTANCES:
        raise SieveRunError(f"{importance[:10]!r} is no importance: 1, 2 or 3")
    run.act(
        Notify(
            method,
            run.tag(step, ":message"),
            run.tag(step, ":from"),
            int(importance),
            tuple(run.texts(step.tags.get(":options"))),
        )
    )


_COMMANDS: dict[str, Callable[[Run, Step], None]] = {
    "stop": _stop,
    "keep": _keep,
    "discard": _discard,
    "fileinto": _fileinto,
    "redirect": _redirect,
    "reject": _reject,
    "ereject": _reject,
    "vacation": _vacation,
    "setflag": _change_flags,
    "addflag": _change_flags,
    "removeflag": _change_flags,
    "set": _set,
    "addheader": _addheader,
    "deleteheader": _deleteheader,
    "notify": _notify,
}
