"""`/healthz` and `/metrics`: whom they answer, and what."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from workpost.integrations.lambda_.local import network
from workpost.kernel.errors import TryLater
from workpost.kernel.settings import Ops as OpsSettings
from workpost.kernel.settings import Settings
from workpost.node.health import Ops

FUNCTION = network.source_of("111122223333", "arn:aws:lambda:us-east-1:111122223333:function:a")


async def fine(*_: object) -> None:
    return


async def gone(*_: object) -> None:
    raise TryLater("gone")


def ops(*, write: Any = fine, system: Any = fine, allow: tuple[str, ...] = ()) -> Ops:
    settings = msgspec.structs.replace(Settings(), ops=OpsSettings(allow=allow))
    core: Any = SimpleNamespace(
        settings=settings,
        store=SimpleNamespace(write=write),
        keys=SimpleNamespace(system=system),
    )
    return Ops(core)


def ask(
    app: Ops,
    path: str = "/healthz",
    client: object = ("127.0.0.1", 1),
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app.paths()[path]({"client": client, "headers": headers}, fine, send))
    return sent[0]["status"], sent[1]["body"]


def test_ok_when_everything_answers() -> None:
    assert ask(ops()) == (200, b"ok\n")


def test_degraded_when_keys_are_out_of_reach() -> None:
    assert ask(ops(system=gone)) == (200, b"degraded\n")


def test_503_when_nothing_can_be_written() -> None:
    assert ask(ops(write=gone))[0] == 503


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
@pytest.mark.parametrize(
    ("address", "allow", "status"),
    [
        ("127.0.0.1", (), 200),
        ("127.8.9.1", (), 200),
        # Functions that run here reach the API, and are no operators.
        (FUNCTION, (), 403),
        (f"::ffff:{FUNCTION}", (), 403),
        (FUNCTION, ("127.0.0.0/8",), 403),
        ("::1", (), 200),
        ("::ffff:127.0.0.1", (), 200),
        ("192.0.2.7", (), 403),
        ("2001:db8::7", (), 403),
        ("192.0.2.7", ("192.0.2.0/24",), 200),
        ("::ffff:192.0.2.7", ("192.0.2.0/24",), 200),
        ("198.51.100.1", ("192.0.2.0/24",), 403),
    ],
)
def test_only_loopback_and_allowed_networks_are_answered(
    path: str, address: str, allow: tuple[str, ...], status: int
) -> None:
    assert ask(ops(allow=allow), path, (address, 1))[0] == status


def test_a_peer_without_an_address_is_refused() -> None:
    assert ask(ops(), client=None)[0] == 403


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded"])
@pytest.mark.parametrize(("allow", "status"), [((), 403), (("127.0.0.1/32",), 200)])
def test_what_a_proxy_on_loopback_passes_on_is_not_from_loopback(
    name: bytes, allow: tuple[str, ...], status: int
) -> None:
    headers = ((b"host", b"mail.example"), (name, b"203.0.113.9"))
    assert ask(ops(allow=allow), headers=headers)[0] == status
