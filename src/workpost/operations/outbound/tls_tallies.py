"""What other domains will be told about TLS with their servers, counted as it happens (RFC 8460).

Counted is only where `outbound.tls_reports` is set.
"""

from __future__ import annotations

from workpost.formats.tls_feedback import Failure, Seen
from workpost.operations.outbound.tls_policy import TlsPolicy
from workpost.operations.reports.gathering import Gatherer
from workpost.store.core import Core
from workpost.store.tables.report_tallies import TLS

MAX_POLICY = 4096
"""Characters of a policy that are told, and of the names in it: strangers write it."""

GATHERER = Gatherer(TLS)


def note(core: Core, domain: str, policy: TlsPolicy, failure: Failure | None) -> None:
    """Count one session, if reports are sent. The operator's own policies are nobody's."""
    if policy.kind and core.settings.outbound.tls_reports:
        lines, mx = _first(policy.lines), _first(policy.mx)
        GATHERER.add(core, domain, Seen(policy.kind, lines, mx, failure))


def _first(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The first of them, up to `MAX_POLICY` characters."""
    left = MAX_POLICY
    for place, text in enumerate(texts):
        left -= len(text)
        if left < 0:
            return texts[:place]
    return texts
