"""Free/busy of people in other domains: what EWS GetUserAvailability and scheduling will ask.

A provider that fails costs its own mailboxes an error, never the answer of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from workpost.domain.organizations.availability import open_provider
from workpost.formats import addresses
from workpost.formats.availability.ews import MAX_MAILBOXES
from workpost.formats.availability.values import (
    BUSY,
    FAILED,
    INVALID_ANSWER,
    NOT_CONFIGURED,
    NOT_FOUND,
    TIMEOUT,
    MailboxAnswer,
    Requester,
    Window,
)
from workpost.kernel import metrics
from workpost.kernel.errors import InvalidParameter, ResourceNotFound, TryLater
from workpost.kernel.logging import logger
from workpost.kernel.principal import Grant
from workpost.operations.availability.asking import ProviderFailed, Question, Reason, ask
from workpost.store.core import Core

MAX_WINDOW_MS = 62 * 24 * 60 * 60 * 1000
LATEST_MS = 253_402_300_799_000
"""The end of the year 9999."""

_ERRORS = {
    Reason.TIME: TIMEOUT,
    Reason.BUSY: BUSY,
    Reason.INVALID: INVALID_ANSWER,
    Reason.NOT_EWS: INVALID_ANSWER,
    Reason.TOO_LARGE: INVALID_ANSWER,
}
_ASKED = metrics.counter(
    "workpost_availability_mailboxes_total", "Mailboxes of other domains asked about.", "outcome"
)

log = logger("availability")


async def query(
    core: Core, organization: str, requester: Requester, mailboxes: Sequence[str], window: Window
) -> list[MailboxAnswer]:
    """What the providers of an organization tell of mailboxes, in the order of `mailboxes`.

    At most 100 mailboxes and 62 days (the bounds of EWS), else InvalidParameter; takes at most 25
    seconds. What goes wrong is told for each mailbox. Raises OrganizationNotFound,
    OrganizationStateInvalid.
    """
    if not 1 <= len(mailboxes) <= MAX_MAILBOXES:
        raise InvalidParameter(f"1 to {MAX_MAILBOXES} mailboxes can be asked about at once.")
    if not 0 <= window.start < window.end <= LATEST_MS:
        raise InvalidParameter("The window ends before it begins, or is out of range.")
    if window.end - window.start > MAX_WINDOW_MS:
        raise InvalidParameter("The window is longer than 62 days.")
    found: dict[str, MailboxAnswer] = {}
    domains: dict[str, dict[str, None]] = {}
    for mailbox in mailboxes:
        local, domain = addresses.split(mailbox)
        if not local or not domain or not mailbox.isprintable():
            found[mailbox] = MailboxAnswer(mailbox, error=NOT_FOUND)
            continue
        domains.setdefault(addresses.fold_domain(domain), {})[mailbox] = None
    groups = await asyncio.gather(
        *(
            _ask_domain(core, domain, Question(organization, requester, list(group), window))
            for domain, group in domains.items()
        )
    )
    found.update((answer.mailbox, answer) for group in groups for answer in group)
    for answer in found.values():
        _ASKED.labels(answer.error or "answered").inc()
    return [found[mailbox] for mailbox in mailboxes]


async def _ask_domain(core: Core, domain: str, question: Question) -> list[MailboxAnswer]:
    grant = Grant.system("availability", question.organization)
    try:
        provider = await open_provider(core, grant, domain)
        return await ask(core, provider, question)
    except ResourceNotFound:
        error = NOT_CONFIGURED
    except ProviderFailed as failure:
        log.info("a provider of free/busy failed", domain=domain, reason=str(failure))
        error = _ERRORS.get(failure.reason, FAILED)
    except TryLater as failure:
        log.warning("free/busy cannot be asked", domain=domain, reason=failure.message)
        error = BUSY
    return [MailboxAnswer(mailbox, error=error) for mailbox in question.mailboxes]
