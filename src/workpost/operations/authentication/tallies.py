"""What domains will be told about mail in their name, counted as it comes (RFC 9990).

Counted is only where `dmarc.reports` is set and the domain's record asks for reports.
"""

from __future__ import annotations

import msgspec

from workpost.formats.dmarc_feedback import Seen, Signature
from workpost.operations.authentication.check import Arrival, Authentication
from workpost.operations.reports.gathering import Gatherer
from workpost.store.core import Core
from workpost.store.tables.report_tallies import DMARC

MAX_SIGNATURES = 10
"""Of one message, those that passed first."""

GATHERER = Gatherer(DMARC)


class Outcome(msgspec.Struct, frozen=True):
    """What was done with a message, in the words of reports (`Seen`)."""

    disposition: str
    override: str = ""
    comment: str = ""


def note(core: Core, arrival: Arrival, found: Authentication, outcome: Outcome) -> None:
    """Count one message, if its author's domain asks for reports."""
    standing = found.dmarc.standing
    if standing is not None:
        GATHERER.add(core, standing.domain, _seen(arrival, found, outcome))


def _seen(arrival: Arrival, found: Authentication, outcome: Outcome) -> Seen:
    standing = found.dmarc.standing
    assert standing is not None
    ordered = sorted(found.dkim, key=lambda one: one.result != "pass")
    return Seen(
        source=arrival.peer,
        author=found.dmarc.domain,
        disposition=outcome.disposition,
        dkim=standing.dkim,
        spf=standing.spf,
        override=outcome.override,
        comment=outcome.comment,
        sender=found.spf.domain if arrival.sender else "",
        spf_domain=found.spf.domain,
        spf_result=found.spf.result,
        signatures=tuple(
            Signature(one.domain, one.selector, one.result)
            for one in ordered[:MAX_SIGNATURES]
            if one.domain
        ),
    )
