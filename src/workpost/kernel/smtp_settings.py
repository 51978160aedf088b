"""Settings of what strangers may do who bring mail."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from workpost.kernel.sections import LIVE, Section


class Smtp(Section, frozen=True, kw_only=True):
    """Rates and delays of `smtp`, `submission` and `submissions`, for all but loopback.

    Each front end counts for itself. An address is an IPv4 address or the /64 of an IPv6 address, a
    network a /24 or a /48, a sender whoever logged in, else an envelope sender from one network. 0
    is no limit. Refusals say try again later.
    """

    window_seconds: Annotated[
        int, Meta(ge=1, le=86_400, description="What the rates are measured in.", extra=LIVE)
    ] = 60
    connections_per_address: Annotated[
        int, Meta(ge=0, description="Connections in a window.", extra=LIVE)
    ] = 600
    connections_per_network: Annotated[
        int, Meta(ge=0, description="Connections in a window.", extra=LIVE)
    ] = 3_000
    messages_per_address: Annotated[
        int, Meta(ge=0, description="Messages begun in a window.", extra=LIVE)
    ] = 1_200
    messages_per_network: Annotated[
        int, Meta(ge=0, description="Messages begun in a window.", extra=LIVE)
    ] = 6_000
    messages_per_sender: Annotated[
        int, Meta(ge=0, description="Messages begun in a window.", extra=LIVE)
    ] = 600
    recipients_per_address: Annotated[
        int, Meta(ge=0, description="Recipients named in a window.", extra=LIVE)
    ] = 6_000
    recipients_per_network: Annotated[
        int, Meta(ge=0, description="Recipients named in a window.", extra=LIVE)
    ] = 30_000
    recipients_per_sender: Annotated[
        int, Meta(ge=0, description="Recipients named in a window.", extra=LIVE)
    ] = 3_000
    errors_per_address: Annotated[
        int,
        Meta(
            ge=0,
            description="Permanent refusals in a window; then no connection is served for a while.",
            extra=LIVE,
        ),
    ] = 120
    errors_per_network: Annotated[
        int, Meta(ge=0, description="The same for all addresses of a network.", extra=LIVE)
    ] = 600
    unlimited: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks beside loopback that none of this applies to: relays of your "
            "own, and proxies that do not name their clients.",
            extra=LIVE,
        ),
    ] = ()
    greeting_milliseconds: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="How long `smtp` waits with its greeting; whoever does not wait for it is "
            "sent away.",
            extra=LIVE,
        ),
    ] = 200
    tarpit_after: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Unknown recipients of an address before each further one is answered "
            "later and later; one is forgotten in a quarter more than `tarpit_seconds`.",
            extra=LIVE,
        ),
    ] = 5
    tarpit_seconds: Annotated[
        int,
        Meta(ge=0, le=120, description="The longest such delay; 0: none at all.", extra=LIVE),
    ] = 10
    tarpit_sessions: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Sessions of one process that are delayed so; more are sent away.",
            extra=LIVE,
        ),
    ] = 100
    eight_bit_headers: Annotated[
        bool,
        Meta(
            description="Take mail of other servers whose header is not ASCII although they did "
            "not say SMTPUTF8, as old software sends it. People's clients must say it.",
            extra=LIVE,
        ),
    ] = True
