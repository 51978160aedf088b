"""From what our events tell to the lines of WorkMail's event log (Administrator Guide, tracking).

A line is one JSON object with `traceId`, and `event` whose fields are those of WorkMail; beside
them stand `organizationId` and `timestamp`. One event of ours may be several lines: WorkMail tells
of each mailbox and of each recipient by itself. Pure; reads any story, also a later version's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

Story = Mapping[str, Any]
Event = dict[str, Any]

SUBJECT = 256
"""Characters of a subject (Administrator Guide: longer ones are cut)."""
GRAY = "GRAY"
"""The verdict of a check that has said nothing."""
VERDICTS = ("spamVerdict", "dkimVerdict", "dmarcVerdict", "spfVerdict")
COMMON = ("from", "recipients", "recipient", "subject", "messageId", "reason", "status")
"""What a kind of event that WorkMail does not have may tell."""

_encode = msgspec.json.Encoder().encode


def lines_of(
    kind: str, story: Story, *, organization: str, at: int, longest: int
) -> Iterator[bytes]:
    """The lines of one event, each of at most `longest` bytes; `at` in milliseconds."""
    trace = str(story.get("traceId", ""))
    for name, fields in _events(kind, story, at):
        line: Event = {
            "traceId": trace,
            "organizationId": organization,
            "timestamp": at,
            "event": {"eventName": name, **fields},
        }
        yield _fit(line, longest)


def _events(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    translate = _TRANSLATIONS.get(kind)
    if translate is None:
        yield kind, {key: _cut(key, story[key]) for key in COMMON if key in story}
    else:
        yield from translate(kind, story, at)


def _submitted(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    """A submission; for recipients in the same organization it has arrived as well."""
    yield kind, {"recipients": _texts(story, "recipients"), **_from(story), **_subject(story)}
    for address in (inside := _texts(story, "arrived")):
        yield (
            "OUTGOING_EMAIL_SENT",
            {"recipient": address, **_from(story), "messageId": _text(story, "messageId")},
        )
    if inside:
        yield from _received("ORGANIZATION_EMAIL_RECEIVED", {**story, "recipients": inside}, at)


def _received(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    event: Event = {
        "recipients": _texts(story, "recipients"),
        **_from(story),
        **_subject(story),
        "messageId": _text(story, "messageId"),
        **{verdict: _text(story, verdict) or GRAY for verdict in VERDICTS},
        "messageTimestamp": _moment(at),
    }
    if event["dmarcVerdict"] == "FAIL" and (policy := _text(story, "dmarcPolicy")):
        event["dmarcPolicy"] = policy.upper()
    yield kind, event
    yield from _delivered("MAILBOX_EMAIL_DELIVERED", story, at)


def _delivered_late(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    """A delivery from the queue; what was sent by people of the organization arrives with it."""
    inside = _texts(story, "arrived")
    yield from _sent("OUTGOING_EMAIL_SENT", {**story, "recipients": inside}, at)
    if inside:
        yield from _received("ORGANIZATION_EMAIL_RECEIVED", {**story, "recipients": inside}, at)
    else:
        yield from _delivered(kind, story, at)


def _delivered(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    for one in story.get("delivered", ()):
        yield kind, {"recipient": _text(one, "recipient"), "folder": _text(one, "folder")}


def _bounced_in(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    yield kind, {"bouncedRecipient": _bounced(story)}


def _bounced_out(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    bounced = _bounced(story)
    yield (
        kind,
        {
            "bouncedRecipient": bounced,
            "destination": bounced["emailAddress"],
            "reason": bounced["reason"],
        },
    )


def _sent(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    """Of one recipient, or of each of several."""
    for address in (
        [_text(story, "recipient")] if "recipient" in story else _texts(story, "recipients")
    ):
        yield kind, {"recipient": address, **_from(story), "messageId": _text(story, "messageId")}


def _dmarc(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    policy = (_text(story, "policy") or _text(story, "dmarcPolicy")).upper()
    author = _from(story)["from"]
    yield kind, {"from": author, "recipients": _texts(story, "recipients"), "policy": policy}


def _rule(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    names = ("ruleName", "ruleType", "ruleActions", "targetFolder", "targetRecipient")
    yield kind, {name: story[name] for name in names if name in story}


def _journaled(kind: str, story: Story, at: int) -> Iterator[tuple[str, Event]]:
    yield kind, {"journalingAddress": _text(story, "journalingAddress")}


_TRANSLATIONS: dict[str, Callable[[str, Story, int], Iterator[tuple[str, Event]]]] = {
    "OUTGOING_EMAIL_SUBMITTED": _submitted,
    "ORGANIZATION_EMAIL_RECEIVED": _received,
    "MAILBOX_EMAIL_DELIVERED": _delivered_late,
    "INCOMING_EMAIL_BOUNCED": _bounced_in,
    "OUTGOING_EMAIL_BOUNCED": _bounced_out,
    "OUTGOING_EMAIL_SENT": _sent,
    "DMARC_POLICY_APPLIED": _dmarc,
    "RULE_APPLIED": _rule,
    "JOURNALING_INITIATED": _journaled,
}


# --- fields ---------------------------------------------------------------------------------------


def _text(story: Story, key: str) -> str:
    return str(story.get(key) or "")


def _texts(story: Story, key: str) -> list[str]:
    return [str(each) for each in story.get(key) or ()]


def _from(story: Story) -> Event:
    """`from` is the author, `sender` who sent it on the author's behalf, if somebody did."""
    authors, senders = _texts(story, "author"), _texts(story, "sender")
    author = authors[0] if authors else _text(story, "from")
    told = {"sender": senders[0]} if senders and senders[0] != author else {}
    return {**told, "from": author}


def _subject(story: Story) -> Event:
    return {"subject": _text(story, "subject")[:SUBJECT]}


def _bounced(story: Story) -> Event:
    one = story.get("bouncedRecipient") or {}
    return {key: _text(one, key) for key in ("emailAddress", "reason", "status")}


def _cut(key: str, value: Any) -> Any:
    return str(value)[:SUBJECT] if key == "subject" else value


def _moment(at: int) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def _fit(line: Event, longest: int) -> bytes:
    """A line; recipients are left out, and counted in `recipientsOmitted`, where it is too long."""
    text = _encode(line)
    recipients: Sequence[str] = line["event"].get("recipients", ())
    kept = len(recipients)
    while len(text) > longest and kept:
        kept //= 2
        event = {**line["event"], "recipients": recipients[:kept]}
        text = _encode({**line, "event": {**event, "recipientsOmitted": len(recipients) - kept}})
    if len(text) > longest:
        event = {"eventName": line["event"]["eventName"], "fieldsOmitted": True}
        text = _encode({**line, "event": event})
    return text
