"""The state of one run: variables, flags, actions so far, how much work was done."""

from __future__ import annotations

from workpost.formats.sieve.actions import (
    Action,
    FileInto,
    Keep,
    Redirect,
    Reject,
    Seen,
    Vacation,
    World,
)
from workpost.formats.sieve.checker import Step, Value
from workpost.formats.sieve.errors import SieveRunError
from workpost.formats.sieve.limits import MAX_ACTIONS, MAX_REDIRECTS, MAX_SEEN, MAX_STEPS
from workpost.formats.sieve.message import Message
from workpost.formats.sieve.variables import Variables

INTERNAL = ""
"""The name of the internal variable of flags (RFC 5232 2)."""


class Run:
    """One script over one message."""

    def __init__(self, message: Message, world: World) -> None:
        self.message = message
        self.world = world
        self.variables = Variables()
        self.flags: dict[str, tuple[str, ...]] = {}
        self.flags_touched = False
        self.actions: list[Action] = []
        self.seen: list[Seen] = []
        self.implicit_keep = True
        self._steps = 0

    def spend(self, amount: int = 1) -> None:
        """Count work. Raises SieveRunError when there was too much."""
        self._steps += amount
        if self._steps > MAX_STEPS:
            raise SieveRunError("the script works too long")
        self.check_time()

    def check_time(self) -> None:
        """Raise SieveRunError when the run has taken all the time that it has."""
        if self.world.is_late():
            raise SieveRunError("the script takes too long")

    def text(self, value: Value) -> str:
        """A string argument with its variables."""
        return self.variables.expand(value) if isinstance(value, str) else ""

    def texts(self, value: Value) -> list[str]:
        """A list of strings with their variables."""
        if isinstance(value, str):
            value = (value,)
        return [self.variables.expand(each) for each in value] if isinstance(value, tuple) else []

    def tag(self, step: Step, name: str) -> str:
        """The string behind a tag, "" where it is not given."""
        return self.text(step.tags.get(name))

    def act(self, action: Action) -> None:
        """Add an action unless it is there. Raises SieveRunError for what excludes another."""
        if action in self.actions:
            return
        if len(self.actions) >= MAX_ACTIONS:
            raise SieveRunError(f"there are more than {MAX_ACTIONS} actions")
        kinds = {type(each) for each in self.actions}
        if isinstance(action, Redirect):
            already = sum(isinstance(each, Redirect) for each in self.actions)
            if already >= MAX_REDIRECTS:
                raise SieveRunError(f"there are more than {MAX_REDIRECTS} redirects")
        # RFC 5429 2.1.2 and 2.2, RFC 5230 4.7: a refused message is not also taken.
        if isinstance(action, Reject) and kinds & {Keep, FileInto, Redirect, Reject, Vacation}:
            raise SieveRunError("reject comes beside an action that takes the message")
        if Reject in kinds and isinstance(action, Keep | FileInto | Redirect | Vacation):
            raise SieveRunError("an action takes the message that was rejected")
        if isinstance(action, Vacation) and Vacation in kinds:
            raise SieveRunError("there are two vacations")
        self.actions.append(action)

    def see(self, seen: Seen) -> None:
        """Note an id that is to be remembered. Raises SieveRunError for too many of them."""
        if seen not in self.seen:
            self.seen.append(seen)
        if len(self.seen) > MAX_SEEN:
            raise SieveRunError(f"there are more than {MAX_SEEN} ids of duplicates")

    def flags_now(self, step: Step) -> tuple[str, ...] | None:
        """The flags of an action: those behind :flags, else those of the internal variable."""
        if ":flags" in step.tags:
            return split_flags(self.texts(step.tags[":flags"]))
        return self.flags.get(INTERNAL, ()) if self.flags_touched else None

    def get_flags(self, name: str) -> tuple[str, ...]:
        """The flags of a variable."""
        if not name:
            return self.flags.get(INTERNAL, ())
        return split_flags([self.variables.get(name)])

    def set_flags(self, name: str, flags: tuple[str, ...]) -> None:
        """Replace the flags of a variable."""
        if name:
            self.variables.set(name, " ".join(flags))
        else:
            self.flags[INTERNAL] = flags
            self.flags_touched = True


def split_flags(texts: list[str]) -> tuple[str, ...]:
    """Flags of strings, each once in any case (RFC 5232 2)."""
    found: dict[str, str] = {}
    for text in texts:
        for flag in text.split():
            found.setdefault(flag.lower(), flag)
    return tuple(found.values())
