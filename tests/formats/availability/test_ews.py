"""GetUserAvailability of EWS, as a client writes and reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats.availability.ews import SoapFault, read_answer, write_request
from workpost.formats.availability.values import (
    FAILED,
    INVALID_ANSWER,
    NOT_FOUND,
    Change,
    Details,
    Event,
    InvalidAnswer,
    MailboxAnswer,
    Period,
    Window,
    WorkingHours,
    Zone,
)
from workpost.formats.xml import parse_xml

ADA = "ada@partner.example"
START = 1_620_086_400_000
HOUR = 3_600_000
WINDOW = Window(START, START + 24 * HOUR)
T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
S = "{http://schemas.xmlsoap.org/soap/envelope/}"


def envelope(body: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{S[1:-1]}" xmlns="{T[1:-1]}" xmlns:m="{M[1:-1]}">'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def answer_of(*responses: str) -> bytes:
    inside = "".join(f"<m:FreeBusyResponse>{each}</m:FreeBusyResponse>" for each in responses)
    return envelope(
        "<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>"
        f"{inside}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"
    )


def view(inside: str) -> str:
    good = '<m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
    return f"{good}</m:ResponseMessage><m:FreeBusyView>{inside}</m:FreeBusyView>"


def told(inside: str) -> MailboxAnswer:
    [answer] = read_answer(answer_of(view(inside)), [ADA], WINDOW)
    return answer


def event(busy: str = "Busy", start: str = "2021-05-04T01:00:00", more: str = "") -> str:
    return (
        "<CalendarEventArray><CalendarEvent>"
        f"<StartTime>{start}</StartTime><EndTime>2021-05-04T02:00:00</EndTime>"
        f"<BusyType>{busy}</BusyType>{more}</CalendarEvent></CalendarEventArray>"
    )


def test_the_request_names_mailboxes_and_the_window_in_utc() -> None:
    root = parse_xml(write_request([ADA, "a&b@x.example"], WINDOW), limit=10_000)
    request = root.path(f"{S}Body", f"{M}GetUserAvailabilityRequest")
    assert request is not None
    mailboxes = request.child(f"{M}MailboxDataArray")
    assert mailboxes is not None
    assert [each.value(f"{T}Email", f"{T}Address") for each in mailboxes.children] == [
        ADA,
        "a&b@x.example",
    ]
    options = request.child(f"{T}FreeBusyViewOptions")
    assert options is not None
    assert options.value(f"{T}TimeWindow", f"{T}StartTime") == "2021-05-04T00:00:00"
    assert options.value(f"{T}TimeWindow", f"{T}EndTime") == "2021-05-05T00:00:00"
    assert request.value(f"{T}TimeZone", f"{T}Bias") == "0"


def test_events_with_details() -> None:
    details = (
        "<CalendarEventDetails><ID>1</ID><Subject>Engines</Subject><Location>Here</Location>"
        "<IsMeeting>true</IsMeeting><IsRecurring>true</IsRecurring><IsException>false</IsException>"
        "<IsReminderSet>false</IsReminderSet><IsPrivate>true</IsPrivate></CalendarEventDetails>"
    )
    start, end = START + HOUR, START + 2 * HOUR
    full = Details("Engines", "Here", "RECURRING_INSTANCE", True, False, True)
    assert told(event(more=details)).events == (Event(start, end, "BUSY", full),)
    for busy, known in (("OOF", "OOF"), ("Tentative", "TENTATIVE"), ("WorkingElsewhere", "FREE")):
        assert told(event(busy)).events == (Event(start, end, known),)  # type: ignore[arg-type]
    assert told(event(start="2021-05-04T03:00:00+02:00")).events[0].start == start


def test_merged_free_busy_where_no_events_are_told() -> None:
    answer = told("<MergedFreeBusy>0220013</MergedFreeBusy>")
    half = HOUR // 2
    assert answer.events == (
        Event(START + half, START + 3 * half, "BUSY"),
        Event(START + 5 * half, START + 6 * half, "TENTATIVE"),
        Event(START + 6 * half, START + 7 * half, "OOF"),
    )
    assert told("").events == ()
    assert told(f"<MergedFreeBusy>{'2' * 999}</MergedFreeBusy>").events == (
        Event(WINDOW.start, WINDOW.end, "BUSY"),
    )


def change(name: str, month: int) -> str:
    return (
        f"<{name}><Bias>-60</Bias><Time>02:00:00</Time><DayOrder>5</DayOrder>"
        f"<Month>{month}</Month><DayOfWeek>Sunday</DayOfWeek></{name}>"
    )


def hours(zone: str) -> str:
    return (
        f"<WorkingHours><TimeZone><Bias>-60</Bias>{zone}</TimeZone><WorkingPeriodArray>"
        "<WorkingPeriod><DayOfWeek>Monday Friday</DayOfWeek>"
        "<StartTimeInMinutes>480</StartTimeInMinutes><EndTimeInMinutes>1020</EndTimeInMinutes>"
        "</WorkingPeriod></WorkingPeriodArray></WorkingHours>"
    )


def test_working_hours() -> None:
    both = change("StandardTime", 10) + change("DaylightTime", 3)
    periods = (Period(480, 1020, ("MON", "FRI")),)
    zone = Zone(
        "", -60, Change(-60, "02:00:00", 10, 5, "SUN"), Change(-60, "02:00:00", 3, 5, "SUN")
    )
    assert told(hours(both)).hours == WorkingHours(zone, periods)
    none = change("StandardTime", 0) + change("DaylightTime", 0)
    assert told(hours(none)).hours == WorkingHours(Zone("", -60), periods)


def test_errors_of_one_mailbox() -> None:
    def wrong(code: str) -> str:
        return (
            '<m:ResponseMessage ResponseClass="Error"><m:MessageText>x</m:MessageText>'
            f"<m:ResponseCode>{code}</m:ResponseCode></m:ResponseMessage>"
        )

    raw = answer_of(wrong(NOT_FOUND), view(""), wrong("ErrorNoFreeBusyAccess"), "")
    names = [ADA, "b@x.example", "c@x.example", "d@x.example"]
    assert [each.error for each in read_answer(raw, names, WINDOW)] == [
        NOT_FOUND,
        "",
        FAILED,
        INVALID_ANSWER,
    ]


@pytest.mark.parametrize(
    "inside",
    [
        event("Sleeping"),
        event(start="yesterday"),
        event(start="2021-05-04T03:00:00"),
        "<WorkingHours/>",
        hours(change("StandardTime", 13)),
        hours("").replace("480", "-1"),
        hours("").replace("Monday", "Payday"),
        hours(change("StandardTime", 1)).replace("02:00:00", "26:00:00"),
    ],
)
def test_what_does_not_fit_is_an_error_of_its_mailbox(inside: str) -> None:
    assert told(inside) == MailboxAnswer(ADA, error=INVALID_ANSWER)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html><body>Welcome</body></html>",
        b'{"mailboxes": []}',
        envelope(""),
        envelope("<m:GetUserAvailabilityResponse/>"),
        answer_of(),
        answer_of(view(""), view("")),
        answer_of(view("")).replace(b"<s:Body", b"<!DOCTYPE a><s:Body"),
    ],
)
def test_what_is_no_answer_of_ews(raw: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(raw, [ADA], WINDOW)


def test_faults() -> None:
    detail = '<detail><e:ResponseCode xmlns:e="urn:e">ErrorServerBusy</e:ResponseCode></detail>'
    for more, code in ((detail, "ErrorServerBusy"), ("", "Client")):
        raw = envelope(
            f"<s:Fault><faultcode>s:Client</faultcode><faultstring>x</faultstring>{more}</s:Fault>"
        )
        with pytest.raises(SoapFault) as caught:
            read_answer(raw, [ADA], WINDOW)
        assert caught.value.code == code


parts = st.sampled_from(
    [event(), event("x"), hours(""), "<MergedFreeBusy>012</MergedFreeBusy>", "<WorkingHours/>", "x"]
)


@given(st.lists(parts | st.text("01234<>/", max_size=4), max_size=4).map("".join))
def test_any_view_is_an_answer_or_refused(inside: str) -> None:
    try:
        told(inside)
    except (InvalidAnswer, SoapFault):
        pass
