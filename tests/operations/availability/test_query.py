"""availability.query: free/busy of people elsewhere, each mailbox with its answer or its error."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from tests.protocols.api.actions.providers import ARN, PASSWORD, USER, exchange, function
from tests.support.directories import Directory, bare_core, demo
from tests.support.outside import Asked, OutsideServer, Reply
from tests.support.trails import Remembered
from workpost.domain.organizations import availability
from workpost.domain.organizations.availability import EwsProvider, LambdaProvider, Provider
from workpost.formats.availability import values
from workpost.formats.availability.values import MailboxAnswer, Requester, Window
from workpost.kernel.errors import InvalidParameter, OrganizationStateInvalid, TryLater
from workpost.kernel.outside_settings import Egress, Function, Lambda
from workpost.kernel.rooms import Rooms
from workpost.kernel.trail import AVAILABILITY, NO_TRAIL
from workpost.operations.availability import asking
from workpost.operations.availability.query import MAX_WINDOW_MS, query

__all__ = ["bare_core", "demo"]

WINDOW = Window(1_620_086_400_000, 1_620_172_800_000)
GRACE = Requester("grace@demo.test", "grace", "S-1-1-12-1", "192.0.2.1")


@pytest.fixture
def server() -> Iterator[OutsideServer]:
    made = OutsideServer()
    yield made
    made.close()


@pytest.fixture
def house(demo: Directory, server: OutsideServer) -> Iterator[Directory]:
    """The organization `demo` whose function and Exchange server are `server`."""
    url = f"http://127.0.0.1:{server.port}/"
    mapped = Function(arn=ARN, accounts=(demo.account,), kind="http", url=url)
    before = demo.core.settings
    demo.core.settings = msgspec.structs.replace(
        before,
        egress=Egress(allow=("127.0.0.0/8",), plain_http=True, seconds=5),
        lambda_=Lambda(functions=(mapped,)),
    )
    server.answer = lambda asked: (exchange if asked.path == "/ews" else function)(asked)
    yield demo
    demo.core.settings = before


async def configure(house: Directory, domain: str, provider: Provider) -> None:
    await availability.create(house.core, house.grant, domain, provider)


def ews(server: OutsideServer, password: str = PASSWORD) -> EwsProvider:
    return EwsProvider(f"http://127.0.0.1:{server.port}/ews", USER, password)


async def ask(house: Directory, *mailboxes: str, window: Window = WINDOW) -> list[MailboxAnswer]:
    return await query(house.core, house.organization, GRACE, list(mailboxes), window)


async def errors(house: Directory, *mailboxes: str) -> list[str]:
    return [answer.error for answer in await ask(house, *mailboxes)]


async def test_each_domain_is_asked_once_and_answers_come_in_order(
    house: Directory, server: OutsideServer
) -> None:
    await configure(house, "ews.example", ews(server))
    await configure(house, "function.example", LambdaProvider(ARN))
    mailboxes = [
        "a@function.example",
        "b@EWS.example",
        "c@nowhere.example",
        "d@function.example",
        "no address",
        "e\0@ews.example",
        "a@function.example",
    ]
    answers = await ask(house, *mailboxes)
    assert [answer.mailbox for answer in answers] == mailboxes
    assert [answer.error for answer in answers] == [
        "",
        "",
        values.NOT_CONFIGURED,
        "",
        values.NOT_FOUND,
        values.NOT_FOUND,
        "",
    ]
    assert len(server.asked) == 2
    [event] = [asked.body for asked in server.asked if asked.path == "/"]
    assert b'"mailboxes":["a@function.example","d@function.example"]' in event
    assert b'"email":"grace@demo.test"' in event
    assert b'"startDate":"2021-05-04T00:00:00.000Z"' in event


async def test_a_provider_that_fails_costs_its_own_mailboxes_only(
    house: Directory, server: OutsideServer
) -> None:
    await configure(house, "wrong.example", ews(server, "wrong"))
    await configure(house, "function.example", LambdaProvider(ARN))
    await configure(house, "missing.example", LambdaProvider(f"{ARN}s"))
    told = await errors(house, "a@wrong.example", "b@function.example", "c@missing.example")
    assert told == [values.FAILED, "", values.FAILED]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"{", values.INVALID_ANSWER),
        (200, b'{"mailboxes": []}', values.FAILED),
        (429, b"", values.BUSY),
        (500, b"", values.FAILED),
    ],
)
async def test_what_a_function_does_wrong(
    house: Directory, server: OutsideServer, status: int, body: bytes, error: str
) -> None:
    await configure(house, "function.example", LambdaProvider(ARN))
    server.answer = lambda asked: (status, {}, body)
    assert await errors(house, "a@function.example") == [error]


async def test_what_an_exchange_server_does_wrong(house: Directory, server: OutsideServer) -> None:
    await configure(house, "ews.example", ews(server))
    server.answer = lambda asked: (200, {}, b"<html/>")
    assert await errors(house, "a@ews.example") == [values.INVALID_ANSWER]
    large = house.core.settings.egress
    house.core.settings = msgspec.structs.replace(
        house.core.settings, egress=msgspec.structs.replace(large, response_kilobytes=16)
    )
    server.answer = lambda asked: (200, {}, b"x" * 20_000)
    assert await errors(house, "a@ews.example") == [values.INVALID_ANSWER]


async def test_large_answers_are_read_beside_the_loop(
    house: Directory, server: OutsideServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PARSE_INLINE", 1)
    await configure(house, "ews.example", ews(server))
    await configure(house, "function.example", LambdaProvider(ARN))
    assert await errors(house, "a@ews.example", "a@function.example") == ["", ""]


async def test_nobody_waits_longer_than_the_bound(
    house: Directory, server: OutsideServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SECONDS", 0.2)
    for domain in ("one.example", "two.example"):
        await configure(house, domain, LambdaProvider(ARN))
    await configure(house, "ews.example", ews(server))

    ended = threading.Event()

    def slow(asked: Asked) -> Reply:
        ended.wait(60)
        return 200, {}, b"{}"

    server.answer = slow
    started = time.monotonic()
    told = await errors(house, "a@one.example", "a@two.example", "a@ews.example")
    assert told == [values.TIMEOUT] * 3
    assert time.monotonic() - started < 30
    ended.set()


async def test_keys_that_are_away_are_a_busy_server(
    house: Directory, server: OutsideServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await configure(house, "ews.example", ews(server))

    async def away(*args: object) -> None:
        raise TryLater("KMS cannot be reached")

    monkeypatch.setattr(house.core.keys, "organization", away)
    assert await errors(house, "a@ews.example") == [values.BUSY]


async def test_bounds_of_a_question(house: Directory) -> None:
    for mailboxes, window in (
        ([], WINDOW),
        (["a@b.example"] * 101, WINDOW),
        (["a@b.example"], Window(2, 1)),
        (["a@b.example"], Window(-1, 1)),
        (["a@b.example"], Window(0, MAX_WINDOW_MS + 1)),
        (["a@b.example"], Window(1 << 60, (1 << 60) + 1)),
    ):
        with pytest.raises(InvalidParameter):
            await ask(house, *mailboxes, window=window)


async def test_organizations_that_are_not_active(house: Directory) -> None:
    await house.change("UPDATE organization SET state = 'Deleting'")
    with pytest.raises(OrganizationStateInvalid):
        await ask(house, "a@b.example")


@pytest.mark.parametrize(("most", "each"), [(2, 8), (8, 2)])
async def test_as_many_at_once_as_allowed(
    house: Directory, server: OutsideServer, monkeypatch: pytest.MonkeyPatch, most: int, each: int
) -> None:
    monkeypatch.setattr(asking, "ROOMS", Rooms("availability", most, each, "full"))
    await configure(house, "function.example", LambdaProvider(ARN))
    inside, seen = 0, 0
    lock = threading.Lock()

    def counting(asked: Asked) -> Reply:
        nonlocal inside, seen
        with lock:
            inside += 1
            seen = max(seen, inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        return function(asked)

    server.answer = counting
    told = await asyncio.gather(*(errors(house, f"a{n}@function.example") for n in range(8)))
    assert told == [[""]] * 8
    assert seen <= 2


async def test_many_questions_at_once(house: Directory, server: OutsideServer) -> None:
    await configure(house, "function.example", LambdaProvider(ARN))
    told = await asyncio.gather(*(errors(house, f"a{n}@function.example") for n in range(20)))
    assert told == [[""]] * 20


def test_a_provider_does_not_show_its_password(server: OutsideServer) -> None:
    assert PASSWORD not in repr(ews(server))


async def test_each_question_is_told_to_the_audit_log(
    house: Directory, server: OutsideServer
) -> None:
    trail = house.core.trail = Remembered()
    await configure(house, "exchange.example", ews(server))
    await configure(house, "partner.example", LambdaProvider(ARN))
    await query(house.core, house.organization, GRACE, ["bob@exchange.example"], WINDOW)
    await query(house.core, house.organization, GRACE, ["eve@partner.example"], WINDOW)
    server.answer = lambda asked: (500, {}, b"")
    await query(house.core, house.organization, GRACE, ["bob@exchange.example"], WINDOW)
    first, second, third = trail.of(AVAILABILITY)
    assert first == {
        "user_id": GRACE.user_id,
        "type": "EWS",
        "domain": "exchange.example",
        "ews_endpoint": f"http://127.0.0.1:{server.port}/ews",
        "availability_event_successful": True,
    }
    assert (second["type"], second["function_arn"]) == ("LAMBDA", ARN)
    assert third["availability_event_successful"] is False
    assert third["error_message"].startswith("status")
    house.core.trail = NO_TRAIL
