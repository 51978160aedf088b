"""The decision on mail that fails DMARC, for any message and any organizations."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.directory.routing import Expansion, Local
from workpost.kernel.errors import TryLater
from workpost.operations.authentication.arc import ArcResult
from workpost.operations.authentication.check import Authentication, Verdicts
from workpost.operations.authentication.dmarc import DmarcResult, Standing
from workpost.operations.authentication.spf import SpfResult
from workpost.operations.mailflow.enforcing import NOTHING, Enforcement, decide, outcome, verdicts
from workpost.store.tables.folders import JUNK

ORGANIZATIONS = ["m-1", "m-2", "m-3"]
messages = st.builds(
    lambda result, policy, trusted, explained, relay: Authentication(
        spf=SpfResult("fail", "author.example", explanation=explained),
        dkim=(),
        dmarc=DmarcResult(result, "author.example", policy),
        arc=ArcResult("none"),
        verdicts=Verdicts("FAIL", "GRAY", "FAIL", policy.upper()),
        field=b"",
        trusted=trusted,
        relay=relay,
    ),
    result=st.sampled_from(["pass", "fail", "none", "temperror", "permerror"]),
    policy=st.sampled_from(["", "none", "quarantine", "reject"]),
    trusted=st.sampled_from(["", "", "list.example"]),
    explained=st.sampled_from(["", "not ours " * 40]),
    relay=st.sampled_from(["", "mx.demo.test"]),
)
concerned = st.lists(st.sampled_from(ORGANIZATIONS), min_size=1, unique=True)


def routed(organizations: list[str]) -> Expansion:
    people = [
        Local(each, f"e{number}", number + 1, f"a@{each}", f"a@{each}", 0, 1_000)
        for number, each in enumerate(organizations * 2)
    ]
    return Expansion(people, ["member@elsewhere.example"], [], [])


@given(messages, concerned, st.data(), st.booleans())
def test_the_decision(
    message: Authentication, organizations: list[str], data: st.DataObject, refuses: bool
) -> None:
    enforced = [each for each in organizations if data.draw(st.booleans())]
    dmarc = message.dmarc
    try:
        found = decide(message, organizations, enforced, refuses=refuses)
    except TryLater:
        assert dmarc.result == "temperror"
        assert dmarc.policy in {"quarantine", "reject"}
        assert enforced
        assert not message.trusted
        return
    if dmarc.result in {"pass", "none"} or message.trusted or not enforced or not dmarc.policy:
        assert found == NOTHING
    route = routed(organizations)
    left = [each for each in organizations if each not in found.dropped]
    kept = found.keep(route, left)
    roles = found.roles(kept)
    # Who does not enforce gets everything, in the INBOX.
    for one in route.local:
        if one.organization not in enforced:
            assert one in kept.local
            assert one.mailbox not in roles
    # Who enforces gets what the policy says, and it is told; what a relay of ours brings cannot be
    # refused any more and goes into Junk E-mail.
    done = "quarantine" if dmarc.policy == "reject" and message.relay and refuses else dmarc.policy
    for one in route.local:
        if one.organization in found.enforced:
            assert (one in kept.local) == (done != "reject")
            assert (roles.get(one.mailbox) == JUNK) == (done == "quarantine")
            assert found.story == {"policy": done.upper()}
    assert bool(kept.external) == bool(left)
    if message.relay and refuses:
        # Nobody is there to be told 550 but our own relay, which would write to a forged sender.
        assert not found.refused
        assert not found.dropped
    # A refusal is of the whole message.
    if found.refused:
        assert refuses
        assert dmarc.policy == "reject"
        assert left == []
        assert found.refused.isascii()
        assert len(found.refused) < 400
    elif refuses and found.dropped:
        assert left


@given(messages)
def test_events_tell_the_verdicts(message: Authentication) -> None:
    told = verdicts(message)
    assert ("dmarcPolicy" in told) == bool(message.verdicts.policy)
    assert told.get("trustedSealer", "") == message.trusted
    assert told.get("trustedRelay", "") == message.relay
    assert verdicts(None) == {}


@given(concerned)
def test_a_message_that_may_pass_is_left_alone(organizations: list[str]) -> None:
    route = routed(organizations)
    assert NOTHING.keep(route, organizations) is route
    assert NOTHING.roles(route) == {}
    assert Enforcement("none", tuple(organizations)).keep(route, organizations) is route


@given(messages, concerned, st.data(), st.sampled_from(["", "policy_test_mode", "other"]))
def test_what_the_author_s_domain_is_told(
    message: Authentication, organizations: list[str], data: st.DataObject, exempt: str
) -> None:
    standing = Standing("author.example", spf=False, dkim=False, exempt=exempt)
    dmarc = msgspec.structs.replace(message.dmarc, standing=standing)
    message = msgspec.structs.replace(message, dmarc=dmarc)
    enforced = [each for each in organizations if data.draw(st.booleans())]
    try:
        found = decide(message, organizations, enforced, refuses=True)
    except TryLater:
        return
    told = outcome(message, found)
    if dmarc.result == "pass":
        assert told.disposition == ("none" if dmarc.policy == "none" else "pass")
        assert not told.override
        return
    # What is told is what was done; whoever did less than was asked says why.
    assert told.disposition == (found.policy or "none")
    if told.disposition != dmarc.policy:
        assert told.override == "local_policy"
    elif not message.trusted:
        assert told.override == exempt
