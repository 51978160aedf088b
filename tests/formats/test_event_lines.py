"""The lines of WorkMail's event log (Administrator Guide, tracking messages)."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.event_lines import lines_of

AT = 1_793_830_262_123
ORG = "m-" + "1" * 32
LONGEST = 262_118


def lines(kind: str, story: dict[str, Any], longest: int = LONGEST) -> list[dict[str, Any]]:
    made = lines_of(kind, story, organization=ORG, at=AT, longest=longest)
    found = list(made)
    assert all(len(line) <= longest and b"\n" not in line for line in found)
    return [json.loads(line) for line in found]


def events(kind: str, story: dict[str, Any]) -> list[dict[str, Any]]:
    return [line["event"] for line in lines(kind, story)]


RECEIVED = {
    "traceId": "00000000000000aa",
    "from": "bounces@lists.example",
    "author": ["grace@elsewhere.example"],
    "recipients": ["ada@demo.test", "team@demo.test"],
    "messageId": "1@elsewhere.example",
    "subject": "x" * 300,
    "spfVerdict": "PASS",
    "dkimVerdict": "FAIL",
    "dmarcVerdict": "FAIL",
    "dmarcPolicy": "quarantine",
    "size": 400,
    "peer": "192.0.2.1",
    "actor": "",
    "delivered": [
        {"recipient": "ada@demo.test", "folder": "INBOX"},
        {"recipient": "bob@demo.test", "folder": "Junk E-mail"},
    ],
}


def test_a_message_that_arrives_is_told_once_and_each_of_its_mailboxes() -> None:
    first, *others = lines("ORGANIZATION_EMAIL_RECEIVED", RECEIVED)
    assert first == {
        "traceId": "00000000000000aa",
        "organizationId": ORG,
        "timestamp": AT,
        "event": {
            "eventName": "ORGANIZATION_EMAIL_RECEIVED",
            "recipients": ["ada@demo.test", "team@demo.test"],
            "from": "grace@elsewhere.example",
            "subject": "x" * 256,
            "messageId": "1@elsewhere.example",
            "spamVerdict": "GRAY",
            "dkimVerdict": "FAIL",
            "dmarcVerdict": "FAIL",
            "spfVerdict": "PASS",
            "messageTimestamp": "2026-11-04T22:11:02.123Z",
            "dmarcPolicy": "QUARANTINE",
        },
    }
    assert [line["traceId"] for line in others] == ["00000000000000aa"] * 2
    assert [line["event"] for line in others] == [
        {"eventName": "MAILBOX_EMAIL_DELIVERED", **one}
        for one in [
            {"recipient": "ada@demo.test", "folder": "INBOX"},
            {"recipient": "bob@demo.test", "folder": "Junk E-mail"},
        ]
    ]


def test_what_waited_arrives_when_it_is_delivered() -> None:
    story = {
        "from": "ada@demo.test",
        "author": ["ada@demo.test"],
        "recipients": ["grace@demo.test", "bob@elsewhere.example"],
        "subject": "Tea",
        "messageId": "2@demo.test",
        "delivered": [{"recipient": "grace@demo.test", "folder": "INBOX"}],
    }
    assert [one["eventName"] for one in events("MAILBOX_EMAIL_DELIVERED", story)] == [
        "MAILBOX_EMAIL_DELIVERED"
    ]
    told = events("MAILBOX_EMAIL_DELIVERED", story | {"arrived": ["grace@demo.test"]})
    assert [one["eventName"] for one in told] == [
        "OUTGOING_EMAIL_SENT",
        "ORGANIZATION_EMAIL_RECEIVED",
        "MAILBOX_EMAIL_DELIVERED",
    ]
    assert told[1]["recipients"] == ["grace@demo.test"]


def test_the_dmarc_policy_is_told_of_failures_only() -> None:
    [event, *_] = events("ORGANIZATION_EMAIL_RECEIVED", RECEIVED | {"dmarcVerdict": "PASS"})
    assert "dmarcPolicy" not in event


def test_sender_is_told_of_mail_on_behalf_only() -> None:
    story = {**RECEIVED, "sender": ["assistant@elsewhere.example"]}
    [event, *_] = events("ORGANIZATION_EMAIL_RECEIVED", story)
    assert (event["from"], event["sender"]) == (
        "grace@elsewhere.example",
        "assistant@elsewhere.example",
    )
    [event, *_] = events("ORGANIZATION_EMAIL_RECEIVED", RECEIVED)
    assert "sender" not in event


def test_a_submission_to_a_colleague_is_told_of_both_sides() -> None:
    story = {
        "from": "ada@demo.test",
        "author": ["ada@demo.test"],
        "recipients": ["grace@demo.test", "bob@elsewhere.example"],
        "arrived": ["grace@demo.test"],
        "delivered": [{"recipient": "grace@demo.test", "folder": "INBOX"}],
        "messageId": "2@demo.test",
        "subject": "Tea",
    }
    told = events("OUTGOING_EMAIL_SUBMITTED", story)
    assert [event["eventName"] for event in told] == [
        "OUTGOING_EMAIL_SUBMITTED",
        "OUTGOING_EMAIL_SENT",
        "ORGANIZATION_EMAIL_RECEIVED",
        "MAILBOX_EMAIL_DELIVERED",
    ]
    assert told[0] == {
        "eventName": "OUTGOING_EMAIL_SUBMITTED",
        "recipients": ["grace@demo.test", "bob@elsewhere.example"],
        "from": "ada@demo.test",
        "subject": "Tea",
    }
    assert told[1] == {
        "eventName": "OUTGOING_EMAIL_SENT",
        "recipient": "grace@demo.test",
        "from": "ada@demo.test",
        "messageId": "2@demo.test",
    }
    assert told[2]["recipients"] == ["grace@demo.test"]


def test_bounces_are_told_of_each_recipient() -> None:
    bounced = {"emailAddress": "full@demo.test", "status": "5.2.2", "reason": "full", "host": "x"}
    told = {"emailAddress": "full@demo.test", "status": "5.2.2", "reason": "full"}
    assert events("INCOMING_EMAIL_BOUNCED", {"bouncedRecipient": bounced}) == [
        {"eventName": "INCOMING_EMAIL_BOUNCED", "bouncedRecipient": told}
    ]
    assert events("OUTGOING_EMAIL_BOUNCED", {"bouncedRecipient": bounced}) == [
        {
            "eventName": "OUTGOING_EMAIL_BOUNCED",
            "bouncedRecipient": told,
            "destination": "full@demo.test",
            "reason": "full",
        }
    ]


def test_what_was_sent_to_servers_elsewhere_is_told_of_each_recipient() -> None:
    story = {"from": "ada@demo.test", "messageId": "3", "recipient": "bob@elsewhere.example"}
    one = {
        "eventName": "OUTGOING_EMAIL_SENT",
        "recipient": "bob@elsewhere.example",
        "from": "ada@demo.test",
        "messageId": "3",
    }
    assert events("OUTGOING_EMAIL_SENT", story) == [one]
    several = {**story, "recipients": ["bob@elsewhere.example", "eve@elsewhere.example"]}
    del several["recipient"]
    assert [event["recipient"] for event in events("OUTGOING_EMAIL_SENT", several)] == [
        "bob@elsewhere.example",
        "eve@elsewhere.example",
    ]


def test_rules_journals_and_dmarc_have_their_fields() -> None:
    rule = {
        "ruleName": "no spam",
        "ruleType": "INBOUND_RULE",
        "ruleActions": [{"action": "DROP", "recipients": ["ada@demo.test"]}],
    }
    assert events("RULE_APPLIED", {**rule, "private": 1}) == [{"eventName": "RULE_APPLIED", **rule}]
    journal = {"journalingAddress": "journal@demo.test"}
    assert events("JOURNALING_INITIATED", journal) == [
        {"eventName": "JOURNALING_INITIATED", **journal}
    ]
    dmarc = {"from": "x@y.example", "recipients": ["ada@demo.test"], "policy": "reject"}
    assert events("DMARC_POLICY_APPLIED", dmarc) == [
        {"eventName": "DMARC_POLICY_APPLIED", **dmarc, "policy": "REJECT"}
    ]


def test_a_kind_that_workmail_does_not_have_tells_no_more_than_common_fields() -> None:
    story = {"from": "a@demo.test", "subject": "y" * 300, "peer": "10.0.0.1", "actor": "person"}
    assert events("OUTGOING_EMAIL_DELAYED", story) == [
        {"eventName": "OUTGOING_EMAIL_DELAYED", "from": "a@demo.test", "subject": "y" * 256}
    ]


def test_recipients_that_do_not_fit_are_counted() -> None:
    many = [f"person{n}@demo.test" for n in range(1_000)]
    [line, *_] = lines("ORGANIZATION_EMAIL_RECEIVED", {"recipients": many}, longest=2_000)
    event = line["event"]
    assert len(event["recipients"]) + event["recipientsOmitted"] == 1_000
    [line] = lines("RULE_APPLIED", {"ruleName": "z" * 3_000}, longest=2_000)
    assert line["event"] == {"eventName": "RULE_APPLIED", "fieldsOmitted": True}


KINDS = st.sampled_from(["ORGANIZATION_EMAIL_RECEIVED", "OUTGOING_EMAIL_SUBMITTED", "X"])
KEYS = st.sampled_from(["recipients", "from", "subject", "spfVerdict", "messageId", "author"])


@given(
    KINDS, st.dictionaries(KEYS, st.text(max_size=9) | st.lists(st.text(max_size=9)), max_size=6)
)
def test_any_story_of_texts_is_told(kind: str, story: dict[str, Any]) -> None:
    assert lines(kind, story)[0]["event"]["eventName"] == kind
