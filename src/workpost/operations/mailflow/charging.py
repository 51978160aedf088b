"""What may be sent at once, and what a message counts of the limits of its day (WorkMail's quotas).

Counted is everything that goes elsewhere: for the person who sends, and for each person whose mail
is forwarded; from a test domain also what stays here. Mail that is held for later counts likewise,
wherever it goes: it lies in the queue, which no quota of a mailbox bounds. The counters are taken
in the transaction that accepts the message (`delivery.Charge`), so they are exact and a refused
message costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from workpost.domain.directory.routing import Expansion
from workpost.domain.directory.sending_limits import Standing, get_standing
from workpost.domain.messages.delivery import Charge
from workpost.formats.addresses import fold
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import InvalidParameter, MessageTooLarge, TooManyRecipients
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.store import Store

KNOWN = 10_000
"""Standings that a process remembers."""

_Asked = tuple[str, str, int, str]
_known: OrderedDict[_Asked, Standing] = OrderedDict()


async def standing_of(core: Core, grant: Grant, sender: str) -> Standing:
    """The standing of a person who sends as `sender`; remembered under the policy's version.

    Whatever changes a limit raises that, and the transaction that accepts a message compares it.
    """
    asked = (grant.organization, grant.entity, grant.policy_version, fold(sender))
    if grant.policy_version and (known := _known.get(asked)) is not None:
        return known
    found = await _read(core.store, grant.organization, grant.entity, sender)
    if grant.policy_version:
        _known[asked] = found
        if len(_known) > KNOWN:
            _known.popitem(last=False)
    return found


async def _read(store: Store, organization: str, entity: str, sender: str) -> Standing:
    return await store.read(get_standing, organization=organization, entity=entity, sender=sender)


def check_outgoing(
    core: Core, standing: Standing, raw: bytes, summary: Summary, recipients: Sequence[str]
) -> None:
    """Refuse a submitted message for what it is.

    Raises MessageTooLarge, TooManyRecipients, InvalidParameter for too many attachments.
    """
    limits = core.settings.limits
    largest = standing.limit(limits, "outgoing_message_bytes")
    if largest and len(raw) > largest:
        raise MessageTooLarge(f"You may send messages of at most {largest} bytes.")
    most = standing.limit(limits, "recipients")
    if most and len(recipients) > most:
        raise TooManyRecipients(f"You may send a message to at most {most} recipients.")
    check_attachments(summary, standing.limit(limits, "attachments"))


def check_attachments(summary: Summary, most: int) -> None:
    """Raise InvalidParameter for a message with more attachments than that (0: no limit)."""
    if most and len(summary.parts) > most and count_attachments(summary) > most:
        raise InvalidParameter(f"The message has more than {most} attachments.")


def count_attachments(summary: Summary) -> int:
    """The parts of a message that are files: by disposition, by name, or neither text nor shell."""
    count = 0
    for part in summary.parts:
        kind = part.media_type.partition("/")[0]
        if kind != "multipart" and (
            part.disposition == "attachment" or part.filename or kind not in ("text", "message")
        ):
            count += 1
    return count


async def charges_for(
    core: Core,
    grant: Grant | None,
    standing: Standing | None,
    routed: Expansion,
    count: int,
    *,
    later: bool = False,
) -> list[Charge]:
    """What a routed message counts; `count` are the recipients as its sender named them.

    With `later` it is held for its sender.
    """
    limits = core.settings.limits
    tests = 0
    if standing is not None and standing.test:
        tests = count if standing.limit(limits, "test_domain_recipients_per_day") else 0
    if not (tests or later or routed.external or routed.forwards):
        return []
    charges = []
    outside: dict[tuple[str, str], int] = {}
    for one in routed.forwards:
        if one.by:
            person = (one.organization, one.entity)
            outside[person] = outside.get(person, 0) + 1
    if grant is not None and standing is not None:
        # Remote users are elsewhere, too.
        passing = sum(1 for one in routed.forwards if not one.by)
        external = len(routed.external) + passing
        external += outside.pop((grant.organization, grant.entity), 0)
        if later:
            external = max(external, count)
        charges.append(_charge(core, grant.organization, grant.entity, standing, external, tests))
    for (organization, entity), number in outside.items():
        theirs = await _read(core.store, organization, entity, "")
        charges.append(_charge(core, organization, entity, theirs, number, 0))
    return [one for one in charges if _counts(one)]


def forwarders(routed: Expansion) -> tuple[str, ...]:
    """Who sends a routed message on, as `envelope.Held` remembers those for whom it is counted."""
    return tuple(sorted({f"{one.organization}/{one.entity}" for one in routed.forwards if one.by}))


async def charges_of(
    core: Core, organization: str, entity: str, sender: str, external: int
) -> list[Charge]:
    """What further recipients elsewhere count for a person who has sent as `sender`."""
    standing = await _read(core.store, organization, entity, sender)
    charge = _charge(core, organization, entity, standing, external, 0)
    return [charge] if _counts(charge) else []


def _counts(charge: Charge) -> bool:
    """Whether there is a limit at all: without one nothing is written."""
    external = charge.external and (charge.user_limit or charge.account_limit)
    return bool(external or (charge.test and charge.test_limit))


def _charge(
    core: Core, organization: str, entity: str, standing: Standing, external: int, tests: int
) -> Charge:
    limits = core.settings.limits
    return Charge(
        organization,
        entity,
        standing.account,
        external,
        standing.limit(limits, "external_recipients_per_day"),
        standing.limit(limits, "account_recipients_per_day"),
        tests,
        standing.limit(limits, "test_domain_recipients_per_day"),
    )
