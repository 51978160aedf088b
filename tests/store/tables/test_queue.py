"""Queue entries with two holders at one moment, on PostgreSQL where commands run side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.postgres import PostgresServer
from tests.support.stores import migrate_template
from workpost.kernel.clock import SystemEnvironment
from workpost.store.database.postgresql import PostgresTx, connect
from workpost.store.tables import erasing, queue, queue_orders, queue_routes

pytestmark = pytest.mark.peer("postgres")
QUEUE, CONTENT, TRACE = 7, bytes(16), "00112233445566aa"


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create_database(postgres_server.template("workpost", migrate_template))
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@contextmanager
def transaction(url: str) -> Iterator[PostgresTx]:
    connection = connect(url)
    cursor = connection.cursor(binary=True)
    cursor.execute("BEGIN")
    yield PostgresTx(cursor, SystemEnvironment())
    cursor.execute("COMMIT")
    connection.close()


def add_entry(tx: PostgresTx, recipients: int) -> None:
    entry = queue.NewQueueEntry(
        QUEUE, "m-1", CONTENT, b"key", 1, b"envelope", "incoming", None, trace=TRACE
    )
    rows = [queue.NewQueueRecipient(n, "local", queue.LEASED, 0, b"x") for n in range(recipients)]
    queue.insert_entry(tx, entry, rows, created=0)


def test_the_last_of_two_holders_takes_the_entry_with_it(url: str) -> None:
    released: list[bytes | None] = []

    def finish_second() -> None:
        with transaction(url) as tx:
            released.append(queue.finish(tx, queue=QUEUE, numbers=[1]))

    with transaction(url) as tx:
        add_entry(tx, recipients=2)
    second = threading.Thread(target=finish_second)
    with transaction(url) as tx:
        assert queue.finish(tx, queue=QUEUE, numbers=[0]) is None
        second.start()
        second.join(0.2)
    second.join(10)

    assert released == [CONTENT]
    with transaction(url) as tx:
        assert tx.row("SELECT id FROM queue") is None


@pytest.mark.parametrize(
    "other",
    [
        lambda tx: queue_orders.rows_of_trace(tx, trace=TRACE),
        lambda tx: erasing.delete_queue(tx, org="m-1", limit=10),
    ],
    ids=["take back", "deletion of the organization"],
)
def test_whoever_ends_a_delivery_and_whoever_changes_its_entry_lock_in_one_order(
    url: str, other: Callable[[PostgresTx], object]
) -> None:
    """The other waits for the rows and holds nothing meanwhile that the first still needs."""
    done = []

    def change() -> None:
        with transaction(url) as tx:
            done.append(other(tx))

    with transaction(url) as tx:
        add_entry(tx, recipients=2)
    second = threading.Thread(target=change)
    with transaction(url) as tx:
        assert queue.still_leased(tx, queue=QUEUE, fence=0) == {0, 1}
        second.start()
        second.join(0.2)
        assert second.is_alive()
        assert queue.finish(tx, queue=QUEUE, numbers=[0, 1]) == CONTENT
    second.join(10)
    assert len(done) == 1


def test_what_is_held_for_its_sender_is_as_old_as_its_moment(url: str) -> None:
    """The statements that the tests of mail flow run on SQLite."""
    entry = queue.NewQueueEntry(
        QUEUE, "m-1", CONTENT, b"key", 1, b"envelope", "outgoing", 5_000, trace=TRACE
    )
    row = queue.NewQueueRecipient(0, "far.example", queue.HELD, 5_000, b"x")
    with transaction(url) as tx:
        queue.insert_entry(tx, entry, [row], created=1_000)
        many = {"rows": [(QUEUE, 0)], "state": queue.WAITING, "due": 2_000}
        assert queue_orders.order(tx, **many, early=False) == 1
        assert tx.row("SELECT due FROM queue_rcpt") == (5_000,)
        assert queue_orders.oldest_entry(tx, now=4_999) is None
        assert queue_orders.order(tx, **many) == 1
        assert tx.row("SELECT due FROM queue_rcpt") == (2_000,)
        assert queue_orders.get_hold(tx, queue=QUEUE) == 2_000
        assert queue_orders.oldest_entry(tx, now=4_999) == 2_000
        assert queue.summarize_queue(tx).created == 2_000
        aged = {"route": "far.example", "now": 3_000, "limit": 1}
        assert queue_routes.overdue_on_route(tx, **aged, created_before=1_999, untold=1_999) == []
        late = {"route": "far.example", "now": 3_000, "dues": [9_000]}
        assert queue_routes.put_off(tx, **late, untold=1_999, created_after=1_999) == 1
        leased = queue.lease(
            tx, queue=QUEUE, route="far.example", now=9_000, lease_until=9_999, fence=1, limit=1
        )
        assert leased is not None
        assert (leased.created, leased.since) == (1_000, 2_000)
