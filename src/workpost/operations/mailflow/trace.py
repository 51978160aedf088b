"""Trace: the fields put on top of a message, and the event that proves what happened to it.

What people submit is kept byte for byte; Return-Path and Received go in front of it, nothing else
is touched (RFC 5321 4.4). Mail from outside has Authentication-Results between the two, and loses
those that it brought in our name (RFC 8601 5).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workpost.formats.mailauth.results import strip_results
from workpost.formats.mime.summary import Summary
from workpost.formats.trace import received_header, return_path
from workpost.operations.authentication.check import Authentication, server_name
from workpost.operations.mailflow.envelope import Envelope
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.keys.types import DataKey
from workpost.store.tables.events import NewEvent


class Stamped(msgspec.Struct, frozen=True):
    """A message with its trace fields; `skip` is the length of its Return-Path."""

    trace: str
    raw: bytes
    skip: int


NOTHING: Mapping[str, object] = {}


def stamp(
    core: Core,
    envelope: Envelope,
    raw: bytes,
    authentication: Authentication | None = None,
    fields: bytes = b"",
) -> Stamped:
    """Put the trace fields, and `fields`, in front of a message and name its trace id."""
    trace = f"{core.env.new_id():016x}"
    path = return_path(envelope.sender)
    received = received_header(
        helo=envelope.helo,
        client_name=envelope.client_name,
        client_ip=envelope.peer,
        by=core.settings.host_name,
        protocol=envelope.protocol,
        queue_id=trace,
        epoch=core.env.now() / 1000,
        recipient=envelope.recipients[0] if len(envelope.recipients) == 1 else "",
        tls=envelope.tls,
    )
    results = b""
    if authentication is not None:
        results = authentication.field
        raw = strip_results(raw, server_name(core))
    return Stamped(trace, b"".join((path, results, received, fields, raw)), len(path))


async def make_event(
    core: Core,
    organization: str,
    kind: str,
    stamped: Stamped,
    envelope: Envelope,
    summary: Summary,
    actor: str,
    *,
    more: Mapping[str, object] = NOTHING,
) -> NewEvent:
    """The sealed event of a message, for the organization it concerns.

    `more` is told, too.
    """
    story: dict[str, object] = {
        "traceId": stamped.trace,
        "from": envelope.sender,
        "recipients": envelope.recipients,
        "messageId": summary.message_id,
        "subject": summary.subject[:256],
        "size": len(stamped.raw),
        "actor": actor,
        "peer": envelope.peer,
        **more,
    }
    return await seal_event(core, organization, kind, story)


async def seal_event(
    core: Core,
    organization: str,
    kind: str,
    story: Mapping[str, object],
    key: DataKey | None = None,
) -> NewEvent:
    """An event with its story sealed, under `key` of the organization where that is at hand.

    Raises KeyDestroyed, TryLater.
    """
    key = key or await core.keys.organization(organization)
    event = core.env.new_id()
    sealed = sealing.seal_with(
        key.cipher,
        msgspec.json.encode(story),
        sealing.place("event", "sealed", organization, "event", event),
    )
    return NewEvent(event, organization, kind, key.gen, sealed)
