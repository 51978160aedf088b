"""From a routed message to what one transaction writes: sealed items and queue entries.

Up to `mailflow.direct_recipients` mailboxes are delivered to in the accepting transaction;
everyone else waits in the queue (decisions 6). A recipient appears in exactly one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, Forward, Local
from workpost.domain.messages.delivery import Outgoing, Queued
from workpost.domain.messages.prepare import NewItem, seal_item
from workpost.domain.messages.shell import mailbox_keys
from workpost.formats.addresses import fold
from workpost.formats.mime.summary import Summary
from workpost.operations.mailflow.entries import BATCH, Message, seal_entry, stored_envelope
from workpost.operations.mailflow.envelope import NO_WISH, Envelope, StoredRecipient, Wish
from workpost.operations.mailflow.forwarding import group_forwards
from workpost.operations.mailflow.trace import Stamped
from workpost.store.content.squeezing import squeeze
from workpost.store.content.types import content_key
from workpost.store.core import Core
from workpost.store.tables.folders import INBOX

NO_ROLES: Mapping[int, str] = {}
NO_WISHES: Mapping[str, Wish] = {}
NO_GATEWAYS: Mapping[str, str] = {}


async def place(core: Core, envelope: Envelope, stamped: Stamped, summary: Summary) -> Message:
    """Put the content of a stamped message where it will stay."""
    key = content_key(core.env)
    content = await core.contents.put(stamped.raw, key, core.env.new_content_id())
    stored = squeeze(summary.pack())
    return Message(stamped, envelope, summary, stored, content, key, core.env.now())


async def make_outgoing(
    core: Core,
    message: Message,
    routed: Expansion,
    *,
    home: str,
    direction: str,
    roles: Mapping[int, str] = NO_ROLES,
    gateways: Mapping[str, str] = NO_GATEWAYS,
    direct: int | None = None,
    hold_until: int | None = None,
) -> Outgoing:
    """All that one transaction writes of a routed message; `home` queues what goes elsewhere.

    `roles` has, by mailbox, the role of the folder that takes it where that is not the INBOX;
    `gateways`, by folded recipient elsewhere, the SMTP gateway of `home` that it goes through.
    Up to `direct` mailboxes (the setting, unless it is given) have it at once. With `hold_until`,
    in milliseconds, nobody has it before then, and its sender may take it back.
    """
    most = core.settings.mailflow.direct_recipients if direct is None else direct
    now, waiting = split_direct(routed, message.content.size, most if hold_until is None else 0)
    queued: list[Queued] = []
    if waiting or routed.external:
        queued = await _make_queue(
            core,
            message,
            waiting,
            routed.external,
            home=home,
            direction=direction,
            roles=roles,
            wishes=_wishes_here(message.envelope, routed),
            gateways=gateways,
            hold_until=hold_until,
        )
    if routed.forwards:
        queued += await _make_forwards(core, message, routed.forwards, direction, hold_until)
    return Outgoing(message.content, await make_items(core, message, now, roles), queued)


async def _make_queue(
    core: Core,
    message: Message,
    waiting: Sequence[Local],
    external: Sequence[str],
    *,
    home: str,
    direction: str,
    roles: Mapping[int, str],
    wishes: Mapping[str, Wish],
    gateways: Mapping[str, str],
    hold_until: int | None,
) -> list[Queued]:
    # The fold finds people; a host elsewhere gets its local part as the sender wrote it.
    written = {fold(address): address for address in message.envelope.recipients}
    elsewhere: dict[str, list[str]] = {}
    for folded in external:
        elsewhere.setdefault(gateways.get(folded, ""), []).append(written[folded])
    places = [(organization, "") for organization in {home, *(one.organization for one in waiting)}]
    places += [(home, gateway) for gateway in elsewhere if gateway]
    queued: list[Queued] = []
    for organization, gateway in sorted(places):
        here = [] if gateway else [one for one in waiting if one.organization == organization]
        entry = await make_queued(
            core,
            message,
            organization=organization,
            local=here,
            external=elsewhere.get(gateway, []) if organization == home else [],
            direction=direction,
            roles=roles,
            wishes=wishes,
            gateway=gateway,
            hold_until=hold_until,
        )
        if entry is not None:
            queued.append(entry)
    return queued


async def make_queued(
    core: Core,
    message: Message,
    *,
    organization: str,
    local: Sequence[Local],
    external: Sequence[str],
    direction: str,
    roles: Mapping[int, str] = NO_ROLES,
    wishes: Mapping[str, Wish] = NO_WISHES,
    gateway: str = "",
    hold_until: int | None = None,
) -> Queued | None:
    """The queue entry of one organization, or None when nobody waits.

    `wishes` are those about people here, by folded envelope recipient; `gateway` is the one that
    the people elsewhere are reached through.
    """
    if not local and not external:
        return None
    batches = [
        [
            StoredRecipient(
                one.address,
                one.mailbox,
                wishes.get(one.rcpt, NO_WISH),
                roles.get(one.mailbox, INBOX),
                rcpt=one.rcpt if one.rcpt != fold(one.address) else "",
            )
            for one in local[start : start + BATCH]
        ]
        for start in range(0, len(local), BATCH)
    ] + [
        [StoredRecipient(address, wish=message.envelope.wishes.get(address, NO_WISH))]
        for address in external
    ]
    stored = msgspec.structs.replace(stored_envelope(message), gateway=gateway)
    return await seal_entry(
        core,
        message,
        stored,
        organization=organization,
        batches=batches,
        direction=direction,
        hold_until=hold_until,
    )


async def _make_forwards(
    core: Core,
    message: Message,
    forwards: Sequence[Forward],
    direction: str,
    hold_until: int | None,
) -> list[Queued]:
    """The entries of mail that goes on; who keeps no copy here passes the sender's wishes on."""
    wishes = {fold(one): wish for one, wish in message.envelope.wishes.items()}
    queued = []
    for group in await group_forwards(core, message.envelope.sender, forwards):
        recipients = [
            StoredRecipient(address, wish=wishes.get(rcpt, NO_WISH))
            for address, rcpt in zip(group.addresses, group.rcpts, strict=True)
        ]
        forwarded = msgspec.structs.replace(group.forwarded, authored=direction != "incoming")
        stored = msgspec.structs.replace(
            stored_envelope(message), sender=group.sender, forwarded=forwarded
        )
        queued.append(
            await seal_entry(
                core,
                message,
                stored,
                organization=group.organization,
                batches=[[one] for one in recipients],
                direction="outgoing",
                hold_until=hold_until,
            )
        )
    return queued


def _wishes_here(envelope: Envelope, routed: Expansion) -> Mapping[str, Wish]:
    """What is wanted of people here, by folded recipient; of a group no word about each member."""
    if not envelope.wishes:
        return NO_WISHES
    groups = Counter(one.rcpt for one in routed.local)
    found = {}
    for address, wish in envelope.wishes.items():
        folded = fold(address)
        if groups[folded] > 1 and "SUCCESS" in wish.notify:
            others = tuple(word for word in wish.notify if word != "SUCCESS")
            wish = Wish(others or ("NEVER",), wish.orcpt)
        found[folded] = wish
    return found


def split_direct(routed: Expansion, size: int, limit: int) -> tuple[list[Local], list[Local]]:
    """Who is delivered to now, and who waits here: full mailboxes, and those over `limit`."""
    direct = [one for one in routed.local if one.bytes + size <= one.quota][:limit]
    if len(direct) == len(routed.local):
        return direct, []
    chosen = {one.mailbox for one in direct}
    return direct, [one for one in routed.local if one.mailbox not in chosen]


async def make_items(
    core: Core, message: Message, deliveries: Sequence[Local], roles: Mapping[int, str] = NO_ROLES
) -> list[NewItem]:
    """One sealed item for each mailbox."""
    items = []
    for delivery in deliveries:
        keys = await mailbox_keys(core, delivery.organization, delivery.mailbox)
        items.append(
            seal_item(
                core.env,
                keys,
                summary=message.summary,
                stored=message.stored,
                content=message.content.id,
                content_key=message.content_key,
                size=message.content.size,
                received=message.received,
                role=roles.get(delivery.mailbox, INBOX),
            )
        )
    return items
