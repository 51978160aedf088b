"""The same on the loop that servers run on: it has another way of TLS and of closing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from tests.operations.outbound.test_dane import chain, world
from tests.operations.outbound.test_dane import (
    test_the_next_host_may_be_better as test_dane_over_two_hosts,
)
from tests.operations.outbound.test_sessions import (
    test_a_session_that_the_server_has_ended_is_not_used,
    test_after_the_dot_no_other_session_is_tried,
)
from tests.operations.outbound.test_tls import (
    test_a_handshake_that_fails_is_followed_by_mail_in_clear,
    test_a_relay_with_tls_from_the_start,
    test_verify_takes_a_good_certificate_of_the_right_name,
    test_what_is_injected_before_the_handshake_never_counts,
)
from tests.operations.outbound.test_transactions import (
    test_a_connection_lost_after_the_dot_may_have_delivered,
    test_a_reply_in_the_midst_of_the_content_counts_unless_it_says_yes,
    test_an_attempt_that_is_cancelled_sends_no_dot,
    test_any_content_arrives_whole,
)

__all__ = [
    "chain",
    "test_a_connection_lost_after_the_dot_may_have_delivered",
    "test_a_handshake_that_fails_is_followed_by_mail_in_clear",
    "test_a_relay_with_tls_from_the_start",
    "test_a_reply_in_the_midst_of_the_content_counts_unless_it_says_yes",
    "test_a_session_that_the_server_has_ended_is_not_used",
    "test_after_the_dot_no_other_session_is_tried",
    "test_an_attempt_that_is_cancelled_sends_no_dot",
    "test_any_content_arrives_whole",
    "test_dane_over_two_hosts",
    "test_verify_takes_a_good_certificate_of_the_right_name",
    "test_what_is_injected_before_the_handshake_never_counts",
    "world",
]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop of uvloop for one test."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner
