"""The metrics of WorkMail that count mail (Administrator Guide, CloudWatch metrics).

An event carries what it counts, and whoever has written it calls `count` after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workpost.kernel.metrics import Counter, counter
from workpost.store.tables.events import NewEvent


def _counter(name: str, what: str) -> Counter:
    return counter(f"workpost_{name}_total", what, "organization")


COUNTERS: tuple[Counter, ...] = (
    _counter("organization_email_received", "Messages that arrived."),
    _counter("mailbox_email_delivered", "Messages in mailboxes, one for each."),
    _counter("incoming_email_bounced", "Recipients here who did not get a message."),
    _counter("outgoing_email_bounced", "Recipients elsewhere who did not get a message."),
    _counter("outgoing_email_sent", "Recipients who got a message that was sent from here."),
)

Tally = tuple[int, ...]
"""What an event adds to each of `COUNTERS`."""
NOTHING: Tally = ()


def tally_of(kind: str, story: Mapping[str, object]) -> Tally:
    """What an event counts; NOTHING for most kinds."""
    match kind:
        case "ORGANIZATION_EMAIL_RECEIVED":
            return (1, _size(story, "delivered"), 0, 0, 0)
        case "OUTGOING_EMAIL_SUBMITTED":
            inside = _size(story, "arrived")
            return (int(inside > 0), _size(story, "delivered"), 0, 0, inside)
        case "MAILBOX_EMAIL_DELIVERED":
            inside = _size(story, "arrived")
            return (int(inside > 0), _size(story, "delivered"), 0, 0, inside)
        case "INCOMING_EMAIL_BOUNCED":
            return (0, 0, 1, 0, 0)
        case "OUTGOING_EMAIL_BOUNCED":
            return (0, 0, 0, 1, 0)
        case "OUTGOING_EMAIL_SENT":
            return (0, 0, 0, 0, 1)
    return NOTHING


def _size(story: Mapping[str, object], key: str) -> int:
    value = story.get(key)
    return len(value) if isinstance(value, list) else 0


def count(events: Iterable[NewEvent]) -> None:
    """Count what events tell, once they are written."""
    for event in events:
        for each, amount in zip(COUNTERS, event.tally, strict=False):
            if amount:
                each.labels(event.org).gather(amount)
