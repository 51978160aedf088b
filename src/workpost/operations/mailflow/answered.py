"""What a function's answer says of each recipient of a message that waits for it.

Whoever the answer does not name, or names beyond its tenth action only, gets the rule's fallback
action; so does everybody where there is no answer. Recipients who were not told to the function may
be added. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.organizations.flow_rules import BOUNCE, DROP, JUNK, NEVER_JUNK
from workpost.formats.addresses import AddressError, fold, parse_mailbox
from workpost.formats.flow_functions import Response, Verdict
from workpost.formats.mime.summary import Summary
from workpost.operations.mailflow.envelope import Held, StoredEnvelope, StoredRecipient
from workpost.operations.mailflow.queueing import Lease

MOST_ADDED = 500
"""Recipients that a function may add to a message: as many as WorkMail allows a message."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A leased row whose function has answered: who waits, and the message that goes on."""

    lease: Lease
    number: int
    envelope: StoredEnvelope
    held: Held
    recipients: list[StoredRecipient]
    content: bytes
    content_key: bytes
    raw: bytes
    summary: Summary
    replaced: bool = False

    @property
    def organization(self) -> str:
        """Whose rule it is."""
        return self.lease.leased.org

    @property
    def submitter(self) -> tuple[str, str]:
        """The organization and the entity that sent it; "" for mail from outside."""
        organization, _, entity = self.held.submitter.partition("/")
        return organization, entity


class Answer(msgspec.Struct, frozen=True):
    """The function's response; None with the `failure` because of which it falls back."""

    response: Response | None
    failure: str = ""


class Answered(msgspec.Struct, frozen=True):
    """`verdicts` of those who waited, by folded address; `added` and `ignored` as written."""

    verdicts: dict[str, Verdict]
    added: dict[str, tuple[str, Verdict]] = {}
    """By folded address: as it is written, and what is done for it."""
    ignored: list[str] = []
    """What an answer names that is no address, or one too many."""

    def verdict(self, folded: str) -> Verdict:
        """What is done for somebody who waited, or who is added."""
        found = self.verdicts.get(folded)
        return found if found is not None else self.added[folded][1]

    def is_junk(self, held: Held, folded: str) -> bool:
        """Whether it goes to Junk E-mail, by what the function or, before it, a filter has said."""
        action = self.verdict(folded).action
        spam = held.spam and action != NEVER_JUNK
        return held.quarantined or action == JUNK or spam


def resolve(held: Held, waiting: Sequence[StoredRecipient], response: Response | None) -> Answered:
    """Who gets what; None for a function that did not answer."""
    fallback = Verdict(held.fallback)
    folds = [fold(one.address) for one in waiting]
    if response is None:
        return Answered(dict.fromkeys(folds, fallback))
    verdicts = {one: response.verdict(one) or fallback for one in folds}
    before = {*folds, *map(fold, held.others), *map(fold, held.apart)}
    added: dict[str, tuple[str, Verdict]] = {}
    ignored = []
    for folded, address in response.written.items():
        verdict = response.verdict(folded) or fallback
        if folded in before or verdict.action in (DROP, BOUNCE):
            continue
        try:
            written = parse_mailbox(address, smtputf8=True)
        except AddressError:
            written = ""
        if written and len(added) < MOST_ADDED:
            added[folded] = written, verdict
        else:
            ignored.append(address)
    return Answered(verdicts, added, ignored)
