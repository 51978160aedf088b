"""The guard against guessing passwords."""

import asyncio
from collections import Counter

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from workpost.kernel.errors import AccessDenied, AuthenticationFailed, TryLater
from workpost.protocols.listening.guard import Guard, GuardLimits, TooManyFailures

LIMITS = GuardLimits(
    peer_free=3, peer_longest=100, name_free=5, name_longest=10, first_delay=1, entries=50
)
ADA = "ada@a.test"


def fail(guard, times, host="192.0.2.1", name=ADA, now=0.0):
    for _ in range(times):
        guard.failed(now, host, name)


def test_the_first_failures_are_free():
    guard = Guard(LIMITS)
    fail(guard, 3)
    assert guard.wait(0, "192.0.2.1", ADA) == 0


def test_each_further_failure_doubles_the_delay_up_to_the_longest():
    guard = Guard(LIMITS)
    fail(guard, 3)
    waits = []
    for number in range(9):
        guard.failed(0, "192.0.2.1", f"user{number}@a.test")
        waits.append(guard.wait(0, "192.0.2.1", "nobody@a.test"))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 100, 100]


def test_a_guessing_peer_is_told_to_the_operator_without_the_name_it_tries():
    guard = Guard(LIMITS)
    with structlog.testing.capture_logs() as logs:
        fail(guard, 3)
        assert logs == []
        fail(guard, 2)
    assert [(one["peer"], one["failures"], one["seconds"]) for one in logs] == [
        ("192.0.2.1", 4, 1),
        ("192.0.2.1", 5, 2),
    ]
    assert ADA not in str(logs)


def test_the_delay_passes():
    guard = Guard(LIMITS)
    fail(guard, 4, now=50)
    assert guard.wait(50.25, "192.0.2.1", ADA) == 0.75
    assert guard.wait(51, "192.0.2.1", ADA) == 0


def test_a_name_is_guarded_against_many_peers():
    guard = Guard(LIMITS)
    for number in range(6):
        guard.failed(0, f"192.0.2.{number}", ADA)
    assert guard.wait(0, "198.51.100.1", ADA.upper()) == 1
    assert guard.wait(0, "198.51.100.1", "grace@a.test") == 0


def test_where_the_owner_logged_in_strangers_cannot_lock_the_name():
    guard = Guard(LIMITS)
    guard.succeeded(0, "203.0.113.7", ADA)
    for number in range(40):
        guard.failed(1, f"192.0.2.{number}", ADA)
    assert guard.wait(1, "203.0.113.7", ADA) == 0
    assert guard.wait(1, "198.51.100.1", ADA) == 10


def test_a_trusted_peer_that_fails_is_delayed_as_a_peer_and_spares_the_name():
    guard = Guard(LIMITS)
    guard.succeeded(0, "203.0.113.7", ADA)
    fail(guard, 20, host="203.0.113.7")
    assert guard.wait(0, "203.0.113.7", ADA) == 100
    assert guard.wait(0, "198.51.100.1", ADA) == 0


def test_success_forgives_the_peer():
    guard = Guard(LIMITS)
    fail(guard, 3)
    guard.succeeded(0, "192.0.2.1", ADA)
    fail(guard, 3)
    assert guard.wait(0, "192.0.2.1", ADA) == 0


def test_addresses_of_one_ipv6_network_are_one_peer():
    guard = Guard(LIMITS)
    for number in range(4):
        guard.failed(0, f"2001:db8::{number}", f"user{number}@a.test")
    assert guard.wait(0, "2001:db8::ffff", ADA) == 1
    assert guard.wait(0, "2001:db8:0:1::1", ADA) == 0


def test_failures_are_forgotten_after_an_hour():
    guard = Guard(LIMITS)
    fail(guard, 3)
    fail(guard, 1, now=3601)
    assert guard.wait(3601, "192.0.2.1", ADA) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400), st.integers(0, 400)), max_size=300))
def test_memory_is_bounded_and_waits_are_never_negative(events):
    guard = Guard(LIMITS)
    for now, (success, host, name) in enumerate(events):
        act = guard.succeeded if success else guard.failed
        act(now, f"198.51.{host // 256}.{host % 256}", f"user{name}")
        assert 0 <= guard.wait(now, "198.51.0.1", "user1") <= 100
    assert max(len(guard._peers), len(guard._names), len(guard._trusted)) <= LIMITS.entries


def test_no_number_of_failures_is_too_much():
    guard = Guard(LIMITS)
    fail(guard, 5000)
    assert guard.wait(0, "192.0.2.1", ADA) == 100


def test_tables_forget_the_oldest():
    guard = Guard(LIMITS)
    fail(guard, 4)
    for number in range(50):
        guard.failed(0, f"198.51.100.{number}", f"user{number}")
        guard.succeeded(0, f"203.0.113.{number}", f"user{number}")
    guard.succeeded(0, "203.0.113.99", "last")
    assert guard.wait(0, "192.0.2.1", "nobody") == 0
    assert len(guard._trusted) == 50


def test_a_name_longer_than_any_address_takes_no_more_room_than_one():
    guard = Guard(LIMITS)
    fail(guard, 1, name="a" * 100_000)
    assert max(map(len, guard._names)) <= 320
    fail(guard, 20, host="198.51.100.7", name="a" * 90_000)
    assert guard.wait(0, "203.0.113.9", "a" * 80_000) > 0


HOST = "192.0.2.1"


async def guess(guard, counts, name, *, right=False, host=HOST):
    try:
        async with guard.attempt(lambda: 0.0, host, name):
            counts["checked"] += 1
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
            for _ in range(3):
                await asyncio.sleep(0)
            (guard.succeeded if right else guard.failed)(0.0, host, name)
            counts["now"] -= 1
    except TooManyFailures:
        counts["refused"] += 1


def test_parallel_attempts_of_a_peer_are_no_more_than_those_in_turn():
    guard = Guard(LIMITS)
    counts: Counter[str] = Counter()
    names = [f"user{number}@a.test" for number in range(100)]

    async def play():
        await asyncio.gather(*(guess(guard, counts, name) for name in names))

    asyncio.run(play())
    assert counts["checked"] == 4  # three are free, the next one brings the first delay
    assert counts["refused"] == 96
    assert counts["most"] == 3


def test_parallel_attempts_on_a_name_are_no_more_than_those_in_turn():
    guard = Guard(LIMITS)
    counts: Counter[str] = Counter()

    async def play():
        hosts = [f"192.0.2.{number}" for number in range(100)]
        await asyncio.gather(*(guess(guard, counts, ADA, host=host) for host in hosts))

    asyncio.run(play())
    assert (counts["checked"], counts["most"]) == (6, 5)


def test_many_right_passwords_at_once_are_all_checked():
    guard = Guard(LIMITS)
    counts: Counter[str] = Counter()

    async def play():
        await asyncio.gather(*(guess(guard, counts, ADA, right=True) for _ in range(100)))

    asyncio.run(play())
    assert (counts["checked"], counts["refused"], counts["most"]) == (100, 0, 3)


def test_who_leaves_while_waiting_holds_nothing():
    guard = Guard(LIMITS)
    counts: Counter[str] = Counter()

    async def play():
        tasks = [asyncio.create_task(guess(guard, counts, ADA, right=True)) for _ in range(9)]
        await asyncio.sleep(0)
        for task in tasks[1:7]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await guess(guard, counts, ADA, right=True)

    asyncio.run(play())
    assert counts["refused"] == 0
    assert not guard._in_flight


def test_a_check_counts_a_wrong_password_and_a_right_one_but_no_other_error():
    guard = Guard(LIMITS)

    def outcome(error=None):
        async def check():
            if error is not None:
                raise error
            return "grant"

        return asyncio.run(guard.check(lambda: 0.0, HOST, ADA, check))

    for _ in range(4):
        with pytest.raises(TryLater):
            outcome(TryLater("Later."))
        with pytest.raises(AccessDenied):
            outcome(AccessDenied("No."))
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            outcome(AuthenticationFailed("Wrong."))
    assert outcome() == "grant"  # forgives the two
    for _ in range(4):
        with pytest.raises(AuthenticationFailed):
            outcome(AuthenticationFailed("Wrong."))
    with pytest.raises(TooManyFailures):
        outcome()


def test_a_check_that_is_cancelled_leaves_its_place_to_the_next():
    limits = GuardLimits(peer_free=1)
    guard = Guard(limits)

    async def play():
        started = asyncio.Event()

        async def hang():
            started.set()
            await asyncio.Event().wait()

        async def right():
            return "grant"

        hanging = asyncio.create_task(guard.check(lambda: 0.0, HOST, ADA, hang))
        await started.wait()
        waiting = asyncio.create_task(guard.check(lambda: 0.0, HOST, ADA, right))
        await asyncio.sleep(0)
        assert not waiting.done()
        hanging.cancel()
        async with asyncio.timeout(30):
            return await waiting

    assert asyncio.run(play()) == "grant"
