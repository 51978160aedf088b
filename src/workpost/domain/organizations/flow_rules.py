"""Rules on mail in and out of an organization: patterns, which of them is nearest, what it asks.

Pure (decision 41). A rule has one action and patterns of senders and of destinations; it matches
where one of each does. Patterns are an address, a domain, `*.domain` (with the domain itself) and
`*`, nearest first; of two wildcards the longer is nearer. Of rules that match, the one with the
nearest sender pattern counts, then the one with the nearest destination, then the one that
restricts more (`PRECEDENCE`), then the name that comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from workpost.formats import addresses, flow_functions
from workpost.kernel.errors import InvalidParameter

INBOUND, OUTBOUND = "INBOUND", "OUTBOUND"

# A function answers with the same actions.
DROP = flow_functions.DROP
BOUNCE = flow_functions.BOUNCE
JUNK = flow_functions.JUNK
DEFAULT = flow_functions.DEFAULT
NEVER_JUNK = flow_functions.NEVER_JUNK
GATEWAY = "SMTP_GATEWAY"
LAMBDA = "RUN_LAMBDA"

PRECEDENCE: Mapping[str, tuple[str, ...]] = {
    INBOUND: (DROP, BOUNCE, JUNK, DEFAULT, NEVER_JUNK, LAMBDA),
    OUTBOUND: (DROP, BOUNCE, GATEWAY, LAMBDA, DEFAULT),
}
"""The actions of each direction, the one that wins between equals first."""

NAME, DESCRIPTION = 64, 256
"""Characters of a rule's name and of its description."""
LONGEST_TIMEOUT = 240
"""Minutes for which a function is tried again (WorkMail)."""
EVERYTHING = "*"
REMEMBERED = 200
"""Combinations of sender patterns whose rules a table remembers."""
NOBODY = ""
"""The sender of a message that names none."""
Nearness = tuple[int, int]
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_FUNCTION = re.compile(
    r"arn:aws:lambda:[a-z]{2}-[a-z]+-[0-9]:[0-9]{12}:function:[a-zA-Z0-9_.-]+"
    r"(?::(?:\$LATEST|[a-zA-Z0-9_-]+))?"
)


class FlowAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule asks for; `gateway` is the id of an SMTP gateway.

    For a function: its ARN, whether nobody waits for it, and what is done (`fallback`) when it has
    not answered after `timeout` minutes.
    """

    type: str
    gateway: str = ""
    function: str = ""
    asynchronous: bool = False
    fallback: str = ""
    timeout: int = 0


class FlowRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule; patterns as `read_patterns` returns them."""

    name: str
    action: FlowAction
    senders: tuple[str, ...]
    destinations: tuple[str, ...]
    description: str = ""


class Match(msgspec.Struct, frozen=True):
    """The rule that counts for one recipient, with the patterns that were nearest."""

    id: str
    rule: FlowRule
    sender: str
    destination: str


def check_words(rule: FlowRule) -> None:
    """Raise InvalidParameter for a name, description, function or time that is none.

    The bounds are those of the model, which the API has looked at already; operators come past it.
    """
    check_text(rule.name, "name of a rule", NAME)
    if rule.description:
        check_text(rule.description, "description", DESCRIPTION)
    action = rule.action
    if action.function and not _FUNCTION.fullmatch(action.function):
        raise InvalidParameter(f"{action.function[:256]} is no ARN of a Lambda function.")
    if not 0 <= action.timeout <= LONGEST_TIMEOUT:
        raise InvalidParameter(f"A function is asked for 0 to {LONGEST_TIMEOUT} minutes.")


def check_text(text: str, what: str, longest: int) -> None:
    """Raise InvalidParameter unless `text` has 1 to `longest` characters, not all of them blank."""
    if not text.strip() or len(text) > longest or _CONTROLS.search(text):
        raise InvalidParameter(
            f"A {what} has 1 to {longest} characters, none of them a control character,"
            " and is not blank."
        )


def read_patterns(given: Iterable[str], what: str) -> tuple[str, ...]:
    """Fold patterns, each once. Raises InvalidParameter for what is none, naming `what` it is."""
    return tuple(dict.fromkeys(_read_pattern(each, what) for each in given))


def _read_pattern(given: str, what: str) -> str:
    text = given.strip()
    if text == EVERYTHING:
        return text
    front, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    try:
        if "+" in rest or "*" in rest:
            raise addresses.AddressError("+ is not allowed, and * only as a whole or before a dot")
        if "@" in rest:
            if front:
                raise addresses.AddressError("a wildcard stands before a domain only")
            return addresses.fold(addresses.parse_mailbox(rest, smtputf8=True))
        domain = addresses.fold_domain(rest)
        addresses.check_domain(domain)
    except addresses.AddressError as error:
        raise InvalidParameter(f"{given} is no pattern of {what}: {error}.") from None
    return front + domain


def nearness(pattern: str) -> Nearness:
    """How near a pattern is to the addresses that it matches; greater is nearer."""
    if pattern == EVERYTHING:
        return 0, 0
    if pattern.startswith("*."):
        return 1, pattern.count(".")
    return (3, 0) if "@" in pattern else (2, 0)


def patterns_of(address: str) -> Iterator[str]:
    """Every pattern that matches an address, the nearest first.

    What stands behind a `+` is no part of an address (RFC 5233): patterns cannot hold it.
    """
    folded = addresses.fold(address)
    _, domain = addresses.split(folded)
    if domain:
        yield folded
        base = addresses.base_of_subaddress(folded)
        if base is not None:
            yield base
        yield domain
        labels = domain.split(".")
        for start in range(len(labels)):
            yield "*." + ".".join(labels[start:])
    yield EVERYTHING


class _Candidate(msgspec.Struct, frozen=True):
    """A rule whose senders match; `order` decides between candidates, the least first."""

    order: tuple[tuple[int, int], int, str]
    id: str
    rule: FlowRule
    sender: str


class Chosen:
    """The rules of one direction whose sender patterns match a message, by destination."""

    def __init__(self, candidates: Iterable[_Candidate]) -> None:
        self._by_destination: dict[str, _Candidate] = {}
        for one in candidates:
            for pattern in one.rule.destinations:
                known = self._by_destination.get(pattern)
                if known is None or one.order < known.order:
                    self._by_destination[pattern] = one

    def find(self, recipient: str) -> Match | None:
        """The rule that counts for a recipient, None where none matches."""
        best: tuple[Nearness, Nearness, int, str] | None = None
        found: Match | None = None
        for pattern in patterns_of(recipient):
            one = self._by_destination.get(pattern)
            if one is None:
                continue
            sender, precedence, name = one.order
            major, minor = nearness(pattern)
            order = (sender, (-major, -minor), precedence, name)
            if best is None or order < best:
                best, found = order, Match(one.id, one.rule, one.sender, pattern)
        return found


class FlowTable:
    """The rules of one direction, ready to be asked about many messages."""

    def __init__(self, direction: str, rules: Iterable[tuple[str, FlowRule]]) -> None:
        self._precedence = PRECEDENCE[direction]
        self._rules: list[tuple[str, FlowRule]] = list(rules)
        self._by_sender: dict[str, list[int]] = {}
        self._chosen: dict[tuple[str, ...], Chosen] = {}
        for place, (_, rule) in enumerate(self._rules):
            for pattern in rule.senders:
                self._by_sender.setdefault(pattern, []).append(place)

    def choose(self, senders: Sequence[str]) -> Chosen:
        """The rules that match one of the senders; each with its nearest pattern.

        Most mail matches the same few patterns: what follows from those is remembered.
        """
        found = {one for sender in senders for one in patterns_of(sender) if one in self._by_sender}
        patterns = tuple(sorted(found, key=lambda one: (nearness(one), one)))
        chosen = self._chosen.get(patterns)
        if chosen is None:
            nearest = {place: one for one in patterns for place in self._by_sender[one]}
            chosen = Chosen(self._candidate(place, one) for place, one in nearest.items())
            if len(self._chosen) >= REMEMBERED:
                self._chosen.clear()
            self._chosen[patterns] = chosen
        return chosen

    def _candidate(self, place: int, pattern: str) -> _Candidate:
        rule_id, rule = self._rules[place]
        major, minor = nearness(pattern)
        precedence = self._precedence.index(rule.action.type)
        return _Candidate(((-major, -minor), precedence, rule.name), rule_id, rule, pattern)


class Question:
    """Asks the rules about one message, recipient by recipient.

    Inbound the Sender field is asked for first, and From where it matches no rule; outbound both
    are the sender.
    """

    def __init__(
        self, direction: str, table: FlowTable, senders: Sequence[str], authors: Sequence[str]
    ) -> None:
        if not senders and not authors:
            # Who leaves both fields out is still somebody: the patterns `*` match.
            authors = [NOBODY]
        self._first, self._second = table.choose(senders), table.choose(())
        if direction == OUTBOUND:
            self._first = table.choose([*senders, *authors])
        elif list(senders) != list(authors):
            self._second = table.choose(authors)

    def find(self, recipient: str) -> Match | None:
        """The rule that counts for a recipient."""
        return self._first.find(recipient) or self._second.find(recipient)
