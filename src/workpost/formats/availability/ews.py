"""GetUserAvailability of Exchange Web Services as its client writes and reads it (MS-OXWAVLS).

Times are asked for in UTC: the request's zone has no bias.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from workpost.formats.availability.values import (
    ERRORS,
    FAILED,
    INVALID_ANSWER,
    BusyType,
    Change,
    Day,
    Details,
    Event,
    Instance,
    InvalidAnswer,
    MailboxAnswer,
    Period,
    Window,
    WorkingHours,
    Zone,
)
from workpost.formats.xml import Element, XmlError, parse_xml

MAX_MAILBOXES = 100
MAX_EVENTS = 10_000
INTERVAL_MINUTES = 30
ACTION = "http://schemas.microsoft.com/exchange/services/2006/messages/GetUserAvailability"

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
_MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"

_DAYS: dict[str, Day] = {
    "Sunday": "SUN",
    "Monday": "MON",
    "Tuesday": "TUE",
    "Wednesday": "WED",
    "Thursday": "THU",
    "Friday": "FRI",
    "Saturday": "SAT",
}
_BUSY: dict[str, BusyType] = {
    "Free": "FREE",
    "Tentative": "TENTATIVE",
    "Busy": "BUSY",
    "OOF": "OOF",
    "WorkingElsewhere": "FREE",
    "NoData": "FREE",
}
_DIGITS: dict[str, BusyType] = {"1": "TENTATIVE", "2": "BUSY", "3": "OOF"}
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")


class SoapFault(Exception):
    """The endpoint speaks SOAP and refuses; `code` is its response code or fault code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _t(name: str) -> str:
    return f"{{{_TYPES}}}{name}"


def _m(name: str) -> str:
    return f"{{{_MESSAGES}}}{name}"


def write_request(mailboxes: Sequence[str], window: Window) -> bytes:
    """The SOAP envelope for at most MAX_MAILBOXES addresses."""
    change = "<t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>{}</t:DayOrder>"
    change += "<t:Month>{}</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>"
    zone = (
        "<t:TimeZone><t:Bias>0</t:Bias>"
        f"<t:StandardTime>{change.format(1, 11)}</t:StandardTime>"
        f"<t:DaylightTime>{change.format(2, 3)}</t:DaylightTime></t:TimeZone>"
    )
    people = "".join(
        f"<t:MailboxData><t:Email><t:Address>{escape(one)}</t:Address></t:Email>"
        "<t:AttendeeType>Required</t:AttendeeType>"
        "<t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>"
        for one in mailboxes
    )
    options = (
        f"<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{_written(window.start)}</t:StartTime>"
        f"<t:EndTime>{_written(window.end)}</t:EndTime></t:TimeWindow>"
        f"<t:MergedFreeBusyIntervalInMinutes>{INTERVAL_MINUTES}"
        "</t:MergedFreeBusyIntervalInMinutes>"
        "<t:RequestedView>DetailedMerged</t:RequestedView></t:FreeBusyViewOptions>"
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{_SOAP}" xmlns:t="{_TYPES}" xmlns:m="{_MESSAGES}">'
        '<s:Header><t:RequestServerVersion Version="Exchange2010"/></s:Header>'
        "<s:Body><m:GetUserAvailabilityRequest>"
        f"{zone}<m:MailboxDataArray>{people}</m:MailboxDataArray>{options}"
        "</m:GetUserAvailabilityRequest></s:Body></s:Envelope>"
    ).encode()


def _written(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}"


def read_answer(raw: bytes, mailboxes: Sequence[str], window: Window) -> list[MailboxAnswer]:
    """An answer for each mailbox that was asked for, in that order.

    Raises InvalidAnswer for what is no answer of EWS, SoapFault for a refusal.
    """
    try:
        root = parse_xml(raw, limit=len(raw))
    except XmlError as error:
        raise InvalidAnswer(str(error)) from None
    body = root.child(f"{{{_SOAP}}}Body")
    if root.name != f"{{{_SOAP}}}Envelope" or body is None:
        raise InvalidAnswer("the answer is no SOAP envelope")
    fault = body.child(f"{{{_SOAP}}}Fault")
    if fault is not None:
        detail = _local(fault, "detail")
        code = _local(detail, "ResponseCode") if detail is not None else None
        raise SoapFault(_word(code) or _word(_local(fault, "faultcode")))
    told = body.path(_m("GetUserAvailabilityResponse"), _m("FreeBusyResponseArray"))
    if told is None:
        raise InvalidAnswer("the answer has no free/busy")
    responses = list(told.all(_m("FreeBusyResponse")))
    if len(responses) != len(mailboxes):
        raise InvalidAnswer("the answer is of other mailboxes")
    pairs = zip(mailboxes, responses, strict=True)
    return [_mailbox(name, response, window) for name, response in pairs]


def _local(element: Element, name: str) -> Element | None:
    """The first child of this local name: servers qualify the parts of faults as they like."""
    return next((each for each in element.children if each.name.rpartition("}")[2] == name), None)


def _word(element: Element | None) -> str:
    return element.text.strip().rpartition(":")[2] if element is not None else ""


def _mailbox(name: str, response: Element, window: Window) -> MailboxAnswer:
    message = response.child(_m("ResponseMessage"))
    if message is not None and message.attributes.get("ResponseClass") == "Error":
        code = message.value(_m("ResponseCode"))
        return MailboxAnswer(name, error=code if code in ERRORS else FAILED)
    view = response.child(_m("FreeBusyView"))
    if view is None:
        return MailboxAnswer(name, error=INVALID_ANSWER)
    try:
        listed = view.child(_t("CalendarEventArray"))
        if listed is not None:
            found = list(listed.all(_t("CalendarEvent")))[: MAX_EVENTS + 1]
            if len(found) > MAX_EVENTS:
                raise InvalidAnswer("there are too many events")
            events = [_event(each) for each in found]
        else:
            events = _merged(view.value(_t("MergedFreeBusy")), window)
        hours = view.child(_t("WorkingHours"))
        return MailboxAnswer(name, tuple(events), _hours(hours) if hours is not None else None)
    except (ValueError, OverflowError, KeyError):
        return MailboxAnswer(name, error=INVALID_ANSWER)


def _merged(digits: str, window: Window) -> list[Event]:
    """Events of a text with one digit for each half hour, where no more is told."""
    step = INTERVAL_MINUTES * 60_000
    return [
        Event(
            window.start + found.start() * step,
            min(window.start + found.end() * step, window.end),
            _DIGITS[found[1]],
        )
        for found in re.finditer(r"([123])\1*", digits)
        if window.start + found.start() * step < window.end
    ]


def _event(given: Element) -> Event:
    start, end = _time(given.value(_t("StartTime"))), _time(given.value(_t("EndTime")))
    if end < start:
        raise InvalidAnswer("an event ends before it begins")
    told = given.child(_t("CalendarEventDetails"))
    details = _details(told) if told is not None else None
    return Event(start, end, _BUSY[given.value(_t("BusyType"))], details)


def _details(told: Element) -> Details:
    def is_set(name: str) -> bool:
        return told.value(_t(name)) in {"true", "1"}

    instance: Instance = "RECURRING_INSTANCE" if is_set("IsRecurring") else "SINGLE_INSTANCE"
    if is_set("IsException"):
        instance = "EXCEPTION"
    return Details(
        told.value(_t("Subject")),
        told.value(_t("Location")),
        instance,
        is_set("IsMeeting"),
        is_set("IsReminderSet"),
        is_set("IsPrivate"),
    )


def _time(text: str) -> int:
    """A time in UTC, the request's zone, unless it names another. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def _hours(given: Element) -> WorkingHours:
    zone = given.child(_t("TimeZone"))
    if zone is None:
        raise InvalidAnswer("working hours without a time zone")
    listed = given.child(_t("WorkingPeriodArray"))
    periods = listed.all(_t("WorkingPeriod")) if listed is not None else ()
    standard, daylight = (
        _change(zone.child(_t(f"{name}Time"))) for name in ("Standard", "Daylight")
    )
    both = standard is not None and daylight is not None
    return WorkingHours(
        Zone(
            "",
            _number(zone.value(_t("Bias")), -1440, 1440),
            standard if both else None,
            daylight if both else None,
        ),
        tuple(_period(each) for each in periods),
    )


def _period(given: Element) -> Period:
    return Period(
        _number(given.value(_t("StartTimeInMinutes")), 0, 1440),
        _number(given.value(_t("EndTimeInMinutes")), 0, 1440),
        tuple(_DAYS[each] for each in given.value(_t("DayOfWeek")).split()),
    )


def _change(given: Element | None) -> Change | None:
    if given is None or given.value(_t("Month")) == "0":
        # Month 0: a zone that knows no summer time.
        return None
    time = given.value(_t("Time"))
    if _TIME.fullmatch(time) is None:
        raise InvalidAnswer("a zone changes at no time")
    return Change(
        _number(given.value(_t("Bias")), -1440, 1440),
        time,
        _number(given.value(_t("Month")), 1, 12),
        _number(given.value(_t("DayOrder")), 1, 5),
        _DAYS[given.value(_t("DayOfWeek"))],
    )


def _number(text: str, low: int, high: int) -> int:
    if re.fullmatch(r"-?[0-9]{1,5}", text) is None or not low <= int(text) <= high:
        raise InvalidAnswer("a number is out of range")
    return int(text)
