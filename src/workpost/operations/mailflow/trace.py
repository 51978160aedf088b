"""Trace: the fields put on top of a message, and the event that proves what happened to it.

What people submit is kept byte for byte, without Bcc; Return-Path and Received go in front of it,
nothing else is touched (RFC 5321 4.4). Mail from outside has Authentication-Results between the
two, and loses those that it brought in our name or a relay's (RFC 8601 5).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from workpost.domain.organizations.mail_domains import owned_domains
from workpost.formats.addresses import fold, fold_domain, split
from workpost.formats.mailauth.results import strip_results
from workpost.formats.mime.summary import Summary
from workpost.formats.trace import received_header, return_path
from workpost.operations.authentication.check import Authentication, server_name
from workpost.operations.mailflow.counting import tally_of
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
MAX_AUTHORS = 10
"""Addresses of From that an event tells."""


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
        for name in _names_of_ours(core, relayed=bool(authentication.relay)):
            raw = strip_results(raw, name)
    return Stamped(trace, b"".join((path, results, received, fields, raw)), len(path))


def _names_of_ours(core: Core, *, relayed: bool) -> list[str]:
    """The authserv-ids that a message must not bring: ours, and from outside those of our relays.

    A relay may have our name, too.
    """
    relays = core.settings.authentication.trusted_authserv_ids
    own = server_name(core)
    if relayed:
        return [] if own.lower() in {each.lower() for each in relays} else [own]
    return [own, *relays]


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
    known: Collection[str] = (),
) -> NewEvent:
    """The sealed event of a message, for the organization it concerns.

    Who sends knows all recipients; with `actor` empty the organization gets the message and is told
    of its own only; `known` are folded recipients that are its people's. `more` is told, too.
    """
    recipients: Sequence[str] = envelope.recipients
    if not actor:
        recipients = await own_recipients(core, organization, recipients, known)
    story: dict[str, object] = {
        "traceId": stamped.trace,
        "from": envelope.sender,
        "author": [address for _, address in summary.from_[:MAX_AUTHORS]],
        "recipients": recipients,
        "messageId": summary.message_id,
        "subject": summary.subject[:256],
        "size": len(stamped.raw),
        "actor": actor,
        "peer": envelope.peer,
        **more,
    }
    if summary.sender != summary.from_:
        story["sender"] = [address for _, address in summary.sender[:1]]
    return await seal_event(core, organization, kind, story)


async def own_recipients(
    core: Core, organization: str, recipients: Sequence[str], known: Collection[str] = ()
) -> Sequence[str]:
    """Those of a message's recipients that are in domains of an organization.

    An event of a message for several organizations tells each of its own: who else got it, and that
    they are served here, is nothing to it. Where all are `known` to be its own, nothing is asked.
    """
    if known and all(fold(each) in known for each in recipients):
        return recipients
    names = sorted({fold_domain(split(each)[1]) for each in recipients if "@" in each})
    own = await core.store.read(owned_domains, organization=organization, names=names)
    # `postmaster` without a domain is somebody's only where one organization is served.
    return [each for each in recipients if "@" not in each or fold_domain(split(each)[1]) in own]


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
    return NewEvent(event, organization, kind, key.gen, sealed, tally_of(kind, story))
