"""What follows from a message's authentication, organization by organization (decisions 16 and 31).

Where DMARC fails and the organization enforces it (PutInboundDmarcSettings), the author's domain
decides: `reject` refuses the message in SMTP when all organizations concerned enforce, else it is
dropped for those who do; `quarantine` puts it into Junk E-mail; `none` delivers it. Each of these
is in the event DMARC_POLICY_APPLIED. What a relay of ours brings cannot be refused to the server
that sent it: it is put into Junk E-mail instead. Nothing follows where a sealer that the operator
trusts has seen DMARC pass (RFC 8617).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion
from workpost.domain.organizations.inbound_dmarc import enforcing
from workpost.formats.mailauth.dmarc import NONE, QUARANTINE, REJECT
from workpost.kernel.errors import TryLater
from workpost.operations.authentication.check import Authentication
from workpost.operations.authentication.tallies import Outcome
from workpost.store.core import Core
from workpost.store.tables.folders import JUNK

APPLIED = "DMARC_POLICY_APPLIED"


class Enforcement(msgspec.Struct, frozen=True):
    """What is done to a message: `policy` for the organizations of `enforced`.

    `refused` is the reply's text when the whole message is refused, else "".
    """

    policy: str = ""
    enforced: tuple[str, ...] = ()
    refused: str = ""

    @property
    def dropped(self) -> frozenset[str]:
        """The organizations that do not get the message."""
        return frozenset(self.enforced if self.policy == REJECT else ())

    @property
    def junked(self) -> frozenset[str]:
        """The organizations that take it into Junk E-mail; their people do not forward it."""
        return frozenset(self.enforced if self.policy == QUARANTINE else ())

    def roles(self, routed: Expansion) -> dict[int, str]:
        """The mailboxes whose Junk E-mail takes the message."""
        concerned = self.junked
        return {one.mailbox: JUNK for one in routed.local if one.organization in concerned}

    def keep(self, routed: Expansion, left: Sequence[str]) -> Expansion:
        """The route without the mailboxes of organizations that are not `left`.

        Members of groups who live elsewhere stay as long as any organization is left.
        """
        if not self.dropped:
            return routed
        return msgspec.structs.replace(
            routed,
            local=[one for one in routed.local if one.organization in left],
            forwards=[one for one in routed.forwards if one.organization in left],
            external=routed.external if left else [],
        )

    @property
    def story(self) -> Mapping[str, object]:
        """What DMARC_POLICY_APPLIED tells beside what every event of the message does."""
        return {"policy": self.policy.upper()}


NOTHING = Enforcement()


async def enforce(
    core: Core, authentication: Authentication | None, organizations: Sequence[str]
) -> Enforcement:
    """What DMARC asks of the organizations that a message is for. Raises TryLater (`decide`)."""
    if authentication is None or not _asks(authentication):
        return NOTHING
    enforced = await core.store.read(enforcing, among=list(organizations))
    return decide(
        authentication, organizations, enforced, refuses=core.settings.dmarc.reject == "refuse"
    )


def _asks(authentication: Authentication) -> bool:
    """Whether the author's domain asks for anything; nearly all mail ends here."""
    dmarc = authentication.dmarc
    failed = dmarc.result in {"fail", "temperror", "permerror"}
    return failed and bool(dmarc.policy) and not authentication.trusted


def decide(
    authentication: Authentication,
    organizations: Sequence[str],
    enforced: Sequence[str],
    *,
    refuses: bool,
) -> Enforcement:
    """The one decision; `enforced` are those of the organizations that enforce DMARC.

    `refuses` says whether `reject` is told in SMTP. Raises TryLater where a check that may still
    pass could not be finished and the domain asks for more than `none`: to take the message would
    be a way around its policy.
    """
    dmarc, policy = authentication.dmarc, authentication.dmarc.policy
    if not enforced or not _asks(authentication):
        return NOTHING
    if dmarc.result == "temperror":
        if dmarc.policy == NONE:
            return NOTHING
        raise TryLater(f"The sender could not be authenticated now: {dmarc.reason}.")
    refused = ""
    if policy == REJECT and refuses and authentication.relay:
        # Our relay would write to a sender who is likely forged; the sending server is gone.
        return Enforcement(QUARANTINE, tuple(enforced))
    if policy == REJECT and refuses and len(enforced) == len(organizations):
        refused = _refusal(authentication)
    return Enforcement(policy, tuple(enforced), refused)


def outcome(authentication: Authentication, enforcement: Enforcement) -> Outcome:
    """What the author's domain is told was done, and why less than it asks (RFC 9990)."""
    dmarc = authentication.dmarc
    if dmarc.result == "pass":
        return Outcome("none" if dmarc.policy == NONE else "pass")
    done = enforcement.policy or NONE
    if authentication.trusted:
        return Outcome(done, "local_policy", f"arc=pass, sealed by {authentication.trusted}")
    if done != dmarc.policy:
        return Outcome(done, "local_policy")
    return Outcome(done, dmarc.standing.exempt if dmarc.standing is not None else "")


def _refusal(authentication: Authentication) -> str:
    """The reply's text: whose policy it is, and what that domain says of SPF failures itself."""
    domain = authentication.dmarc.domain
    said = f"The policy of {domain} refuses mail that does not pass DMARC"
    if authentication.spf.explanation:
        said += f"; {authentication.spf.domain} explains: {authentication.spf.explanation[:120]}"
    return said


def verdicts(authentication: Authentication | None) -> Mapping[str, object]:
    """What ORGANIZATION_EMAIL_RECEIVED tells of the authentication."""
    if authentication is None:
        return {}
    told = authentication.verdicts
    found = {"spfVerdict": told.spf, "dkimVerdict": told.dkim, "dmarcVerdict": told.dmarc}
    if told.policy:
        found["dmarcPolicy"] = told.policy
    if authentication.trusted:
        found["trustedSealer"] = authentication.trusted
    if authentication.relay:
        found["trustedRelay"] = authentication.relay
    return found
