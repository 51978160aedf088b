"""The event and the response of functions of Run Lambda rules (Administrator Guide)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.formats.addresses import fold
from workpost.formats.flow_functions import (
    ACTIONS,
    EVENT_BYTES,
    MOST_ACTIONS,
    REASON,
    RESPONSE_BYTES,
    FlowEvent,
    ResponseInvalid,
    Verdict,
    compose_event,
    read_response,
)

PEOPLE = [f"p{number}@demo.test" for number in range(4)]


def event(**more: Any) -> dict[str, Any]:
    values = {
        "author": "from@example.com",
        "recipients": ["r1@example.com"],
        "subject": "Hello",
        "message_id": "00000000-0000-0000-0000-000000000000",
        "invocation_id": "0" * 32,
        "direction": "INBOUND",
        **more,
    }
    raw = compose_event(FlowEvent(**values))
    assert len(raw) <= EVENT_BYTES
    told: dict[str, Any] = json.loads(raw)
    return told


def test_the_event_is_that_of_the_guide() -> None:
    assert event(sender="sender@example.com", recipients=["r1@example.com", "r2@example.com"]) == {
        "summaryVersion": "2018-10-10",
        "envelope": {
            "mailFrom": {"address": "from@example.com"},
            "recipients": [{"address": "r1@example.com"}, {"address": "r2@example.com"}],
        },
        "sender": {"address": "sender@example.com"},
        "subject": "Hello",
        "messageId": "00000000-0000-0000-0000-000000000000",
        "invocationId": "00000000000000000000000000000000",
        "flowDirection": "INBOUND",
        "truncated": False,
    }


def test_a_long_subject_is_cut_and_does_not_count_as_truncated() -> None:
    told = event(subject="é" * 300)
    assert (told["subject"], told["truncated"]) == ("é" * 256, False)
    assert "sender" not in told


def test_a_subject_brings_no_control_characters() -> None:
    assert event(subject="Hi\r\nBcc: eve@a.test\0\x85")["subject"] == "Hi  Bcc: eve@a.test  "


@pytest.mark.parametrize(("count", "kept"), [(0, 0), (1, 1), (500, 491), (2000, 491)])
def test_recipients_are_cut_where_there_are_too_many(count: int, kept: int) -> None:
    people = [f"{number:04}{'x' * 240}@a.test" for number in range(count)]
    told = event(recipients=people)
    assert [one["address"] for one in told["envelope"]["recipients"]] == people[:kept]
    assert told["truncated"] == (kept < count)


def act(kind: str, *recipients: str, everyone: object = None, reason: object = None) -> Any:
    said: dict[str, Any] = {"type": kind}
    if reason is not None:
        said["parameters"] = {"bounceMessage": reason}
    one: dict[str, Any] = {"action": said}
    if recipients:
        one["recipients"] = list(recipients)
    if everyone is not None:
        one["allRecipients"] = everyone
    return one


def read(*actions: Any, direction: str = "INBOUND") -> Any:
    return read_response(json.dumps({"actions": actions}).encode(), direction)


@pytest.mark.parametrize("flag", [True, "true", "True"])
def test_named_recipients_then_all_then_the_fallback(flag: object) -> None:
    found = read(act("BOUNCE", "A@Demo.test", reason="No\r\nway"), act("DEFAULT", everyone=flag))
    assert found.verdict("a@demo.test") == Verdict("BOUNCE", "No way")
    assert found.verdict("b@demo.test") == Verdict("DEFAULT")
    assert read(act("DROP", "a@demo.test", everyone="false")).verdict("b@demo.test") is None


def test_a_bounce_message_is_a_line_of_text() -> None:
    said = "No\x00way,\x1b[31m\x85 é " + "x" * 1000
    reason = read(act("BOUNCE", reason=said, everyone=True)).verdict("a@b.c").reason
    assert reason == ("No way, [31m é " + "x" * 1000)[:REASON]


def test_of_several_the_stricter_counts() -> None:
    found = read(act("DEFAULT", "a@b.c"), act("DROP", "a@b.c"), act("BOUNCE", "a@b.c"))
    assert found.verdict("a@b.c") == Verdict("DROP")


def test_equal_actions_are_one_of_the_ten() -> None:
    same = [act("DROP", f"a{number}@b.c") for number in range(20)]
    found = read(*same, *(act("BOUNCE", f"b{n}@b.c", reason=str(n)) for n in range(11)))
    assert found.verdict("a19@b.c") == Verdict("DROP")
    assert found.verdict("b8@b.c") == Verdict("BOUNCE", "8")
    assert found.verdict("b9@b.c") is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"actions": 1}',
        b'{"actions": []}',
        b'{"actions": [{}]}',
        b'{"actions": [{"action": "DROP", "allRecipients": true}]}',
        b'{"actions": [{"action": {"type": "DROP"}}]}',
        b'{"actions": [{"action": {"type": "drop"}, "allRecipients": true}]}',
        b'{"actions": [{"action": {"type": "DROP"}, "recipients": "a@b.c"}]}',
        b'{"actions": [{"action": {"type": "DROP"}, "recipients": [1]}]}',
        b'{"actions": [{"action": {"type": "DROP"}, "allRecipients": "yes"}]}',
        b'{"actions": [{"action": {"type": "DROP"}, "allRecipients": 1}]}',
        b'{"actions": [{"action": {"type": "BOUNCE", "parameters": {"bounceMessage": 1}},'
        b' "allRecipients": true}]}',
        b'{"actions": ' + b"[" * 200_000,
        b'{"actions": [{"action": {"type": "DROP"}, "allRecipients": true}]}'
        + b" " * RESPONSE_BYTES,
    ],
)
def test_what_is_no_response(raw: bytes) -> None:
    with pytest.raises(ResponseInvalid):
        read_response(raw, "INBOUND")


@pytest.mark.parametrize("action", ["MOVE_TO_JUNK", "BYPASS_SPAM_CHECK", "RUN_LAMBDA"])
def test_outbound_has_three_actions(action: str) -> None:
    with pytest.raises(ResponseInvalid):
        read(act(action, everyone=True), direction="OUTBOUND")


actions = st.lists(
    st.builds(
        lambda kind, people, everyone, reason: act(kind, *people, everyone=everyone, reason=reason),
        st.sampled_from(ACTIONS["INBOUND"]),
        st.lists(st.sampled_from(PEOPLE), max_size=3),
        st.sampled_from([True, False, "true", "FALSE"]),
        st.sampled_from([None, "one", "two", "three"]),
    ),
    min_size=1,
    max_size=16,
)


def naive(said: list[Any], recipient: str) -> Verdict | None:
    """The words of the guide, one after the other."""
    unique: list[Verdict] = []
    named, everyone, beyond = [], [], False
    for one in said:
        bounce = one["action"]["type"] == "BOUNCE"
        reason = one["action"].get("parameters", {}).get("bounceMessage", "") if bounce else ""
        verdict = Verdict(one["action"]["type"], reason)
        names = recipient in one.get("recipients", [])
        if verdict not in unique:
            if len(unique) == MOST_ACTIONS:
                beyond = beyond or names
                continue
            unique.append(verdict)
        if names:
            named.append(verdict)
        if str(one["allRecipients"]).lower() == "true":
            everyone.append(verdict)
    order = ACTIONS["INBOUND"]
    candidates = named or ([] if beyond else everyone)
    return min(candidates, key=lambda one: order.index(one.action), default=None)


@settings(max_examples=80, deadline=None)
@given(actions)
def test_every_recipient_gets_what_the_words_say(said: list[Any]) -> None:
    found = read(*said)
    for one in PEOPLE:
        assert found.verdict(fold(one)) == naive(said, one)


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["actions", "action", "type", "recipients", "allRecipients", "parameters"]
                ),
                inner,
                max_size=4,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_comes_it_is_read_or_refused(raw: bytes) -> None:
    try:
        found = read_response(raw, "OUTBOUND")
    except ResponseInvalid:
        return
    assert found.others is not None or found.written or found.named == {}
