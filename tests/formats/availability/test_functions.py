"""Free/busy as a function tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.availability.functions import read_answer, write_request
from workpost.formats.availability.values import (
    ERRORS,
    FAILED,
    INVALID_ANSWER,
    NOT_FOUND,
    Change,
    Details,
    Event,
    InvalidAnswer,
    MailboxAnswer,
    Period,
    Requester,
    Window,
    WorkingHours,
    Zone,
)

ADA = "ada@partner.example"
START = 1_620_086_400_000


def test_the_request() -> None:
    requester = Requester("grace@demo.test", "grace", "S-1-1-12-1", "192.0.2.1")
    event = write_request("m-1", requester, [ADA], Window(START, START + 1))
    assert json.loads(event) == {
        "requester": {
            "email": "grace@demo.test",
            "userName": "grace",
            "organization": "m-1",
            "userId": "S-1-1-12-1",
            "origin": "192.0.2.1",
        },
        "mailboxes": [ADA],
        "window": {
            "startDate": "2021-05-04T00:00:00.000Z",
            "endDate": "2021-05-04T00:00:00.001Z",
        },
    }
    assert b"origin" not in write_request("m-1", Requester("", "", ""), [], Window(0, 1))


def told(**entry: Any) -> MailboxAnswer:
    raw = json.dumps({"mailboxes": [{"mailbox": ADA.upper(), **entry}]}).encode()
    [answer] = read_answer(raw, [ADA])
    assert answer.mailbox == ADA
    return answer


EVENT = {
    "startTime": "2021-05-04T00:00:00.000Z",
    "endTime": "2021-05-04T01:00:00+00:00",
    "busyType": "BUSY",
}
DETAILS = {
    "subject": "Late meeting",
    "location": "Chime",
    "instanceType": "SINGLE_INSTANCE",
    "isMeeting": True,
    "isReminderSet": True,
    "isPrivate": False,
}
CHANGE = {
    "offset": 60,
    "time": "02:00:00",
    "month": "MAY",
    "week": "LAST",
    "dayOfWeek": "SUN",
}
HOURS = {
    "timezone": {"name": "Here", "bias": 420, "standardTime": CHANGE, "daylightTime": CHANGE},
    "workingPeriods": [{"startMinutes": 480, "endMinutes": 1040, "days": ["MON", "TUE"]}],
}


def test_events_details_and_working_hours() -> None:
    answer = told(events=[EVENT, {**EVENT, "details": DETAILS}], workingHours=HOURS)
    event = Event(START, START + 3_600_000, "BUSY")
    details = Details("Late meeting", "Chime", "SINGLE_INSTANCE", True, True, False)
    assert answer.events == (event, Event(event.start, event.end, "BUSY", details))
    change = Change(60, "02:00:00", 5, 5, "SUN")
    assert answer.hours == WorkingHours(
        Zone("Here", 420, change, change), (Period(480, 1040, ("MON", "TUE")),)
    )
    assert told(events=[]) == MailboxAnswer(ADA)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"events": [], "error": "MailboxNotFound"},
        {"events": {}},
        {"events": [{**EVENT, "busyType": "OOF"}]},
        {"events": [{**EVENT, "startTime": "2021-05-04"}]},
        {"events": [{**EVENT, "startTime": "2021-05-04T00:00:00"}]},
        {"events": [{**EVENT, "startTime": "2021-05-04T00:00:00+02:00"}]},
        {"events": [{**EVENT, "startTime": "2021-13-04T00:00:00Z"}]},
        {"events": [{**EVENT, "startTime": "2021-05-04T02:00:00Z"}]},
        {"events": [{**EVENT, "details": {**DETAILS, "isPrivate": None}}]},
        {"events": [{**EVENT, "details": {"subject": "x"}}]},
        {"events": [], "workingHours": {"timezone": HOURS["timezone"]}},
        {
            "events": [],
            "workingHours": {
                **HOURS,
                "timezone": {"name": "x", "bias": 0, "standardTime": CHANGE},
            },
        },
        {
            "events": [],
            "workingHours": {
                **HOURS,
                "workingPeriods": [{"startMinutes": -1, "endMinutes": 0, "days": []}],
            },
        },
    ],
)
def test_what_does_not_fit_is_an_error_of_its_mailbox_alone(entry: dict[str, Any]) -> None:
    assert told(**entry) == MailboxAnswer(ADA, error=INVALID_ANSWER)
    others = [{"mailbox": "b@x.example", "events": []}, {"mailbox": ADA, **entry}]
    raw = json.dumps({"mailboxes": others}).encode()
    assert read_answer(raw, [ADA, "b@x.example"])[1] == MailboxAnswer("b@x.example")


def test_errors() -> None:
    assert told(error="MailboxNotFound").error == NOT_FOUND
    for code in ERRORS:
        assert told(error=code).error == code
    assert told(error="Whatever").error == FAILED


def test_who_is_not_told_of_or_twice() -> None:
    raw = b'{"mailboxes": [{"mailbox": "x@y.example", "events": []}]}'
    assert read_answer(raw, [ADA]) == [MailboxAnswer(ADA, error=FAILED)]
    twice = json.dumps({"mailboxes": [{"mailbox": ADA, "events": []}] * 2}).encode()
    assert read_answer(twice, [ADA]) == [MailboxAnswer(ADA, error=INVALID_ANSWER)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"mailboxes": {}}',
        b'{"mailboxes": [{}]}',
        b"\xff",
        b"[" * 9999,
    ],
)
def test_what_is_no_answer(raw: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(raw, [ADA])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.sampled_from([EVENT, HOURS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["events", "error", "workingHours", "details"]), inner)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["events", "error", "workingHours"]), anything))
def test_any_entry_is_events_or_an_error(entry: dict[str, Any]) -> None:
    answer = told(**entry)
    assert answer.error in ERRORS | {""}


@given(anything | st.fixed_dictionaries({"mailboxes": st.lists(anything)}))
def test_any_json_is_an_answer_or_refused(document: Any) -> None:
    try:
        read_answer(json.dumps(document).encode(), [ADA])
    except InvalidAnswer:
        pass
