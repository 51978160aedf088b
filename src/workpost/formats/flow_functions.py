"""What a function of a Run Lambda rule is told of a message, and how its answer is read.

The event and the response are WorkMail's (Administrator Guide, configuring AWS Lambda for Amazon
WorkMail). A response is read strictly: what does not fit makes all of it invalid, and members that
are not known are passed over. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from workpost.formats import addresses

SUMMARY_VERSION = "2018-10-10"
EVENT_BYTES = 128 * 1024
"""Largest event; recipients are left out of a longer one, which says `truncated`."""
RESPONSE_BYTES = 256 * 1024
MOST_ACTIONS = 10
"""Unique actions of a response; what later ones say falls back."""
SUBJECT = 256
"""Characters of a subject that an event tells."""
ADDRESS = 320
"""Characters of an author's address that an event tells; headers hold longer ones."""
REASON = 600
"""Characters of a bounce message: with an address before it, it fits in a line of a report."""

DROP = "DROP"
BOUNCE = "BOUNCE"
JUNK = "MOVE_TO_JUNK"
DEFAULT = "DEFAULT"
NEVER_JUNK = "BYPASS_SPAM_CHECK"

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "INBOUND": (DROP, BOUNCE, JUNK, DEFAULT, NEVER_JUNK),
    "OUTBOUND": (DROP, BOUNCE, DEFAULT),
}
"""What functions may answer in each direction, what restricts more first."""


class FlowEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What a function is told; `sender` only where somebody sent on behalf of `author`."""

    author: str
    sender: str = ""
    recipients: Sequence[str]
    subject: str
    message_id: str
    invocation_id: str
    direction: str


def compose_event(event: FlowEvent) -> bytes:
    """The event in JSON, of at most EVENT_BYTES.

    Control characters that encoded words have brought into the subject are blanks: a function
    writes it into headers and queries.
    """
    document: dict[str, Any] = {
        "summaryVersion": SUMMARY_VERSION,
        "envelope": {"mailFrom": {"address": event.author[:ADDRESS]}, "recipients": []},
        "sender": {"address": event.sender[:ADDRESS]},
        "subject": _CONTROLS.sub(" ", event.subject[:SUBJECT]),
        "messageId": event.message_id,
        "invocationId": event.invocation_id,
        "flowDirection": event.direction,
        "truncated": False,
    }
    if not event.sender:
        del document["sender"]
    told = [{"address": address} for address in event.recipients]
    size = len(msgspec.json.encode(document))
    kept = 0
    for kept, one in enumerate(told, 1):
        size += len(msgspec.json.encode(one)) + 1
        if size > EVENT_BYTES:
            kept -= 1
            break
    document["envelope"]["recipients"] = told[:kept]
    document["truncated"] = kept < len(told)
    return msgspec.json.encode(document)


class ResponseInvalid(Exception):
    """A function's answer is none; the message says what is wrong with it."""


class Verdict(msgspec.Struct, frozen=True):
    """What is done for a recipient; `reason` is what a bounce says, "" for the usual words."""

    action: str
    reason: str = ""


class Response(msgspec.Struct, frozen=True):
    """A response as it was read; recipients are folded.

    `named` has those to whom an action goes, `others` is for everybody else, None where nothing is
    said of them. `written` has each recipient of the response as it was written; those who are in
    `written` alone were named beyond the tenth action only.
    """

    named: Mapping[str, Verdict]
    others: Verdict | None
    written: Mapping[str, str]

    def verdict(self, recipient: str) -> Verdict | None:
        """What is done for a (folded) recipient; None: the rule's fallback action."""
        found = self.named.get(recipient)
        if found is None and recipient not in self.written:
            return self.others
        return found


class _Said(msgspec.Struct, rename="camel"):
    type: str
    parameters: dict[str, Any] | None = None


class _Action(msgspec.Struct, rename="camel"):
    action: _Said
    recipients: list[str] | None = None
    all_recipients: bool | str | None = None


class _Response(msgspec.Struct):
    actions: list[_Action]


# A report does not take them, nor the terminal that shows it, nor the code that they come to.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_read = msgspec.json.Decoder(_Response).decode
_FLAGS = {"true": True, "false": False}


def read_response(raw: bytes, direction: str) -> Response:
    """Read what a function answered. Raises ResponseInvalid.

    Of several actions for one recipient the one that restricts more counts, as between rules.
    """
    if len(raw) > RESPONSE_BYTES:
        raise ResponseInvalid(f"it has more than {RESPONSE_BYTES} bytes")
    try:
        actions = _read(raw).actions
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResponseInvalid(f"it is not a response: {error}") from None
    if not actions:
        raise ResponseInvalid("it has no action")
    order = ACTIONS[direction]
    unique: set[Verdict] = set()
    named: dict[str, Verdict] = {}
    others: Verdict | None = None
    written: dict[str, str] = {}
    for one in actions:
        verdict, everyone = _verdict(one, order), _everyone(one)
        for address in one.recipients or ():
            written.setdefault(addresses.fold(address), address)
        if verdict not in unique and len(unique) == MOST_ACTIONS:
            continue
        unique.add(verdict)
        if everyone:
            others = _stricter(order, others, verdict)
        for address in one.recipients or ():
            folded = addresses.fold(address)
            named[folded] = _stricter(order, named.get(folded), verdict)
    return Response(named, others, written)


def _verdict(one: _Action, order: Sequence[str]) -> Verdict:
    if one.action.type not in order:
        raise ResponseInvalid(f"it has an action that is none here: {one.action.type[:40]}")
    reason: object = None
    if one.action.type == BOUNCE:
        reason = (one.action.parameters or {}).get("bounceMessage")
    if reason is not None and not isinstance(reason, str):
        raise ResponseInvalid("its bounceMessage is no text")
    return Verdict(one.action.type, " ".join(_CONTROLS.sub(" ", reason or "").split())[:REASON])


def _everyone(one: _Action) -> bool:
    said = one.all_recipients
    if isinstance(said, str):
        # WorkMail's own examples write it as text.
        if said.lower() not in _FLAGS:
            raise ResponseInvalid("its allRecipients is neither true nor false")
        said = _FLAGS[said.lower()]
    if said is None and one.recipients is None:
        raise ResponseInvalid("it has an action for nobody")
    return bool(said)


def _stricter(order: Sequence[str], before: Verdict | None, now: Verdict) -> Verdict:
    if before is None or order.index(now.action) < order.index(before.action):
        return now
    return before
